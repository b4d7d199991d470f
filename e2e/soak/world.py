"""The soak's world: a real control plane, a real Prometheus over synthesised counters, the shipped controller, and many
Canaries whose pipelines never rest.
"""

import asyncio
import random
import re
import time
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from canary.adapters.api import Api, Json
from canary.core.record import render_status
from canary.core.rules import HISTORY
from canary.core.status import CanaryStatus, Outcome, Past, Reason
from canary.lab import seed
from canary.lab.fields import table, text
from canary.lab.kube import Mirror, apply
from canary.lab.lab import crds
from canary.lab.prometheus import Prometheus
from canary.lab.realplane import RealPlane
from e2e.soak.exporter import Exporter
from e2e.soak.kubelet import Kubelet
from e2e.soak.releases import Pipeline, Shipped
from e2e.soak.traffic import Traffic
from e2e.stage import SECOND, Controller

PACE = 2 * SECOND  # of scrapes and of ticks
SPEC = {"interval": "2s", "dwell": "4s", "bake": "6s", "stepTimeout": "5m"}
RPS = 200.0
SPREAD = 60.0  # seconds over which the first releases come
KEPT = 1  # old ReplicaSet of a Deployment
PAST = Past(
    id=f"{seed.APEX}-5d8f9c7b64-1",
    revision="5d8f9c7b64",
    outcome=Outcome.PROMOTED,
    reason=Reason.PROMOTED,
    message="Revision 5d8f9c7b64 is promoted: stable runs it and takes all traffic.",
    started_at=datetime(2026, 1, 1, tzinfo=UTC),
    seconds=70.1,
    peak=1000,
    requests=8000,
    failures=16,
)
MIRRORED = {
    "Pod": "/api/v1/pods",
    "Event": "/api/v1/events",
    "TrafficSplit": "/apis/split.smi-spec.io/v1alpha1/trafficsplits",
    "Canary": "/apis/canary.dev/v1alpha1/canaries",
}


class World:
    """Everything around the controller, and the controller. What it shows is read from `canaries` and `events`."""

    def __init__(self, home: Path, canaries: int) -> None:
        self._stack = AsyncExitStack()
        self._home = home
        self.namespaces = [f"soak-{number:03}" for number in range(canaries)]
        self.plane = RealPlane(home / "control-plane")
        self.traffic = Traffic(RPS, random.Random(1))
        self.exporter = Exporter(self.traffic)
        self.shipped = Shipped()
        self.canaries: dict[str, Json] = {}
        self.events: dict[str, str] = {}
        self._pipelines: dict[str, Pipeline] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        stack = self._stack
        stack.push_async_callback(self.plane.stop)
        await self.plane.start()
        stack.push_async_callback(self.exporter.stop)
        await self.exporter.start()
        self.prometheus = Prometheus(self._home / "prometheus", self.exporter.targets_url, PACE)
        stack.push_async_callback(self.prometheus.stop)
        await self.prometheus.start()
        self.api = await Api.connect(self.plane.kubeconfig, agent="canary-soak")
        stack.push_async_callback(self.api.close)
        await apply(self.api, crds())
        self.kubelet = Kubelet(self.api)
        stack.push_async_callback(self.kubelet.close)
        stack.push_async_callback(self._end_tasks)
        for kind, path in MIRRORED.items():
            self._begin(Mirror(self.api, path, kind, self._sees).run())
        self._begin(self._traffic())
        await asyncio.gather(*(apply(self.api, service(namespace)) for namespace in self.namespaces))
        for number, namespace in enumerate(self.namespaces):
            self._pipelines[namespace] = Pipeline(self.api, namespace, number, self.shipped)
        await asyncio.gather(*(self._canary(namespace) for namespace in self.namespaces))
        self.controller = Controller(
            self.plane.kubeconfig,
            self.prometheus.url,
            self._home / "controller.log",
            options=("--scrape-interval", f"{PACE.total_seconds():g}s"),
            environment=allocator(),
        )
        stack.push_async_callback(self.controller.stop)
        await self.controller.start()
        for number, pipeline in enumerate(self._pipelines.values()):
            self._begin(pipeline.run(SPREAD * number / len(self._pipelines)))

    async def _canary(self, namespace: str) -> None:
        """Make a Canary whose history is full, as after a few days: else it would fill, and look like a leak."""
        await apply(self.api, [seed.canary(SPEC, namespace=namespace)])
        status = render_status(CanaryStatus(history=(PAST,) * HISTORY))
        path = f"/apis/canary.dev/v1alpha1/namespaces/{namespace}/canaries/{seed.APEX}"
        await self.api.patch(f"{path}/status", {"status": status})

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.append(task)

    def _sees(self, kind: str, obj: Json, *, deleted: bool) -> None:
        match kind:
            case "Pod":
                self.kubelet.observe(obj, deleted=deleted)
                self.traffic.observe(kind, obj, deleted=deleted)
                self.exporter.observe(obj, deleted=deleted)
            case "TrafficSplit":
                self.traffic.observe(kind, obj, deleted=deleted)
            case "Canary":
                namespace = text(obj, "metadata", "namespace")
                self.canaries[namespace] = obj
                self._pipelines[namespace].observe(obj)
            case _ if text(obj, "involvedObject", "kind") == "Canary" and not deleted:
                self.events[text(obj, "metadata", "uid")] = text(obj, "metadata", "namespace")
            case _:
                pass

    def must_live(self) -> None:
        """Raise what ended a part of the world that never ends."""
        for task in self._tasks:
            if task.done():
                task.result()

    async def _end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _traffic(self) -> None:
        before = time.monotonic()
        while True:
            await asyncio.sleep(1)
            now = time.monotonic()
            self.traffic.step(now - before, now)
            before = now


def allocator() -> dict[str, str]:
    """Read how the image has memory allocated: the controller runs so here, too."""
    recipe = Path(__file__).parents[2] / "Dockerfile"
    return dict(re.findall(r"(MALLOC_\w+)=(\d+)", recipe.read_text()))


def service(namespace: str) -> Iterator[Json]:
    """Give the seed's service with one pod for each side and one client, none of which is ever run."""
    for obj in seed.yamtam(namespace=namespace, stable={}, canary={}):
        if obj["kind"] == "Deployment":
            spec = {**table(obj, "spec"), "replicas": 1, "revisionHistoryLimit": KEPT}
            yield {**obj, "spec": spec}
        else:
            yield obj
