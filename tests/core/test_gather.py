"""Time: what it counts for, and that no clock shortens a dwell or ends a rollout."""

from dataclasses import replace
from datetime import timedelta

import pytest

from canary.core.decision import Decision
from canary.core.snapshot import Snapshot
from canary.core.status import Phase, Reason, Rollout
from tests.build import DOWN, MINUTE, NOW, TICK, Story, a_snapshot, a_split, a_status, canary, tick

HOUR = timedelta(hours=1)
NONE = timedelta()


def rollout(decided: Decision) -> Rollout:
    assert decided.status.rollout is not None
    return decided.status.rollout


def held(**spec: object) -> Snapshot:
    """Look at a step that has been held for a minute and has used four of its deadline."""
    status = a_status(Phase.PROGRESSING, 100, dwelt=MINUTE, spent=4 * MINUTE)
    return a_snapshot(status, spec={"dwell": "2m", **spec})


class TestTheDwell:
    def test_counts_while_the_split_is_as_intended(self) -> None:
        assert rollout(tick(held())).dwelt == MINUTE + TICK

    def test_starts_over_where_it_is_not(self) -> None:
        assert rollout(tick(replace(held(), split=a_split(0)))).dwelt == NONE

    def test_starts_over_where_pods_were_lost(self) -> None:
        assert rollout(tick(replace(held(), canary=canary(ready=0)))).dwelt == NONE

    def test_does_not_count_what_nobody_watched(self) -> None:
        restarted = replace(held(), elapsed=NONE, counters=None, at=NOW + HOUR)
        assert rollout(tick(restarted)).dwelt == MINUTE

    @pytest.mark.parametrize("jump", [HOUR, -HOUR])
    def test_does_not_follow_a_clock_that_jumps(self, jump: timedelta) -> None:
        assert rollout(tick(replace(held(), at=NOW + jump))).dwelt == MINUTE + TICK


class TestTheDeadline:
    def test_runs_also_while_prometheus_is_down(self) -> None:
        assert rollout(tick(held(), reading=DOWN)).spent == 4 * MINUTE + TICK

    @pytest.mark.parametrize("phase", [Phase.PROGRESSING, Phase.BAKING])
    def test_waits_while_paused(self, phase: Phase) -> None:
        status = a_status(phase, 100 if phase is Phase.PROGRESSING else 1000, spent=HOUR)
        decided = tick(a_snapshot(status, spec={"paused": True}))
        assert rollout(decided).spent == HOUR
        assert decided.status.reason is Reason.PAUSED

    def test_waits_while_a_person_has_not_approved(self) -> None:
        manual = {"promotion": {"approval": "Manual"}}
        story = Story(seen=a_snapshot(a_status(Phase.BAKING, 1000, baked=5 * MINUTE), spec=manual))
        first = rollout(story.go()).spent
        assert rollout(story.go(3)).spent == first
        assert story.seen.status.reason is Reason.AWAITING_APPROVAL

    def test_does_not_wait_for_a_paused_promotion(self) -> None:
        decided = tick(a_snapshot(a_status(Phase.PROMOTING, 1000, spent=MINUTE), spec={"paused": True}))
        assert rollout(decided).spent == MINUTE + TICK

    def test_counts_the_gap_of_a_restart_once(self) -> None:
        restarted = replace(held(), elapsed=NONE, counters=None, at=NOW - TICK + MINUTE)
        first = tick(restarted, reading=DOWN)
        assert rollout(first).spent == 5 * MINUTE
        again = replace(restarted, elapsed=TICK, status=first.status, saved=first.status, at=restarted.at + TICK)
        assert rollout(tick(again, reading=DOWN)).spent == 5 * MINUTE + TICK

    @pytest.mark.parametrize(
        ("jump", "spent"),
        [
            pytest.param(365 * 24 * HOUR, 17 * MINUTE, id="a year on: half of what was left"),
            pytest.param(-HOUR, 4 * MINUTE, id="an hour back: nothing"),
        ],
    )
    def test_is_not_ended_by_a_clock_that_jumps_over_a_restart(self, jump: timedelta, spent: timedelta) -> None:
        decided = tick(replace(held(), elapsed=NONE, counters=None, at=NOW + jump))
        assert rollout(decided).spent == spent
        assert decided.status.phase is Phase.PROGRESSING

    def test_runs_on_the_time_beyond_the_bake(self) -> None:
        almost = a_status(Phase.BAKING, 1000, spent=35 * MINUTE - 2 * TICK)
        story = Story(seen=a_snapshot(almost))
        assert story.go().status.phase is Phase.BAKING
        assert story.go().status.reason is Reason.STEP_TIMEOUT


class TestTheBake:
    def test_counts_intervals_with_a_reading(self) -> None:
        story = Story(seen=a_snapshot(a_status(Phase.BAKING, 1000)))
        assert rollout(story.go(3)).baked == 3 * TICK

    def test_stops_in_an_outage_and_counts_the_interval_after_it_once(self) -> None:
        story = Story(seen=a_snapshot(a_status(Phase.BAKING, 1000), spec={"bake": "1h"}))
        assert rollout(story.go(30, reading=DOWN)).baked == NONE
        assert rollout(story.go()).baked == 1.5 * TICK
        assert rollout(story.go()).baked == 2.5 * TICK

    def test_stops_while_pods_are_lost(self) -> None:
        story = Story(seen=a_snapshot(a_status(Phase.BAKING, 1000, baked=MINUTE), canary=canary(ready=3)))
        assert rollout(story.go(3)).baked == MINUTE + TICK  # before the first look nobody knew
        assert story.seen.status.weight == 750


class TestExposure:
    def test_begins_with_the_first_weight(self) -> None:
        story = Story(seen=a_snapshot(a_status(Phase.PROGRESSING, 0)))
        assert rollout(story.go()).exposed == NONE
        assert rollout(story.go(2)).exposed == 2 * TICK
