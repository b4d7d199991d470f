"""One start of one pod: its sockets on loopback, its app, its proxy and, where it is a client, its stream of requests.

Started, probed, broken and stopped by the node agent. A pod that restarts gets a new sandbox: its counters begin at
0.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from aiohttp import web

from canary.lab.addresses import loopback
from canary.lab.app import App
from canary.lab.behaviour import Behaviour
from canary.lab.clients import Client, Load
from canary.lab.inbound import Inbound
from canary.lab.listening import listen
from canary.lab.mesh import Mesh
from canary.lab.outbound import Caller, Outbound
from canary.lab.pods import ADMIN_PORT, Pod
from canary.lab.proxy import RETAIN, Proxy
from canary.lab.truth import Truth
from canary.lab.wire import Wire

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_AT_ONCE = 0.01  # seconds; 0 would mean without end


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all pods of a lab share."""

    mesh: Mesh
    wire: Wire
    truth: Truth
    seed: str = ""
    retain: float = RETAIN


class Sandbox:
    """The running parts of a pod."""

    def __init__(self, pod: Pod, behaviour: Behaviour, load: Load | None, around: Surroundings) -> None:
        self._pod, self._behaviour, self._load, self._around = pod, behaviour, load, around
        self._runners: list[web.ServerRunner] = []
        self._client: asyncio.Task[None] | None = None
        self.proxy = Proxy(pod.ip, retain=around.retain)
        self.inbound = Inbound(pod, pod.ports.get("", 0), self._app(), self.proxy, around.mesh.profile)

    async def start(self) -> None:
        """Open the pod's ports and let its client begin. Raises OSError; nothing is left open then."""
        try:
            if self._pod.ports:
                await self._serve(self.inbound.answer, self._pod.ports[""])
            if self._pod.meshed:
                await self._serve(self.proxy.answer_admin, ADMIN_PORT)
        except OSError:
            await self.stop()
            raise
        if self._load is not None:
            self._client = asyncio.create_task(self._send(self._load), name=f"client {self._pod.name}")

    def ready(self) -> bool:
        """Answer for a pod without a readiness probe."""
        return self.inbound.app is not None and self.inbound.app.ready(time.monotonic())

    def restart_app(self) -> None:
        """Start a dead app again under its living proxy."""
        self.inbound.app = self._app()

    def alter(self, behaviour: Behaviour) -> None:
        """Let the app go on with another behaviour, from a start of its own."""
        self._behaviour = behaviour
        self.restart_app()

    async def drain(self, within: float) -> None:
        """Let the requests under way end, for so many seconds at most."""
        end = time.monotonic() + within
        while self.inbound.open and time.monotonic() < end:  # noqa: ASYNC110 - bounded, and rare
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """Close everything at once; requests under way break off."""
        if self._client is not None:
            self._client.cancel()
            await asyncio.gather(self._client, return_exceptions=True)
            self._client = None
        runners, self._runners = self._runners, []
        await asyncio.gather(*(runner.cleanup() for runner in runners))

    async def _serve(self, handler: Handler, port: int) -> None:
        runner = web.ServerRunner(
            web.Server(handler, access_log=None, handler_cancellation=True), shutdown_timeout=_AT_ONCE
        )
        self._runners.append(runner)
        await runner.setup()
        await listen(runner, loopback(self._pod.ip), port)

    def _app(self) -> App:
        rng = Random(f"{self._around.seed} app {self._pod.name}")
        return App(self._behaviour, rng, time.monotonic())

    async def _send(self, load: Load) -> None:
        caller = Caller(
            pod=self._pod,
            service=load.service,
            namespace=load.namespace or self._pod.namespace,
            port=load.port,
            trap=load.cache_trap,
        )
        outbound = Outbound(caller, self._around.mesh, self.proxy, self._around.wire, self._around.truth)
        rng = Random(f"{self._around.seed} client {self._pod.name}")
        try:
            await Client(load, outbound, self._around.truth, rng).run()
        finally:
            await outbound.close()
