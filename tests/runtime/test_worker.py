"""What becomes of a tick that raised."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from canary.core.snapshot import Key
from canary.core.status import CanaryStatus, Reason
from canary.errors import (
    CanaryError,
    ClusterUnreachable,
    Conflict,
    Forbidden,
    LeaseLost,
    NotFound,
    Rejected,
)
from canary.runtime.queue import DelayQueue
from canary.runtime.worker import NO_HURRY, work
from tests.runtime.virtual import pass_time
from tests.runtime.world import WEB, Everything, a_snapshot, idle

SHOP = Key("town", "shop")


@pytest.fixture
def all_of_it() -> Everything:
    return Everything()


@contextlib.asynccontextmanager
async def working(all_of_it: Everything, workers: int = 1) -> AsyncIterator[DelayQueue]:
    queue = DelayQueue()

    async def job() -> None:
        await work(queue, all_of_it.world)

    tasks = [asyncio.create_task(job()) for _ in range(workers)]
    try:
        yield queue
    finally:
        ended = [task for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert not ended, "a worker ended"


def looks(all_of_it: Everything) -> int:
    return all_of_it.journal.count("look")


async def test_an_idle_canary_waits_for_a_change(all_of_it: Everything) -> None:
    all_of_it.holds(a_snapshot(status=idle()))
    async with working(all_of_it) as queue:
        queue.put(WEB)
        await pass_time(3600)
        assert looks(all_of_it) == 1
        queue.put(WEB)
        await pass_time(1)
        assert looks(all_of_it) == 2


async def test_a_rollout_is_ticked_on_the_grid_of_its_interval(all_of_it: Everything) -> None:
    all_of_it.holds(a_snapshot())
    async with working(all_of_it) as queue:
        queue.put(WEB)
        await pass_time(15)
        before = looks(all_of_it)
        await pass_time(100)
        assert looks(all_of_it) == before + 10
    times = [seen.elapsed.total_seconds() for seen, _, _ in all_of_it.crier.told[-8:]]
    assert times == [pytest.approx(10)] * 8


@pytest.mark.parametrize(
    ("error", "least", "most"),
    [
        pytest.param(ClusterUnreachable("503"), 0.25, 1.0, id="outage"),
        pytest.param(ClusterUnreachable("429", retry_after=30), 30, 30, id="asked for quiet"),
        pytest.param(Forbidden("no right to patch"), NO_HURRY, NO_HURRY, id="forbidden"),
        pytest.param(Rejected("422"), NO_HURRY, NO_HURRY, id="rejected"),
        pytest.param(NotFound("404"), NO_HURRY, NO_HURRY, id="not found"),
        pytest.param(CanaryError("something"), NO_HURRY, NO_HURRY, id="any of ours"),
        pytest.param(ZeroDivisionError("a bug"), NO_HURRY, NO_HURRY, id="bug"),
    ],
)
async def test_a_failed_tick_is_told_and_tried_again(
    all_of_it: Everything, error: Exception, least: float, most: float
) -> None:
    all_of_it.holds(a_snapshot(status=idle()))
    all_of_it.town.trouble("look", error)
    async with working(all_of_it) as queue:
        queue.put(WEB)
        await pass_time(least - 0.01)
        assert (looks(all_of_it), all_of_it.crier.faults) == (1, [(WEB, error)])
        await pass_time(most - least + 0.02)
        assert all_of_it.crier.told, "it was looked at again"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(Forbidden("PATCH of the split: 403"), Reason.FORBIDDEN, id="our rights"),
        pytest.param(Rejected("PATCH of the split: 422"), Reason.REJECTED, id="what we wrote"),
    ],
)
async def test_what_the_api_server_refuses_is_said_in_the_status_until_it_no_longer_does(
    all_of_it: Everything, error: Exception, reason: Reason
) -> None:
    all_of_it.holds(a_snapshot(status=CanaryStatus(), split=None, guarded=False))
    all_of_it.town.trouble("SetWeights", error, error)

    def ready() -> tuple[bool, str, str]:
        conditions = all_of_it.town.saved[-1].status.conditions
        return next((c.status, c.reason, c.message) for c in conditions if c.type == "Ready")

    async with working(all_of_it) as queue:
        queue.put(WEB)
        await pass_time(NO_HURRY + 1)
        assert ready() == (False, reason, str(error))
        await pass_time(60)
        assert ready()[:2] == (True, Reason.READY)
    told = [notice.reason for _, decision, _ in all_of_it.crier.told for notice in decision.notices]
    assert told.count(reason) == 1


async def test_a_conflict_is_no_news_and_is_looked_at_again_within_a_second(all_of_it: Everything) -> None:
    all_of_it.holds(a_snapshot(status=idle()))
    all_of_it.town.trouble("save", Conflict("someone wrote"))
    async with working(all_of_it) as queue:
        queue.put(WEB)
        await pass_time(1)
    assert all_of_it.journal == ["look", "save", "look", "save", "tell"]
    assert all_of_it.crier.faults == []


async def test_a_busy_writer_beside_us_does_not_slow_us_down(all_of_it: Everything) -> None:
    all_of_it.holds(a_snapshot(status=idle()))
    all_of_it.town.trouble("save", *[Conflict("someone wrote")] * 20)
    async with working(all_of_it) as queue:
        queue.put(WEB)
        await pass_time(11)
    assert all_of_it.journal[-3:] == ["look", "save", "tell"]


async def test_a_bug_in_one_canary_does_not_stop_another(all_of_it: Everything) -> None:
    all_of_it.holds(a_snapshot(key=SHOP, status=idle()))
    all_of_it.town.trouble("look", *[ZeroDivisionError("a bug") for _ in range(20)])
    async with working(all_of_it) as queue:
        for _ in range(20):
            queue.put(WEB)
            await pass_time(120)
        queue.put(SHOP)
        await pass_time(120)
    assert [seen.key for seen, _, _ in all_of_it.crier.told] == [SHOP]


async def test_a_key_is_never_with_two_workers(all_of_it: Everything) -> None:
    all_of_it.holds(a_snapshot(status=idle()))
    all_of_it.town.pause = 5
    async with working(all_of_it, workers=4) as queue:
        for _ in range(20):
            queue.put(WEB)
            await pass_time(0.4)
        assert looks(all_of_it) == 1, "the first tick, which saves, takes ten seconds"
        await pass_time(60)
        assert looks(all_of_it) == 2, "and one more after it, for all that came meanwhile"


async def test_workers_do_different_keys_at_the_same_time(all_of_it: Everything) -> None:
    keys = [Key("town", str(number)) for number in range(4)]
    all_of_it.holds(*(a_snapshot(key=key, status=idle()) for key in keys))
    all_of_it.town.pause = 5
    async with working(all_of_it, workers=4) as queue:
        for key in keys:
            queue.put(key)
        await pass_time(1)
        assert looks(all_of_it) == 4


async def test_a_lost_lease_ends_the_work(all_of_it: Everything) -> None:
    all_of_it.town.trouble("look", LeaseLost.to("another"))
    queue = DelayQueue()
    queue.put(WEB)
    with pytest.raises(LeaseLost, match="held by another"):
        await work(queue, all_of_it.world)
