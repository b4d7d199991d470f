"""A service with a Canary in the embedded API server, a cluster adapter that follows it, and a count of all it asks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import cast

import yaml

from canary.adapters.api import JSON_PATCH, Api, Json
from canary.adapters.cluster import KubernetesCluster
from canary.core.decision import Decision
from canary.core.snapshot import Key, Snapshot
from canary.core.status import CanaryStatus
from canary.errors import CanaryError
from canary.lab.apiserver.faults import Fault, Faults
from canary.lab.apiserver.plane import EmbeddedPlane
from canary.lab.kube import apply
from tests.adapters.planes import an_api
from tests.adapters.recorded import until
from tests.canaries import a_canary

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOWN = "town"
WEB = Key(TOWN, "web")
CANARIES = f"/apis/canary.dev/v1alpha1/namespaces/{TOWN}/canaries"
SPLITS = f"/apis/split.smi-spec.io/v1alpha1/namespaces/{TOWN}/trafficsplits"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{TOWN}/deployments"
SERVICES = f"/api/v1/namespaces/{TOWN}/services"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
AGENT = "canary"


class Counting(Faults):
    """The server's own count of what was asked, by whom."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str, str]] = []

    def met(self, method: str, path_and_query: str, agent: str) -> Fault | None:
        self.asked.append((agent, method, path_and_query))
        return super().met(method, path_and_query, agent)


def definition(name: str) -> Json:
    folder = files("canary") / ("crds" if name == "canaries" else "lab/crds")
    return cast("Json", yaml.safe_load((folder / f"{name}.yaml").read_text()))


def without_rules(crd: Json) -> Json:
    """Take the schema away: a cluster with another version of the definition lets everything in."""
    lax = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    spec = cast("Json", crd["spec"])
    versions = [{**version, "schema": lax} for version in cast("list[Json]", spec["versions"])]
    return {**crd, "spec": {**spec, "versions": versions}}


def without_versions(crd: Json, *names: str) -> Json:
    spec = cast("Json", crd["spec"])
    versions = [v for v in cast("list[Json]", spec["versions"]) if v["name"] not in names]
    return {**crd, "spec": {**spec, "versions": [{**versions[0], "storage": True}, *versions[1:]]}}


def a_service(name: str) -> Json:
    spec = {"selector": {"app": name}, "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": TOWN}, "spec": spec}


def a_deployment(name: str, replicas: int = 1, image: str = "web:1", labels: Mapping[str, str] | None = None) -> Json:
    marks = dict(labels or {"app": name})
    template = {"metadata": {"labels": marks}, "spec": {"containers": [{"name": "app", "image": image}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": TOWN},
        "spec": {"replicas": replicas, "selector": {"matchLabels": marks}, "template": template},
    }


def named(obj: Mapping[str, object], name: str) -> Json:
    """Give a Canary a name of its own, in town."""
    return {**obj, "metadata": {"name": name, "namespace": TOWN}}


def a_split(stable: object, canary: object, service: str = "web") -> Json:
    weighted = [{"service": "web-stable", "weight": stable}, {"service": "web-canary", "weight": canary}]
    return {
        "apiVersion": "split.smi-spec.io/v1alpha1",
        "kind": "TrafficSplit",
        "metadata": {"name": "web", "namespace": TOWN},
        "spec": {"service": service, "backends": weighted},
    }


def meta(obj: Json) -> Json:
    return cast("Json", obj["metadata"])


def decided(status: CanaryStatus) -> Decision:
    return Decision(status=replace(status, saved_at=NOW), counters=None, save=True)


@dataclass
class Neighbourhood:
    """`api` is the adapter's client, `anybody` someone else's."""

    plane: EmbeddedPlane
    api: Api
    anybody: Api
    counting: Counting
    changed: list[Key] = field(default_factory=list)
    failed: list[tuple[str, CanaryError]] = field(default_factory=list)

    def cluster(self, *namespaces: str) -> KubernetesCluster:
        def failed(path: str, error: CanaryError) -> None:
            self.failed.append((path, error))

        return KubernetesCluster(self.api, namespaces, self.changed.append, failed, lambda: NOW, timedelta(seconds=10))

    @contextlib.asynccontextmanager
    async def followed(self, *namespaces: str) -> AsyncIterator[KubernetesCluster]:
        """Follow the cluster, ready."""
        cluster = self.cluster(*namespaces)

        async def follow() -> None:
            await cluster.follow()

        task = asyncio.create_task(follow())
        try:
            async with asyncio.timeout(20):
                await cluster.ready()
            yield cluster
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.wait([task])

    def asked(self, since: int = 0) -> list[tuple[str, str]]:
        """What the adapter asked the server for, as method and path."""
        return [(method, path) for agent, method, path in self.counting.asked[since:] if agent == AGENT]

    @property
    def count(self) -> int:
        return len(self.counting.asked)

    async def apply(self, *objects: Json) -> None:
        await apply(self.anybody, objects)

    async def rolled(self, name: str, replicas: int = 1) -> None:
        """Wait until the Deployment controller has made its pods."""

        async def done() -> bool:
            found = await self.anybody.get(f"{DEPLOYMENTS}/{name}")
            status = cast("Json", found.get("status") or {})
            fresh = cast("int", status.get("observedGeneration") or 0) >= cast("int", meta(found)["generation"])
            return fresh and status.get("updatedReplicas") == replicas

        async with asyncio.timeout(20):
            while not await done():  # noqa: ASYNC110 - asks a server
                await asyncio.sleep(0.02)

    async def image(self, name: str, image: str) -> None:
        patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image}]
        await self.anybody.patch(f"{DEPLOYMENTS}/{name}", patch, JSON_PATCH)

    async def live(self, path: str) -> Json:
        return await self.anybody.get(path)


async def look(cluster: KubernetesCluster, key: Key = WEB) -> Snapshot:
    seen = await cluster.snapshot(key)
    assert seen is not None
    return seen


async def seen_by(cluster: KubernetesCluster, key: Key, version: object) -> None:
    """Wait until the watch has brought that version of the Canary."""
    await until(lambda: (obj := cluster._canaries.get(*key)) is not None and meta(obj)["resourceVersion"] == version)


@contextlib.asynccontextmanager
async def a_neighbourhood(home: Path, *crds: Json) -> AsyncIterator[Neighbourhood]:
    async with AsyncExitStack() as stack:
        plane = EmbeddedPlane(home)
        counting = Counting()
        plane.faults = counting
        await plane.start()
        stack.push_async_callback(plane.stop)
        api = await stack.enter_async_context(an_api(plane.kubeconfig, AGENT))
        anybody = await stack.enter_async_context(an_api(plane.kubeconfig, "kubectl"))
        near = Neighbourhood(plane, api, anybody, counting)
        await near.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TOWN}}, *crds)
        yield near


async def furnish(near: Neighbourhood) -> None:
    """Set up the service: three Services, two Deployments, a Canary."""
    services = [a_service(name) for name in ("web", "web-stable", "web-canary")]
    await near.apply(*services, a_deployment("web-stable", 2), a_deployment("web-canary"), named(a_canary(), "web"))
    await near.rolled("web-stable", 2)
    await near.rolled("web-canary")
