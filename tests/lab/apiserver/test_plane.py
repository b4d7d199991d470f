"""The embedded plane as a whole: its life, and the bad days it gives its clients."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
import yaml

from canary.adapters.api import Api
from canary.errors import ClusterUnreachable, Conflict, Expired, Forbidden
from canary.lab.apiserver.faults import Fault
from canary.lab.apiserver.plane import EmbeddedPlane
from canary.lab.controlplane import ControlPlane, choose

MAPS = "/api/v1/namespaces/default/configmaps"


@pytest_asyncio.fixture
async def plane(tmp_path: Path) -> AsyncIterator[EmbeddedPlane]:
    plane = EmbeddedPlane(tmp_path)
    await plane.start()
    yield plane
    await plane.stop()


@pytest_asyncio.fixture
async def api(plane: EmbeddedPlane) -> AsyncIterator[Api]:
    api = await Api.connect(plane.kubeconfig, agent="tester/1")
    yield api
    await api.close()


def a_map(name: str = "one") -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


async def test_it_is_what_the_lab_chooses(tmp_path: Path) -> None:
    plane: ControlPlane = choose("embedded", tmp_path)
    assert isinstance(plane, EmbeddedPlane)


async def test_it_starts_in_a_blink_and_writes_how_to_reach_it(tmp_path: Path) -> None:
    plane = EmbeddedPlane(tmp_path / "new")
    before = time.monotonic()
    await plane.start()
    assert time.monotonic() - before < 1
    config = yaml.safe_load(plane.kubeconfig.read_text())
    assert config["clusters"][0]["cluster"] == {"server": plane.url}
    assert plane.url.startswith("http://127.0.0.1:")
    await plane.stop()


async def test_the_namespaces_of_every_cluster_are_there(api: Api) -> None:
    items = (await api.get("/api/v1/namespaces"))["items"]
    assert isinstance(items, list)
    assert [each["metadata"]["name"] for each in items] == ["default", "kube-node-lease", "kube-public", "kube-system"]


async def test_stopping_takes_no_time_although_watches_are_open_and_may_be_done_twice(
    plane: EmbeddedPlane, api: Api
) -> None:
    watching = asyncio.ensure_future(anext(aiter(api.watch(MAPS, "1"))))
    await asyncio.sleep(0.05)
    before = time.monotonic()
    await plane.stop()
    await plane.stop()
    assert time.monotonic() - before < 1
    with pytest.raises((ClusterUnreachable, StopAsyncIteration)):
        await watching


async def test_a_restart_keeps_its_place_and_its_objects(plane: EmbeddedPlane, api: Api) -> None:
    made = await api.create(MAPS, a_map())
    url = plane.url
    await plane.restart()
    assert plane.url == url
    assert (await api.get(f"{MAPS}/one"))["metadata"] == made["metadata"]


async def test_while_it_is_away_nobody_is_answered(plane: EmbeddedPlane, api: Api) -> None:
    away = asyncio.create_task(plane.restart(pause=0.3))
    await asyncio.sleep(0.1)
    with pytest.raises(ClusterUnreachable):
        await api.get(MAPS)
    await away
    await api.get(MAPS)


async def test_cutting_ends_watches_in_mid_stream(plane: EmbeddedPlane, api: Api) -> None:
    stream = aiter(api.watch(MAPS, "1"))
    await api.create(MAPS, a_map())
    assert (await anext(stream))["type"] == "ADDED"
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.05)
    plane.cut()
    with pytest.raises((ClusterUnreachable, StopAsyncIteration)):
        await asyncio.wait_for(waiting, 2)
    await api.get(MAPS)


async def test_after_a_compaction_an_old_version_is_gone(plane: EmbeddedPlane, api: Api) -> None:
    await api.create(MAPS, a_map())
    plane.compact()
    with pytest.raises(Expired):
        await anext(aiter(api.watch(MAPS, "2")))
    with pytest.raises(Expired):
        await api.get(MAPS, resourceVersion=2, resourceVersionMatch="Exact")


async def test_a_page_cannot_be_turned_after_a_compaction(plane: EmbeddedPlane, api: Api) -> None:
    for name in ("a", "b"):
        await api.create(MAPS, a_map(name))
    meta = (await api.get(MAPS, limit=1))["metadata"]
    assert isinstance(meta, dict)
    await api.create(MAPS, a_map("c"))
    plane.compact()
    with pytest.raises(Expired):
        await api.get(MAPS, **{"limit": 1, "continue": meta["continue"]})


@pytest.mark.parametrize(
    ("code", "error"),
    [
        pytest.param(403, Forbidden, id="forbidden"),
        pytest.param(409, Conflict, id="conflict"),
        pytest.param(410, Expired, id="expired"),
        pytest.param(429, ClusterUnreachable, id="too many requests"),
        pytest.param(500, ClusterUnreachable, id="internal"),
        pytest.param(503, ClusterUnreachable, id="unavailable"),
    ],
)
async def test_a_fault_answers_in_the_place_of_the_server(
    plane: EmbeddedPlane, api: Api, code: int, error: type[Exception]
) -> None:
    fault = plane.faults.add(Fault(answer=code, path=MAPS))
    with pytest.raises(error):
        await api.get(MAPS)
    await api.get("/api/v1/namespaces")
    plane.faults.remove(fault)
    await api.get(MAPS)


async def test_a_fault_says_when_to_come_back(plane: EmbeddedPlane) -> None:
    plane.faults.add(Fault(answer=429))
    async with aiohttp.ClientSession() as session, session.get(plane.url + MAPS) as response:
        assert response.headers["Retry-After"] == "1"
        body = await response.json()
    assert (body["kind"], body["reason"], body["code"]) == ("Status", "TooManyRequests", 429)


async def test_a_fault_may_happen_a_few_times_only(plane: EmbeddedPlane, api: Api) -> None:
    plane.faults.add(Fault(answer=500, method="POST", times=2))
    for _ in range(2):
        with pytest.raises(ClusterUnreachable):
            await api.create(MAPS, a_map())
    await api.create(MAPS, a_map())


async def test_a_fault_may_be_meant_for_one_client(plane: EmbeddedPlane, api: Api) -> None:
    plane.faults.add(Fault(answer=500, agent="tester/"))
    with pytest.raises(ClusterUnreachable):
        await api.get(MAPS)
    async with aiohttp.ClientSession() as session, session.get(plane.url + MAPS) as response:
        assert response.status == 200


async def test_a_cut_connection_is_no_answer(plane: EmbeddedPlane, api: Api) -> None:
    plane.faults.add(Fault(answer="cut", path=MAPS))
    with pytest.raises(ClusterUnreachable):
        await api.get(MAPS)
    plane.faults.clear()
    await api.get(MAPS)


async def test_a_hanging_request_does_not_hold_up_the_others_or_the_end(plane: EmbeddedPlane, api: Api) -> None:
    plane.faults.add(Fault(answer="hang", path=f"{MAPS}/one"))
    hanging = asyncio.create_task(api.get(f"{MAPS}/one"))
    await asyncio.sleep(0.05)
    await api.get(MAPS)
    assert not hanging.done()
    await plane.stop()
    with pytest.raises(ClusterUnreachable):
        await hanging


async def test_the_controllers_go_on_after_a_compaction(plane: EmbeddedPlane, api: Api) -> None:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    await api.create("/apis/apps/v1/namespaces/default/deployments", {"metadata": {"name": "web"}, "spec": spec})
    plane.compact()
    for _ in range(100):
        if (await api.get("/api/v1/namespaces/default/pods"))["items"]:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("no pod came")


async def test_controllers_that_fail_are_not_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    plane = EmbeddedPlane(tmp_path)

    def burst(_: float) -> bool:
        raise RuntimeError("a bug")

    monkeypatch.setattr("canary.lab.apiserver.controllers.Controllers.catch_up", lambda _, now: burst(now))
    await plane.start()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [str(each["exception"]) for each in said] == ["a bug"]
    with pytest.raises(RuntimeError, match="a bug"):
        await plane.stop()
