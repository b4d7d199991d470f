"""Every cell of phase x happening: what follows where a rule applies, and that nothing does where there is none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from canary.core.decide import CHAINS
from canary.core.decision import Effect, Scale, SetTemplate, SetWeights, Unguard
from canary.core.gather import gather
from canary.core.rules import Happening
from canary.core.share import Share
from canary.core.snapshot import Snapshot, Wiring
from canary.core.spec import Weight
from canary.core.status import Outcome, Phase, Reason
from canary.core.unanswered import OpenRequests
from canary.errors import Problem
from tests.build import (
    BAD,
    CALM,
    DOWN,
    MINUTE,
    NO,
    NOW,
    SUSPECT,
    Answered,
    a_book,
    a_past,
    a_snapshot,
    a_split,
    a_status,
    a_template,
    answers,
    canary,
    released,
    stable,
    tick,
    with_hook,
    with_query,
)

IDLE, PROGRESSING, BAKING = Phase.IDLE, Phase.PROGRESSING, Phase.BAKING
PROMOTING, FINALISING, ROLLING_BACK = Phase.PROMOTING, Phase.FINALISING, Phase.ROLLING_BACK
RESTING = {IDLE: 0, PROGRESSING: 100, BAKING: 1000, PROMOTING: 1000, FINALISING: 0, ROLLING_BACK: 0}
RIVAL = Wiring(rival="web-older")
FOREIGN = a_split(300, service="other")
HANGING = {"": OpenRequests(open_time=0.01, requests=900, excess=200, in_a_row=3)}


def at_rest(phase: Phase) -> Snapshot:
    """Look at a phase in which nothing happens but that time passes."""
    if phase is IDLE:
        return a_snapshot(a_status(IDLE, 0))
    if phase is PROGRESSING:
        status = a_status(PROGRESSING, 100)
        return a_snapshot(replace(status, book=a_book(*SUSPECT, answered=200.0)))
    if phase is BAKING:
        return a_snapshot(a_status(BAKING, 1000, baked=MINUTE))
    if phase is PROMOTING:
        return a_snapshot(a_status(PROMOTING, 1000), stable=released(ready=2))
    done = released() if phase is FINALISING else stable()
    return a_snapshot(a_status(phase, 0), stable=done, canary=canary(desired=3))


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A look, the answers to it, and what follows."""

    seen: Snapshot
    given: Answered = field(default_factory=Answered)
    phase: Phase
    weight: Weight
    reason: Reason
    effects: tuple[type[Effect], ...] = ()
    says: str = ""


def changed(seen: Snapshot, **rollout: object) -> Snapshot:
    """Change what is remembered of the rollout."""
    assert seen.status.rollout is not None
    status = replace(seen.status, rollout=replace(seen.status.rollout, **rollout))  # type: ignore[arg-type] # columns
    return replace(seen, status=status, saved=status)


def with_evidence(seen: Snapshot, *intervals: object, **book: object) -> Snapshot:
    """Change what was counted."""
    status = replace(seen.status, book=a_book(*intervals, answered=200.0, **book))  # type: ignore[arg-type] # columns
    return replace(seen, status=status, saved=status)


def asked(seen: Snapshot, **spec: object) -> Snapshot:
    """Look at the same with other fields of the spec, which the rollout has followed all along."""
    other = a_snapshot(seen.status, spec=spec)
    return replace(seen, spec=other.spec, raw_spec=other.raw_spec, status=other.status, saved=other.saved)


def unseen(seen: Snapshot) -> Snapshot:
    """Look at the same without the right to."""
    return replace(seen, blind=REFUSED, stable=None, canary=None)


def spoilt(seen: Snapshot) -> Snapshot:
    """Look at the same after an upgrade to a version that can follow neither the object's spec nor the rollout's."""
    found = replace(seen, problems=(Problem("spec.steps", "2x", "a list"),))
    if seen.status.rollout is None:
        return found
    return changed(found, spec={**seen.status.rollout.spec, "steps": ["2x"]})


LATE = timedelta(minutes=30)
OFF = Share(canary=100.0, stable=4900.0, intervals=2)
REFUSED = "GET /api/v1/namespaces/shop/pods: 403 pods is forbidden"


def turning(phase: Phase) -> dict[Happening, Cell]:
    """Give the cells that Progressing and Baking share, in which the rollout does not go on as it was."""
    rest, weight = at_rest(phase), RESTING[phase]
    return {
        Happening.DELETED: Cell(
            seen=replace(rest, deleted_at=NOW),
            phase=phase,
            weight=0,
            reason=Reason.DELETED,
            effects=(SetWeights,),
            says="traffic returns to web-stable",
        ),
        Happening.UNREADABLE: Cell(
            seen=spoilt(rest),
            phase=ROLLING_BACK,
            weight=0,
            reason=Reason.SUPERSEDED,
            effects=(SetWeights,),
            says="web-c2-1 follows a spec that this version cannot read: spec.steps",
        ),
        Happening.ABORTED: Cell(
            seen=asked(rest, abort="web-c2-1"),
            phase=ROLLING_BACK,
            weight=0,
            reason=Reason.ABORTED,
            effects=(SetWeights,),
            says=f"from {weight}m: spec.abort names web-c2-1",
        ),
        Happening.FAILED: Cell(
            seen=with_evidence(rest, *BAD),
            phase=ROLLING_BACK,
            weight=0,
            reason=Reason.SUCCESS_RATE,
            effects=(SetWeights,),
            says="of 900 canary requests failed",
        ),
        Happening.NEW_REVISION: Cell(
            seen=replace(rest, canary=canary("c3", ready=0)),
            phase=PROGRESSING,
            weight=0,
            reason=Reason.NEW_REVISION,
            effects=(SetWeights,),
            says="rollout web-c3-2 begins",
        ),
    }


def holding(phase: Phase) -> dict[Happening, Cell]:
    """Give the cells that Progressing and Baking share, in which the rollout waits."""
    rest, weight = at_rest(phase), RESTING[phase]
    return {
        Happening.CONFLICT: Cell(
            seen=replace(rest, wiring=RIVAL), phase=phase, weight=weight, reason=Reason.CONFLICT, says="web-older"
        ),
        Happening.NOT_OURS: Cell(
            seen=replace(rest, split=FOREIGN), phase=phase, weight=weight, reason=Reason.NOT_OURS, says="'other'"
        ),
        Happening.BLIND: Cell(
            seen=unseen(rest), phase=phase, weight=weight, reason=Reason.FORBIDDEN, says="403 pods is forbidden"
        ),
        Happening.MISWIRED: Cell(
            seen=replace(rest, wiring=Wiring(missing_services=("web",))),
            phase=phase,
            weight=weight,
            reason=Reason.SERVICE_MISSING,
            says="spec.service: Service 'web'",
        ),
        Happening.STABLE_NOT_READY: Cell(
            seen=replace(rest, stable=stable(ready=2)),
            phase=phase,
            weight=weight,
            reason=Reason.STABLE_NOT_READY,
            says="2 of stable's 4 pods",
        ),
        Happening.SILENT: Cell(
            seen=rest,
            given={"reading": DOWN},
            phase=phase,
            weight=weight,
            reason=Reason.METRICS_UNREACHABLE,
            says="connection refused",
        ),
        Happening.HANGING: Cell(
            seen=asked(
                replace(with_evidence(rest, *SUSPECT, open=HANGING), elapsed=timedelta(seconds=1)),
                gates={"successRate": {"min": "99%"}, "unanswered": "Hold"},
            ),
            phase=phase,
            weight=weight,
            reason=Reason.UNANSWERED,
            says="200 requests to the canary are still without an answer",
        ),
        Happening.QUERY: Cell(
            seen=asked(replace(rest, elapsed=timedelta(seconds=1)), gates=with_query()),
            phase=phase,
            weight=weight,
            reason=Reason.BAKING if phase is BAKING else Reason.GATHERING,
            says="query 'depth' has no number: it was not asked yet",
        ),
    }


def ending(phase: Phase) -> dict[Happening, Cell]:
    """Give the cells that Finalising and RollingBack share."""
    rest, why = at_rest(phase), Reason.FINALISING if phase is FINALISING else Reason.SUCCESS_RATE
    stuck = replace(
        a_snapshot(a_status(phase, 1000, outcome=Outcome.PROMOTED if phase is FINALISING else Outcome.ROLLED_BACK)),
        stable=replace(released() if phase is FINALISING else stable(), pods=()),
    )
    return {
        Happening.DELETED: Cell(
            seen=replace(rest, deleted_at=NOW), phase=phase, weight=0, reason=Reason.DELETED, effects=(Scale, Unguard)
        ),
        Happening.CONFLICT: Cell(seen=replace(rest, wiring=RIVAL), phase=phase, weight=0, reason=Reason.CONFLICT),
        Happening.OVERDUE: Cell(
            seen=changed(rest, spent=LATE),
            phase=phase,
            weight=0,
            reason=why,
            effects=(Scale,),
            says="scaled from 3 to 1",
        ),
        Happening.BLIND: Cell(seen=unseen(rest), phase=phase, weight=0, reason=Reason.FORBIDDEN, says="403 pods"),
        Happening.STABLE_NOT_READY: Cell(
            seen=stuck, phase=phase, weight=1000, reason=Reason.STABLE_NOT_READY, says="0 of stable's 4 pods"
        ),
        Happening.RIPE: Cell(
            seen=replace(stuck, stable=released() if phase is FINALISING else stable()),
            phase=phase,
            weight=0,
            reason=why,
            effects=(SetWeights,),
            says="Stable is ready again",
        ),
        Happening.NOT_OURS: Cell(seen=replace(rest, split=FOREIGN), phase=phase, weight=0, reason=Reason.NOT_OURS),
        Happening.OTHERWISE: Cell(
            seen=rest, phase=phase, weight=0, reason=why, effects=(Scale,), says="scaled from 3 to 1"
        ),
    }


CELLS: Mapping[Phase, Mapping[Happening, Cell]] = {
    IDLE: {
        Happening.DELETED: Cell(
            seen=replace(at_rest(IDLE), deleted_at=NOW),
            phase=IDLE,
            weight=0,
            reason=Reason.DELETED,
            effects=(Unguard,),
            says="traffic returns to web-stable",
        ),
        Happening.CONFLICT: Cell(
            seen=replace(at_rest(IDLE), wiring=RIVAL, canary=canary()),
            phase=IDLE,
            weight=0,
            reason=Reason.CONFLICT,
            says="Canary web-older is older",
        ),
        Happening.BLIND: Cell(
            seen=replace(unseen(at_rest(IDLE)), split=a_split(300)),
            phase=IDLE,
            weight=0,
            reason=Reason.FORBIDDEN,
            says="rights do not cover this: GET /api/v1/namespaces/shop/pods",
        ),
        Happening.MISWIRED: Cell(
            seen=replace(at_rest(IDLE), stable=None, split=a_split(300)),
            phase=IDLE,
            weight=0,
            reason=Reason.DEPLOYMENT_MISSING,
            says="spec.stable.deployment: Deployment 'web-stable'",
        ),
        Happening.NOT_OURS: Cell(
            seen=replace(at_rest(IDLE), split=FOREIGN, canary=canary()),
            phase=IDLE,
            weight=0,
            reason=Reason.NOT_OURS,
            says="nothing is written to it",
        ),
        Happening.FIRST_SIGHT: Cell(
            seen=a_snapshot(replace(a_status(IDLE, 0), promoted="", history=()), split=a_split(300)),
            phase=IDLE,
            weight=0,
            reason=Reason.ADOPTED,
            effects=(SetWeights,),
            says="it stood at web-canary 300m, web-stable 700m",
        ),
        Happening.RETRIED: Cell(
            seen=replace(
                a_snapshot(replace(a_status(IDLE, 0), history=(a_past("c2"),)), spec={"retry": "web-c2-1"}),
                canary=canary(),
            ),
            phase=PROGRESSING,
            weight=0,
            reason=Reason.NEW_REVISION,
            says="New revision c2 against s1: rollout web-c2-2 begins",
        ),
        Happening.WAITING: Cell(
            seen=replace(a_snapshot(a_status(IDLE, 0), spec={"paused": True}), canary=canary()),
            phase=IDLE,
            weight=0,
            reason=Reason.PAUSED,
            says="Revision c2 waits",
        ),
        Happening.NEW_REVISION: Cell(
            seen=replace(at_rest(IDLE), canary=canary(desired=1, ready=0)),
            phase=PROGRESSING,
            weight=0,
            reason=Reason.NEW_REVISION,
            says="New revision c2 against s1: rollout web-c2-2 begins",
        ),
        Happening.OTHERWISE: Cell(
            seen=at_rest(IDLE), phase=IDLE, weight=0, reason=Reason.PROMOTED, says="Revision c1 is history."
        ),
    },
    PROGRESSING: {
        **turning(PROGRESSING),
        **holding(PROGRESSING),
        Happening.OVERDUE: Cell(
            seen=changed(at_rest(PROGRESSING), spent=LATE),
            phase=ROLLING_BACK,
            weight=0,
            reason=Reason.STEP_TIMEOUT,
            effects=(SetWeights,),
            says="no decision within 30m at 100m: waiting for evidence on the release's side",
        ),
        Happening.PODS_LOST: Cell(
            seen=replace(changed(at_rest(PROGRESSING), needed=2), canary=canary(ready=0)),
            phase=PROGRESSING,
            weight=0,
            reason=Reason.CAPACITY_WITHDRAWN,
            effects=(SetWeights,),
            says="Weight 100m is withdrawn to 0m: canary pods ready: 0, wanted for 100m: 2",
        ),
        Happening.CANARY_NOT_READY: Cell(
            seen=replace(a_snapshot(), canary=canary(settled=False)),
            phase=PROGRESSING,
            weight=100,
            reason=Reason.CANARY_NOT_READY,
            says="the canary Deployment is rolling out (4 of 4 pods ready)",
        ),
        Happening.SHARE: Cell(
            seen=with_evidence(at_rest(PROGRESSING), *CALM, share=OFF),
            phase=PROGRESSING,
            weight=100,
            reason=Reason.SHARE,
            says="the canary got 3.4%",
        ),
        Happening.PAUSED: Cell(
            seen=a_snapshot(spec={"paused": True}),
            phase=PROGRESSING,
            weight=100,
            reason=Reason.PAUSED,
            says="Paused at 100m",
        ),
        Happening.CONFIRMATION: Cell(
            seen=a_snapshot(spec={"gates": with_hook("boss", "confirm-step")}),
            given={"hooks": {"boss": NO}},
            phase=PROGRESSING,
            weight=100,
            reason=Reason.CONFIRMATION,
            says="webhook 'boss' (confirm-step) says no: 409: not today",
        ),
        Happening.RIPE: Cell(
            seen=a_snapshot(),
            phase=PROGRESSING,
            weight=200,
            reason=Reason.WEIGHT_INCREASED,
            effects=(SetWeights,),
            says="Weight 100m -> 200m; 300 canary requests answered at 100m",
        ),
        Happening.OTHERWISE: Cell(
            seen=at_rest(PROGRESSING),
            phase=PROGRESSING,
            weight=100,
            reason=Reason.GATHERING,
            says="300 canary requests answered at 100m, odds",
        ),
    },
    BAKING: {
        **turning(BAKING),
        **holding(BAKING),
        Happening.OVERDUE: Cell(
            seen=changed(at_rest(BAKING), spent=LATE + 5 * MINUTE),
            phase=ROLLING_BACK,
            weight=0,
            reason=Reason.STEP_TIMEOUT,
            effects=(SetWeights,),
            says="no decision within 30m at 1000m: waiting for the bake, 70 of 300 s",
        ),
        Happening.PODS_LOST: Cell(
            seen=replace(at_rest(BAKING), canary=canary(ready=3)),
            phase=BAKING,
            weight=750,
            reason=Reason.CAPACITY_WITHDRAWN,
            effects=(SetWeights,),
            says="Weight 1000m is withdrawn to 750m: canary pods ready: 3, wanted for 1000m: 4",
        ),
        Happening.CANARY_NOT_READY: Cell(
            seen=replace(at_rest(BAKING), canary=canary(ready=3), stable=stable(ready=0)),
            phase=BAKING,
            weight=1000,
            reason=Reason.CANARY_NOT_READY,
            says="canary pods ready: 3, wanted for 1000m: 4",
        ),
        Happening.APPROVAL: Cell(
            seen=a_snapshot(a_status(BAKING, 1000, baked=5 * MINUTE), spec={"promotion": {"approval": "Manual"}}),
            phase=BAKING,
            weight=1000,
            reason=Reason.AWAITING_APPROVAL,
            says="waiting for spec.approve to name web-c2-1",
        ),
        Happening.PAUSED: Cell(
            seen=a_snapshot(a_status(BAKING, 1000, baked=5 * MINUTE), spec={"paused": True}),
            phase=BAKING,
            weight=1000,
            reason=Reason.PAUSED,
            says="Paused at 1000m",
        ),
        Happening.CONFIRMATION: Cell(
            seen=a_snapshot(
                a_status(BAKING, 1000, baked=5 * MINUTE), spec={"gates": with_hook("boss", "confirm-promotion")}
            ),
            given={"hooks": {"boss": DOWN}},
            phase=BAKING,
            weight=1000,
            reason=Reason.WEBHOOK_UNANSWERED,
            says="webhook 'boss' (confirm-promotion) gave no answer: connection refused",
        ),
        Happening.RIPE: Cell(
            seen=a_snapshot(a_status(BAKING, 1000, baked=5 * MINUTE)),
            phase=PROMOTING,
            weight=1000,
            reason=Reason.PROMOTING,
            effects=(SetTemplate,),
            says="Revision c2 is good: copying it to web-stable",
        ),
        Happening.OTHERWISE: Cell(
            seen=at_rest(BAKING), phase=BAKING, weight=1000, reason=Reason.BAKING, says="the bake, 70 of 300 s"
        ),
    },
    PROMOTING: {
        Happening.DELETED: Cell(
            seen=replace(at_rest(PROMOTING), deleted_at=NOW),
            phase=PROMOTING,
            weight=0,
            reason=Reason.DELETED,
            effects=(SetWeights,),
            says="traffic returns to web-stable",
        ),
        Happening.CONFLICT: Cell(
            seen=replace(at_rest(PROMOTING), wiring=RIVAL, stable=stable()),
            phase=PROMOTING,
            weight=1000,
            reason=Reason.CONFLICT,
        ),
        Happening.UNREADABLE: Cell(
            seen=spoilt(at_rest(PROMOTING)),
            phase=ROLLING_BACK,
            weight=0,
            reason=Reason.SUPERSEDED,
            effects=(SetWeights, SetTemplate),
            says="this version cannot read",
        ),
        Happening.ABORTED: Cell(
            seen=asked(at_rest(PROMOTING), abort="web-c2-1"),
            phase=ROLLING_BACK,
            weight=0,
            reason=Reason.ABORTED,
            effects=(SetWeights, SetTemplate),
            says="Rolling back c2 from 1000m",
        ),
        Happening.FAILED: Cell(
            seen=with_evidence(at_rest(PROMOTING), *BAD),
            phase=ROLLING_BACK,
            weight=0,
            reason=Reason.SUCCESS_RATE,
            effects=(SetWeights, SetTemplate),
            says="at most 1% may fail",
        ),
        Happening.REVISION_GONE: Cell(
            seen=replace(at_rest(PROMOTING), stable=stable(), canary=canary("c3", templates={})),
            phase=ROLLING_BACK,
            weight=0,
            reason=Reason.SUPERSEDED,
            effects=(SetWeights,),
            says="The ReplicaSet of c2 is gone before its template was promoted",
        ),
        Happening.CARRIED: Cell(
            seen=replace(at_rest(PROMOTING), stable=released()),
            phase=FINALISING,
            weight=0,
            reason=Reason.FINALISING,
            effects=(SetWeights,),
            says="web-stable runs c2 on all its pods",
        ),
        Happening.OVERDUE: Cell(
            seen=changed(at_rest(PROMOTING), spent=LATE),
            phase=ROLLING_BACK,
            weight=0,
            reason=Reason.STEP_TIMEOUT,
            effects=(SetWeights, SetTemplate),
            says="stable was not ready with the release within 30m",
        ),
        Happening.BLIND: Cell(
            seen=unseen(at_rest(PROMOTING)), phase=PROMOTING, weight=1000, reason=Reason.FORBIDDEN, says="403 pods"
        ),
        Happening.NEW_REVISION: Cell(
            seen=replace(
                at_rest(PROMOTING),
                canary=canary("c3", templates={"c2": a_template("c2", app="web-canary"), "c3": a_template("c3")}),
            ),
            phase=PROMOTING,
            weight=0,
            reason=Reason.PROMOTING,
            effects=(SetWeights,),
            says="c3 landed while c2 is promoted",
        ),
        Happening.NOT_OURS: Cell(
            seen=replace(at_rest(PROMOTING), split=FOREIGN, stable=stable()),
            phase=PROMOTING,
            weight=1000,
            reason=Reason.NOT_OURS,
        ),
        Happening.PODS_LOST: Cell(
            seen=replace(at_rest(PROMOTING), canary=canary(ready=3)),
            phase=PROMOTING,
            weight=750,
            reason=Reason.CAPACITY_WITHDRAWN,
            effects=(SetWeights,),
        ),
        Happening.OTHERWISE: Cell(
            seen=at_rest(PROMOTING),
            phase=PROMOTING,
            weight=1000,
            reason=Reason.PROMOTING,
            says="Promoting c2: stable has 2 of 4 pods ready",
        ),
    },
    FINALISING: ending(FINALISING)
    | {
        Happening.SETTLED: Cell(
            seen=replace(at_rest(FINALISING), canary=canary(desired=1)),
            phase=IDLE,
            weight=0,
            reason=Reason.PROMOTED,
            says="Revision c2 was promoted in 300 s; web-stable runs it.",
        ),
    },
    ROLLING_BACK: ending(ROLLING_BACK)
    | {
        Happening.SETTLED: Cell(
            seen=replace(at_rest(ROLLING_BACK), canary=canary(desired=1)),
            phase=IDLE,
            weight=0,
            reason=Reason.SUCCESS_RATE,
            says="Revision c2 was rolled back from at most 500m: too many failed.",
        ),
    },
}


def with_canary(seen: Snapshot, **workload: object) -> Snapshot:
    """Look at the same with other facts about the canary Deployment."""
    assert seen.canary is not None
    return replace(seen, canary=replace(seen.canary, **workload))  # type: ignore[arg-type] # a table's own columns


def with_history(seen: Snapshot) -> Snapshot:
    """Remember that c0 was rolled back."""
    return replace(seen, status=replace(seen.status, history=(a_past("c0"),)))


BESIDE: Mapping[Happening, Callable[[Snapshot], Snapshot]] = {
    Happening.MISWIRED: lambda seen: replace(seen, wiring=Wiring(missing_services=("web",))),
    Happening.UNREADABLE: lambda seen: spoilt(seen) if seen.status.active else seen,
    Happening.FIRST_SIGHT: lambda seen: seen,
    Happening.RETRIED: lambda seen: asked(with_history(seen), retry="web-c0-1"),
    Happening.WAITING: lambda seen: with_canary(asked(seen, paused=True), revision="c3"),
    Happening.PAUSED: lambda seen: asked(seen, paused=True),
    Happening.NEW_REVISION: lambda seen: with_canary(seen, revision="c3"),
    Happening.ABORTED: lambda seen: asked(seen, abort="web-c2-1"),
    Happening.FAILED: lambda seen: with_evidence(seen, *BAD),
    Happening.HANGING: lambda seen: asked(
        with_evidence(seen, *SUSPECT, open=HANGING), gates={"successRate": {"min": "99%"}, "unanswered": "Hold"}
    ),
    Happening.QUERY: lambda seen: asked(seen, gates=with_query()),
    Happening.SHARE: lambda seen: (
        with_evidence(seen, share=OFF)
        if seen.status.rollout is None
        else replace(seen, status=replace(seen.status, book=replace(seen.status.book, share=OFF)))
    ),
    Happening.REVISION_GONE: lambda seen: with_canary(seen, templates={}),
    Happening.OVERDUE: lambda seen: seen if seen.status.rollout is None else changed(seen, spent=9 * LATE),
    Happening.PODS_LOST: lambda seen: with_canary(seen, available=0, settled=False, pods=()),
    Happening.CANARY_NOT_READY: lambda seen: with_canary(seen, settled=False),
    Happening.STABLE_NOT_READY: lambda seen: replace(
        seen, stable=None if seen.stable is None else replace(seen.stable, available=3, settled=False)
    ),
    Happening.SILENT: lambda seen: changed(seen, silence=(Reason.NO_DATA, "nothing")) if seen.status.active else seen,
    Happening.APPROVAL: lambda seen: asked(seen, promotion={"approval": "Manual"}),
    Happening.CONFIRMATION: lambda seen: asked(seen, gates=with_hook("boss", "confirm-step")),
    Happening.RIPE: lambda seen: seen,
    Happening.CARRIED: lambda seen: seen,
    Happening.SETTLED: lambda seen: seen,
}
"""What may happen in a phase that has no rule for it; some can happen nowhere else."""
ELSEWHERE = {(phase, Happening.WAITING) for phase in (PROGRESSING, BAKING, PROMOTING)}
"""There a new revision supersedes, paused or not."""

BARE = [
    pytest.param(phase, happening, id=f"{phase.value}-{happening.name}")
    for phase, chain in CHAINS.items()
    for happening in Happening
    if happening not in {rule.happening for rule in chain} and (phase, happening) not in ELSEWHERE
]


class TestCells:
    def test_the_table_has_each_cell_that_the_chains_have(self) -> None:
        assert {phase: set(cells) for phase, cells in CELLS.items()} == {
            phase: {rule.happening for rule in chain} for phase, chain in CHAINS.items()
        }

    @pytest.mark.parametrize(
        ("phase", "happening", "cell"),
        [
            pytest.param(phase, happening, cell, id=f"{phase.value}-{happening.name}")
            for phase, cells in CELLS.items()
            for happening, cell in cells.items()
        ],
    )
    def test_what_follows(self, phase: Phase, happening: Happening, cell: Cell) -> None:
        facts = gather(cell.seen, answers(cell.seen, **cell.given))
        decided = tick(cell.seen, **cell.given)
        status = decided.status
        assert cell.seen.status.phase is phase
        assert next(rule.happening for rule in CHAINS[phase] if rule.when(facts)) is happening
        assert (status.phase, status.weight, status.reason) == (cell.phase, cell.weight, cell.reason)
        assert tuple(type(effect) for effect in decided.effects) == cell.effects
        assert cell.says in status.message

    @pytest.mark.parametrize(("phase", "happening"), BARE)
    def test_nothing_follows_where_there_is_no_rule(self, phase: Phase, happening: Happening) -> None:
        rest, beside_it = tick(at_rest(phase)), tick(BESIDE[happening](at_rest(phase)))
        assert (beside_it.status.phase, beside_it.status.weight) == (rest.status.phase, rest.status.weight)
        assert beside_it.status.reason is rest.status.reason
        assert beside_it.effects == rest.effects
