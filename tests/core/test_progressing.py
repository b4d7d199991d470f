"""Steps: when one is left and to where, what the deadline does, how a newer revision takes over."""

from dataclasses import replace
from datetime import timedelta

import pytest

from canary.core.counts import Counts
from canary.core.decision import Decision, Scale
from canary.core.ranges import Checked
from canary.core.snapshot import Snapshot, Wiring
from canary.core.status import Outcome, Phase, Reason
from canary.core.unanswered import OpenRequests
from tests.build import (
    CALM,
    DOWN,
    GOOD,
    MINUTE,
    NO,
    SUSPECT,
    YES,
    Story,
    a_book,
    a_hook,
    a_past,
    a_snapshot,
    a_split,
    a_status,
    canary,
    counts,
    pods,
    released,
    stable,
    tick,
    with_hook,
)
from tests.canaries import a_query
from tests.load import Load

LATE = timedelta(minutes=30)
SECONDS = timedelta(seconds=1)
CUT_OFF = Wiring(missing_services=("web-canary",))


def at_step(weight: int, *intervals: Counts, answered: float = 200.0, **rollout: object) -> Snapshot:
    status = a_status(Phase.PROGRESSING, weight, **rollout)  # type: ignore[arg-type] # a table's own columns
    return a_snapshot(replace(status, book=a_book(*(intervals or CALM), weight=weight, answered=answered)))


def weight(decided: Decision) -> int:
    return decided.status.weight


class TestLeavingAStep:
    def test_needs_nothing_but_calm_requests_and_time(self) -> None:
        assert weight(tick(at_step(100))) == 200

    @pytest.mark.parametrize(
        ("seen", "lacks"),
        [
            pytest.param(at_step(100, dwelt=19 * SECONDS), "the dwell, 29 of 30 s", id="the dwell"),
            pytest.param(at_step(100, *SUSPECT), "evidence on the release's side", id="calm"),
            pytest.param(replace(at_step(100), split=a_split(50)), "the split to be as intended", id="the split"),
        ],
    )
    def test_waits_for(self, seen: Snapshot, lacks: str) -> None:
        decided = tick(seen)
        assert weight(decided) == 100
        assert lacks in decided.status.message

    def test_waits_for_ten_answers_at_this_weight(self) -> None:
        story = Story(seen=at_step(100, answered=0.0), per_tick={"c2": Load(sent=4), "s1": Load(sent=36)})
        assert "canary requests, 4 of 10 answered" in story.go().status.message
        assert weight(story.go()) == 100
        assert weight(story.go()) == 200

    def test_waits_for_the_reading_that_it_follows_from(self) -> None:
        between = replace(at_step(100), elapsed=timedelta(seconds=3))
        assert weight(tick(between)) == 100
        assert weight(tick(at_step(100))) == 200

    @pytest.mark.parametrize(
        ("workload", "says"),
        [
            pytest.param(canary(desired=10, ready=1), "canary pods ready: 1, wanted for 200m: 2", id="enough"),
            pytest.param(canary(settled=False), "rolling out", id="complete"),
            pytest.param(canary(pods=pods("c2", 1, unmeshed=3)), "3 more are ready but not meshed", id="meshed"),
            pytest.param(
                canary(pods=pods("c2", 1, leaving=3)), "canary pods ready: 1, wanted for 200m: 2", id="staying"
            ),
        ],
    )
    def test_waits_for_pods(self, workload: object, says: str) -> None:
        seen = replace(at_step(100, needed=1, stable_replicas=10), canary=workload, stable=stable(desired=10))  # type: ignore[arg-type] # a table's own column
        decided = tick(seen)
        assert (weight(decided), decided.status.reason) == (100, Reason.CANARY_NOT_READY)
        assert says in decided.status.message

    def test_waits_for_no_template_that_a_paused_deployment_keeps_back(self) -> None:
        paused = replace(canary(pods=pods("c2", 4), settled=False), revision="", paused=True)
        assert weight(tick(replace(at_step(100), canary=paused))) == 200

    def test_has_its_pods_scaled_ahead_of_it(self) -> None:
        seen = replace(at_step(100, needed=1), canary=canary(desired=1))
        (effect,) = tick(replace(seen, stable=stable(desired=8))).effects
        assert effect == Scale(deployment="web-canary", resource_version="web-canary-7", replicas=2)

    @pytest.mark.parametrize(
        "seen",
        [
            pytest.param(
                a_snapshot(spec={"scaling": {"mode": "None"}}, canary=canary(desired=1), stable=stable(desired=20)),
                id="nobody wants that",
            ),
            pytest.param(
                a_snapshot(canary=canary(desired=1, autoscaled=True), stable=stable(desired=20)),
                id="an autoscaler does",
            ),
        ],
    )
    def test_waits_for_others_where_scaling_is_not_ours(self, seen: Snapshot) -> None:
        decided = tick(seen)
        assert decided.effects == ()
        assert decided.status.reason is Reason.CANARY_NOT_READY


class TestTheBridge:
    """The last step below 1000m."""

    def test_is_left_with_pass(self) -> None:
        decided = tick(at_step(500, *GOOD))
        assert (decided.status.phase, weight(decided)) == (Phase.BAKING, 1000)
        assert "Weight 500m -> 1000m: baking for 5m, rollback armed" in decided.status.message

    def test_is_not_left_without(self) -> None:
        decided = tick(at_step(500))
        assert weight(decided) == 500
        assert "PASS of 1 gates, service: success rate has" in decided.status.message

    def test_is_not_left_in_the_first_minute(self) -> None:
        decided = tick(at_step(500, *GOOD, exposed=49 * SECONDS))
        assert weight(decided) == 500
        assert "PASS, which counts from 60 s after the first weight" in decided.status.message
        assert weight(tick(at_step(500, *GOOD, exposed=50 * SECONDS))) == 1000

    def test_is_gone_to_at_once_after_pass(self) -> None:
        assert weight(tick(at_step(100, *GOOD))) == 500

    def test_is_not_skipped_although_pass_was_there(self) -> None:
        assert weight(tick(at_step(400, *GOOD))) == 500

    def test_does_not_exist_with_1000m_as_the_only_step(self) -> None:
        seen = a_snapshot(a_status(Phase.PROGRESSING, 0), spec={"steps": ["1000m"]})
        decided = tick(seen)
        assert (decided.status.phase, weight(decided)) == (Phase.BAKING, 1000)

    def test_a_rollout_takes_so_long_at_least(self) -> None:
        story = Story(seen=a_snapshot(a_status(Phase.PROGRESSING, 0), spec={"dwell": "10s", "bake": "10s"}))
        while story.go().status.phase is not Phase.BAKING:
            assert len(story.decided) < 20
        assert len(story.decided) == 7, "the first weight, and a minute"


class TestTheBake:
    """1000m, where nobody is left to compare with."""

    def over(self, *intervals: Counts) -> Decision:
        status = a_status(Phase.BAKING, 1000, baked=5 * MINUTE)
        return tick(a_snapshot(replace(status, book=a_book(*intervals, weight=1000, answered=200.0))))

    def test_ends_on_the_releases_side(self) -> None:
        assert self.over(*CALM).status.phase is Phase.PROMOTING

    def test_goes_on_while_the_evidence_speaks_against_the_release(self) -> None:
        decided = self.over(counts((200, 20), (0, 0)))
        assert decided.status.phase is Phase.BAKING
        assert decided.status.message.endswith("waiting for evidence on the release's side.")


class TestBeginning:
    def begin(self, **seen: object) -> Decision:
        looked = a_snapshot(a_status(Phase.PROGRESSING, 0))
        return tick(replace(looked, **seen))  # type: ignore[arg-type] # a table's own columns

    def test_waits_for_its_pods_and_is_not_held(self) -> None:
        decided = self.begin(canary=canary(ready=0))
        assert (weight(decided), decided.status.reason) == (0, Reason.STARTING)
        assert "Waiting to begin: canary pods ready: 0, wanted for 100m: 1" in decided.status.message

    def test_waits_for_the_reading_that_is_the_baseline(self) -> None:
        decided = self.begin(status=replace(a_status(Phase.PROGRESSING, 0), book=a_book(at=0.0)), elapsed=SECONDS)
        assert (weight(decided), decided.status.reason) == (0, Reason.STARTING)
        assert "waiting for a first reading" in decided.status.message

    def test_ends_at_the_deadline_where_the_first_steps_pods_never_came(self) -> None:
        begun = a_status(Phase.PROGRESSING, 0, spent=LATE)
        decided = self.begin(status=begun, canary=canary(ready=0))
        assert decided.status.reason is Reason.CANARY_NOT_READY
        assert "canary pods ready: 0, wanted for 100m: 1" in decided.status.message


class TestLostPods:
    def test_take_their_weight_with_them_at_once(self) -> None:
        seen = replace(at_step(500, needed=2), canary=canary(ready=1), elapsed=timedelta(seconds=1))
        decided = tick(seen)
        assert (weight(decided), decided.status.reason) == (250, Reason.CAPACITY_WITHDRAWN)

    def test_leave_more_than_they_can_where_stable_has_none(self) -> None:
        seen = replace(at_step(500, needed=2), canary=canary(ready=1), stable=stable(ready=0))
        assert weight(tick(seen)) == 500

    def test_bring_it_back_right_after_a_reading(self) -> None:
        back = replace(at_step(500, needed=2), canary=canary(), split=a_split(250))
        lost = replace(back.status, weight=250, reason=Reason.CAPACITY_WITHDRAWN)
        between = tick(replace(back, status=lost, elapsed=timedelta(seconds=1)))
        assert (weight(between), between.status.reason) == (250, Reason.CANARY_NOT_READY)
        decided = tick(replace(back, status=lost))
        assert weight(decided) == 500
        assert "Weight 500m again" in decided.status.message

    @pytest.mark.parametrize(
        ("phase", "weight"), [(Phase.PROGRESSING, 300), (Phase.BAKING, 1000), (Phase.PROMOTING, 1000)]
    )
    def test_are_all_of_them_when_their_service_is_gone(self, phase: Phase, weight: int) -> None:
        seen = a_snapshot(a_status(phase, weight), stable=released(ready=2) if phase is Phase.PROMOTING else stable())
        decided = tick(replace(seen, wiring=CUT_OFF))
        assert (decided.status.weight, decided.status.reason) == (0, Reason.CAPACITY_WITHDRAWN)
        assert "withdrawn to 0m: its Service 'web-canary' does not exist" in decided.status.message

    def test_are_back_with_their_service(self) -> None:
        story = Story(seen=replace(at_step(300), wiring=CUT_OFF))
        assert [story.go().status.reason for _ in range(2)] == [Reason.CAPACITY_WITHDRAWN, Reason.SERVICE_MISSING]
        story.seen = replace(story.seen, wiring=Wiring())
        assert weight(story.go()) == 300

    def test_are_not_what_stable_grew_by(self) -> None:
        seen = replace(at_step(500, dwelt=timedelta(), needed=2), canary=canary(desired=2), stable=stable(desired=40))
        assert weight(tick(seen)) == 500

    @pytest.mark.parametrize(
        ("dwelt", "reason"),
        [
            pytest.param(20 * SECONDS, Reason.CANARY_NOT_READY, id="came and went until the end"),
            pytest.param(MINUTE, Reason.STEP_TIMEOUT, id="are long forgotten"),
        ],
    )
    def test_end_it_at_the_deadline(self, dwelt: timedelta, reason: Reason) -> None:
        flapping = at_step(500, *SUSPECT, spent=LATE, lost=True, dwelt=dwelt - 10 * SECONDS)
        assert tick(flapping).status.reason is reason


class TestTheDeadline:
    def overdue(self, policy: str, **rollout: object) -> Snapshot:
        seen = at_step(100, *SUSPECT, **{"spent": LATE, **rollout})  # type: ignore[arg-type] # a table's own columns
        return a_snapshot(seen.status, spec={"onInconclusive": policy})

    def test_rolls_back(self) -> None:
        decided = tick(self.overdue("Rollback"))
        assert (decided.status.phase, decided.status.reason) == (Phase.ROLLING_BACK, Reason.STEP_TIMEOUT)

    def test_that_passes_in_an_outage_says_so(self) -> None:
        decided = tick(self.overdue("Rollback"), reading=DOWN)
        assert "no decision within 30m at 100m: waiting for readings (connection refused)" in decided.status.message

    def test_that_passes_while_a_query_or_requests_hold_says_so(self) -> None:
        spec = {"gates": {"successRate": {"min": "99%"}, "unanswered": "Hold", "queries": [a_query()]}}
        hangs = {"": OpenRequests(open_time=0.01, requests=900, excess=200, in_a_row=3)}
        seen = at_step(100, spent=LATE)
        book = replace(seen.status.book, open=hangs, queries={"depth": Checked(trouble="refused")})
        looked = a_snapshot(replace(seen.status, book=book), spec=spec)
        said = tick(replace(looked, elapsed=SECONDS)).status.message
        assert "query 'depth' has no number: refused" in said
        assert "200 requests to the canary are still without an answer" in said

    def test_holds_and_says_so_again_after_each_stepTimeout(self) -> None:  # noqa: N802 - the field's name
        seen = self.overdue("Hold")
        story = Story(seen=seen, per_tick={"s1": Load(sent=900)})
        told = [len([n for n in story.go().notices if n.reason is Reason.OVERDUE]) for _ in range(2 * 180 + 2)]
        assert [i for i, count in enumerate(told) if count] == [0, 180, 360]
        assert told[0] == 1
        assert weight(story.decided[-1]) == 100

    def test_promotes_to_the_next_step(self) -> None:
        decided = tick(self.overdue("Promote"))
        assert (weight(decided), decided.status.reason) == (200, Reason.WEIGHT_INCREASED)

    def test_promotes_a_bake_that_nobody_has_to_approve(self) -> None:
        baking = a_status(Phase.BAKING, 1000, spent=LATE + 5 * MINUTE)
        assert tick(a_snapshot(baking, spec={"onInconclusive": "Promote"})).status.phase is Phase.PROMOTING
        manual = {"onInconclusive": "Promote", "promotion": {"approval": "Manual"}}
        decided = tick(a_snapshot(baking, spec=manual))
        assert (decided.status.phase, decided.status.reason) == (Phase.BAKING, Reason.OVERDUE)
        assert "spec.approve must name web-c2-1" in decided.status.message

    @pytest.mark.parametrize("policy", ["Rollback", "Hold", "Promote"])
    @pytest.mark.parametrize(
        "seen", [pytest.param({"canary": canary(ready=0)}, id="pods"), pytest.param({"wiring": CUT_OFF}, id="Service")]
    )
    def test_ends_a_step_whose_pods_never_came(self, policy: str, seen: dict[str, object]) -> None:
        decided = tick(replace(self.overdue(policy), **seen))  # type: ignore[arg-type] # a table's own columns
        assert decided.status.rollout is not None
        assert decided.status.rollout.fault is Reason.CANARY_NOT_READY


class TestANewerRevision:
    def test_starts_over_on_fresh_evidence(self) -> None:
        seen = replace(at_step(500, *GOOD), canary=canary("c3", desired=3))
        decided = tick(seen)
        status = decided.status
        assert (status.phase, status.weight) == (Phase.PROGRESSING, 0)
        assert status.rollout is not None
        assert (status.rollout.id, status.rollout.found_replicas) == ("web-c3-2", 1)
        assert status.book.evidence == {}
        assert status.history[-1].outcome is Outcome.SUPERSEDED
        told = [n.message for n in decided.notices if n.reason is Reason.SUPERSEDED]
        assert told == ["Revision c2 is superseded by c3 at 500m."]

    @pytest.mark.parametrize(
        ("seen", "phase"),
        [
            pytest.param(a_snapshot(canary=canary("c1")), Phase.ROLLING_BACK, id="it is the promoted one"),
            pytest.param(
                a_snapshot(replace(a_status(Phase.PROGRESSING, 100), history=(a_past("c0"),)), canary=canary("c0")),
                Phase.ROLLING_BACK,
                id="it is condemned",
            ),
            pytest.param(a_snapshot(spec={"paused": True}, canary=canary("c3")), Phase.ROLLING_BACK, id="paused"),
            pytest.param(
                a_snapshot(canary=canary("c3"), stable=stable("")), Phase.ROLLING_BACK, id="stable is not yet seen"
            ),
            pytest.param(a_snapshot(canary=canary("")), Phase.PROGRESSING, id="it is not yet seen"),
        ],
    )
    def test_starts_nothing_where(self, seen: Snapshot, phase: Phase) -> None:
        decided = tick(seen)
        assert decided.status.phase is phase
        assert decided.status.rollout is not None
        assert decided.status.rollout.id == "web-c2-1"
        assert decided.status.condemned <= {"c0"}


class TestConfirming:
    def test_a_first_weight_is_asked_for_as_a_start(self) -> None:
        begun = a_status(Phase.PROGRESSING, 0)
        seen = a_snapshot(begun, spec={"gates": with_hook("boss", "confirm-start")})
        assert weight(tick(seen, hooks={"boss": NO})) == 0
        assert weight(tick(seen, hooks={"boss": YES})) == 100

    def test_a_step_is_taken_once_everybody_has_said_yes(self) -> None:
        gates = {"successRate": {"min": "99%"}, "webhooks": [a_hook(n, "confirm-step") for n in ("ann", "bob")]}
        gates["webhooks"].append(a_hook("bot", "notify"))  # type: ignore[attr-defined] # a list
        seen = a_snapshot(spec={"gates": gates})
        held = tick(seen, hooks={"ann": YES, "bob": NO}).status
        assert (held.weight, "webhook 'bob'" in held.message) == (100, True)
        assert weight(tick(seen, hooks={"ann": YES, "bob": YES})) == 200

    def test_whoever_was_not_asked_yet_is_waited_for_without_a_word(self) -> None:
        """What people are told of a confirmation is what was answered."""
        seen = a_snapshot(spec={"gates": with_hook("boss", "confirm-step")}, elapsed=timedelta(seconds=1))
        decided = tick(seen)
        assert (weight(decided), decided.status.reason, decided.notices) == (100, seen.status.reason, ())

    def test_between_two_readings_the_last_answer_stands(self) -> None:
        seen = a_snapshot(spec={"gates": with_hook("boss", "confirm-step")})
        held = tick(seen, hooks={"boss": NO}).status
        between = tick(replace(seen, status=held, saved=held, elapsed=timedelta(seconds=1)))
        assert between.status.message == held.message
        assert not between.save
