"""A user's webhooks on a real HTTP server, which answer each by its name as the row says."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from e2e.faults.trial import GATES

Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]

HUGE = 100 * 2**20  # bytes


@dataclass
class Hooks:
    """`answers` by the hook's name; one without is answered with 200. `asked` says when each was."""

    answers: dict[str, Reply] = field(default_factory=dict)
    asked: dict[str, list[float]] = field(default_factory=dict)
    url: str = ""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Hooks"]:
        """Listen while the context is open."""
        application = web.Application()
        application.router.add_post("/{name}", self._serve)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await self._site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await self._runner.cleanup()

    @contextlib.asynccontextmanager
    async def down(self) -> AsyncIterator[None]:
        """Refuse every connection while the context is open."""
        await self._site.stop()
        yield
        port = int(self.url.rpartition(":")[2])
        self._site = web.TCPSite(self._runner, "127.0.0.1", port, reuse_address=True)
        await self._site.start()

    def gates(self, timeout: str = "2s", **kinds: str) -> dict[str, object]:
        """Write `spec.gates` with these hooks: kinds (`_` for `-`) to names."""
        hooks = [
            {"name": name, "type": kind.replace("_", "-"), "url": f"{self.url}/{name}", "timeout": timeout}
            for kind, name in kinds.items()
        ]
        return {**GATES, "webhooks": hooks}

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        self.asked.setdefault(name, []).append(time.monotonic())
        return await self.answers.get(name, yes)(request)


async def yes(_: web.Request) -> web.StreamResponse:
    """Agree."""
    return web.Response()


async def no(_: web.Request) -> web.StreamResponse:
    """Disagree."""
    return web.Response(status=404, text="not now")


async def slow(_: web.Request) -> web.StreamResponse:
    """Agree, but after 10 s."""
    await asyncio.sleep(10)
    return web.Response()


async def hangs(_: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


async def fails(_: web.Request) -> web.StreamResponse:
    """Break."""
    return web.Response(status=500, text="Traceback " + "x" * 10_000)


async def loops(request: web.Request) -> web.StreamResponse:
    """Redirect to itself."""
    return web.Response(status=302, headers={"Location": str(request.url)})


async def huge(request: web.Request) -> web.StreamResponse:
    """Refuse, with 100 MiB to say."""
    response = web.StreamResponse(status=500)
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        for _ in range(HUGE // 2**16):
            await response.write(b"x" * 2**16)
    return response


async def garbage(request: web.Request) -> web.StreamResponse:
    """Answer with what is no HTTP."""
    if request.transport is not None:
        request.transport.write(b"\x16\x03\x01 what?\r\n\r\n")
        request.transport.close()
    await asyncio.sleep(1)
    return web.Response()
