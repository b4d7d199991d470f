"""The net under every rollout: none keeps a weight above 0 past its deadline because nobody can judge it.

Each trouble stands for ever, from before the deadline on. Where a user asked for something else (Hold, Promote, a
pause, an approval, External), that is what happens, and it is said again after each deadline.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from canary.core.snapshot import Wiring
from canary.core.spec import Weight
from canary.core.status import Outcome, Phase, Reason
from canary.core.unanswered import OpenRequests
from canary.errors import Problem
from tests.build import (
    DOWN,
    MINUTE,
    SUSPECT,
    TICK,
    Answered,
    Story,
    a_book,
    a_hook,
    a_snapshot,
    a_status,
    canary,
    pods,
    released,
    stable,
    tick,
)
from tests.load import BEFORE, SCRAPED, Load, a_reading

PHASES = {Phase.PROGRESSING: 100, Phase.BAKING: 1000}
FINE = {"c2": Load(sent=100), "s1": Load(sent=900)}
DEADLINE = 30 * MINUTE
HANGING = {"": OpenRequests(open_time=0.01, requests=900, excess=200, in_a_row=3)}
NOBODY = {"ops-0": DOWN, "ops-1": DOWN}
STUCK = a_reading(BEFORE, at=SCRAPED - 100)


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What stands in the way for ever, and the reason by which the rollout ends."""

    ends: Reason = Reason.STEP_TIMEOUT
    seen: Mapping[str, object] = field(default_factory=dict)
    spec: Mapping[str, object] = field(default_factory=dict)
    given: Answered = field(default_factory=Answered)
    sent: Mapping[str, Load] | None = None
    baked: timedelta = MINUTE


def hooked(*kinds: str) -> dict[str, object]:
    hooks = [a_hook(f"ops-{number}", kind) for number, kind in enumerate(kinds)]
    return {"gates": {"successRate": {"min": "99%"}, "webhooks": hooks}}


TROUBLES = {
    "Prometheus is down": Trouble(given={"reading": DOWN}),
    "Prometheus knows nothing": Trouble(given={"reading": a_reading({}, at=SCRAPED)}),
    "nothing is scraped any more": Trouble(given={"reading": STUCK}),
    "nobody sends anything": Trouble(sent={}),
    "clients do not obey the split": Trouble(sent={"s1": Load(sent=900)}),
    "the canary's pods are not meshed": Trouble(
        ends=Reason.CANARY_NOT_READY, seen={"canary": canary(pods=pods("c2", 0, unmeshed=4))}
    ),
    "the canary's pods are gone": Trouble(ends=Reason.CANARY_NOT_READY, seen={"canary": canary(ready=0)}),
    "the canary Deployment is gone": Trouble(ends=Reason.CANARY_NOT_READY, seen={"canary": None}),
    "the canary's Service is gone": Trouble(
        ends=Reason.CANARY_NOT_READY, seen={"wiring": Wiring(missing_services=("web-canary",))}
    ),
    "the apex Service is gone": Trouble(seen={"wiring": Wiring(missing_services=("web",))}, sent={}),
    "no TrafficSplit is served": Trouble(seen={"wiring": Wiring(unsupported="no TrafficSplit")}, sent={}),
    "we have no right to look": Trouble(seen={"blind": "403 pods is forbidden", "stable": None, "canary": None}),
    "some of stable's pods lack": Trouble(seen={"stable": stable(ready=2)}),
    "the spec is invalid": Trouble(
        seen={"problems": (Problem("spec.steps", "2x", "a list"),)}, given={"reading": DOWN}
    ),
    "requests hang and that only holds": Trouble(spec={"gates": {"successRate": {"min": "99%"}, "unanswered": "Hold"}}),
    "a confirming webhook never answers": Trouble(
        spec=hooked("confirm-step", "confirm-promotion"), given={"hooks": NOBODY}, sent=FINE, baked=5 * MINUTE
    ),
    "the veto never answers": Trouble(spec=hooked("rollback"), given={"reading": DOWN, "hooks": NOBODY}),
}


def beset(phase: Phase, trouble: Trouble, **spec: object) -> Story:
    """Look at a rollout a minute before its deadline, with the trouble on it."""
    left = DEADLINE - 3 * TICK + (5 * MINUTE if phase is Phase.BAKING else timedelta())
    status = a_status(phase, PHASES[phase], spent=left, baked=trouble.baked)
    hang = HANGING if "unanswered" in str(trouble.spec) else {}
    status = replace(status, book=a_book(*SUSPECT, answered=200.0, open=hang))
    seen = a_snapshot(status, spec={**trouble.spec, **spec})
    seen = replace(seen, **trouble.seen)  # type: ignore[arg-type] # a table's own columns
    load = {"c2": Load(sent=100, failed=1), "s1": Load(sent=900, failed=1)} if trouble.sent is None else trouble.sent
    return Story(seen=seen, per_tick=dict(load))


def weights(story: Story, trouble: Trouble, ticks: int) -> list[Weight]:
    return [story.go(**trouble.given).status.weight for _ in range(ticks)]


def told(story: Story, reason: Reason) -> list[int]:
    """Say in which ticks people were told so, by a warning."""
    return [i for i, d in enumerate(story.decided) for n in d.notices if n.reason is reason and n.warning]


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_who_cannot_be_judged_is_rolled_back_at_the_deadline(phase: Phase, trouble: Trouble) -> None:
    story = beset(phase, trouble)
    found = weights(story, trouble, 5)
    assert found[-1] == 0
    faults = {d.status.rollout.fault for d in story.decided if d.status.rollout is not None} - {None}
    assert faults == {trouble.ends}, story.seen.status.message


SILENT = [
    TROUBLES[name] for name in ("Prometheus is down", "nobody sends anything", "a confirming webhook never answers")
]


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("trouble", SILENT, ids=["down", "silent", "unconfirmed"])
def test_who_wants_it_held_is_told_after_each_deadline(phase: Phase, trouble: Trouble) -> None:
    story = beset(phase, trouble, onInconclusive="Hold")
    ticks = 180 + (30 if phase is Phase.BAKING else 0)
    assert set(weights(story, trouble, 2 * ticks + 10)) == {PHASES[phase]}
    first, *again = told(story, Reason.OVERDUE)
    assert (first, again) == (2, [first + ticks, first + 2 * ticks])


@pytest.mark.parametrize("policy", ["Hold", "Promote"])
def test_what_nobody_may_look_at_is_promoted_by_no_policy(policy: str) -> None:
    trouble = TROUBLES["we have no right to look"]
    story = beset(Phase.PROGRESSING, trouble, onInconclusive=policy)
    assert set(weights(story, trouble, 190)) == {100}
    assert told(story, Reason.OVERDUE) == [2, 182]


@pytest.mark.parametrize("phase", [Phase.FINALISING, Phase.ROLLING_BACK])
def test_an_end_that_cannot_be_seen_is_none_and_is_told_after_each_deadline(phase: Phase) -> None:
    unseen = a_snapshot(a_status(phase, 0), blind="403 pods is forbidden", stable=None, canary=None)
    story = Story(seen=unseen)
    assert {story.go().status.phase for _ in range(370)} == {phase}
    assert (told(story, Reason.FORBIDDEN), told(story, Reason.STEP_TIMEOUT)) == ([0], [179, 359])


def test_an_idle_canary_is_looked_at_again_for_no_watch_tells_of_rights() -> None:
    idle = a_snapshot(a_status(Phase.IDLE, 0), blind="403 pods is forbidden", stable=None, canary=None)
    decided = tick(idle)
    (ready,) = [c for c in decided.status.conditions if c.type == "Ready"]
    assert (ready.status, ready.reason, decided.requeue_after) == (False, Reason.FORBIDDEN, timedelta(seconds=30))
    assert tick(replace(idle, blind="", stable=stable(), canary=canary("c1", desired=1))).requeue_after is None


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("policy", ["Hold", "Promote"])
@pytest.mark.parametrize("name", [name for name, t in TROUBLES.items() if t.ends is Reason.CANARY_NOT_READY])
def test_no_policy_keeps_traffic_where_it_cannot_be_served(phase: Phase, policy: str, name: str) -> None:
    trouble = TROUBLES[name]
    story = beset(phase, trouble, onInconclusive=policy)
    assert weights(story, trouble, 5)[-1] == 0
    assert story.seen.status.phase in (Phase.ROLLING_BACK, Phase.IDLE)


@pytest.mark.parametrize("phase", PHASES)
def test_a_pause_and_an_approval_stop_the_clock_and_disarm_nothing(phase: Phase) -> None:
    wish = {"paused": True} if phase is Phase.PROGRESSING else {"promotion": {"approval": "Manual"}}
    story = beset(phase, Trouble(spec=wish, sent=FINE, baked=5 * MINUTE))
    assert set(weights(story, Trouble(), 400)) == {PHASES[phase]}
    story.per_tick = {"c2": Load(sent=100, failed=60), "s1": Load(sent=900)}
    assert weights(story, Trouble(), 4)[-1] == 0


def test_an_outage_while_waiting_for_an_approval_starts_the_clock_again() -> None:
    down = Trouble(spec={"promotion": {"approval": "Manual"}}, given={"reading": DOWN}, baked=5 * MINUTE)
    assert weights(beset(Phase.BAKING, down), down, 5)[-1] == 0


@pytest.mark.parametrize("reading", [{}, {"reading": DOWN}], ids=["judged", "in an outage"])
def test_a_promotion_that_does_not_end_is_taken_back(reading: Answered) -> None:
    status = a_status(Phase.PROMOTING, 1000, spent=DEADLINE - 3 * TICK)
    story = Story(seen=a_snapshot(status, stable=released(ready=2)))
    assert weights(story, Trouble(given=reading), 5) == [1000, 1000, 0, 0, 0]
    assert story.decided[2].status.reason is Reason.STEP_TIMEOUT


def test_a_promotion_by_others_is_waited_for_with_a_word_after_each_deadline() -> None:
    status = a_status(Phase.PROMOTING, 1000, copying=False, spent=DEADLINE - 3 * TICK)
    story = Story(seen=a_snapshot(status, spec={"promotion": {"mode": "External"}}))
    assert set(weights(story, Trouble(given={"reading": DOWN}), 370)) == {1000}
    said = [
        i for i, d in enumerate(story.decided) if any("does not carry c2 after 30m" in n.message for n in d.notices)
    ]
    assert said == [2, 182, 362]


def test_a_stable_that_cannot_take_the_traffic_back_is_waited_for_with_a_word_after_each_deadline() -> None:
    story = beset(Phase.PROGRESSING, Trouble(seen={"stable": stable(ready=0)}))
    assert set(weights(story, Trouble(given={"reading": DOWN}), 370)) == {100}
    assert (told(story, Reason.STEP_TIMEOUT), story.seen.status.phase) == ([2, 182, 362], Phase.ROLLING_BACK)
    story.seen = replace(story.seen, stable=stable())
    assert weights(story, Trouble(), 1) == [0]


def test_what_an_upgrade_can_no_longer_read_is_taken_back_and_may_start_again() -> None:
    seen = a_snapshot(a_status(Phase.PROGRESSING, 100), canary=canary(desired=1))
    assert seen.status.rollout is not None
    rollout = replace(seen.status.rollout, spec={**seen.status.rollout.spec, "steps": ["2x"]})
    status = replace(seen.status, rollout=rollout)
    spoilt = replace(seen, status=status, saved=status, problems=(Problem("spec.steps", "2x", "a list"),))
    story = Story(seen=spoilt)
    assert [story.go().status.phase for _ in range(2)] == [Phase.ROLLING_BACK, Phase.IDLE]
    assert story.seen.status.history[-1].outcome is Outcome.SUPERSEDED
    assert story.go().status.reason is Reason.INVALID_SPEC
    story.seen = replace(story.seen, problems=())
    assert story.go().status.phase is Phase.PROGRESSING
