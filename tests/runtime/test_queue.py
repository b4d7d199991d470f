"""The delay queue on a clock that leaps."""

import asyncio
import time
from datetime import timedelta

import pytest

from canary.core.snapshot import Key
from canary.runtime.queue import FIRST_BACKOFF, LONGEST_BACKOFF, DelayQueue, aligned
from tests.runtime.virtual import pass_time

WEB, SHOP, BLOG = Key("town", "web"), Key("town", "shop"), Key("town", "blog")
SECOND = timedelta(seconds=1)


def now() -> float:
    return asyncio.get_running_loop().time()


async def taken(queue: DelayQueue) -> tuple[Key, float]:
    """Take the next key; tells how long that took."""
    begun = now()
    key = await queue.get()
    return key, round(now() - begun, 3)


async def nothing_within(queue: DelayQueue, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await queue.get()
    except TimeoutError:
        return True
    return False


class TestPut:
    async def test_a_key_comes_up_at_once(self) -> None:
        queue = DelayQueue()
        queue.put(WEB)
        assert await taken(queue) == (WEB, 0)

    async def test_a_key_comes_up_when_its_time_has_come_and_not_before(self) -> None:
        queue = DelayQueue()
        queue.put(WEB, 90 * SECOND)
        assert await taken(queue) == (WEB, 90)

    async def test_a_key_that_is_put_twice_comes_up_once(self) -> None:
        queue = DelayQueue()
        queue.put(WEB)
        queue.put(WEB)
        await queue.get()
        assert await nothing_within(queue, 3600)

    @pytest.mark.parametrize("puts", [(5, 60), (60, 5)], ids=["the earlier one first", "the earlier one last"])
    async def test_of_two_puts_the_earlier_time_wins(self, puts: tuple[int, int]) -> None:
        queue = DelayQueue()
        for after in puts:
            queue.put(WEB, after * SECOND)
        assert await taken(queue) == (WEB, 5)
        queue.done(WEB, None)
        assert await nothing_within(queue, 3600)

    async def test_keys_come_up_in_the_order_of_their_times(self) -> None:
        queue = DelayQueue()
        for key, after in ((WEB, 3), (SHOP, 1), (BLOG, 2)):
            queue.put(key, after * SECOND)
        assert [await queue.get() for _ in range(3)] == [SHOP, BLOG, WEB]

    async def test_a_put_wakes_who_waits_for_a_later_key(self) -> None:
        queue = DelayQueue()
        queue.put(WEB, 60 * SECOND)
        asyncio.get_running_loop().call_later(2, queue.put, SHOP)
        assert await taken(queue) == (SHOP, 2)

    async def test_a_key_put_again_in_the_moment_in_which_it_comes_up_comes_up_once(self) -> None:
        queue = DelayQueue()
        queue.put(WEB, SECOND)
        instant = time.get_clock_info("monotonic").resolution / 2  # asyncio takes it for the same moment
        asyncio.get_running_loop().call_at(now() + 1 + instant / 2, queue.put, WEB)
        await pass_time(1 - instant)
        assert await taken(queue) == (WEB, 0)
        queue.done(WEB, None)
        assert await nothing_within(queue, 3600)

    async def test_each_of_many_who_wait_gets_a_key_of_its_own(self) -> None:
        queue = DelayQueue()
        waiting = [asyncio.create_task(queue.get()) for _ in range(5)]
        await pass_time(1)
        keys = [Key("town", str(number)) for number in range(5)]
        for key in keys:
            queue.put(key)
        async with asyncio.timeout(1):
            assert sorted(await asyncio.gather(*waiting)) == keys


class TestHolding:
    async def test_a_held_key_is_not_given_to_another(self) -> None:
        queue = DelayQueue()
        queue.put(WEB)
        await queue.get()
        queue.put(WEB)
        assert await nothing_within(queue, 3600)

    async def test_a_key_put_while_it_is_held_comes_back_when_it_is_done(self) -> None:
        queue = DelayQueue()
        queue.put(WEB)
        await queue.get()
        queue.put(WEB)
        await pass_time(7)
        queue.done(WEB, 60 * SECOND)
        assert await taken(queue) == (WEB, 0)

    async def test_a_later_put_while_it_is_held_keeps_its_time(self) -> None:
        queue = DelayQueue()
        queue.put(WEB)
        await queue.get()
        queue.put(WEB, 10 * SECOND)
        await pass_time(4)
        queue.done(WEB, 60 * SECOND)
        assert await taken(queue) == (WEB, 6)

    async def test_a_key_that_is_done_for_good_stays_away(self) -> None:
        queue = DelayQueue()
        queue.put(WEB)
        await queue.get()
        queue.done(WEB, None)
        assert await nothing_within(queue, 3600)

    async def test_others_are_given_out_meanwhile(self) -> None:
        queue = DelayQueue()
        for key in (WEB, SHOP):
            queue.put(key)
        assert {await queue.get(), await queue.get()} == {WEB, SHOP}


class TestBackingOff:
    async def test_the_wait_doubles_with_each_failure_up_to_a_minute(self) -> None:
        queue = DelayQueue()
        queue.put(WEB)
        for failure in range(1, 12):
            await queue.get()
            bound = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2**failure)
            delay = queue.retry(WEB)
            assert FIRST_BACKOFF / 2 <= delay <= bound, failure
            assert await nothing_within(queue, delay - 0.001)
            await pass_time(0.002)

    async def test_many_that_fail_at_once_are_spread(self) -> None:
        queue = DelayQueue()
        delays = {queue.retry(Key("town", str(number))) for number in range(100)}
        assert len(delays) > 90
        assert max(delays) - min(delays) > FIRST_BACKOFF

    async def test_what_the_server_asks_for_is_the_least(self) -> None:
        assert DelayQueue().retry(WEB, 30.0) == 30.0

    @pytest.mark.parametrize("after", [86_400.0, 1e20, float("inf")])
    async def test_nobody_can_make_it_wait_for_days(self, after: float) -> None:
        assert DelayQueue().retry(WEB, after) == LONGEST_BACKOFF

    async def test_a_success_forgets_the_failures(self) -> None:
        queue = DelayQueue()
        for _ in range(8):
            queue.retry(WEB)
        queue.done(WEB, None)
        assert queue.retry(WEB) <= 2 * FIRST_BACKOFF

    async def test_a_change_meanwhile_does_not_cut_the_wait_short(self) -> None:
        queue = DelayQueue()
        queue.put(WEB)
        await queue.get()
        queue.put(WEB)
        queue.retry(WEB, 20.0)
        assert await taken(queue) == (WEB, 20)


class TestOverdue:
    async def test_nobody_waits_in_an_empty_queue(self) -> None:
        queue = DelayQueue()
        assert await nothing_within(queue, 100)
        assert queue.overdue() == 0

    async def test_a_key_whose_time_has_not_come_is_not_overdue(self) -> None:
        queue = DelayQueue()
        assert await nothing_within(queue, 1)
        queue.put(WEB, 100 * SECOND)
        await pass_time(99)
        assert queue.overdue() == 0

    async def test_a_key_that_no_worker_takes_is(self) -> None:
        queue = DelayQueue()
        queue.put(WEB)
        await queue.get()
        queue.put(SHOP)
        await pass_time(70)
        assert queue.overdue() == pytest.approx(70)

    async def test_one_that_does_not_lead_takes_none_and_is_still_alive(self) -> None:
        queue = DelayQueue()
        queue.put(WEB)
        await pass_time(3600)
        assert queue.overdue() == 0
        await queue.get()
        queue.put(SHOP)
        await pass_time(5)
        assert queue.overdue() == pytest.approx(5)


@pytest.mark.parametrize(
    ("at", "after", "grid", "delay"),
    [
        pytest.param(100, 10, 10, 10, id="on the grid already"),
        pytest.param(104, 10, 10, 6, id="back to the nearest point"),
        pytest.param(107, 10, 10, 13, id="on to the nearest point"),
        pytest.param(107, 3, 10, 3, id="a short look in between stays short"),
        pytest.param(107, 10, 0, 10, id="no grid"),
        pytest.param(109, 7, 10, 11, id="of a rest of an interval"),
    ],
)
def test_a_delay_is_moved_to_the_nearest_point_of_the_grid(at: float, after: int, grid: int, delay: float) -> None:
    moved = aligned(at, after * SECOND, grid * SECOND)
    assert moved.total_seconds() == pytest.approx(delay)


async def test_canaries_of_one_pace_come_up_together() -> None:
    queue = DelayQueue()
    for key, offset in ((WEB, 0.0), (SHOP, 3.7)):
        await pass_time(offset)
        queue.put(key)
        await queue.get()
        queue.done(key, 10 * SECOND, 10 * SECOND)
    assert {(await queue.get(), now()) for _ in range(2)} == {(WEB, 1010.0), (SHOP, 1010.0)}
