"""The user's HTTP endpoints: gates that are asked, and notices that are told.

`Webhooks` meets the port `Gatekeeper`; `Notifier` is fed by the herald and never in the way of a tick. httpx is
imported at the first call: it costs a fifth of a second and some megabytes, which those without webhooks need not pay.
"""

import asyncio
import contextlib
import json
import logging
from base64 import b64encode
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from canary.adapters.retrying import retrying
from canary.core.decision import Notice
from canary.core.formats import show_instant
from canary.core.questions import CallGate, GateReply
from canary.core.snapshot import Key
from canary.core.spec import Webhook, WebhookKind
from canary.core.status import CanaryStatus
from canary.errors import CanaryError, GateUnreachable, clip, redacted, veiled

if TYPE_CHECKING:
    import httpx

BODY = 64 * 2**10  # bytes of an answer at most; people see the first 256
SEGMENT = 12  # letters of a part of a path that may be a secret
WORDS = 0.5  # seconds to read what a refusal says: its status has said all that counts
TRIES = 3
BACK_OFF = timedelta(seconds=30)
ROOM = 200  # notices that wait for one endpoint
CLOSING = 0.5  # seconds to deliver what waits when the process ends


def faults() -> tuple[type[Exception], ...]:
    """List what httpx, and what lies below, may raise about an endpoint."""
    import httpx  # noqa: PLC0415 - see above

    # It connects in a task group, which wraps what it does not expect: OverflowError for a port above 65535.
    below = (OSError, ValueError, ExceptionGroup)
    return (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, httpx.CookieConflict, *below)


@dataclass(frozen=True, slots=True)
class Said:
    """What an endpoint answered. `words` is for people."""

    status: int
    words: str
    retry_after: float | None = None

    @property
    def yes(self) -> bool:
        """Whether it is a 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own boundaries


class Webhooks:
    """One HTTP client for all endpoints. Proxies of the environment are honoured, redirects are not followed."""

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None

    async def call(self, gate: CallGate) -> GateReply:
        """Ask once: 2xx is yes, any other answer no. Raises GateUnreachable when none comes in time."""
        said = await self.post(gate.webhook, gate.body)
        return GateReply(yes=said.yes, detail=said.words)

    async def post(self, webhook: Webhook, body: str) -> Said:
        """Send JSON text. Raises GateUnreachable."""
        within = webhook.timeout.total_seconds()
        try:
            async with asyncio.timeout(within):
                return await self._post(webhook.url, body)
        except TimeoutError as error:
            raise GateUnreachable(f"webhook {webhook.name}: no answer within {within:g} s") from error
        except faults() as error:
            raise GateUnreachable(
                f"webhook {webhook.name}: {clip(_discreet(str(error), webhook.url) or type(error).__name__)}"
            ) from error

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _post(self, url: str, body: str) -> Said:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        async with self._open().stream("POST", url, content=body.encode(), headers=headers) as response:
            words, after = f"HTTP {response.status_code}", response.headers.get("Retry-After", "")
            if response.is_redirect:
                where = _discreet(response.headers.get("Location", ""), url)
                words += f": redirects to {clip(where)}, which is not followed"
            elif not response.is_success and (text := await _text(response.aiter_raw())):
                words += f": {clip(_discreet(text, url))}"
            return Said(response.status_code, words, float(after) if after.isdecimal() else None)

    def _open(self) -> "httpx.AsyncClient":
        if self._client is None:
            import httpx  # noqa: PLC0415 - see above

            logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs whole URLs, and some are secrets
            # Asked every few seconds at most: a connection kept would mostly be one that the other side has closed.
            limits = httpx.Limits(max_keepalive_connections=0)
            agent = {"User-Agent": "canary"}
            self._client = httpx.AsyncClient(follow_redirects=False, timeout=None, limits=limits, headers=agent)  # noqa: S113 - the deadline stands above
        return self._client


async def _text(chunks: AsyncIterator[bytes]) -> str:
    """Read what stands in a refusal, undecoded and to a limit; where it drips or breaks off, its beginning must do."""
    import httpx  # noqa: PLC0415 - see above

    body = bytearray()
    with contextlib.suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(WORDS):
            async for chunk in chunks:
                body += chunk
                if len(body) >= BODY:
                    break
    return body[:BODY].decode(errors="replace")


def _discreet(words: str, url: str) -> str:
    """Take out of an endpoint's words what they repeat of its address: many a service puts its secret there."""
    parts = urlsplit(url)
    login = unquote(f"{parts.username or ''}:{parts.password or ''}")
    pieces = [parts.path, parts.query, parts.fragment, login, parts.password or "", b64encode(login.encode()).decode()]
    pieces += [piece for piece in parts.path.split("/") if len(piece) >= SEGMENT]
    pieces += [value for _, value in parse_qsl(parts.query)]
    return veiled(redacted(words, {*pieces, *map(unquote, pieces)}))


def notice_body(key: Key, status: CanaryStatus, notice: Notice, at: datetime) -> Mapping[str, object]:
    """Say what the notify webhooks are told."""
    return {
        "canary": key.name,
        "namespace": key.namespace,
        "rollout": status.rollout.id if status.rollout is not None else None,
        "phase": status.phase,
        "weight": status.weight,
        "reason": notice.reason,
        "message": notice.message,
        "warning": notice.warning,
        "at": show_instant(at),
    }


class Notifier:
    """Delivers notices in the background, in order for each endpoint, so that a dead one holds up no other.

    `dropped` is told of each notice that was given up, and why: full, refused, unreachable, closed.
    """

    def __init__(
        self, webhooks: Webhooks, dropped: Callable[[str], None], *, room: int = ROOM, back_off: timedelta = BACK_OFF
    ) -> None:
        self._webhooks, self._dropped, self._room, self._back_off = webhooks, dropped, room, back_off
        self._waiting: dict[str, deque[tuple[Webhook, str]]] = {}
        self._lanes: dict[str, asyncio.Task[None]] = {}
        self._closed = False

    def notify(self, hooks: Iterable[Webhook], body: Mapping[str, object]) -> None:
        """Queue a notice for the `notify` ones of `hooks`. Where one is far behind, its oldest goes: news counts."""
        text = json.dumps(body, sort_keys=True)
        for hook in hooks:
            if hook.kind is not WebhookKind.NOTIFY:
                continue
            if self._closed:
                self._dropped("closed")
                continue
            waiting = self._waiting.setdefault(hook.url, deque())
            if len(waiting) >= self._room:
                waiting.popleft()
                self._dropped("full")
            waiting.append((hook, text))
            if hook.url not in self._lanes:
                self._lanes[hook.url] = asyncio.create_task(self._deliver(hook.url), name=f"notices to {hook.name}")

    async def close(self) -> None:
        """Give what waits a moment to be delivered, then drop it."""
        self._closed = True
        lanes = list(self._lanes.values())
        if lanes:
            await asyncio.wait(lanes, timeout=CLOSING)
        for lane in lanes:
            lane.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)
        for waiting in self._waiting.values():
            for _ in waiting:
                self._dropped("closed")
        self._waiting.clear()

    async def _deliver(self, url: str) -> None:
        waiting = self._waiting[url]
        try:
            while waiting:
                await self._send(*waiting.popleft())
            del self._waiting[url]
        finally:
            del self._lanes[url]

    async def _send(self, hook: Webhook, text: str) -> None:
        try:
            await retrying(TRIES, longest=self._back_off)(self._once, hook, text)
        except GateUnreachable:
            self._dropped("unreachable")
        except CanaryError:
            self._dropped("refused")
        except asyncio.CancelledError:
            self._dropped("closed")
            raise

    async def _once(self, hook: Webhook, text: str) -> None:
        said = await self._webhooks.post(hook, text)
        if said.status == 429 or said.status >= 500:  # noqa: PLR2004 - what HTTP says may pass
            raise GateUnreachable(said.words, retry_after=said.retry_after)
        if not said.yes:
            raise CanaryError(said.words)
