"""Questions under one deadline: an outage is an answer, a bug is not."""

import asyncio
import gc
from collections.abc import Iterator
from datetime import timedelta

import pytest

from canary.core.counters import Series
from canary.core.questions import (
    Bounds,
    CallGate,
    FindBounds,
    GateReply,
    Numbers,
    ReadCounters,
    Reading,
    RunQuery,
    Scope,
    Unanswered,
)
from canary.core.spec import Query, Side, Webhook, WebhookKind
from canary.errors import MetricsUnreachable
from canary.runtime.ask import ask
from tests.runtime.world import SECOND, Everything

SCOPE = Scope(
    namespace="town",
    apex="web",
    stable=Side(service="web-stable", deployment="web-stable"),
    canary=Side(service="web-canary", deployment="web-canary"),
    bounds=frozenset(),
    routes=False,
)
HOOK = CallGate(
    webhook=Webhook(name="hook", kind=WebhookKind.CONFIRM_STEP, url="http://hook.town", timeout=SECOND), body="{}"
)
DEPTH = RunQuery(
    query=Query(name="depth", promql='depth{app="web"}', least=None, most=5.0, lasting=SECOND),
    promql='depth{app="web"}',
)
COUNTERS, BOUNDS = ReadCounters(scope=SCOPE), FindBounds(scope=SCOPE)


@pytest.fixture
def all_of_it() -> Everything:
    return Everything()


@pytest.fixture
def unheard() -> Iterator[list[str]]:
    """Collect what asyncio would log about errors that nobody asked for, once the test's objects are gone."""
    heard: list[str] = []
    yield heard
    assert not heard


def listen(heard: list[str]) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(str(context["message"])))


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
    gc.collect()


async def test_no_question_asks_nobody(all_of_it: Everything) -> None:
    assert await ask((), all_of_it.world.oracle, SECOND) == {}
    assert all_of_it.journal == []


async def test_every_kind_of_question_is_answered(all_of_it: Everything) -> None:
    bucket = {"__name__": "response_latency_ms_bucket", "direction": "inbound", "namespace": "town"}
    for le in ("50", "100.0", "+Inf"):
        labels = {**bucket, "deployment": "web-stable", "le": le}
        all_of_it.prometheus.series.append(Series(labels, ((1.0, 1.0),)))
    all_of_it.prometheus.series.append(Series({"__name__": "depth", "app": "web"}, ((1.0, 7.0),)))
    answers = await ask((COUNTERS, BOUNDS, DEPTH, HOOK), all_of_it.world.oracle, 5 * SECOND)
    assert isinstance(answers[COUNTERS], Reading)
    assert answers[BOUNDS] == Bounds(bounds=(50.0, 100.0))
    assert answers[DEPTH] == Numbers(numbers=(7.0,))
    assert answers[HOOK] == GateReply(yes=True, detail="because")


async def test_what_is_unreachable_is_unanswered_and_says_why(all_of_it: Everything) -> None:
    all_of_it.prometheus.errors[""] = MetricsUnreachable("connection refused")
    all_of_it.gates.down = True
    answers = await ask((COUNTERS, BOUNDS, DEPTH, HOOK), all_of_it.world.oracle, 5 * SECOND)
    refused = Unanswered(detail="connection refused")
    assert answers == {
        COUNTERS: refused,
        BOUNDS: refused,
        DEPTH: refused,
        HOOK: Unanswered(detail="webhook hook: refused"),
    }


async def test_what_is_late_is_unanswered_and_the_others_are_not(all_of_it: Everything) -> None:
    all_of_it.gates.pause = 60
    begun = all_of_it.clock.monotonic()
    answers = await ask((COUNTERS, HOOK), all_of_it.world.oracle, 5 * SECOND)
    assert all_of_it.clock.monotonic() - begun == pytest.approx(5)
    assert isinstance(answers[COUNTERS], Reading)
    assert answers[HOOK] == Unanswered(detail="no answer within 5 s")


async def test_questions_are_asked_at_the_same_time(all_of_it: Everything) -> None:
    all_of_it.gates.pause = all_of_it.prometheus.pause = 3
    begun = all_of_it.clock.monotonic()
    await ask((BOUNDS, HOOK), all_of_it.world.oracle, timedelta(minutes=1))
    assert all_of_it.clock.monotonic() - begun == pytest.approx(3)


async def test_who_stops_asking_lets_go_of_the_webhook(all_of_it: Everything) -> None:
    all_of_it.gates.pause = 60
    asking = asyncio.create_task(ask((HOOK,), all_of_it.world.oracle, timedelta(minutes=1)))
    await asyncio.sleep(1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await settled()
    mine = asyncio.current_task()
    assert [task for task in asyncio.all_tasks() if task is not mine] == []


async def test_a_bug_is_no_outage(all_of_it: Everything, unheard: list[str]) -> None:
    listen(unheard)
    all_of_it.prometheus.errors[""] = ZeroDivisionError("a bug")
    with pytest.raises(ZeroDivisionError, match="a bug"):
        await ask((BOUNDS, FindBounds(scope=SCOPE), HOOK), all_of_it.world.oracle, SECOND)
    await settled()


async def test_of_many_bugs_one_is_raised_and_the_others_are_not_left_lying_about(
    all_of_it: Everything, unheard: list[str]
) -> None:
    listen(unheard)
    all_of_it.prometheus.errors[""] = ZeroDivisionError("a bug")
    before = ReadCounters(scope=SCOPE, at=1.0)
    with pytest.raises((ZeroDivisionError, ExceptionGroup)):
        await ask((BOUNDS, before, COUNTERS), all_of_it.world.oracle, 5 * SECOND)
    await settled()
