"""The lab, all parts of it: `async with Lab(home, …) as lab:`.

An API server, pods on loopback that the node agent runs, a mesh between them, and a real Prometheus that scrapes
their proxies. `canary lab`, `canary demo` and the stories use it. Leaving the context ends everything within three
seconds, however it is left; the controller is no part of it and is started by whoever wants one.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
import structlog
import yaml

from canary.adapters.api import Api, Json
from canary.errors import CanaryError
from canary.lab.addresses import Block
from canary.lab.controlplane import ControlPlane, choose
from canary.lab.discovery import Discovery
from canary.lab.fields import number, rows, text
from canary.lab.kube import Mirror, apply
from canary.lab.mesh import Mesh
from canary.lab.node import NodeAgent
from canary.lab.prometheus import Prometheus
from canary.lab.sandbox import Surroundings
from canary.lab.seed import inject
from canary.lab.truth import Truth
from canary.lab.wire import Wire

log = structlog.get_logger()

_MIRRORED = {
    "Pod": "/api/v1/pods",
    "Service": "/api/v1/services",
    "TrafficSplit": "/apis/split.smi-spec.io/v1alpha1/trafficsplits",
    "ServiceProfile": "/apis/linkerd.io/v1alpha2/serviceprofiles",
}


class NotReady(CanaryError):
    """The lab's workloads or their series did not come up in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabSettings:
    """What kind of lab."""

    control_plane: str = "embedded"
    manifests: tuple[Json, ...] = ()
    scrape_interval: timedelta = timedelta(seconds=1)
    retain_idle: timedelta = timedelta(minutes=10)  # after which a proxy drops idle series
    seed: str = ""
    without: frozenset[str] = frozenset()  # names of CRDs that this cluster lacks
    foreign: frozenset[str] = frozenset()  # namespaces whose pods are another node's


@dataclass(slots=True)
class Lab:
    """A running lab. `plane`, `api`, `prometheus`, `node` and `truth` are there once it is entered."""

    home: Path
    settings: LabSettings = field(default_factory=LabSettings)
    truth: Truth = field(default_factory=Truth)
    plane: ControlPlane = field(init=False)
    api: Api = field(init=False)
    prometheus: Prometheus = field(init=False)
    discovery: Discovery = field(init=False)
    node: NodeAgent = field(init=False)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.plane.kubeconfig

    @property
    def truth_url(self) -> str:
        """Where other processes read the clients' counts as JSON."""
        return f"{self.discovery.url}/truth"

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        stack, settings = self._stack, self.settings
        self.plane = choose(settings.control_plane, self.home / "control-plane")
        stack.push_async_callback(self.plane.stop)
        block = Block.claim()
        stack.callback(block.release)
        self.discovery = Discovery(self.truth)
        stack.push_async_callback(self.discovery.stop)
        await self.discovery.start()
        self.prometheus = Prometheus(
            self.home / "prometheus", f"{self.discovery.url}/targets", settings.scrape_interval
        )
        stack.push_async_callback(self.prometheus.stop)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self.plane.start())
                both.create_task(self.prometheus.start())
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from group
        self.api = await Api.connect(self.plane.kubeconfig, agent="canary-lab")
        stack.push_async_callback(self.api.close)
        await self.apply(crd for crd in crds() if text(crd, "metadata", "name") not in settings.without)
        await self.apply([self._viz()])
        await self._run_pods(block)
        await self.apply(settings.manifests)

    async def _run_pods(self, block: Block) -> None:
        wire = Wire()
        self._stack.push_async_callback(wire.close)
        mesh, retain = Mesh(), self.settings.retain_idle.total_seconds()
        around = Surroundings(mesh=mesh, wire=wire, truth=self.truth, seed=self.settings.seed, retain=retain)
        node = self.node = NodeAgent(self.api, block, around)
        self._stack.push_async_callback(node.close)

        def sees(kind: str, obj: Json, *, deleted: bool) -> None:
            mesh.observe(kind, obj, deleted=deleted)
            if kind == "Pod" and text(obj, "metadata", "namespace") not in self.settings.foreign:
                self.discovery.observe(obj, deleted=deleted)
                node.observe(obj, deleted=deleted)

        mirrors = [Mirror(self.api, path, kind, sees) for kind, path in _MIRRORED.items()]
        tasks = [asyncio.create_task(mirror.run(), name=f"mirror {mirror.kind}") for mirror in mirrors]
        self._stack.push_async_callback(_cancelled, tasks)
        async with asyncio.timeout(10):
            await asyncio.gather(*(mirror.synced.wait() for mirror in mirrors))

    async def apply(self, manifests: Iterable[Json]) -> None:
        """Create or patch objects as a user would, with the mesh's injector applied."""
        await apply(self.api, [inject(obj) for obj in manifests])

    async def settled(self, within: timedelta = timedelta(seconds=30)) -> None:
        """Wait until all Deployments are up and Prometheus has seen every proxy. Raises NotReady."""
        waiting = "anything"
        try:
            async with asyncio.timeout(within.total_seconds()), aiohttp.ClientSession() as session:
                while waiting := await self._missing(session):  # noqa: ASYNC110 - asks other processes
                    await asyncio.sleep(0.1)
        except TimeoutError as error:
            raise NotReady(f"the lab still waits for {waiting} after {within.total_seconds():.0f} s") from error

    async def _missing(self, session: aiohttp.ClientSession) -> str:
        for obj in rows(await self.api.get("/apis/apps/v1/deployments"), "items"):
            wanted = number(obj, "spec", "replicas", default=1)
            if number(obj, "status", "readyReplicas", default=0) < wanted:
                return f"the pods of Deployment {text(obj, 'metadata', 'namespace')}/{text(obj, 'metadata', 'name')}"
        async with session.get(f"{self.prometheus.url}/api/v1/query", params={"query": "up == 1"}) as response:
            seen = {text(row, "metric", "pod") for row in rows(await response.json(), "data", "result")}
        unseen = sorted(self.discovery.meshed_pods() - seen)
        return f"the first scrape of {', '.join(unseen)}" if unseen else ""

    def _viz(self) -> Json:
        """Make the namespace by which linkerd-viz says where Prometheus is."""
        return {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": "linkerd-viz",
                "labels": {"linkerd.io/extension": "viz"},
                "annotations": {"viz.linkerd.io/external-prometheus": self.prometheus.url},
            },
        }


async def _cancelled(tasks: list[asyncio.Task[None]]) -> None:
    """End the watches; one that failed by itself is a bug of the lab, and is said."""
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result


def crds() -> Iterator[Json]:
    """Read the resources that a cluster with Linkerd and canary serves."""
    package = files("canary")
    for folder in (package / "lab" / "crds", package / "crds"):
        if folder.is_dir():
            for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
                if file.name.endswith(".yaml"):
                    yield from (document for document in yaml.safe_load_all(file.read_text()) if document)


def read_manifests(*paths: Path) -> list[Json]:
    """Read YAML files of any number of objects each."""
    return [document for path in paths for document in yaml.safe_load_all(path.read_text()) if document]
