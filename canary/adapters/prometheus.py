"""Prometheus over HTTP: an instant query in, raw series out.

Meets the port `Metrics`; called by the runtime's readings. It decides nothing: whatever keeps an answer from being
whole and trustworthy (an outage, a warning, too many bytes, too late) is MetricsUnreachable, with a hint for people.

The library under it blocks, and knows only timeouts per read. So each query has a daemon thread (the interpreter waits
for asyncio's own at exit), and one deadline; when that passes, or nobody waits, the socket is shut under the thread.
"""

import asyncio
import contextlib
import http.client
import json
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import unquote, urlsplit

import requests
import urllib3
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import MetricValueConversionError, PrometheusApiClientException

from canary.core.counters import Series
from canary.errors import CanaryError, MetricsUnreachable, clip, redacted, veiled

Parsed: TypeAlias = Mapping[str, object]
Outcome: TypeAlias = tuple[Series, ...] | BaseException

FAULTS: Final = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    PrometheusApiClientException,
    MetricValueConversionError,
    OSError,
    ValueError,
    RecursionError,  # JSON nested without end
)
"""Everything that the libraries below may raise about a server or a file."""

CHUNK = 2**16
LETS_IN = (
    "Linkerd's viz lets only its own metrics-api ask: put an AuthorizationPolicy beside Server prometheus-admin that "
    "requires this controller's ServiceAccount, or give a token"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to reach a Prometheus. `token_file` is read for each query, for it may be rotated."""

    url: str
    token_file: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    ca_file: Path | None = None


class Prometheus:
    """One Prometheus, asked by at most `abreast` queries at a time."""

    def __init__(
        self, access: Access, *, within: timedelta = timedelta(seconds=8), largest: int = 64 * 2**20, abreast: int = 4
    ) -> None:
        self._access, self._largest = access, largest
        self._within = within.total_seconds()
        self._shown = shown(access.url)
        self._slots = asyncio.Semaphore(abreast)
        self._idle: list[_Line] = []
        self._closed = False

    async def query(self, promql: str, at: float | None = None) -> tuple[Series, ...]:
        """Evaluate at `at` (Unix seconds, its clock; None: now). A vector gives each series one sample.

        Raises MetricsUnreachable, also when Prometheus warns: what it then sends may be a part.
        """
        answered: asyncio.Future[tuple[Series, ...]] = asyncio.get_running_loop().create_future()
        line = None
        try:
            async with asyncio.timeout(self._within):
                await self._slots.acquire()
                line = self._idle.pop() if self._idle else _Line(self._access, self._largest)
                self._start(line, _Query(promql, at, self._within), answered)
                return await answered
        except TimeoutError as error:
            late = "no whole answer" if line is not None else "earlier queries still hang, no answer"
            raise MetricsUnreachable(f"{late} from Prometheus at {self._shown} within {self._within:g} s") from error
        finally:
            if line is not None and answered.cancelled():
                line.cut()

    def close(self) -> None:
        """Close idle connections; one in use is closed after its query."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _start(self, line: "_Line", query: "_Query", answered: asyncio.Future[tuple[Series, ...]]) -> None:
        loop = asyncio.get_running_loop()

        def work() -> None:
            outcome: Outcome
            try:
                outcome = line.ask(query)
            except BaseException as error:  # noqa: BLE001 - not swallowed: raised again where the answer is awaited
                outcome = error
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._settle, line, answered, outcome)

        line.open()
        try:
            threading.Thread(target=work, name="prometheus", daemon=True).start()
        except RuntimeError as error:
            self._slots.release()
            raise MetricsUnreachable(f"no thread to ask Prometheus from: {error}") from error

    def _settle(self, line: "_Line", answered: asyncio.Future[tuple[Series, ...]], outcome: Outcome) -> None:
        self._slots.release()
        if self._closed:
            line.close()
        else:
            self._idle.append(line)
        if not answered.done():
            answered.set_exception(outcome) if isinstance(outcome, BaseException) else answered.set_result(outcome)


@dataclass(frozen=True, slots=True)
class _Query:
    promql: str
    at: float | None
    within: float

    @property
    def params(self) -> dict[str, str]:
        """Let Prometheus give up when we do."""
        params = {"timeout": f"{round(self.within * 1000)}ms"}
        return params if self.at is None else {**params, "time": f"{self.at:.3f}"}


class _Line:
    """One session. Used by one thread at a time, while another may cut it."""

    def __init__(self, access: Access, largest: int) -> None:
        self._access, self._largest = access, largest
        self._shown = shown(access.url)
        self._session = requests.Session()
        self._session.trust_env = False  # a netrc entry would take the token's place
        self._session.verify = True if access.ca_file is None else str(access.ca_file)
        self._session.hooks["response"] = [self._whole]
        # Retries are off: the tick is the retry.
        self._connect = PrometheusConnect(url=access.url.rstrip("/"), session=self._session, retry=urllib3.Retry(0))
        self._reading: urllib3.HTTPResponse | None = None
        self._cut = False

    def open(self) -> None:
        """Forget an earlier cut."""
        self._reading, self._cut = None, False

    def cut(self) -> None:
        """End the present query from another thread."""
        self._cut = True
        if self._reading is not None:
            with contextlib.suppress(ValueError, RuntimeError, OSError):  # it has ended by itself
                self._reading.shutdown()

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def ask(self, query: _Query) -> tuple[Series, ...]:
        """Ask and wait. Raises MetricsUnreachable."""
        try:
            self._connect.headers = self._headers()
            result = self._connect.custom_query(query.promql, params=query.params, timeout=query.within)
        except requests.exceptions.InvalidHeader as error:  # its text holds the value, which is a secret
            raise MetricsUnreachable("the token or a header for Prometheus is no valid HTTP header") from error
        except FAULTS as error:
            raise MetricsUnreachable(f"Prometheus at {self._shown}: {clip(_root(error))}") from error
        return _series(result)

    def _headers(self) -> dict[str, str]:
        headers = {"User-Agent": "canary", "Accept-Encoding": "identity", **self._access.headers}
        if self._access.token_file is not None:
            headers["Authorization"] = f"Bearer {self._access.token_file.read_text(encoding='utf-8').strip()}"
        return headers

    def _whole(self, response: requests.Response, *_: object, **__: object) -> requests.Response:
        """Read an answer to its end, and refuse one that cannot be trusted."""
        self._reading = response.raw
        if self._cut:
            response.close()
            raise TimeoutError("nobody waits for this answer any more")
        body = bytearray()
        for chunk in response.iter_content(CHUNK):
            body += chunk
            if len(body) > self._largest:
                response.close()
                raise MetricsUnreachable(
                    f"Prometheus at {self._shown} answers with over {self._largest / 2**20:g} MiB; ask for less"
                )
        text = body.decode(errors="replace")
        if response.status_code != requests.codes.ok:
            raise _refusal(response, self._redacted(text, response.request), self._shown)
        answer = _Answer()
        answer.status_code = response.status_code
        try:
            answer.parsed = _trusted(text)
        except MetricsUnreachable:
            answer.parsed = _trusted(self._redacted(text, response.request))  # raises the same in other words
        return answer

    def _redacted(self, text: str, request: requests.PreparedRequest) -> str:
        told = f"{request.headers.get('Authorization', '')} {' '.join(self._access.headers.values())}"
        return redacted(text, {unquote(urlsplit(self._access.url).password or ""), *told.split()} - {"Basic", "Bearer"})


class _Answer(requests.Response):
    """An answer already read and parsed, so that the library does neither again."""

    parsed: Parsed

    def json(self, **_: object) -> Parsed:
        return self.parsed


def _trusted(text: str) -> Parsed:
    try:
        parsed: Parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MetricsUnreachable(f"Prometheus sent no JSON but {clip(text[:1000])!r}; is its URL right?") from error
    match parsed:
        case {"warnings": [first, *_]}:
            raise MetricsUnreachable(f"Prometheus warned: {clip(str(first))}")
        case {"status": "success", "data": {"result": [*_]}}:
            return parsed
        case _:
            raise MetricsUnreachable(f"Prometheus sent what is no answer: {clip(text[:1000])}")


def _refusal(response: requests.Response, text: str, shown: str) -> MetricsUnreachable:
    said = f"Prometheus at {shown} answered {response.status_code}"
    match response.status_code:
        case 401 | 403:
            why = LETS_IN
        case 404:
            why = "no Prometheus answers under this URL"
        case 301 | 302 | 303 | 307 | 308:
            why = f"it redirects to {clip(response.headers.get('Location', ''))!r}"
        case _:
            why = clip(_error(text))
    after = response.headers.get("Retry-After", "")
    return MetricsUnreachable(f"{said}: {why}", retry_after=float(after) if after.isdecimal() else None)


def _error(text: str) -> str:
    """Find Prometheus' own words in an error answer; a proxy in between has others."""
    try:
        return str(json.loads(text)["error"])
    except (ValueError, RecursionError, TypeError, LookupError):
        return text[:1000]


def _root(error: BaseException) -> str:
    """Find what happened under the libraries' layers: each wraps the one below in a longer text."""
    while (below := error.__cause__ or error.__context__) is not None:
        error = below
    return f"{error}" or type(error).__name__


def _series(result: object) -> tuple[Series, ...]:
    """Translate a vector, a matrix or a scalar. Values are texts, "NaN" among them; a native histogram has none."""
    found = []
    try:
        scalar = any(isinstance(part, str) for part in result)  # type: ignore[attr-defined]  # so is this
        for row in [{"metric": {}, "value": result}] if scalar else result:  # type: ignore[attr-defined]  # what is no list is caught below
            rows = row.get("values") or ([row["value"]] if "value" in row else [])
            samples = tuple([(float(time), float(value)) for time, value in rows])
            if not all(math.isfinite(time) for time, _ in samples):
                raise ValueError("a time that is none")
            found.append(Series({str(name): str(value) for name, value in row["metric"].items()}, samples))
    except (TypeError, ValueError, OverflowError, LookupError, AttributeError) as error:
        raise MetricsUnreachable(f"Prometheus sent what is neither vector nor matrix: {clip(str(error))}") from error
    return tuple(found)


def shown(url: str) -> str:
    """Write a URL without the password that may stand in it. Raises CanaryError when it is none."""
    try:
        parts = urlsplit(url)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        parts, port = urlsplit(""), ""
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise CanaryError(f"the Prometheus URL {clip(veiled(url))!r} is none: http://HOST:PORT/PATH is wanted")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"
