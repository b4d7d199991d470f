"""What a process remembers of a Canary, and when it must forget."""

from dataclasses import replace
from datetime import timedelta

import pytest

from canary.core.counters import Counters
from canary.core.decision import Decision
from canary.core.snapshot import Key
from canary.core.status import CanaryStatus
from canary.runtime.ledger import Ledger
from tests.runtime.world import WEB, a_snapshot, a_spec, idle, progressing

WORKING = progressing(message="three requests more")
COUNTERS = Counters(begun=1.0, taken=2.0)


def kept(saved: CanaryStatus | None = None) -> Ledger:
    """Remember a tick that decided on WORKING at second 100, while the API server has `saved`."""
    ledger = Ledger()
    seen = a_snapshot(saved=progressing() if saved is None else saved, spec=a_spec(interval="20s"))
    ledger.keep(seen, Decision(status=WORKING, counters=COUNTERS, save=False), 100.0)
    return ledger


def test_a_canary_never_looked_at_is_as_it_was_saved() -> None:
    seen = a_snapshot()
    assert Ledger().recall(seen, 100.0) is seen


def test_the_working_status_and_the_counters_come_back_with_the_time_since() -> None:
    seen = kept().recall(a_snapshot(), 107.5)
    assert (seen.status, seen.counters, seen.elapsed) == (WORKING, COUNTERS, timedelta(seconds=7.5))
    assert seen.saved == progressing()


def test_time_never_goes_back() -> None:
    assert kept().recall(a_snapshot(), 99.0).elapsed == timedelta()


def test_what_someone_else_wrote_counts_for_more_than_memory() -> None:
    fresh = a_snapshot(status=idle())
    assert kept().recall(fresh, 107.5) is fresh


def test_memory_is_of_one_canary() -> None:
    other = a_snapshot(key=Key("town", "shop"))
    assert kept().recall(other, 107.5) is other


def test_what_is_forgotten_is_gone_and_forgetting_twice_is_fine() -> None:
    ledger, seen = kept(), a_snapshot()
    ledger.forget(WEB)
    ledger.forget(WEB)
    assert ledger.recall(seen, 107.5) is seen


@pytest.mark.parametrize(
    ("key", "pace"),
    [
        pytest.param(WEB, timedelta(seconds=20), id="its interval"),
        pytest.param(Key("town", "shop"), timedelta(), id="none for a stranger"),
    ],
)
def test_the_pace_of_a_canary_is(key: Key, pace: timedelta) -> None:
    assert kept().pace(key) == pace


def test_only_the_latest_decision_is_remembered() -> None:
    ledger, later = kept(), replace(WORKING, weight=200)
    ledger.keep(a_snapshot(), Decision(status=later, counters=None, save=True), 110.0)
    seen = ledger.recall(a_snapshot(), 111.0)
    assert (seen.status, seen.counters, seen.elapsed) == (later, None, timedelta(seconds=1))
