"""`EmbeddedPlane`: the embedded back end of the lab's control plane, from start to stop.

Made by `canary.lab.controlplane.choose`. The lab and its stories reach for `faults`, `restart`, `cut` and `compact` to
give clients a bad day.
"""

import asyncio
from pathlib import Path

import yaml
from aiohttp import web

from canary.lab.apiserver.cluster import Cluster
from canary.lab.apiserver.controllers import Controllers
from canary.lab.apiserver.faults import Faults
from canary.lab.apiserver.http import Front
from canary.lab.apiserver.objects import Objects
from canary.lab.apiserver.resources import Registry
from canary.lab.apiserver.store import Store

_HOST = "127.0.0.1"
_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
_PATIENCE = 0.1  # seconds for answers under way when the server stops; watches are cut


class EmbeddedPlane:
    """An API server in this process, on a free port of 127.0.0.1, with the controllers that Deployments need."""

    def __init__(self, home: Path) -> None:
        self.kubeconfig = home / "kubeconfig"
        self.faults = Faults()
        self.store = Store()
        self._objects = Objects(self.store, Registry())
        self._port = 0
        self._runner: web.AppRunner | None = None
        self._controllers: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it listens, once started."""
        return f"http://{_HOST}:{self._port}"

    async def start(self) -> None:
        """Listen, write the kubeconfig, and let the controllers run."""
        cluster = Cluster(self._objects)
        for name in _NAMESPACES:
            if not any(key.kind == "namespaces" and key.name == name for key, _ in cluster.everything()):
                cluster.create("namespaces", "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        await self._listen()
        self.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        self.kubeconfig.write_text(yaml.safe_dump(_kubeconfig(self.url)))
        self._controllers = asyncio.create_task(Controllers(self._objects).run(), name="embedded controllers")
        self._controllers.add_done_callback(_report)

    async def stop(self) -> None:
        """Cut all connections and end the controllers; a second call does nothing."""
        controllers, self._controllers = self._controllers, None
        await self._close()
        if controllers is None:
            return
        controllers.cancel()
        # A controller that failed has failed the lab: say so here at the latest.
        await asyncio.wait([controllers])
        if not controllers.cancelled():
            controllers.result()

    async def restart(self, pause: float = 0.0) -> None:
        """Go away, cutting all connections, and come back after a pause: same port, same objects."""
        await self._close()
        await asyncio.sleep(pause)
        await self._listen()

    def compact(self) -> None:
        """Forget the history: who watches from an older revision is told 410."""
        self.store.compact()

    def cut(self) -> None:
        """Cut every open connection in mid-stream."""
        server = self._runner.server if self._runner else None
        for connection in server.connections if server else []:
            if connection.transport is not None:
                connection.transport.abort()

    async def _listen(self) -> None:
        runner = web.AppRunner(
            Front(self._objects, self.faults).application(),
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=_PATIENCE,
        )
        await runner.setup()
        site = web.TCPSite(runner, _HOST, self._port, reuse_address=True)
        await site.start()
        if not self._port:
            listening = runner.addresses[0]
            self._port = int(listening[1])
        self._runner = runner

    async def _close(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()


def _report(controllers: asyncio.Task[None]) -> None:
    """Say at once that the controllers have failed: nothing rolls from then on."""
    if not controllers.cancelled() and (error := controllers.exception()):
        context = {"message": "the embedded controllers have failed", "exception": error, "task": controllers}
        controllers.get_loop().call_exception_handler(context)


def _kubeconfig(url: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": {"server": url}}],
        "users": [{"name": "admin", "user": {}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "admin"}}],
        "current-context": "lab",
    }
