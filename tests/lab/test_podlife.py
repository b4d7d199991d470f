"""Pods from binding to deletion, run by the node agent on the embedded API server."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from canary.adapters.api import Api, Json
from canary.errors import NotFound
from canary.lab import podlife, seed
from canary.lab.addresses import Block, NoAddress, loopback
from canary.lab.apiserver.faults import Fault
from canary.lab.apiserver.plane import EmbeddedPlane
from canary.lab.fields import look, rows, text
from canary.lab.kube import Mirror
from canary.lab.mesh import Mesh
from canary.lab.node import NodeAgent
from canary.lab.sandbox import Surroundings
from canary.lab.truth import Truth
from canary.lab.wire import Wire
from tests.lab.world import a_pod, eventually

PODS = "/api/v1/namespaces/default/pods"


@dataclass
class Cluster:
    api: Api
    mesh: Mesh
    plane: EmbeddedPlane

    async def create(self, name: str = "one", env: Mapping[str, str] | None = None, **more: object) -> None:
        obj = a_pod(name, env=env, namespace="default", **more)  # type: ignore[arg-type]  # as a_pod takes it
        metadata = {"name": name, "namespace": "default", "labels": look(obj, "metadata", "labels")}
        await self.api.create(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": obj["spec"]})

    async def pod(self, name: str = "one") -> Json:
        return await self.api.get(f"{PODS}/{name}")

    async def until(self, holds: Callable[[Json], bool], name: str = "one") -> Json:
        async def look_again() -> bool:
            return holds(await self.pod(name))

        await eventually(look_again)
        return await self.pod(name)

    async def ask(self, path: str = "/", name: str = "one") -> int:
        ip = text(await self.pod(name), "status", "podIP")
        async with aiohttp.ClientSession() as session, session.post(f"http://{loopback(ip)}:8080{path}") as response:
            return response.status


@pytest.fixture
async def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    monkeypatch.setattr(podlife, "NOTICE", 0.1)
    monkeypatch.setattr(podlife, "BACKOFF", (0.2, 0.2))
    plane, block, wire, mesh = EmbeddedPlane(tmp_path), Block.claim(), Wire(), Mesh()
    await plane.start()
    api = await Api.connect(plane.kubeconfig)
    node = NodeAgent(api, block, Surroundings(mesh=mesh, wire=wire, truth=Truth()))

    def sees(kind: str, obj: Json, *, deleted: bool) -> None:
        mesh.observe(kind, obj, deleted=deleted)
        node.observe(obj, deleted=deleted)

    mirror = asyncio.create_task(Mirror(api, "/api/v1/pods", "Pod", sees).run())
    try:
        yield Cluster(api, mesh, plane)
    finally:
        mirror.cancel()
        await asyncio.gather(mirror, return_exceptions=True)
        await node.close()
        await wire.close()
        await api.close()
        await plane.stop()
        block.release()


def ready(pod: Json) -> bool:
    return any(row["type"] == "Ready" and row["status"] == "True" for row in rows(pod, "status", "conditions"))


def app(pod: Json) -> Json:
    return next((row for row in rows(pod, "status", "containerStatuses") if row["name"] == "app"), {})


def waits(pod: Json) -> str:
    return text(app(pod), "state", "waiting", "reason")


async def test_a_pod_is_bound_started_and_ready_where_its_status_says(cluster: Cluster) -> None:
    await cluster.create(probe="/ready")
    pod = await cluster.until(ready)
    assert look(pod, "spec", "nodeName") == "lab"
    assert text(pod, "status", "podIP").startswith("10.244.")
    assert await cluster.ask() == 200


async def test_a_pod_without_a_probe_is_ready_when_it_says_so(cluster: Cluster) -> None:
    await cluster.create(env={"LAB_READY": "after 300ms"})
    pod = await cluster.until(lambda pod: look(pod, "status", "phase") == "Running")
    assert not ready(pod)
    await cluster.until(ready)


async def test_a_release_that_is_never_ready_runs_and_stays_out(cluster: Cluster) -> None:
    await cluster.create(env={"LAB_READY": "false"}, probe="/ready")
    await cluster.until(lambda pod: look(pod, "status", "phase") == "Running")
    await asyncio.sleep(0.3)
    pod = await cluster.pod()
    assert not ready(pod)
    assert rows(pod, "status", "conditions")[-1]["reason"] == "ContainersNotReady"


async def test_a_release_that_loses_its_readiness_is_seen(cluster: Cluster) -> None:
    await cluster.create(env={"LAB_READY": "until 500ms"})
    await cluster.until(ready)
    await cluster.until(lambda pod: not ready(pod))


async def test_bad_behaviour_is_a_container_that_waits_with_a_sentence(cluster: Cluster) -> None:
    await cluster.create(env={"LAB_FAILURES": "POST /api/task=5"})
    pod = await cluster.until(lambda pod: waits(pod) == "CreateContainerConfigError")
    assert look(pod, "status", "phase") == "Pending"
    assert text(app(pod), "state", "waiting", "message").startswith("LAB_FAILURES: 'POST /api/task=5' is not ROUTE=5%")


async def test_a_bad_client_is_said_too(cluster: Cluster) -> None:
    await cluster.create(env={"LAB_CLIENT": "web"}, port=None)
    pod = await cluster.until(lambda pod: waits(pod) == "CreateContainerConfigError")
    assert "an apex such as" in text(app(pod), "state", "waiting", "message")


async def test_a_port_that_is_taken_is_a_container_that_cannot_run(cluster: Cluster) -> None:
    await cluster.create(port=4191)
    pod = await cluster.until(lambda pod: waits(pod) == "RunContainerError")
    assert "cannot open its ports" in text(app(pod), "state", "waiting", "message")


async def test_a_pod_that_dies_is_gone_from_the_network_and_comes_back_later(cluster: Cluster) -> None:
    await cluster.create(env={"LAB_CRASH": "after 500ms"})
    await cluster.until(ready)
    pod = await cluster.until(lambda pod: waits(pod) == "CrashLoopBackOff")
    assert not ready(pod)
    assert [row["restartCount"] for row in rows(pod, "status", "containerStatuses")] == [1, 1]
    assert look(app(pod), "lastState", "terminated", "exitCode") == 137
    with pytest.raises(aiohttp.ClientConnectorError):
        await cluster.ask()
    await cluster.until(ready)
    assert await cluster.ask() == 200


async def test_an_app_that_dies_leaves_a_proxy_that_answers_502(cluster: Cluster) -> None:
    await cluster.create(env={"LAB_CRASH": "after 500ms, app"})
    pod = await cluster.until(lambda pod: waits(pod) == "CrashLoopBackOff")
    assert await cluster.ask() == 502
    assert [row["restartCount"] for row in rows(pod, "status", "containerStatuses")] == [1, 0]
    await cluster.until(ready)


async def test_a_deleted_pod_finishes_what_it_works_on(cluster: Cluster) -> None:
    await cluster.create(env={"LAB_LATENCY": "*=400ms"})
    await cluster.until(ready)
    answer = asyncio.create_task(cluster.ask())
    await asyncio.sleep(0.1)
    await cluster.api.delete(f"{PODS}/one")
    assert await answer == 200
    await eventually(lambda: is_gone(cluster))


async def test_a_pod_deleted_by_force_stops_too(cluster: Cluster) -> None:
    await cluster.create()
    await cluster.until(ready)
    ip = text(await cluster.pod(), "status", "podIP")
    await cluster.api.delete(f"{PODS}/one", {"gracePeriodSeconds": 0})

    async def closed() -> bool:
        try:
            _, writer = await asyncio.open_connection(loopback(ip), 8080)
        except ConnectionRefusedError:
            return True
        writer.close()
        return False

    await eventually(closed)


async def test_a_hanging_request_does_not_keep_a_pod_alive(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(podlife, "DRAIN", 0.2)
    await cluster.create(env={"LAB_HANGS": "*=100%"})
    await cluster.until(ready)
    hung = asyncio.create_task(cluster.ask())
    await asyncio.sleep(0.1)
    await cluster.api.delete(f"{PODS}/one")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await hung
    await eventually(lambda: is_gone(cluster))


async def is_gone(cluster: Cluster) -> bool:
    try:
        await cluster.pod()
    except NotFound:
        return True
    return False


async def test_a_pod_that_asks_for_the_mesh_is_labelled_by_its_owner(cluster: Cluster) -> None:
    deployment = next(obj for obj in reversed(seed.yamtam()) if text(obj, "metadata", "name") == seed.CANARY)
    metadata = {"name": seed.CANARY, "namespace": "default"}
    await cluster.api.create("/apis/apps/v1/namespaces/default/deployments", {**deployment, "metadata": metadata})
    await eventually(lambda: any(pod.ready for pod in cluster.mesh.pods.values()))
    (pod,) = cluster.mesh.pods.values()
    assert (pod.meshed, pod.owner) == (True, seed.CANARY)
    assert pod.labels["linkerd.io/proxy-deployment"] == seed.CANARY


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(".*/one/binding", id="when it is bound"),
        pytest.param(".*/one/status", id="when its status is written"),
    ],
)
async def test_a_pod_gets_over_an_api_server_that_has_a_bad_moment(cluster: Cluster, path: str) -> None:
    fault = cluster.plane.faults.add(Fault(answer=503, path=path, times=3))
    await cluster.create()
    await cluster.until(ready)
    assert fault.times == 0


async def test_pods_wait_for_an_address_when_there_is_none(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    full = [True]
    take = Block.take

    def taken(block: Block) -> str:
        if full:
            raise NoAddress(str(full.pop()))
        return take(block)

    monkeypatch.setattr(Block, "take", taken)
    await cluster.create()
    await cluster.until(ready)
    assert not full


async def test_pods_of_another_node_are_left_alone(cluster: Cluster) -> None:
    obj = a_pod("other", namespace="default")
    spec = {**obj["spec"], "nodeName": "elsewhere"}  # type: ignore[dict-item]  # as a_pod built it
    metadata = {"name": "other", "namespace": "default"}
    await cluster.api.create(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    await cluster.create()
    await cluster.until(ready)
    assert text(await cluster.pod("other"), "status", "podIP") == ""
