"""The loop as a whole: it begins when all is ready, looks at everything now and then, and stops as one."""

import asyncio
from collections.abc import Callable

import pytest

from canary.core.snapshot import Key
from canary.errors import LeaseLost
from canary.runtime.controller import RESYNC, WORKERS, lead
from canary.runtime.queue import DelayQueue
from tests.runtime.virtual import pass_time
from tests.runtime.world import WEB, Everything, a_snapshot, idle

Keys = Callable[[], list[Key]]


@pytest.fixture
def all_of_it() -> Everything:
    return Everything()


def leading(all_of_it: Everything, keys: Keys, ready: asyncio.Event | None = None) -> asyncio.Task[None]:
    if ready is None:
        ready = asyncio.Event()
        ready.set()
    waiting = ready

    async def wait() -> None:
        await waiting.wait()

    async def run() -> None:
        await lead(all_of_it.world, DelayQueue(), keys, wait())

    return asyncio.create_task(run())


async def ended(task: asyncio.Task[None]) -> list[asyncio.Task[object]]:
    """Cancel it and tell what it left behind."""
    task.cancel()
    await asyncio.wait([task])
    return [other for other in asyncio.all_tasks() if other is not asyncio.current_task()]


async def test_no_tick_begins_before_everything_was_listed_once(all_of_it: Everything) -> None:
    all_of_it.holds(a_snapshot(status=idle()))
    ready = asyncio.Event()
    task = leading(all_of_it, lambda: [WEB], ready)
    await pass_time(60)
    assert all_of_it.journal == []
    ready.set()
    await pass_time(1)
    assert all_of_it.journal.count("look") == 1
    assert await ended(task) == []


async def test_every_canary_is_looked_at_every_ten_minutes_whatever_the_watches_missed(all_of_it: Everything) -> None:
    all_of_it.holds(a_snapshot(status=idle()))
    task = leading(all_of_it, lambda: [WEB])
    await pass_time(RESYNC.total_seconds() * 3 - 1)
    assert all_of_it.journal.count("look") == 3
    assert await ended(task) == []


async def test_a_canary_that_came_meanwhile_is_among_them(all_of_it: Everything) -> None:
    keys: list[Key] = []
    task = leading(all_of_it, lambda: keys)
    await pass_time(60)
    all_of_it.holds(a_snapshot(status=idle()))
    keys.append(WEB)
    await pass_time(RESYNC.total_seconds())
    assert all_of_it.journal.count("look") == 1
    assert await ended(task) == []


async def test_so_many_are_ticked_at_once_and_no_more(all_of_it: Everything) -> None:
    keys = [Key("town", str(number)) for number in range(WORKERS + 5)]
    all_of_it.town.pause = 60
    task = leading(all_of_it, lambda: keys)
    await pass_time(1)
    assert all_of_it.journal.count("look") == WORKERS
    assert await ended(task) == []


async def test_it_stops_as_one(all_of_it: Everything) -> None:
    all_of_it.holds(a_snapshot())
    all_of_it.prometheus.pause = 5
    task = leading(all_of_it, lambda: [WEB])
    await pass_time(1)
    assert len(asyncio.all_tasks()) > WORKERS
    left = await ended(task)
    assert task.cancelled()
    assert all("_run" in repr(other) for other in left), "nothing but the reading that others might share"
    assert "save" not in all_of_it.journal


async def test_when_one_part_ends_all_end(all_of_it: Everything) -> None:
    all_of_it.town.trouble("look", LeaseLost.to("another"))
    task = leading(all_of_it, lambda: [WEB])
    with pytest.raises(ExceptionGroup) as group:
        await task
    assert group.group_contains(LeaseLost)
    assert asyncio.all_tasks() == {asyncio.current_task()}
