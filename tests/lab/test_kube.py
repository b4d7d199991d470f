"""Mirrors and manifests against the embedded API server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from canary.adapters.api import Api, Json
from canary.lab.apiserver.plane import EmbeddedPlane
from canary.lab.fields import look, text
from canary.lab.kube import Mirror, apply, path_of
from tests.lab.world import eventually


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[tuple[EmbeddedPlane, Api]]:
    plane = EmbeddedPlane(tmp_path)
    await plane.start()
    api = await Api.connect(plane.kubeconfig)
    try:
        yield plane, api
    finally:
        await api.close()
        await plane.stop()


def a_service(name: str, port: int = 80, **labels: str) -> Json:
    metadata = {"name": name, "namespace": "default", "labels": labels}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": port}]}}


@pytest.mark.parametrize(
    ("obj", "path"),
    [
        pytest.param(a_service("a"), "/api/v1/namespaces/default/services", id="core"),
        pytest.param({"apiVersion": "v1", "kind": "Namespace"}, "/api/v1/namespaces", id="without namespace"),
        pytest.param(
            {"apiVersion": "canary.dev/v1alpha1", "kind": "Canary", "metadata": {"namespace": "x"}},
            "/apis/canary.dev/v1alpha1/namespaces/x/canaries",
            id="an odd plural",
        ),
        pytest.param(
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}},
            "/apis/apps/v1/namespaces/default/deployments",
            id="the default namespace",
        ),
    ],
)
def test_every_object_has_its_collection(obj: Json, path: str) -> None:
    assert path_of(obj) == path


async def test_what_exists_is_patched(cluster: tuple[EmbeddedPlane, Api]) -> None:
    _, api = cluster
    await apply(api, [a_service("a", one="1")])
    await apply(api, [a_service("a", two="2")])
    found = await api.get("/api/v1/namespaces/default/services/a")
    assert look(found, "metadata", "labels") == {"one": "1", "two": "2"}


class Seen:
    """What a mirror told."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.calls = 0

    def __call__(self, kind: str, obj: Json, *, deleted: bool) -> None:
        assert kind == "Service"
        self.calls += 1
        (self.names.discard if deleted else self.names.add)(text(obj, "metadata", "name"))


async def test_a_mirror_knows_what_was_there_and_hears_of_what_follows(cluster: tuple[EmbeddedPlane, Api]) -> None:
    _, api = cluster
    await apply(api, [a_service("a")])
    seen = Seen()
    mirror = Mirror(api, "/api/v1/services", "Service", seen)
    task = asyncio.create_task(mirror.run())
    try:
        await asyncio.wait_for(mirror.synced.wait(), 5)
        assert "a" in seen.names
        await apply(api, [a_service("b")])
        await eventually(lambda: "b" in seen.names)
        await api.delete("/api/v1/namespaces/default/services/a")
        await eventually(lambda: "a" not in seen.names)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_mirror_survives_an_api_server_that_goes_away_and_forgets(cluster: tuple[EmbeddedPlane, Api]) -> None:
    plane, api = cluster
    await apply(api, [a_service("a"), a_service("b")])
    seen = Seen()
    task = asyncio.create_task(Mirror(api, "/api/v1/services", "Service", seen).run())
    try:
        await eventually(lambda: {"a", "b"} <= seen.names)
        plane.cut()
        await api.delete("/api/v1/namespaces/default/services/a")
        plane.compact()
        await apply(api, [a_service("c")])
        await eventually(lambda: "c" in seen.names and "a" not in seen.names)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_kind_that_does_not_exist_is_empty_and_may_come_later(cluster: tuple[EmbeddedPlane, Api]) -> None:
    _, api = cluster
    mirror = Mirror(api, "/apis/nowhere.dev/v1/things", "Thing", Seen())
    task = asyncio.create_task(mirror.run())
    try:
        await asyncio.wait_for(mirror.synced.wait(), 5)
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
