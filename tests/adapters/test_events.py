import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from canary.adapters import events as module
from canary.adapters.api import Api, Json
from canary.adapters.events import ROOM, Events
from canary.errors import CanaryError
from canary.lab.apiserver.faults import Fault
from canary.lab.apiserver.plane import EmbeddedPlane
from tests.adapters.planes import a_plane, an_api
from tests.adapters.recorded import until

PATH = "/api/v1/namespaces/default/events"
WEB = {
    "apiVersion": "canary.dev/v1alpha1",
    "kind": "Canary",
    "namespace": "default",
    "name": "web",
    "uid": "0b5c7a3e-0000-4000-8000-000000000000",
    "resourceVersion": "42",
}


class Desk:
    """One process that publishes, on a clock that stands still until it is told otherwise."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.time = datetime(2026, 1, 2, 3, 4, 5, 999999, tzinfo=UTC)
        self.failures: list[CanaryError] = []
        self.events = Events(api, "canary-0_1234", now=lambda: self.time, failed=self.failures.append)

    def publish(self, reason: str = "WeightIncreased", message: str = "100m", *, warning: bool = False) -> None:
        self.events.publish(WEB, reason, message, warning=warning)

    async def written(self) -> list[Json]:
        items = (await self.api.get(PATH))["items"]
        assert isinstance(items, list)
        return sorted(items, key=lambda item: str(item["message"]))


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[EmbeddedPlane]:
    async with a_plane(tmp_path) as plane:
        yield plane


@pytest.fixture
async def api(plane: EmbeddedPlane) -> AsyncIterator[Api]:
    async with an_api(plane.kubeconfig) as api:
        yield api


@pytest.fixture
def desk(api: Api) -> Desk:
    return Desk(api)


async def test_an_event_says_what_happened_to_which_object(desk: Desk) -> None:
    desk.publish("RolledBack", "97 % of 300 requests", warning=True)
    await desk.events.close()
    (event,) = await desk.written()
    assert isinstance(event["metadata"], dict)
    assert str(event["metadata"]["name"]).startswith("web.")
    wanted = {
        "involvedObject": WEB,
        "type": "Warning",
        "reason": "RolledBack",
        "message": "97 % of 300 requests",
        "firstTimestamp": "2026-01-02T03:04:05Z",
        "lastTimestamp": "2026-01-02T03:04:05Z",
        "count": 1,
        "source": {"component": "canary"},
        "reportingComponent": "canary.dev/canary",
        "reportingInstance": "canary-0_1234",
    }
    assert {name: event[name] for name in wanted} == wanted
    assert not desk.failures


async def test_the_same_words_again_are_counted(desk: Desk) -> None:
    for _ in range(3):
        desk.publish()
        desk.time += timedelta(seconds=10)
    await desk.events.close()
    (event,) = await desk.written()
    assert (event["count"], event["firstTimestamp"], event["lastTimestamp"]) == (
        3,
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:25Z",
    )


async def test_what_was_told_already_is_not_told_again_to_make_sure(desk: Desk, api: Api) -> None:
    desk.publish()
    await until_written(desk, 1)
    another = Desk(api)
    for message in ("100m", "200m", "200m"):
        another.events.publish(WEB, "WeightIncreased", message, once=True)
    await another.events.close()
    assert [(event["message"], event["count"]) for event in await desk.written()] == [("100m", 1), ("200m", 1)]


async def test_other_words_are_another_event(desk: Desk) -> None:
    desk.publish(message="100m")
    desk.publish(message="200m")
    desk.publish("Paused", message="200m")
    desk.publish("Paused", message="200m", warning=True)
    await desk.events.close()
    assert [event["count"] for event in await desk.written()] == [1, 1, 1, 1]


async def test_after_a_restart_counting_goes_on(desk: Desk, api: Api) -> None:
    for _ in range(2):
        desk.publish()
    await desk.events.close()
    reborn = Desk(api)
    reborn.publish()
    await reborn.events.close()
    (event,) = await desk.written()
    assert event["count"] == 3
    assert not reborn.failures


async def test_what_is_no_longer_remembered_is_counted_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROOM", 2)
    for message in ("100m", "200m", "300m", "100m"):
        desk.publish(message=message)
    await desk.events.close()
    assert [event["count"] for event in await desk.written()] == [2, 1, 1]
    assert not desk.failures


async def test_one_that_the_api_server_has_dropped_is_made_again(desk: Desk) -> None:
    desk.publish()
    await until_written(desk, 1)
    (event,) = await desk.written()
    assert isinstance(event["metadata"], dict)
    await desk.api.delete(f"{PATH}/{event['metadata']['name']}")
    desk.publish()
    await desk.events.close()
    (event,) = await desk.written()
    assert event["count"] == 1
    assert not desk.failures


@pytest.mark.parametrize("message", ["x" * 2000, "ü" * 2000, "x" + "ü" * 2000], ids=["ascii", "two bytes", "odd"])
async def test_a_long_message_is_clipped_to_the_apis_limit(desk: Desk, message: str) -> None:
    desk.publish(message=message)
    await desk.events.close()
    (event,) = await desk.written()
    text = str(event["message"])
    assert text.endswith("…")
    assert 1020 <= len(text.encode()) <= 1024


async def test_a_message_that_fits_is_kept(desk: Desk) -> None:
    desk.publish(message="ü" * 512)
    await desk.events.close()
    assert (await desk.written())[0]["message"] == "ü" * 512


@pytest.mark.parametrize("name", ["a" * 253, "a" * 229 + ".-b"], ids=["long", "cut at a dot"])
async def test_the_name_of_a_long_canary_stays_a_name(desk: Desk, name: str) -> None:
    desk.events.publish({**WEB, "name": name}, "Paused", "x")
    await desk.events.close()
    (event,) = await desk.written()
    assert isinstance(event["metadata"], dict)
    assert len(str(event["metadata"]["name"])) <= 253
    assert ".-." not in str(event["metadata"]["name"])


async def test_half_a_character_does_not_stop_the_others(desk: Desk) -> None:
    desk.publish(message="\ud800")
    desk.publish(message="whole")
    await desk.events.close()
    assert "whole" in [event["message"] for event in await desk.written()]


@pytest.mark.parametrize("answer", [503, 429, "cut"], ids=str)
async def test_a_short_outage_loses_nothing(plane: EmbeddedPlane, desk: Desk, answer: "int | str") -> None:
    plane.faults.add(Fault(answer=answer, method="POST", times=1))  # type: ignore[arg-type]  # one of its literals
    desk.publish()
    await until_written(desk, 1)
    await desk.events.close()
    assert not desk.failures


async def test_an_outage_of_seconds_loses_nothing(
    plane: EmbeddedPlane, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("canary.adapters.events.PAUSE", timedelta(seconds=0.1))
    plane.faults.add(Fault(answer=500, method="POST", times=4))
    desk.publish()
    await until_written(desk, 1)
    assert not desk.failures


@pytest.mark.parametrize("answer", [503, 403, 422], ids=str)
async def test_what_cannot_be_written_is_counted_and_the_next_one_is_tried(
    plane: EmbeddedPlane, desk: Desk, answer: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("canary.adapters.events.PAUSE", timedelta(seconds=0.05))
    fault = plane.faults.add(Fault(answer=answer))
    desk.publish(message="lost")
    await until(lambda: len(desk.failures) == 1)
    plane.faults.remove(fault)
    desk.publish(message="found")
    await desk.events.close()
    assert [event["message"] for event in await desk.written()] == ["found"]


async def test_publishing_never_blocks_and_what_is_too_much_is_counted(plane: EmbeddedPlane, desk: Desk) -> None:
    plane.faults.add(Fault(answer="hang"))
    began = time.monotonic()
    for number in range(ROOM + 50):
        desk.publish(message=str(number))
    assert time.monotonic() - began < 0.5
    assert len(desk.failures) == 50
    await desk.events.close()
    assert len(desk.failures) == ROOM + 50


async def test_the_end_takes_less_than_a_second(plane: EmbeddedPlane, desk: Desk) -> None:
    plane.faults.add(Fault(answer="hang"))
    desk.publish()
    desk.publish(message="200m")
    await asyncio.sleep(0.1)
    began = time.monotonic()
    await desk.events.close()
    await desk.events.close()
    assert time.monotonic() - began < 1
    assert len(desk.failures) == 2
    desk.publish()
    assert len(desk.failures) == 3


async def test_one_that_never_published_ends_at_once(desk: Desk) -> None:
    await asyncio.wait_for(desk.events.close(), 0.1)


async def until_written(desk: Desk, count: int) -> None:
    async with asyncio.timeout(5):
        while len(await desk.written()) < count:  # noqa: ASYNC110 - asks another
            await asyncio.sleep(0.05)
