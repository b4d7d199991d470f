"""Between one controller and Prometheus: passes queries on, and answers them as a bad day would.

`during(fault)` gives one of the faults below, or any function of the request and the proxy.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

import aiohttp
from aiohttp import web

Answer: TypeAlias = Callable[[web.Request, "MetricsProxy"], Awaitable[web.StreamResponse]]
Change: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass
class MetricsProxy:
    """One proxy. `upstreams` are asked in turn, as replicas behind one address are."""

    upstreams: list[str]
    fault: Answer | None = None
    asked: int = 0
    url: str = ""
    _parting: asyncio.Event = field(default_factory=asyncio.Event)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Listen while the context is open."""
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(timeout=timeout) as self._client:
            application = web.Application()
            application.router.add_route("*", "/{path:.*}", self._serve)
            runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            try:
                yield self
            finally:
                await runner.cleanup()

    @contextlib.contextmanager
    def during(self, fault: Answer) -> Iterator[None]:
        """Answer with a fault while the context is open."""
        self.fault = fault
        try:
            yield
        finally:
            self.fault = None

    async def ask(self, request: web.Request, **instead: str) -> tuple[int, bytes]:
        """Ask upstream what the controller asked, with other parameters where `instead` says so."""
        self.asked += 1
        given = {**request.query, **{key: str(value) for key, value in (await request.post()).items()}, **instead}
        url = self.upstreams[self.asked % len(self.upstreams)] + request.path
        async with self._client.post(url, data=given) as answer:
            return answer.status, await answer.read()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        try:
            if self.fault is not None:
                return await self.fault(request, self)
            status, body = await self.ask(request)
        except (aiohttp.ClientError, OSError):
            return await gone(request, self)
        return web.Response(body=body, status=status, content_type="application/json")


async def gone(request: web.Request, _: MetricsProxy) -> web.StreamResponse:
    """Cut the connection."""
    if request.transport is not None:
        request.transport.abort()
    raise asyncio.CancelledError


async def never(_: web.Request, __: MetricsProxy) -> web.StreamResponse:
    """Take the question and never answer."""
    await asyncio.Event().wait()
    raise AssertionError


def status(code: int, text: str = "") -> Answer:
    """Answer with a status code."""

    async def answer(_: web.Request, __: MetricsProxy) -> web.StreamResponse:
        return web.Response(status=code, text=text)

    return answer


def slow(seconds: float) -> Answer:
    """Answer rightly, but late."""

    async def answer(request: web.Request, proxy: MetricsProxy) -> web.StreamResponse:
        code, body = await proxy.ask(request)
        await asyncio.sleep(seconds)
        return web.Response(body=body, status=code, content_type="application/json")

    return answer


def changed(change: Change) -> Answer:
    """Answer with another document than upstream's."""

    async def answer(request: web.Request, proxy: MetricsProxy) -> web.StreamResponse:
        code, body = await proxy.ask(request)
        document = change(json.loads(body)) if code == 200 else json.loads(body)
        return web.json_response(document, status=code)

    return answer


async def drips(request: web.Request, _: MetricsProxy) -> web.StreamResponse:
    """Let the answer come a byte at a time, without end."""
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "100000"})
    await response.prepare(request)
    for _number in range(100_000):
        await response.write(b" ")
        await asyncio.sleep(0.02)
    return response
