"""The mirror of one kind, against the embedded API server, and against one that answers as told."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from canary.adapters.api import Api, Json
from canary.adapters.watch import BACKOFF, PAGE, PERIOD, Mirror, version
from canary.errors import CanaryError, ClusterUnreachable, Forbidden, NotFound
from canary.lab.apiserver.faults import Fault
from canary.lab.apiserver.plane import EmbeddedPlane
from tests.adapters.planes import a_kubeconfig, a_plane, an_api
from tests.adapters.recorded import Answer, Asked, Recorded, head, in_turn, recorded, reply, until

SERVICES = "/api/v1/services"
IN_TOWN = "/api/v1/namespaces/default/services"


@dataclass
class Ears:
    """What a mirror told."""

    changed: list[str] = field(default_factory=list)
    failed: list[CanaryError] = field(default_factory=list)

    def hear(self, obj: Json) -> None:
        meta = obj["metadata"]
        assert isinstance(meta, dict)
        self.changed.append(str(meta["name"]))

    def fail(self, path: str, error: CanaryError) -> None:
        self.failed.append(error)


@contextlib.asynccontextmanager
async def followed(api: Api, path: str, ears: Ears) -> AsyncIterator[Mirror]:
    mirror = Mirror(api, path, ears.hear, ears.fail)

    async def follow() -> None:
        await mirror.follow()

    task = asyncio.create_task(follow())
    try:
        yield mirror
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("canary.adapters.watch.BACKOFF", (0.02, 0.2))


def a_service(name: str, port: int = 80) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"app": name}, "ports": [{"port": port}]},
    }


class Town:
    """The embedded server, one client that mirrors, one that is anybody else, and who asked for what."""

    def __init__(self, plane: EmbeddedPlane, api: Api, anybody: Api) -> None:
        self.plane, self.api, self.anybody = plane, api, anybody
        self.asked: list[str] = []
        api.requested = self.asked.append

    async def make(self, name: str) -> Json:
        return await self.anybody.create(IN_TOWN, a_service(name))

    async def label(self, name: str, value: str, api: Api | None = None) -> Json:
        return await (api or self.anybody).patch(f"{IN_TOWN}/{name}", {"metadata": {"labels": {"v": value}}})


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with AsyncExitStack() as stack:
        plane = await stack.enter_async_context(a_plane(tmp_path))
        api = await stack.enter_async_context(an_api(plane.kubeconfig))
        anybody = await stack.enter_async_context(an_api(plane.kubeconfig, "kubectl"))
        yield Town(plane, api, anybody)


def label(mirror: Mirror, name: str) -> object:
    obj = mirror.get("default", name)
    meta = obj["metadata"] if obj is not None else {}
    labels = meta.get("labels") if isinstance(meta, dict) else None
    return labels.get("v") if isinstance(labels, dict) else None


class TestMirroring:
    async def test_what_is_there_is_listed_and_told(self, town: Town, ears: Ears) -> None:
        await town.make("a")
        await town.make("b")
        async with followed(town.api, SERVICES, ears) as mirror:
            await mirror.synced.wait()
            assert sorted(ears.changed) == ["a", "b"]
            assert (len(mirror.all()), len(mirror.within("default")), mirror.within("village")) == (2, 2, [])
            assert not mirror.missing

    async def test_what_comes_changes_and_goes_is_told_each_time(self, town: Town, ears: Ears) -> None:
        async with followed(town.api, SERVICES, ears) as mirror:
            await mirror.synced.wait()
            await town.make("a")
            await until(lambda: mirror.get("default", "a") is not None)
            await town.label("a", "2")
            await until(lambda: label(mirror, "a") == "2")
            await town.anybody.delete(f"{IN_TOWN}/a")
            await until(lambda: mirror.get("default", "a") is None)
        assert ears.changed == ["a", "a", "a"]
        assert ears.failed == []

    async def test_a_quiet_kind_costs_one_list_and_one_watch(self, town: Town, ears: Ears) -> None:
        await town.make("a")
        async with followed(town.api, SERVICES, ears) as mirror:
            await mirror.synced.wait()
            for number in range(20):
                await town.label("a", str(number))
            await until(lambda: label(mirror, "a") == "19")
        assert town.asked == ["GET", "WATCH"]

    async def test_many_objects_come_in_pages(self, town: Town, ears: Ears, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("canary.adapters.watch.PAGE", 2)
        for number in range(5):
            await town.make(f"s{number}")
        async with followed(town.api, SERVICES, ears) as mirror:
            await mirror.synced.wait()
            assert len(mirror.all()) == 5
        assert town.asked == ["GET"] * 3 + ["WATCH"]


class TestOwnWrites:
    async def test_they_are_seen_at_once_and_told_to_nobody(self, town: Town, ears: Ears) -> None:
        await town.make("a")
        async with followed(town.api, SERVICES, ears) as mirror:
            await mirror.synced.wait()
            assert mirror.put(await town.label("a", "ours", town.api))
            assert label(mirror, "a") == "ours"
            await town.make("b")  # what the watch says of our write comes before this
            await until(lambda: mirror.get("default", "b") is not None)
        assert ears.changed == ["a", "b"]

    async def test_an_older_event_does_not_take_the_place_of_a_newer_write(self, town: Town, ears: Ears) -> None:
        await town.make("a")
        async with followed(town.api, SERVICES, ears) as mirror:
            await mirror.synced.wait()
            old = await town.label("a", "old")
            mirror.put(await town.label("a", "new", town.api))
            assert not mirror.put(old)
            assert label(mirror, "a") == "new"

    async def test_the_answer_to_a_write_does_not_bring_back_what_was_deleted_since(
        self, town: Town, ears: Ears
    ) -> None:
        await town.make("a")
        async with followed(town.api, SERVICES, ears) as mirror:
            await mirror.synced.wait()
            late = await town.label("a", "ours", town.api)
            await town.anybody.delete(f"{IN_TOWN}/a")
            await until(lambda: mirror.get("default", "a") is None)
            assert not mirror.put(late)
            assert mirror.get("default", "a") is None


async def persistently(town: Town, name: str) -> None:
    """Make one although our own connection was cut, too."""
    for _ in range(3):
        with contextlib.suppress(ClusterUnreachable):
            await town.make(name)
            return


class TestBadDays:
    async def test_a_watch_from_too_long_ago_is_begun_anew_with_a_list(self, town: Town, ears: Ears) -> None:
        for name in ("goes", "changes", "stays"):
            await town.make(name)
        async with followed(town.api, SERVICES, ears) as mirror:
            await mirror.synced.wait()
            fault = town.plane.faults.add(Fault(answer=503, path=SERVICES, agent="canary"))
            town.plane.cut()
            await until(lambda: len(ears.failed) > 1)
            await town.anybody.delete(f"{IN_TOWN}/goes")
            await town.label("changes", "new")
            await town.make("comes")
            town.plane.compact()
            town.plane.faults.remove(fault)
            await until(lambda: mirror.get("default", "comes") is not None)
            assert mirror.get("default", "goes") is None
            assert label(mirror, "changes") == "new"
            assert {"goes", "changes", "comes", "stays"} <= set(ears.changed[3:]), "each is looked at again"

    async def test_a_410_within_a_watch_is_no_failure(self, town: Town, ears: Ears) -> None:
        async with followed(town.api, SERVICES, ears) as mirror:
            await mirror.synced.wait()
            town.plane.faults.add(Fault(answer=410, path=SERVICES + r"\?.*watch", agent="canary", times=2))
            await town.plane.restart()
            await town.make("a")
            await until(lambda: mirror.get("default", "a") is not None)
        assert all(isinstance(error, ClusterUnreachable) for error in ears.failed)

    async def test_a_cut_stream_loses_nothing(self, town: Town, ears: Ears) -> None:
        async with followed(town.api, SERVICES, ears) as mirror:
            await mirror.synced.wait()
            for number in range(5):
                await persistently(town, f"s{number}")
                town.plane.cut()
            await until(lambda: len(mirror.all()) == 5)
        assert ears.failed
        assert all("broke" in error.hint or "GET" in error.hint for error in ears.failed)

    async def test_a_restarted_server_is_followed_again(self, town: Town, ears: Ears) -> None:
        async with followed(town.api, SERVICES, ears) as mirror:
            await mirror.synced.wait()
            await town.plane.restart(0.2)
            await town.make("a")
            await until(lambda: mirror.get("default", "a") is not None)

    async def test_a_kind_that_is_not_served_is_missing_and_looked_for_until_it_is(
        self, town: Town, ears: Ears
    ) -> None:
        async with followed(town.api, "/apis/canary.dev/v1alpha1/canaries", ears) as mirror:
            await mirror.synced.wait()
            assert mirror.missing
            assert isinstance(ears.failed[0], NotFound)
            await town.anybody.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", a_definition())
            await until(lambda: not mirror.missing)

    async def test_what_we_may_not_list_is_said_and_is_not_in_sync(self, town: Town, ears: Ears) -> None:
        town.plane.faults.add(Fault(answer=403, path=SERVICES, agent="canary"))
        async with followed(town.api, SERVICES, ears) as mirror:
            await until(lambda: bool(ears.failed))
            assert isinstance(ears.failed[0], Forbidden)
            assert not mirror.synced.is_set()

    async def test_a_watch_that_fails_each_time_is_tried_less_and_less_often(
        self, town: Town, ears: Ears, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        slept = naps(monkeypatch)
        town.plane.faults.add(Fault(answer=500, path=SERVICES + r"\?.*watch", agent="canary"))
        async with followed(town.api, SERVICES, ears):
            await until(lambda: len(slept) >= 6)
        assert slept[:6] == [0.02, 0.04, 0.08, 0.16, 0.2, 0.2]

    async def test_who_is_told_no_does_not_ask_as_often_as_in_an_outage(
        self, town: Town, ears: Ears, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        slept = naps(monkeypatch)
        town.plane.faults.add(Fault(answer=403, path=SERVICES, agent="canary"))
        async with followed(town.api, SERVICES, ears):
            await until(lambda: len(slept) >= 6)
        assert slept[:6] == [0.02, 0.04, 0.08, 0.16, 0.32, 0.64]


def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Cut the pauses short; collects how long each could have been."""
    slept: list[float] = []

    def shortly(_: float, most: float) -> float:
        slept.append(most)
        return 0.001

    monkeypatch.setattr(random, "uniform", shortly)
    return slept


def a_definition() -> Json:
    """Make a CustomResourceDefinition without rules: this is about being served at all."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": schema}
    names = {"kind": "Canary", "plural": "canaries", "singular": "canary", "listKind": "CanaryList"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "canaries.canary.dev"},
        "spec": {"group": "canary.dev", "scope": "Namespaced", "names": names, "versions": [version]},
    }


def an_object(name: str, resource_version: object, **more: object) -> Json:
    return {"metadata": {"name": name, "namespace": "default", "resourceVersion": resource_version}, **more}


def a_list(resource_version: object, *items: Json) -> Answer:
    return reply(body={"metadata": {"resourceVersion": resource_version}, "items": list(items)})


def a_watch(*events: tuple[str, Json], stays: bool = False) -> Answer:
    """Send events and end the stream, or leave it open."""
    lines = b"".join(json.dumps({"type": kind, "object": obj}).encode() + b"\n" for kind, obj in events)

    async def answer(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head(Transfer_Encoding="chunked"))
        if lines:
            writer.write(f"{len(lines):x}\r\n".encode() + lines + b"\r\n")
        if stays:
            await writer.drain()
            await asyncio.Event().wait()
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    return answer


@contextlib.asynccontextmanager
async def told(home: Path, ears: Ears, lists: Answer, watches: Answer) -> AsyncIterator[tuple[Mirror, Recorded]]:
    """Mirror a server that answers lists and watches as told."""

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await (watches if "watch" in asked.query else lists)(asked, writer)

    async with (
        recorded(answer) as server,
        an_api(a_kubeconfig(home, server.url)) as api,
        followed(api, SERVICES, ears) as mirror,
    ):
        yield mirror, server


def versions(server: Recorded) -> list[str]:
    """Tell from where each watch was asked for."""
    return [asked.query["resourceVersion"] for asked in server.asked if "watch" in asked.query]


class TestPosition:
    async def test_it_asks_for_pages_and_for_bookmarks_and_bounds_the_watch(self, tmp_path: Path, ears: Ears) -> None:
        async with told(tmp_path, ears, a_list("7"), a_watch(stays=True)) as (_, server):
            await until(lambda: len(server.asked) == 2)
        first, second = server.asked
        assert first.query == {"limit": str(PAGE)}
        assert second.query["allowWatchBookmarks"] == "true"
        assert second.query["timeoutSeconds"] == str(PERIOD)

    async def test_a_watch_goes_on_from_the_list_then_from_events_and_from_bookmarks(
        self, tmp_path: Path, ears: Ears
    ) -> None:
        watches = in_turn(
            a_watch(("ADDED", an_object("a", "9"))),
            a_watch(("BOOKMARK", an_object("", "15"))),
            a_watch(("DELETED", an_object("a", "20"))),
            a_watch(stays=True),
        )
        async with told(tmp_path, ears, a_list("7"), watches) as (mirror, server):
            await until(lambda: len(versions(server)) == 4)
            assert versions(server) == ["7", "9", "15", "20"]
            assert mirror.all() == []
        assert ears.changed == ["a", "a"]
        assert len(server.asked) == 1 + 4

    async def test_a_watch_that_ends_at_once_is_not_asked_for_over_and_over(self, tmp_path: Path, ears: Ears) -> None:
        async with told(tmp_path, ears, a_list("7"), a_watch()) as (_, server):
            await asyncio.sleep(0.5)
        assert 2 < len(versions(server)) < 12
        assert set(versions(server)) == {"7"}

    async def test_a_quiet_watch_that_lasted_is_followed_by_the_next_at_once(
        self, tmp_path: Path, ears: Ears, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def quiet(asked: Asked, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(0.3)
            await a_watch()(asked, writer)

        slept = naps(monkeypatch)
        async with told(tmp_path, ears, a_list("7"), quiet) as (_, server):
            await until(lambda: len(versions(server)) == 4)
        assert (slept, set(versions(server))) == ([], {"7"})

    async def test_a_410_each_time_is_not_asked_for_over_and_over(self, tmp_path: Path, ears: Ears) -> None:
        gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
        async with told(tmp_path, ears, a_list("7"), a_watch(("ERROR", gone))) as (_, server):
            await asyncio.sleep(0.5)
        assert 2 < len(server.asked) < 24
        assert ears.failed == []

    async def test_the_deletion_of_an_earlier_object_does_not_take_away_the_one_we_made_since(
        self, tmp_path: Path, ears: Ears
    ) -> None:
        written = asyncio.Event()

        async def behind(asked: Asked, writer: asyncio.StreamWriter) -> None:
            await written.wait()
            await a_watch(("MODIFIED", an_object("a", "9")), ("DELETED", an_object("a", "10")))(asked, writer)

        lists, watches = a_list("7", an_object("a", "7")), in_turn(behind, a_watch(stays=True))
        async with told(tmp_path, ears, lists, watches) as (mirror, server):
            await mirror.synced.wait()
            ours = an_object("a", "11", v="made again")
            mirror.put(ours)
            written.set()
            await until(lambda: versions(server) == ["7", "10"])
            assert mirror.all() == [ours]

    async def test_a_list_that_was_made_before_a_write_does_not_take_it_away(self, tmp_path: Path, ears: Ears) -> None:
        written = asyncio.Event()

        async def breaks(asked: Asked, writer: asyncio.StreamWriter) -> None:
            writer.write(head(Transfer_Encoding="chunked"))
            await writer.drain()
            await written.wait()
            writer.transport.abort()

        lists = in_turn(a_list("40", an_object("goes", "30")), a_list("50"))
        async with told(tmp_path, ears, lists, in_turn(breaks, a_watch(stays=True))) as (mirror, server):
            await mirror.synced.wait()
            ours = an_object("ours", "60")
            assert mirror.put(ours)
            written.set()
            await until(lambda: versions(server) == ["40", "50"])
            assert mirror.all() == [ours]

    async def test_a_cluster_restored_from_a_backup_is_believed(self, tmp_path: Path, ears: Ears) -> None:
        before, after = an_object("a", "90", v="before"), an_object("a", "40", v="restored")
        lists = in_turn(a_list("100", before, an_object("b", "80")), a_list("50", after))
        watches = in_turn(a_watch(("BOOKMARK", an_object("", "x"))), a_watch(stays=True))
        async with told(tmp_path, ears, lists, watches) as (mirror, server):
            await until(lambda: versions(server) == ["100", "50"])
            assert mirror.all() == [after]
            assert sorted(ears.changed) == ["a", "a", "b", "b"]  # also what has never been

    async def test_who_is_told_to_come_back_later_does_not_come_earlier(self, tmp_path: Path, ears: Ears) -> None:
        asked: list[float] = []

        async def busy(what: Asked, writer: asyncio.StreamWriter) -> None:
            asked.append(asyncio.get_running_loop().time())
            await reply(429, Retry_After="1")(what, writer)

        lists = in_turn(busy, a_list("7"))
        async with told(tmp_path, ears, lists, a_watch(stays=True)) as (mirror, _):
            await mirror.synced.wait()
            assert asyncio.get_running_loop().time() - asked[0] >= 1

    @pytest.mark.parametrize("odd", ["", "abc", None, "0x7"])
    async def test_a_resource_version_that_is_no_number_is_said(self, tmp_path: Path, ears: Ears, odd: object) -> None:
        async with told(tmp_path, ears, a_list(odd), a_watch(stays=True)) as (mirror, _):
            await until(lambda: bool(ears.failed))
            assert "which is no number" in ears.failed[0].hint
            assert not mirror.synced.is_set()


def test_versions_are_compared_as_numbers() -> None:
    assert version(an_object("a", "100")) > version(an_object("a", "99"))


def test_the_pauses_are_sane() -> None:
    least, most = BACKOFF
    assert 0 < least < most <= 60
