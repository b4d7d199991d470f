"""When a tick writes, what it tells, and when it comes back."""

from dataclasses import replace
from datetime import timedelta

import pytest

from canary.core.decide import CHECKPOINT, decide
from canary.core.decision import Decision, SetWeights
from canary.core.snapshot import Snapshot, Wiring
from canary.core.status import Phase, Reason, Told
from canary.errors import Problem
from tests.build import (
    DOWN,
    MINUTE,
    NOW,
    TICK,
    Story,
    a_snapshot,
    a_split,
    a_status,
    canary,
    settled,
    stable,
    tick,
)


def waiting() -> Snapshot:
    """Look at a rollout in which nothing but numbers changes."""
    return settled(a_snapshot(a_status(Phase.BAKING, 1000), spec={"bake": "1h"}))


class TestWriting:
    @pytest.mark.parametrize("phase", [Phase.IDLE, Phase.BAKING])
    def test_an_undisturbed_tick_does_not(self, phase: Phase) -> None:
        seen = settled(a_snapshot(a_status(phase, 1000 if phase is Phase.BAKING else 0), spec={"bake": "1h"}))
        decided = tick(seen)
        assert not decided.save
        assert decided.effects == ()
        assert decided.notices == ()

    def test_numbers_in_a_message_are_no_reason(self) -> None:
        story = Story(seen=waiting())
        first, second = story.go(), story.go()
        assert first.status.message != second.status.message
        assert not second.save

    def test_another_reason_is_one(self) -> None:
        assert tick(waiting(), reading=DOWN).save

    def test_what_must_be_done_is_one_although_the_intent_is_old(self) -> None:
        seen = replace(waiting(), split=a_split(300, editor="kubectl"))
        decided = tick(seen)
        assert [type(effect) for effect in decided.effects] == [SetWeights]
        assert decided.status.weight == seen.saved.weight
        assert decided.save

    @pytest.mark.parametrize(
        ("since", "saved"),
        [
            pytest.param(CHECKPOINT - TICK, False, id="sooner"),
            pytest.param(CHECKPOINT, True, id="a minute on"),
            pytest.param(-CHECKPOINT, True, id="by a clock that was set back"),
        ],
    )
    def test_evidence_alone_is_one_after_a_minute(self, since: timedelta, *, saved: bool) -> None:
        seen = waiting()
        assert seen.saved.saved_at is not None
        assert tick(replace(seen, at=seen.saved.saved_at + since)).save == saved

    def test_an_idle_canary_has_no_evidence_to_keep(self) -> None:
        seen = settled(a_snapshot(a_status(Phase.IDLE, 0)))
        assert not tick(replace(seen, at=NOW + 60 * MINUTE)).save

    def test_a_new_generation_is_one(self) -> None:
        assert tick(replace(settled(a_snapshot(a_status(Phase.IDLE, 0))), generation=2)).save


class TestTelling:
    def test_one_event_for_a_reason_however_long_it_holds(self) -> None:
        story = Story(seen=a_snapshot())
        told = [
            n.reason for _ in range(5) for n in story.go(reading=DOWN).notices if n.reason is Reason.METRICS_UNREACHABLE
        ]
        assert told == [Reason.METRICS_UNREACHABLE]

    def test_each_step_is_told_although_the_reason_is_the_same(self) -> None:
        unproven = a_status(Phase.PROGRESSING, 100, exposed=timedelta())
        story = Story(seen=a_snapshot(unproven, spec={"dwell": "10s"}))
        told = [n.message.partition(";")[0] for _ in range(3) for n in story.go().notices]
        assert told == ["Weight 100m -> 200m", "Weight 200m -> 300m", "Weight 300m -> 400m"]

    def test_an_alarm_is_a_warning_and_its_end_is_told(self) -> None:
        story = Story(seen=a_snapshot(a_status(Phase.PROGRESSING, 100, dwelt=timedelta())))
        (alarm,) = story.go(reading=DOWN).notices
        (end,) = story.go().notices
        assert (alarm.warning, end.warning) == (True, False)
        assert end.reason is Reason.GATHERING
        assert alarm.recurring
        assert end.recurring

    def test_a_decision_is_told_whenever_it_comes(self) -> None:
        lost = settled(a_snapshot(a_status(Phase.PROGRESSING, 100)))
        told = [
            *Story(seen=a_snapshot(a_status(Phase.PROGRESSING, 100, exposed=timedelta()))).go().notices,
            *Story(seen=a_snapshot(a_status(Phase.BAKING, 1000, baked=timedelta(hours=1)))).go().notices,
            *tick(replace(lost, canary=canary(ready=0))).notices,
        ]
        assert [n.reason for n in told] == [Reason.WEIGHT_INCREASED, Reason.PROMOTING, Reason.CAPACITY_WITHDRAWN]
        assert not [n for n in told if n.recurring]

    def test_a_hand_edit_is_told_with_who_did_it(self) -> None:
        (notice,) = tick(replace(waiting(), split=a_split(300, editor="kubectl-edit"))).notices
        assert notice.reason is Reason.SPLIT_RESTORED
        assert notice.recurring
        assert "by kubectl-edit" in notice.message
        assert "300m" in notice.message
        assert "1000m" in notice.message

    def test_our_own_unfinished_write_is_no_edit_of_somebodys(self) -> None:
        decided = tick(replace(waiting(), split=a_split(500)))
        assert decided.notices == ()
        assert [type(effect) for effect in decided.effects] == [SetWeights]

    def test_a_first_step_whose_write_a_restart_prevented_is_no_edit_of_somebodys(self) -> None:
        status = a_status(Phase.PROGRESSING, 100, step=0, dwelt=timedelta())
        seen = replace(a_snapshot(status), split=a_split(0, editor="kubectl"), elapsed=timedelta())
        again = tick(replace(seen, elapsed=TICK))
        assert Reason.SPLIT_RESTORED not in [notice.reason for notice in tick(seen).notices]
        assert Reason.SPLIT_RESTORED in [notice.reason for notice in again.notices]

    def test_a_decision_is_saved_with_what_is_told_of_it(self) -> None:
        story = Story(seen=a_snapshot(a_status(Phase.PROGRESSING, 100, exposed=timedelta())))
        first = story.go()
        (notice,) = first.notices
        told = Told(at=first.status.told[0].at, reason=notice.reason, message=notice.message, warning=notice.warning)
        assert first.status.told == (told,)
        assert story.go(reading=DOWN).status.told == (told,)

    def test_the_words_of_a_few_decisions_are_kept(self) -> None:
        old = tuple(Told(at=NOW, reason=Reason.BAKING, message=f"{number}", warning=False) for number in range(4))
        status = a_status(Phase.PROGRESSING, 100, exposed=timedelta())
        after = Story(seen=a_snapshot(replace(status, told=old))).go().status.told
        assert after[:3] == old[1:]
        assert after[3].reason is Reason.WEIGHT_INCREASED

    def test_a_deleted_split_is_told_where_it_is_made_again(self) -> None:
        (notice,) = tick(replace(waiting(), split=None)).notices
        assert "was gone; it is created again at 1000m" in notice.message

    def test_nothing_is_told_of_a_split_that_is_not_put_back(self) -> None:
        seen = settled(a_snapshot(a_status(Phase.IDLE, 0)))
        unsupported = Wiring(unsupported="no TrafficSplit is served")
        decided = tick(replace(seen, split=None, wiring=unsupported))
        assert [notice.reason for notice in decided.notices] == [Reason.SPLIT_UNSUPPORTED]

    def test_what_the_api_server_refuses_is_told_once(self) -> None:
        seen = replace(waiting(), refused=(Reason.FORBIDDEN, "may not update trafficsplits"))
        decided = tick(seen)
        assert [(n.reason, n.message, n.warning) for n in decided.notices] == [
            (Reason.FORBIDDEN, "may not update trafficsplits", True)
        ]
        assert tick(replace(seen, status=decided.status, saved=decided.status)).notices == ()


class TestComingBack:
    @pytest.mark.parametrize(
        ("seen", "after"),
        [
            pytest.param(settled(a_snapshot(a_status(Phase.IDLE, 0))), None, id="idle: when something changes"),
            pytest.param(a_snapshot(a_status(Phase.IDLE, 0), split=a_split(300)), 1.0, id="idle, after acting"),
            pytest.param(a_snapshot(), 10.0, id="armed: after the interval"),
            pytest.param(a_snapshot(elapsed=timedelta(seconds=3)), 7.0, id="between two readings: when it is due"),
            pytest.param(a_snapshot(a_status(Phase.ROLLING_BACK, 0)), 1.0, id="ending: at once"),
            pytest.param(
                a_snapshot(wiring=Wiring(rival="old"), elapsed=MINUTE), 10.0, id="beside a rival: after the interval"
            ),
        ],
    )
    def test_is_as_soon_as_needed(self, seen: Snapshot, after: float | None) -> None:
        came_back = tick(seen).requeue_after
        assert (None if came_back is None else came_back.total_seconds()) == after

    def test_is_once_more_when_a_rollout_has_ended_for_what_came_meanwhile(self) -> None:
        ended = tick(a_snapshot(a_status(Phase.ROLLING_BACK, 0, found_replicas=4), spec={"retry": "another-1"}))
        assert (ended.status.phase, ended.requeue_after) == (Phase.IDLE, timedelta(seconds=1))


class TestAnInvalidSpec:
    PROBLEM = Problem("spec.dwell", "soon", "a duration")

    def refused(self, **seen: object) -> Decision:
        idle = a_snapshot(a_status(Phase.IDLE, 0), canary=canary(), problems=(self.PROBLEM,))
        return decide(replace(idle, **seen), {})  # type: ignore[arg-type] # a table's own columns

    def test_starts_nothing_and_says_why_once(self) -> None:
        decided = self.refused()
        assert decided.status.reason is Reason.INVALID_SPEC
        assert "spec.dwell: 'soon'" in decided.status.message
        assert [notice.reason for notice in decided.notices] == [Reason.INVALID_SPEC]
        assert decided.requeue_after is None
        again = self.refused(status=decided.status, saved=decided.status)
        assert not again.save
        assert again.notices == ()

    def test_leaves_a_running_rollout_on_the_last_valid_one(self) -> None:
        decided = tick(a_snapshot(problems=(self.PROBLEM,)))
        assert (decided.status.phase, decided.status.weight) == (Phase.PROGRESSING, 200)
        ready = next(c for c in decided.status.conditions if c.type == "Ready")
        assert (ready.status, ready.reason) == (False, Reason.INVALID_SPEC)

    def test_is_told_once_in_mid_rollout(self) -> None:
        seen = replace(a_snapshot(a_status(Phase.BAKING, 1000)), problems=(self.PROBLEM,))
        first = tick(seen)
        (notice,) = first.notices
        assert (notice.reason, notice.warning) == (Reason.INVALID_SPEC, True)
        assert "goes on with the last valid one. spec.dwell: 'soon'" in notice.message
        assert tick(replace(seen, status=first.status, saved=first.status)).notices == ()

    def test_lets_a_newer_revision_wait(self) -> None:
        decided = tick(a_snapshot(problems=(self.PROBLEM,), canary=canary("c3")))
        assert (decided.status.phase, decided.status.weight) == (Phase.ROLLING_BACK, 0)
        assert decided.status.reason is Reason.SUPERSEDED

    def test_leaves_an_adopted_canary_as_it_was(self) -> None:
        adopted = replace(a_status(Phase.IDLE, 0), history=(), reason=Reason.ADOPTED, message="Adopted.")
        decided = tick(a_snapshot(adopted))
        assert (decided.status.reason, decided.status.message) == (Reason.ADOPTED, "Adopted.")

    def test_is_forgotten_once_it_is_mended(self) -> None:
        first = a_status(Phase.IDLE, 0)
        spoilt = replace(first, history=(), reason=Reason.INVALID_SPEC, message="spec.dwell: 'soon'")
        decided = tick(a_snapshot(spoilt))
        assert decided.status.reason is Reason.READY
        assert decided.status.message == "Wired and valid; revision c1 is the baseline."


class TestOrder:
    def test_pods_come_up_before_the_weight(self) -> None:
        seen = a_snapshot(a_status(Phase.PROGRESSING, 200), stable=stable(desired=10), canary=canary(desired=3))
        kinds = [type(effect).__name__ for effect in tick(seen).effects]
        assert kinds == ["Scale", "SetWeights"]

    def test_the_finalizer_goes_on_before_the_first_write(self) -> None:
        seen = a_snapshot(replace(a_status(Phase.IDLE, 0), promoted="", history=()), split=None, guarded=False)
        assert [type(effect).__name__ for effect in tick(seen).effects] == ["Guard", "SetWeights"]

    def test_traffic_goes_before_the_template_and_the_pods(self) -> None:
        seen = a_snapshot(a_status(Phase.ROLLING_BACK, 0), split=a_split(300), canary=canary(desired=4))
        assert [type(effect).__name__ for effect in tick(seen).effects] == ["SetWeights"]
