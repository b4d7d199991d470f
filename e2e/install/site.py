"""Where the chart is installed: the lab on the real control plane, with nodes for the chart's own pods.

Linkerd's kinds are the upstream ones where those are at hand. What a user has in a namespace is compared as a whole.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import yaml

from canary.adapters.api import Api, Json
from canary.errors import CanaryError, NotFound
from canary.lab import seed
from canary.lab.fields import look, rows, text
from canary.lab.lab import Lab, LabSettings, crds
from canary.lab.realplane import RealPlane
from e2e.install.node import Node, Pod
from e2e.install.release import Release
from e2e.stage import SECOND, Controller, Late, Scene, Stage

HERE = Path(__file__).parent
UPSTREAM = Path(__file__).parents[3] / "shared" / "upstream" / "crds"
POLICIES = "authorizationpolicies.policy.linkerd.io"
KINDS = ("trafficsplits.split.smi-spec.io", "serviceprofiles.linkerd.io", POLICIES)
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/canaries.canary.dev"
VIZ = "/api/v1/namespaces/linkerd-viz"
EXTERNAL = "viz.linkerd.io/external-prometheus"
THEIRS = (
    ("/apis/canary.dev/v1alpha1", "canaries"),
    ("/apis/apps/v1", "deployments"),
    ("/api/v1", "services"),
    ("/apis/split.smi-spec.io/v1alpha1", "trafficsplits"),
)
SPEC: Mapping[str, object] = {
    "interval": "1s",
    "dwell": "3s",
    "bake": "3s",
    "steps": ["100m", "500m", "1000m"],
    "gates": {"successRate": {"min": "95%"}},  # wide, so that few requests are enough
}


def kinds() -> list[Json]:
    """Read Linkerd's definitions: upstream's, else the lab's and our own minimal one."""
    if UPSTREAM.is_dir():
        return [yaml.safe_load((UPSTREAM / f"{name}.yaml").read_text()) for name in KINDS]
    least = yaml.safe_load((HERE / "authorizationpolicies.yaml").read_text())
    return [*(crd for crd in crds() if text(crd, "metadata", "name") in KINDS), least]


class Site(Stage):
    """A lab without a controller of its own: the chart brings it."""

    namespaces = ("canary-system", "team-ops")

    async def __aenter__(self) -> Self:
        settings = LabSettings(
            control_plane="real",
            scrape_interval=SECOND,
            without=frozenset({text(crd, "metadata", "name") for crd in crds()}),
            manifests=tuple(kinds()),
            foreign=frozenset(self.namespaces),
        )
        self.lab = Lab(self.home, settings)
        await self.lab.__aenter__()
        self.api = self.lab.api
        nobody = self.home / "nobody.log"
        nobody.touch()
        self.controller = Controller(self.lab.kubeconfig, self.lab.prometheus.url, nobody)
        restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
        for name in self.namespaces:
            await self.api.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": restricted}})
        return self

    @property
    def real(self) -> RealPlane:
        """The control plane."""
        assert isinstance(self.lab.plane, RealPlane)
        return self.lab.plane

    @asynccontextmanager
    async def node(self, namespace: str) -> AsyncIterator[Node]:
        """Run the chart's pods of a namespace."""
        logs = self.home / namespace
        logs.mkdir()
        async with Node(self.real, self.api, namespace, logs).running() as node:
            yield node
        if node.failed:
            raise Late("; ".join(node.failed))

    def release(self, name: str, namespace: str) -> Release:
        """Name a release."""
        return Release(name, namespace, self.lab.kubeconfig, self.home / "helm")

    async def everything(self, namespace: str) -> dict[str, object]:
        """Read what a user has in a namespace: the specs, and whether something is on its way out."""
        found: dict[str, object] = {}
        for group, kind in THEIRS:
            for obj in rows(await self.api.get(f"{group}/namespaces/{namespace}/{kind}"), "items"):
                leaving = look(obj, "metadata", "deletionTimestamp")
                found[f"{kind}/{text(obj, 'metadata', 'name')}"] = (json.dumps(obj["spec"], sort_keys=True), leaving)
        return found

    async def finalizers(self, scene: Scene) -> object:
        """Read what keeps a scene's Canary from going."""
        return look(await self.api.get(scene.path("canaries", seed.APEX)), "metadata", "finalizers")

    async def gone(self, path: str, within: float) -> None:
        """Wait until something is no more."""

        async def there() -> bool:
            try:
                await self.api.get(path)
            except NotFound:
                return True
            return False

        try:
            await eventually(there, path, within)
        except Late as late:
            raise Late(f"{late}; it is {await self.api.get(path)}") from None

    async def announce(self, url: str | None) -> None:
        """Let linkerd-viz announce a Prometheus, or none."""
        await self.api.patch(VIZ, {"metadata": {"annotations": {EXTERNAL: url}}})

    async def restored(self, scene: Scene, times: int) -> None:
        """Delete a scene's split; the controller makes it again and says so, in so many Events or counts of one."""
        await self.api.delete(scene.path("trafficsplits", "yamtam-canary"))

        async def told() -> bool:
            events = rows(await self.api.get(scene.path("events")), "items")
            counts = [event.get("count") for event in events if text(event, "reason") == "SplitRestored"]
            try:
                return await scene.weight() == 0 and counts == [times]
            except CanaryError:  # not there yet
                return False

        await scene.until(told, f"the split, and to be told {times} times", within=60)


async def eventually(holds: Callable[[], Awaitable[bool]], what: str, within: float) -> None:
    """Poll until something holds. Raises Late."""
    end = time.monotonic() + within
    while not await holds():
        if time.monotonic() > end:
            raise Late(f"waited {within:.0f} s for {what}")
        await asyncio.sleep(0.2)


def leaders(node: Node) -> list[Pod]:
    """Give the ready pods that lead."""
    held: list[Pod] = []
    for pod in node.ready():
        events = [json.loads(line)["event"] for line in pod.log().splitlines() if line.startswith("{")]
        if "lease.acquired" in events and "lease.released" not in events:
            held.append(pod)
    return held


def found_prometheus(pod: Pod) -> str:
    """Read from a pod's log which Prometheus it asks."""
    lines = [json.loads(line) for line in pod.log().splitlines() if line.startswith("{")]
    return next(str(line["url"]) for line in lines if line["event"] == "prometheus.found")


async def may(account: Api, verb: str, resource: str, namespace: str = "") -> bool:
    """Let an account ask the API server what it may."""
    group, _, kind = resource.rpartition("/")
    wanted = {"namespace": namespace, "verb": verb, "group": group, "resource": kind}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = await account.create(path, {"spec": {"resourceAttributes": wanted}})
    return look(answer, "status", "allowed") is True
