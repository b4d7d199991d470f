import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from canary.adapters.retrying import retrying
from canary.errors import (
    CanaryError,
    ClusterUnreachable,
    Conflict,
    Forbidden,
    GateUnreachable,
    MetricsUnreachable,
    NotFound,
    Rejected,
)


def failing(*errors: Exception) -> tuple[Callable[[], Awaitable[str]], list[float]]:
    """Make a call that fails so often and so, then succeeds; and the times at which it was called."""
    left, calls = list(errors), list[float]()

    async def call() -> str:
        calls.append(time.monotonic())
        if left:
            raise left.pop(0)
        return "answer"

    return call, calls


@pytest.mark.parametrize("error", [ClusterUnreachable, MetricsUnreachable, GateUnreachable])
async def test_what_may_pass_by_itself_is_tried_once_more(error: type[CanaryError]) -> None:
    call, calls = failing(error("down"))
    assert await retrying()(call) == "answer"
    assert len(calls) == 2
    assert calls[1] - calls[0] < 1


async def test_inside_a_tick_two_attempts_are_the_most_and_the_last_error_comes_out() -> None:
    call, calls = failing(ClusterUnreachable("first"), ClusterUnreachable("second"))
    with pytest.raises(ClusterUnreachable, match="second"):
        await retrying()(call)
    assert len(calls) == 2


@pytest.mark.parametrize(
    "error",
    [Conflict("written"), NotFound("gone"), Forbidden("no"), Rejected("bad"), CanaryError("x"), ZeroDivisionError()],
    ids=repr,
)
async def test_what_does_not_pass_by_itself_comes_out_at_once(error: Exception) -> None:
    call, calls = failing(error)
    with pytest.raises(type(error)):
        await retrying()(call)
    assert len(calls) == 1


async def test_who_is_told_when_to_come_back_does_not_come_earlier() -> None:
    call, calls = failing(ClusterUnreachable("busy", retry_after=0.3))
    await retrying()(call)
    assert 0.3 <= calls[1] - calls[0] < 1


async def test_who_is_told_to_come_back_too_late_gives_up() -> None:
    call, calls = failing(ClusterUnreachable("busy", retry_after=3))
    with pytest.raises(ClusterUnreachable):
        await retrying()(call)
    assert len(calls) == 1


async def test_those_who_may_wait_longer_try_more_often() -> None:
    call, calls = failing(*(GateUnreachable("busy") for _ in range(3)))
    assert await retrying(4, longest=timedelta(seconds=0.05))(call) == "answer"
    assert len(calls) == 4
    assert calls[-1] - calls[0] < 0.5


async def test_pauses_are_spread() -> None:
    pauses = set()
    for _ in range(4):
        call, calls = failing(ClusterUnreachable("down"))
        await retrying(longest=timedelta(seconds=0.5))(call)
        pauses.add(round(calls[1] - calls[0], 3))
    assert len(pauses) > 1
