"""Conditions: what `kubectl wait` and people see."""

from dataclasses import replace
from datetime import timedelta

import pytest

from canary.core.conditions import phase_of
from canary.core.snapshot import Snapshot, Wiring
from canary.core.status import CanaryStatus, Condition, Outcome, Phase, Reason
from tests.build import DOWN, MINUTE, NOW, TICK, Answered, Story, a_past, a_snapshot, a_status, canary, stable, tick


def of(status: CanaryStatus, kind: str) -> Condition:
    return next(condition for condition in status.conditions if condition.type == kind)


def holding(status: CanaryStatus) -> set[str]:
    return {condition.type for condition in status.conditions if condition.status}


BAKED = a_status(Phase.BAKING, 1000, baked=5 * MINUTE)


@pytest.mark.parametrize(
    ("seen", "given", "types"),
    [
        pytest.param(a_snapshot(a_status(Phase.IDLE, 0)), {}, {"Ready", "Promoted"}, id="promoted"),
        pytest.param(
            a_snapshot(replace(a_status(Phase.IDLE, 0), history=(a_past("c0"),))),
            {},
            {"Ready", "RolledBack"},
            id="rolled back",
        ),
        pytest.param(
            a_snapshot(replace(a_status(Phase.IDLE, 0), history=(a_past("c0", Outcome.SUPERSEDED),))),
            {},
            {"Ready"},
            id="superseded sets neither",
        ),
        pytest.param(
            a_snapshot(a_status(Phase.IDLE, 0), canary=canary()), {}, {"Ready", "Progressing"}, id="a start unsets both"
        ),
        pytest.param(a_snapshot(), {"reading": DOWN}, {"Ready", "Progressing", "Held"}, id="held"),
        pytest.param(
            a_snapshot(spec={"paused": True}), {}, {"Ready", "Progressing", "Paused"}, id="paused is not held"
        ),
        pytest.param(
            a_snapshot(BAKED, spec={"promotion": {"approval": "Manual"}}),
            {},
            {"Ready", "Progressing", "AwaitingApproval"},
            id="awaiting approval",
        ),
        pytest.param(
            a_snapshot(a_status(Phase.IDLE, 0), wiring=Wiring(missing_services=("web",))),
            {},
            {"Promoted"},
            id="miswired, idle",
        ),
        pytest.param(
            a_snapshot(wiring=Wiring(missing_services=("web",))), {}, {"Progressing", "Held"}, id="miswired, running"
        ),
        pytest.param(
            a_snapshot(a_status(Phase.PROGRESSING, 300, spent=MINUTE * 31), canary=canary(ready=0)),
            {},
            {"Ready", "Progressing"},
            id="a rollback for CanaryNotReady is not held by it",
        ),
        pytest.param(
            a_snapshot(a_status(Phase.ROLLING_BACK, 1000), stable=stable(ready=0)),
            {},
            {"Ready", "Progressing", "Held"},
            id="a rollback that waits for stable is held",
        ),
        pytest.param(
            a_snapshot(refused=(Reason.FORBIDDEN, "may not patch trafficsplits")),
            {},
            {"Progressing"},
            id="the API server refuses us",
        ),
    ],
)
def test_that_hold(seen: Snapshot, given: Answered, types: set[str]) -> None:
    assert holding(tick(seen, **given).status) == types


def test_say_why() -> None:
    status = tick(a_snapshot(), reading=DOWN).status
    assert of(status, "Held").reason == Reason.METRICS_UNREACHABLE
    assert "connection refused" in of(status, "Held").message
    assert of(status, "Ready").message == "Wired and valid."


def test_ready_says_where_a_limit_is_no_bucket_bound() -> None:
    status = tick(a_snapshot(a_status(Phase.IDLE, 0), spec={"gates": {"latency": {"p99": "450ms"}}})).status
    assert of(status, "Ready").status
    assert "choose 400ms or 500ms." in of(status, "Ready").message


def test_keep_their_time_until_they_change() -> None:
    story = Story(seen=a_snapshot(a_status(Phase.BAKING, 1000)))
    first = story.go(reading=DOWN).status
    second = story.go(reading=DOWN).status
    third = story.go().status
    assert of(first, "Held").since == of(second, "Held").since == NOW
    assert of(third, "Held").since == NOW + 2 * TICK
    assert of(third, "Ready").since == of(first, "Ready").since


def test_remember_since_when_it_is_held() -> None:
    story = Story(seen=a_snapshot(a_status(Phase.BAKING, 1000)))
    for held in (NOW, NOW, None):
        status = (story.go() if held is None else story.go(reading=DOWN)).status
        assert status.rollout is not None
        assert status.rollout.held_since == held


def test_name_the_generation_that_was_seen() -> None:
    status = tick(a_snapshot(generation=7)).status
    assert {condition.generation for condition in status.conditions} == {7}
    assert status.generation == 7


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        pytest.param(a_status(Phase.BAKING, 1000), "Baking", id="a phase"),
        pytest.param(a_status(Phase.IDLE, 0), "Promoted", id="how the last rollout ended"),
        pytest.param(CanaryStatus(), "Idle", id="idle from the beginning"),
    ],
)
def test_a_column_shows(status: CanaryStatus, shown: str) -> None:
    assert phase_of(status) == shown


def test_a_dwell_is_no_reason_to_be_held() -> None:
    status = tick(a_snapshot(a_status(Phase.PROGRESSING, 100, dwelt=timedelta()))).status
    assert "Held" not in holding(status)
