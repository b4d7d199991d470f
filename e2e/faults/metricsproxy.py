"""Between one controller and Prometheus: passes queries on, and answers them as a bad day would.

`during(fault)` gives one of the faults below, or any function of the request and the proxy.
"""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

import aiohttp
from aiohttp import web

Answer: TypeAlias = Callable[[web.Request, "MetricsProxy"], Awaitable[web.StreamResponse]]
Change: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass
class MetricsProxy:
    """One proxy. `upstreams` are asked by chance, as replicas behind one address are."""

    upstreams: list[str]
    fault: Answer | None = None
    asked: int = 0
    url: str = ""
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Listen while the context is open."""
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(timeout=timeout) as self._client:
            application = web.Application()
            application.router.add_route("*", "/{path:.*}", self._serve)
            runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
            await runner.setup()
            self._site = web.TCPSite(runner, "127.0.0.1", 0)
            await self._site.start()
            self.url, self._runner = f"http://127.0.0.1:{runner.addresses[0][1]}", runner
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

    @contextlib.asynccontextmanager
    async def refusing(self) -> AsyncIterator[None]:
        """Be gone while the context is open: nobody listens, and connections that were kept are cut."""
        await self._site.stop()
        with self.during(gone):
            yield
        port = int(self.url.rpartition(":")[2])
        self._site = web.TCPSite(self._runner, "127.0.0.1", port, reuse_address=True)
        await self._site.start()

    async def ask(self, request: web.Request, **instead: str) -> tuple[int, bytes]:
        """Ask upstream what the controller asked, with other parameters where `instead` says so."""
        self.asked += 1
        given = {**request.query, **{key: str(value) for key, value in (await request.post()).items()}, **instead}
        url = random.choice(self.upstreams) + request.path
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
    return web.Response()


async def never(_: web.Request, __: MetricsProxy) -> web.StreamResponse:
    """Take the question and never answer."""
    await asyncio.Event().wait()
    raise AssertionError


def status(code: int, text: str = "") -> Answer:
    """Answer with a status code, or with a page in the place of an answer."""

    async def answer(_: web.Request, __: MetricsProxy) -> web.StreamResponse:
        return web.Response(status=code, text=text)

    return answer


async def endless(request: web.Request, proxy: MetricsProxy) -> web.StreamResponse:
    """Answer one question at a time with what has no end; not so fast that the lab around has no time left."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"status":"success","data":{"resultType":"matrix","result":[')
    async with proxy.busy:
        while True:
            await response.write(b'{"metric":{},"values":[[1,"1"]]},' * 30_000)
            await asyncio.sleep(0.05)


def pinned(at: float) -> Answer:
    """Answer what was true at a moment: what a Prometheus says that scrapes no more."""

    async def answer(request: web.Request, proxy: MetricsProxy) -> web.StreamResponse:
        code, body = await proxy.ask(request, time=f"{at:.3f}")
        return web.Response(body=body, status=code, content_type="application/json")

    return answer


def rewritten(change: Callable[[bytes], bytes]) -> Answer:
    """Answer with other bytes than upstream's."""

    async def answer(request: web.Request, proxy: MetricsProxy) -> web.StreamResponse:
        code, body = await proxy.ask(request)
        return web.Response(body=change(body), status=code, content_type="application/json")

    return answer


def series(change: Callable[[dict[str, Any]], list[dict[str, Any]]]) -> Answer:
    """Answer with other series in the place of each of upstream's; the time is told as it is."""

    def alter(document: dict[str, Any]) -> dict[str, Any]:
        data = document["data"]
        if data["resultType"] == "matrix":
            data["result"] = [new for old in data["result"] for new in change(old)]
        return document

    return changed(alter)


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


def ahead(seconds: float) -> Answer:
    """Answer with a clock that is so far ahead of everybody else's."""

    def moved(rows: list[list[Any]]) -> list[list[Any]]:
        return [[at + seconds, value] for at, value in rows]

    async def answer(request: web.Request, proxy: MetricsProxy) -> web.StreamResponse:
        asked = (await request.post()).get("time") or request.query.get("time")
        code, body = await proxy.ask(request, **({"time": f"{float(str(asked)) - seconds:.3f}"} if asked else {}))
        document = json.loads(body)
        for row in document.get("data", {}).get("result", []):
            if "values" in row:
                row["values"] = moved(row["values"])
            elif "value" in row:
                told = asked is None and not row["metric"]  # vector(time()) tells the time in its value, too
                at, value = row["value"]
                row["value"] = [at + seconds, str(float(value) + seconds) if told else value]
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
