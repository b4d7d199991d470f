"""The Kubernetes API as plain dicts, over the official asynchronous client.

Every adapter that talks to the API server goes through `Api`. It translates the client's answers and errors into our
own and decides nothing. Typed models are left out on purpose: they cost 32 MB and raise on what they do not know.
"""

import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Final, Self, TypeAlias, cast
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import yaml
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config.config_exception import ConfigException
from kubernetes.aio.config.incluster_config import load_incluster_config
from kubernetes.aio.config.kube_config import KubeConfigLoader, load_kube_config

from canary.adapters.kubeconfig import DEFAULT, current_context, files
from canary.errors import (
    CanaryError,
    ClusterUnreachable,
    Conflict,
    Expired,
    Forbidden,
    NotFound,
    Rejected,
    clip,
)

Json: TypeAlias = dict[str, object]

FAULTS: Final = (aiohttp.ClientError, OSError, ValueError)
"""What the libraries below raise about a server or a connection; TimeoutError is an OSError."""
MISREAD: Final = (ConfigException, OSError, ValueError, LookupError, TypeError, AttributeError, yaml.YAMLError)
"""What they raise about a kubeconfig or a token: they check little before they use it."""
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
CONNECTIONS = 32  # at once; each takes up to half a megabyte for TLS and keeps it. Watches and the lease hold five
TIMEOUT = 10.0  # seconds for one request; a tick has its own deadline above it
PERIOD = 290  # seconds after which we let the server end a watch, where nobody says
QUIET = 15.0  # seconds beyond that without a byte, after which a watch is taken for dead. A kind in which nothing
# happens gets no bookmark before the end, so silence says nothing earlier
TERMINATING = "NamespaceTerminating"
LINE = 8 * 2**20  # bytes of one watch event at most


class Api:
    """One connection pool to one API server."""

    def __init__(self, client: ApiClient, namespace: str = "default") -> None:
        self._client = client
        self.namespace = namespace
        self.requested: Callable[[str], None] = lambda _: None
        """Told of each request by its verb: GET, POST, PUT, PATCH, DELETE, WATCH."""

    @classmethod
    async def connect(cls, kubeconfig: Path | None = None, *, agent: str = "canary") -> Self:
        """Use `kubeconfig`, else the pod's service account, else the user's default kubeconfig.

        Raises CanaryError when none of them can be read.
        """
        settings = Configuration()
        # aiohttp's own look at the environment would read netrc for each request, in a thread that delays our exit.
        settings.client_session_kwargs = {"trust_env": False}
        settings.connection_pool_maxsize = CONNECTIONS
        namespace = "default"
        try:
            if kubeconfig is None and (SERVICE_ACCOUNT / "token").exists():
                load_incluster_config(client_configuration=settings)
                namespace = (SERVICE_ACCOUNT / "namespace").read_text(encoding="utf-8").strip()
            else:
                await _load(kubeconfig, settings)
            settings.proxy = settings.proxy or _proxy(settings.host)
            client = ApiClient(settings)
        except MISREAD as error:
            why = clip(str(error) or type(error).__name__)
            raise CanaryError(f"no way to reach a cluster, does the kubeconfig name one? {why}") from error
        client.user_agent = agent
        return cls(client, namespace)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def get(self, path: str, **query: str | int) -> Json:
        """Read one object, or a list of them."""
        return await self._ask("GET", path, query)

    async def create(self, path: str, body: Mapping[str, object], **query: str | int) -> Json:
        """POST `body` to the collection at `path`. Raises Conflict when it exists."""
        return await self._ask("POST", path, query, body)

    async def replace(self, path: str, body: Mapping[str, object], **query: str | int) -> Json:
        """PUT `body`; its metadata.resourceVersion is the precondition. Raises Conflict."""
        return await self._ask("PUT", path, query, body)

    async def patch(self, path: str, body: object, kind: str = MERGE, **query: str | int) -> Json:
        """PATCH with a merge patch, or a JSON patch when `kind` says so."""
        return await self._ask("PATCH", path, query, body, kind)

    async def delete(self, path: str, body: Mapping[str, object] | None = None) -> Json:
        """DELETE the object at `path`."""
        return await self._ask("DELETE", path, {}, body)

    async def watch(self, path: str, version: str, **query: str | int) -> AsyncGenerator[Json, None]:
        """Yield the watch events after `version`, bookmarks included, until the server ends the stream.

        The response is read raw, line by line: the client's own Watch yields a bare string when a stream is cut in
        mid-line and retries a 410 with the version that was refused. Raises Expired on 410, in either of its two forms.
        """
        period = query.get("timeoutSeconds", PERIOD)
        ours = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": version, "timeoutSeconds": period}
        asked = {**query, **ours}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT, sock_read=float(period) + QUIET)
        response = await self._send("GET", path, asked, None, timeout=timeout)
        try:
            async for line in _lines(response):
                yield _event(line)
        except FAULTS as error:
            raise ClusterUnreachable(
                f"the watch of {path} broke: {clip(str(error) or type(error).__name__)}"
            ) from error
        finally:
            response.close()

    async def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int],
        body: object = None,
        kind: str = "application/json",
    ) -> Json:
        response = await self._send(method, path, query, body, kind, timeout=aiohttp.ClientTimeout(total=TIMEOUT))
        try:
            return _parsed(await response.read())
        except FAULTS as error:
            raise ClusterUnreachable(f"{method} {path}: {clip(str(error) or type(error).__name__)}") from error
        finally:
            response.release()

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int],
        body: object,
        kind: str = "application/json",
        *,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        headers: dict[str, str] = {
            "Accept": "application/json",
            "Content-Type": kind,
            "User-Agent": self._client.user_agent,
        }
        try:
            await self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        except MISREAD as error:
            raise ClusterUnreachable(f"our credentials cannot be read: {clip(str(error))}") from error
        url = self._client.configuration.host + path + (f"?{urlencode(query)}" if query else "")
        self.requested("WATCH" if "watch" in query else method)
        try:
            answer = await self._client.call_api(method, url, headers, body=body, _request_timeout=timeout)
            response = cast("aiohttp.ClientResponse", answer.response)
            if response.status >= 400:  # noqa: PLR2004 - HTTP's own boundary
                raise refusal(response.status, method, path, await response.read(), response.headers.get("Retry-After"))
        except FAULTS as error:
            raise ClusterUnreachable(f"{method} {path}: {clip(str(error) or type(error).__name__)}") from error
        return response


async def _load(kubeconfig: Path | None, settings: Configuration) -> None:
    found = files(kubeconfig)
    if not found:
        raise FileNotFoundError(f"there is no kubeconfig at {kubeconfig or DEFAULT}")
    loader: KubeConfigLoader = await load_kube_config(
        config_file=os.pathsep.join(map(str, found)),
        context=current_context(kubeconfig) or None,
        client_configuration=settings,
    )
    if loader.provider is None and not hasattr(loader, "exec_plugin_expiry"):
        return

    async def renew(settings: Configuration) -> None:
        await loader.load_and_set(settings)  # asks the plugin again once its token is about to expire

    settings.refresh_api_key_hook = renew  # type: ignore[assignment]  # annotated by its default, None


def _proxy(url: str) -> str | None:
    """Find the proxy that the environment names for `url`, as kubectl does."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)


def refusal(status: int, method: str, path: str, body: bytes, retry_after: str | None = None) -> CanaryError:
    """Translate an error answer of the API server. 5xx and 429 are Unreachable: asking later may help."""
    said = f"{method} {path}: {status} {clip(_message(body))}"
    match status:
        case _ if status == 404 or (status == 403 and _is_ending(body)):  # noqa: PLR2004 - HTTP's own codes
            return NotFound(said)
        case 409:
            return Conflict(said)
        case 410:
            return Expired(said)
        case 401 | 403:
            return Forbidden(said)
        case _ if status in (408, 429) or status >= 500:  # noqa: PLR2004 - HTTP's own boundary
            return ClusterUnreachable(said, retry_after=_seconds(retry_after))
        case _:
            return Rejected(said)


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdecimal() else None


def _is_ending(body: bytes) -> bool:
    """Tell whether a namespace takes no new objects because it is being deleted: no right is missing then."""
    try:
        details = _parsed(body).get("details")
    except ClusterUnreachable:
        return False
    causes = details.get("causes") if isinstance(details, dict) else None
    return any(isinstance(cause, dict) and cause.get("reason") == TERMINATING for cause in causes or ())


def _message(body: bytes) -> str:
    try:
        said = _parsed(body).get("message")
    except ClusterUnreachable:
        said = None
    return said if isinstance(said, str) else body.decode(errors="replace")


def _parsed(body: bytes) -> Json:
    try:
        parsed = json.loads(body)
    except ValueError as error:
        raise ClusterUnreachable(f"the API server sent no JSON: {clip(body.decode(errors='replace'))}") from error
    if not isinstance(parsed, dict):
        raise ClusterUnreachable(f"the API server sent no object: {clip(str(parsed))}")
    return parsed


def _event(line: bytes) -> Json:
    event = _parsed(line)
    if event.get("type") == "ERROR":
        status = cast("Json", event.get("object") or {})
        code = status.get("code")
        raise refusal(code if isinstance(code, int) else 500, "WATCH", "", json.dumps(status).encode())
    return event


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Whole lines only: a line that the server cut short is no event."""
    rest = b""
    async for chunk in response.content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if line.strip():
                yield line
        if len(rest) > LINE:
            raise ClusterUnreachable(f"the API server sent a watch event of over {LINE} bytes")
