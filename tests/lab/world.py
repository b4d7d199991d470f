"""Builders for the lab's tests: objects as an API server would give them, and a small town of pods without one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from canary.adapters.api import Json
from canary.lab.addresses import Block
from canary.lab.behaviour import parse_behaviour
from canary.lab.mesh import Mesh
from canary.lab.outbound import Caller, Outbound
from canary.lab.pods import Pod, parse_pod
from canary.lab.proxy import Proxy
from canary.lab.sandbox import Sandbox, Surroundings
from canary.lab.truth import Truth
from canary.lab.wire import Wire

SHOP = "shop"


def a_pod(
    name: str = "web-stable-aaa-1",
    *,
    app: str = "web-stable",
    revision: str = "aaa",
    ip: str = "10.244.7.9",
    ready: bool = True,
    meshed: bool = True,
    env: Mapping[str, str] | None = None,
    probe: str = "",
    port: int | None = 8080,
    namespace: str = SHOP,
) -> Json:
    container: Json = {"name": "app", "image": "web:1"}
    if port is not None:
        container["ports"] = [{"name": "http", "containerPort": port}]
    if probe:
        container["readinessProbe"] = {"httpGet": {"path": probe, "port": "http"}, "periodSeconds": 1}
    if env:
        container["env"] = [{"name": key, "value": value} for key, value in env.items()]
    labels = {"app": app, "pod-template-hash": revision}
    containers = [container]
    if meshed:
        labels |= {"linkerd.io/control-plane-ns": "linkerd", "linkerd.io/proxy-deployment": app}
        containers.append(
            {"name": "linkerd-proxy", "image": "proxy:1", "ports": [{"name": "linkerd-admin", "containerPort": 4191}]}
        )
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}", "labels": labels},
        "spec": {"containers": containers, "serviceAccountName": "web"},
        "status": {
            "podIP": ip,
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def a_service(name: str, app: str = "", port: int = 8080, target: object = "http") -> Json:
    return {
        "metadata": {"name": name, "namespace": SHOP},
        "spec": {"selector": {"app": app or name}, "ports": [{"port": port, "targetPort": target}]},
    }


def a_split(weights: Mapping[str, object], *, apex: str = "web", name: str = "web") -> Json:
    backends = [{"service": service, "weight": weight} for service, weight in weights.items()]
    return {"metadata": {"name": name, "namespace": SHOP}, "spec": {"service": apex, "backends": backends}}


def a_profile(*routes: Json, apex: str = "web", namespace: str = SHOP, **spec: object) -> Json:
    name = f"{apex}.{SHOP}.svc.cluster.local"
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"routes": list(routes), **spec}}


def a_route(name: str = "POST /api/task", **more: object) -> Json:
    method, path = name.split()
    return {"name": name, "condition": {"method": method, "pathRegex": path}, **more}


@dataclass
class Town:
    """Pods that really listen, a mesh between them, and no API server."""

    block: Block
    wire: Wire
    mesh: Mesh = field(default_factory=Mesh)
    truth: Truth = field(default_factory=Truth)
    retain: float = 600.0
    running: dict[str, Sandbox] = field(default_factory=dict)
    outbounds: list[Outbound] = field(default_factory=list)

    def tell(self, kind: str, *objects: Json, deleted: bool = False) -> None:
        for obj in objects:
            self.mesh.observe(kind, obj, deleted=deleted)

    async def run(self, name: str, app: str, env: Mapping[str, str] | None = None, **more: object) -> Pod:
        """Start a pod and let the mesh know it as ready."""
        obj = a_pod(name, app=app, ip=self.block.take(), env=env, **more)  # type: ignore[arg-type]  # as a_pod takes it
        pod = parse_pod(obj)
        around = Surroundings(mesh=self.mesh, wire=self.wire, truth=self.truth, retain=self.retain)
        self.running[name] = Sandbox(pod, parse_behaviour(pod.env), None, around)
        await self.running[name].start()
        self.tell("Pod", obj)
        return pod

    def vanish(self, pod: Pod) -> None:
        """Take a pod out of its Services."""
        self.tell("Pod", a_pod(pod.name), deleted=True)

    def client(self, *, trap: float | None = None, meshed: bool = True, service: str = "web") -> tuple[Outbound, Proxy]:
        """Return a client's way to the apex, and its proxy."""
        pod = parse_pod(
            a_pod(f"load-{len(self.outbounds)}", app="load", ip=self.block.take(), meshed=meshed, port=None)
        )
        proxy = Proxy(pod.ip, retain=self.retain)
        caller = Caller(pod=pod, service=service, namespace=SHOP, port=8080, trap=trap)
        outbound = Outbound(caller, self.mesh, proxy, self.wire, self.truth)
        self.outbounds.append(outbound)
        return outbound, proxy

    async def close(self) -> None:
        for outbound in self.outbounds:
            await outbound.close()
        for sandbox in self.running.values():
            await sandbox.stop()
        await self.wire.close()
        self.block.release()


@asynccontextmanager
async def a_town(*, split: Mapping[str, object] | None = None, profile: Json | None = None) -> AsyncIterator[Town]:
    """An apex `web` on the stable pods, Services for both sides, and what else is given."""
    town = Town(Block.claim(), Wire())
    town.tell("Service", a_service("web", "web-stable"), a_service("web-stable"), a_service("web-canary"))
    if profile is not None:
        town.tell("ServiceProfile", profile)
    if split is not None:
        town.tell("TrafficSplit", a_split(split))
    try:
        yield town
    finally:
        await town.close()


async def eventually(holds: Callable[[], Awaitable[bool]] | Callable[[], bool], within: float = 10.0) -> None:
    """Poll until `holds` does. Raises TimeoutError."""
    async with asyncio.timeout(within):
        while True:
            answer = holds()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.01)


def value(page: str, name: str, *parts: str) -> float:
    """Add up the samples of a family whose labels contain all the given texts."""
    rows = (line.rpartition(" ") for line in page.splitlines() if line.startswith(name + "{"))
    return sum(float(number) for labels, _, number in rows if all(part in labels for part in parts))
