"""Between one controller and the API server: sees every request, and gives bad days on request.

Plain HTTP on a free port of loopback, with a kubeconfig of its own. What upstream answers is passed on as it is, also
the stream of a watch. A fault begins with `add` or `during`, and meets what matches it before or after it was done.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import aiohttp
import yaml
from aiohttp import web

from canary.lab.apiserver.faults import Fault, refusal

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
HOP = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})


@dataclass(slots=True, kw_only=True)
class Toxin(Fault):
    """A fault of the lab's API server that can also come after the request was done: only its answer is lost then."""

    after: bool = False
    every: int = 1  # of so many requests the last is met
    retry_after: int | None = None  # seconds, as the header says
    body: bytes | None = None  # instead of a Status
    came: int = 0
    met: list[tuple[float, str, str]] = field(default_factory=list)  # when (the loop's time), verb and path


@dataclass(frozen=True, slots=True)
class Write:
    """A request that changed something: when (the loop's time), what, and the status code it got."""

    at: float
    verb: str
    path: str
    body: bytes
    code: int

    @property
    def what(self) -> str:
        """Its kind of object, with the subresource."""
        parts = self.path.partition("?")[0].split("/namespaces/")[-1].split("/")
        return "/".join([parts[1] if len(parts) > 1 else parts[0], *parts[3:]])


@dataclass
class ApiProxy:
    """One proxy. `writes` is all that the controller changed, in order.

    `wrote` is told of each before it is answered, and `writing` (with a code of 0) before it is passed on, unless that
    says no.
    """

    upstream: Path  # a kubeconfig
    kubeconfig: Path  # written by `running`
    writes: list[Write] = field(default_factory=list)
    requests: dict[str, int] = field(default_factory=dict)  # by verb
    writing: Callable[[Write], Awaitable[bool]] | None = None
    wrote: Callable[[Write], None] = lambda _: None
    delay: float = 0  # seconds before each answer
    port: int = 0
    _toxins: list[Toxin] = field(default_factory=list)
    _flowing: asyncio.Event = field(default_factory=asyncio.Event)
    _open: dict[int, web.Request] = field(default_factory=dict)  # by id: requests have no hash
    _deaf: set[int] = field(default_factory=set)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Listen while the context is open."""
        self._flowing.set()
        self._url, self._headers, trust = _access(self.upstream)
        connector = aiohttp.TCPConnector(limit=0, ssl=trust)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False, timeout=timeout) as self._client:
            application = web.Application(client_max_size=3 * 2**20)
            application.router.add_route("*", "/{path:.*}", self._serve)
            runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.port = int(runner.addresses[0][1])
            self.kubeconfig.write_text(yaml.safe_dump(_kubeconfig(f"http://127.0.0.1:{self.port}")))
            try:
                yield self
            finally:
                await runner.cleanup()

    def add(self, toxin: Toxin) -> Toxin:
        """Begin a fault; it ends by itself after `times`, or with `clear`."""
        self._toxins.append(toxin)
        return toxin

    def clear(self) -> None:
        """End all faults."""
        self._toxins.clear()

    @contextlib.contextmanager
    def during(self, toxin: Toxin) -> Iterator[None]:
        """Keep a fault for as long as the context is open."""
        self.add(toxin)
        try:
            yield
        finally:
            self._toxins = [each for each in self._toxins if each is not toxin]

    @contextlib.contextmanager
    def half_open(self) -> Iterator[None]:
        """Let no byte through in either direction while every connection stays open, watches included."""
        self._flowing.clear()
        try:
            yield
        finally:
            self._flowing.set()

    def cut(self) -> None:
        """Cut every connection, watches in mid-stream."""
        for request in list(self._open.values()):
            if request.transport is not None:
                request.transport.abort()

    def deafen(self) -> int:
        """Let no byte of the watches through that are open now, for as long as they live; tells how many."""
        watches = {id(request) for request in self._open.values() if _verb(request) == "WATCH"}
        self._deaf |= watches
        return len(watches)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self._open[id(request)] = request
        try:
            return await self._pass(request)
        finally:
            del self._open[id(request)]
            self._deaf.discard(id(request))

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        await self._flowing.wait()
        self.requests[_verb(request)] = self.requests.get(_verb(request), 0) + 1
        if (toxin := self._met(request, after=False)) is not None:
            return await _suffer(request, toxin)
        headers = {
            **self._headers,
            **{k: v for k, v in request.headers.items() if k.lower() in ("content-type", "accept")},
        }
        body = await request.read()
        passes = self.writing is None or request.method not in WRITES or await self.writing(_write(request, body, 0))
        if not passes:
            return await _suffer(request, Toxin(answer="cut"))
        try:
            async with self._client.request(
                request.method, self._url + request.raw_path, data=body or None, headers=headers
            ) as answer:
                return await self._answer(request, body, answer)
        except (aiohttp.ClientError, OSError):
            return await _suffer(request, Toxin(answer="cut"))

    async def _answer(self, request: web.Request, body: bytes, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        await asyncio.sleep(self.delay)
        if _verb(request) != "WATCH":
            said = await answer.read()
            if request.method in WRITES:
                write = _write(request, body, answer.status)
                self.writes.append(write)
                self.wrote(write)
            await self._flowing.wait()
            if (toxin := self._met(request, after=True)) is not None:
                return await _suffer(request, toxin)
            return web.Response(body=said, status=answer.status, headers=_kept(answer))
        response = web.StreamResponse(status=answer.status, headers=_kept(answer))
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await self._flowing.wait()
            if id(request) in self._deaf:
                await asyncio.Event().wait()
            await response.write(chunk)
        return response

    def _met(self, request: web.Request, *, after: bool) -> Toxin | None:
        for toxin in self._toxins:
            if toxin.after == after and toxin.hits(request.method, request.path_qs, ""):
                toxin.came += 1
                if toxin.came % toxin.every:
                    continue
                toxin.met.append((asyncio.get_running_loop().time(), _verb(request), request.path_qs))
                if toxin.times is not None:
                    toxin.times -= 1
                    if toxin.times <= 0:
                        self._toxins.remove(toxin)
                return toxin
        return None


def _verb(request: web.Request) -> str:
    return "WATCH" if request.query.get("watch") == "true" else request.method


def _write(request: web.Request, body: bytes, code: int) -> Write:
    return Write(asyncio.get_running_loop().time(), request.method, request.path, body, code)


async def _suffer(request: web.Request, toxin: Toxin) -> web.StreamResponse:
    """Answer as the fault says, never, or with a cut connection."""
    if isinstance(toxin.answer, int):
        headers = {} if toxin.retry_after is None else {"Retry-After": str(toxin.retry_after)}
        if toxin.body is not None:
            return web.Response(body=toxin.body, status=toxin.answer, headers=headers, content_type="application/json")
        return web.json_response(refusal(toxin.answer).body(), status=toxin.answer, headers=headers)
    if toxin.answer == "hang":
        await asyncio.Event().wait()
    if request.transport is not None:
        request.transport.abort()
    raise asyncio.CancelledError


def _kept(answer: aiohttp.ClientResponse) -> dict[str, str]:
    return {key: value for key, value in answer.headers.items() if key.lower() not in HOP}


def _access(kubeconfig: Path) -> tuple[str, dict[str, str], ssl.SSLContext | bool]:
    """Read how to reach the API server: its URL, the headers that let us in, and whom to trust."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
    authority = cluster.get("certificate-authority")
    trust = ssl.create_default_context(cafile=authority) if authority else True
    return str(cluster["server"]), headers, trust


def _kubeconfig(url: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "proxy", "cluster": {"server": url}}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "nobody"}}],
        "current-context": "proxy",
    }
