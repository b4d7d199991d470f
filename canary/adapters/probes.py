"""What the outside may ask this process over HTTP: is it alive, is it ready, what are its own metrics.

Started by the composition root. Health is the loop's heartbeat, so that a loop that hangs is restarted although this
server still answers. A follower of the lease is ready too: else no rolling update of the controller would ever finish.
"""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from canary.errors import CanaryError

PATIENCE = 0.2  # seconds for answers under way when the server stops


class Probes:
    """Serves /healthz, /readyz and /metrics."""

    def __init__(self, alive: Callable[[], bool], ready: Callable[[], bool], registry: CollectorRegistry) -> None:
        self._alive, self._ready, self._registry = alive, ready, registry
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port, which the system chooses where `port` is 0. Raises CanaryError."""
        application = web.Application()
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/metrics", self._metrics)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=PATIENCE)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except (OSError, OverflowError) as error:
            await runner.cleanup()
            raise CanaryError(f"cannot listen on {host}:{port} for probes and metrics: {error}") from error
        self._runner = runner
        listening: int = runner.addresses[0][1]
        return listening

    async def close(self) -> None:
        """Stop listening. Does nothing the second time."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return _answer(self._alive(), "ok", "the loop does not move")

    async def _readyz(self, _: web.Request) -> web.Response:
        return _answer(self._ready(), "ok", "not yet: the watches are not in sync")

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})


def _answer(good: bool, yes: str, no: str) -> web.Response:  # noqa: FBT001 - the answer itself
    return web.Response(text=f"{yes if good else no}\n", status=200 if good else 503)
