"""The rules of Progressing and Baking: when a step is left, when the release is good enough. Called by `decide`."""

from dataclasses import replace
from datetime import timedelta
from typing import assert_never

from canary.core import guards
from canary.core.confirming import (
    hold_promotion,
    hold_step,
    missing_yes,
    step_kind,
    unconfirmed_promotion,
    unconfirmed_step,
)
from canary.core.decision import Notice
from canary.core.facts import Facts, clock_stopped
from canary.core.formats import show_duration, show_weight
from canary.core.hazards import (
    DOUBTS,
    aborted,
    fail_aborted,
    fail_judged,
    failed,
    follow_pods,
    hold_paused,
    hold_share,
    hold_silent,
    hold_stable,
    off_share,
    paused,
    pods_lost,
    silent,
    stable_not_ready,
    superseded_by,
)
from canary.core.obstacles import (
    blind,
    conflict,
    deleted,
    hold_blind,
    hold_miswired,
    hold_not_ours,
    let_go,
    miswired,
    not_ours,
    take_back,
    unreadable,
    wiring_trouble,
    yield_to_rival,
)
from canary.core.pacing import least, number, pace
from canary.core.ripeness import baked, ripe, step_due, target
from canary.core.rules import Happening, Rule, Turn, always, archive, at_weight, fail, insist, stay, withdraw
from canary.core.spec import FULL, Approval, Inconclusive, PromotionMode, WebhookKind, Weight
from canary.core.starting import begun, startable
from canary.core.status import Outcome, Phase, Reason
from canary.core.wording import evidence_line, waits_for


def new_revision(facts: Facts) -> bool:
    """Tell whether a newer template landed."""
    return bool(superseded_by(facts))


def supersede(facts: Facts) -> Turn:
    """Take the old revision's weight to 0 and start over with the new one, on fresh evidence."""
    revision = superseded_by(facts)
    message = f"Revision {facts.rollout.revision} is superseded by {revision} at {show_weight(facts.status.weight)}."
    late = facts.spec.paused or bool(facts.seen.problems) or _retreats_late(facts)
    if late or not startable(facts.status, revision):
        return withdraw(facts, message)
    status = archive(facts, Outcome.SUPERSEDED, Reason.SUPERSEDED, message)
    return Turn(
        status=begun(facts, status, facts.rollout.found_replicas),
        notices=(Notice(reason=Reason.SUPERSEDED, message=message),),
    )


def _retreats_late(facts: Facts) -> bool:
    """Tell whether stable cannot take the traffic back at once, or be compared with."""
    stable = facts.seen.stable
    return stable is None or not stable.revision or (facts.status.weight > 0 and stable.serving() == 0)


def overdue(facts: Facts) -> bool:
    """Tell whether the step's deadline is over; in Baking it runs on the time beyond the bake."""
    extra = facts.spec.bake if facts.status.phase is Phase.BAKING else timedelta()
    return facts.rollout.spent >= facts.spec.step_timeout + extra and not clock_stopped(facts)


def end_step(facts: Facts) -> Turn:
    """Do what the user wants of a step that the evidence did not decide."""
    within = f"within {show_duration(facts.spec.step_timeout)} at {show_weight(facts.status.weight)}"
    if blind(facts):
        return _end_unseen(facts, within)
    trouble = facts.cut_off or guards.canary_trouble(facts.seen.canary, facts.rollout.revision, *_least(facts))
    if not trouble and ripe(facts):  # the evidence did decide
        trouble = _trouble_ahead(facts)
    if trouble or (facts.rollout.lost and facts.rollout.dwelt < facts.spec.dwell):
        return fail(facts, Reason.CANARY_NOT_READY, f"not ready {within}: {trouble or 'its pods came and went'}")
    match facts.spec.on_inconclusive:
        case Inconclusive.ROLLBACK:
            return fail(facts, Reason.STEP_TIMEOUT, f"no decision {within}: {waits_for(facts)}")
        case Inconclusive.HOLD:
            rollout = replace(facts.rollout, overdue=True, spent=timedelta())
            message = f"Inconclusive {within}: {waits_for(facts)}."
            return insist(facts, replace(facts.status, rollout=rollout, reason=Reason.OVERDUE, message=message))
        case Inconclusive.PROMOTE:
            return _go_on_overdue(facts, within)
        case _:
            assert_never(facts.spec.on_inconclusive)


def _end_unseen(facts: Facts, within: str) -> Turn:
    """Go on under no policy with what cannot be looked at."""
    told = hold_blind(facts).status.message
    if facts.spec.on_inconclusive is Inconclusive.ROLLBACK:
        return fail(facts, Reason.STEP_TIMEOUT, f"no decision {within}: {told}")
    rollout = replace(facts.rollout, overdue=True, spent=timedelta())
    message = f"Inconclusive {within}, and it cannot go on: {told}"
    return insist(facts, replace(facts.status, rollout=rollout, reason=Reason.OVERDUE, message=message))


def _go_on_overdue(facts: Facts, within: str) -> Turn:
    """Do without the evidence, but not without ready pods, nor without those who were to be asked."""
    baking = facts.status.phase is Phase.BAKING
    lacking = "" if baking else _trouble_ahead(facts)
    if lacking:
        return fail(facts, Reason.CANARY_NOT_READY, f"not ready {within} for {show_weight(target(facts))}: {lacking}")
    trouble = guards.stable_trouble(facts.seen.stable)
    kind = WebhookKind.CONFIRM_PROMOTION if baking else step_kind(facts)
    unconfirmed = missing_yes(facts, kind)
    if not facts.settled:
        trouble = "the split is not as intended"
    elif (missing := wiring_trouble(facts)) is not None:
        trouble = missing[1]
    elif baking and _unapproved(facts):
        trouble = f"spec.approve must name {facts.rollout.id}"
    elif unconfirmed is not None:
        trouble = unconfirmed[1]
    if trouble:
        rollout = replace(facts.rollout, overdue=True)
        message = f"Inconclusive {within}, and it cannot go on: {trouble}."
        return Turn(status=replace(facts.status, rollout=rollout, reason=Reason.OVERDUE, message=message))
    return promote(facts) if baking else step_up(facts)


def _least(facts: Facts) -> tuple[int, Weight]:
    """Count the pods that the present step, or the first one, wants, and give its weight."""
    rollout, stable = facts.rollout, facts.seen.stable
    if rollout.step >= 0 or stable is None:
        return max(1, rollout.needed), rollout.level
    weight = least(facts)
    return max(1, guards.needed(stable.desired, weight)), weight


def canary_not_ready(facts: Facts) -> bool:
    """Tell whether pods are missing for the weight in force, or for the one that everything else is ripe for."""
    if facts.status.weight < facts.rollout.level:
        return True
    return (facts.rollout.step < 0 or ripe(facts)) and bool(_trouble_ahead(facts))


def _trouble_ahead(facts: Facts) -> str:
    stable = facts.seen.stable
    weight = target(facts)
    pods = max(1, guards.needed(stable.desired if stable is not None else 1, weight))
    return facts.cut_off or guards.canary_trouble(facts.seen.canary, facts.rollout.revision, pods, weight)


def hold_canary(facts: Facts) -> Turn:
    """Hold until the canary can carry the weight."""
    trouble = _trouble_ahead(facts) or f"{facts.serving} canary pods are ready"
    if facts.rollout.step < 0:
        return stay(facts, Reason.STARTING, f"Waiting to begin: {trouble}.")
    return stay(facts, Reason.CANARY_NOT_READY, f"Held at {show_weight(facts.status.weight)}: {trouble}.")


def step_up(facts: Facts) -> Turn:
    """Give the canary its next weight; the last one begins the bake."""
    weight = target(facts)
    stable = facts.seen.stable
    replicas = stable.desired if stable is not None else 0
    before = facts.status.weight
    rollout = replace(
        facts.rollout,
        step=number(facts, weight),
        level=weight,
        needed=max(1, guards.needed(replicas, weight)),
        stable_replicas=replicas,
        spent=timedelta(),
        baked=timedelta(),
        overdue=False,
        lost=False,
    )
    status = at_weight(replace(facts.status, rollout=rollout), weight)
    numbers = "; ".join(filter(None, (pace(facts).why, evidence_line(facts))))
    if weight == FULL:
        bake = show_duration(facts.spec.bake)
        message = f"Weight {show_weight(before)} -> 1000m: baking for {bake}, rollback armed; {numbers}."
        return Turn(status=replace(status, phase=Phase.BAKING, reason=Reason.BAKING, message=message))
    message = f"Weight {show_weight(before)} -> {show_weight(weight)}; {numbers}."
    return Turn(status=replace(status, reason=Reason.WEIGHT_INCREASED, message=message))


def gather_more(facts: Facts) -> Turn:
    """Go on gathering evidence."""
    reason = Reason.BAKING if facts.status.phase is Phase.BAKING else Reason.GATHERING
    if facts.rollout.step < 0:
        reason = Reason.STARTING
    if facts.rollout.overdue:
        reason = Reason.OVERDUE
    return stay(facts, reason, f"At {show_weight(facts.status.weight)}: {evidence_line(facts)}; {waits_for(facts)}.")


def unapproved(facts: Facts) -> bool:
    """Tell whether a person must still approve."""
    return baked(facts) and _unapproved(facts)


def _unapproved(facts: Facts) -> bool:
    return facts.spec.approval is Approval.MANUAL and facts.spec.approve != facts.rollout.id


def hold_unapproved(facts: Facts) -> Turn:
    """Wait at 1000m with the gates armed."""
    message = f"The bake is over; waiting for spec.approve to name {facts.rollout.id}, gates armed at 1000m."
    return stay(facts, Reason.AWAITING_APPROVAL, message)


def bake_not_ready(facts: Facts) -> bool:
    """Tell whether the canary lost pods while it has all the traffic."""
    return facts.status.weight < FULL or facts.serving < facts.rollout.needed


def promote(facts: Facts) -> Turn:
    """Let stable have the analysed template."""
    external = facts.spec.promotion is PromotionMode.EXTERNAL
    rollout = replace(facts.rollout, spent=timedelta(), overdue=False, lost=False, copying=not external)
    reason = Reason.AWAITING_STABLE if external else Reason.PROMOTING
    how = "waiting for stable to carry its template" if external else f"copying it to {facts.spec.stable.deployment}"
    message = f"Revision {rollout.revision} is good: {how}; {evidence_line(facts)}."
    return Turn(status=replace(facts.status, phase=Phase.PROMOTING, rollout=rollout, reason=reason, message=message))


_FIRST = (
    Rule(happening=Happening.DELETED, when=deleted, follow=let_go, then="weight 0, then the object goes"),
    Rule(happening=Happening.CONFLICT, when=conflict, follow=yield_to_rival, then="held, nothing is touched"),
    Rule(happening=Happening.UNREADABLE, when=unreadable, follow=take_back, then="RollingBack at once (Superseded)"),
    Rule(happening=Happening.ABORTED, when=aborted, follow=fail_aborted, then="RollingBack at once (Aborted)"),
    Rule(happening=Happening.FAILED, when=failed, follow=fail_judged, then="RollingBack at once, with the culprits"),
    Rule(
        happening=Happening.NEW_REVISION,
        when=new_revision,
        follow=supersede,
        then="weight 0, Superseded, the new one starts",
    ),
    Rule(
        happening=Happening.OVERDUE,
        when=overdue,
        follow=end_step,
        then="onInconclusive; CanaryNotReady where pods lack",
    ),
    Rule(happening=Happening.BLIND, when=blind, follow=hold_blind, then="held, evidence kept"),
    Rule(happening=Happening.NOT_OURS, when=not_ours, follow=hold_not_ours, then="held, nothing is written to it"),
    Rule(happening=Happening.PODS_LOST, when=pods_lost, follow=follow_pods, then="weight to what the ready pods carry"),
    Rule(happening=Happening.MISWIRED, when=miswired, follow=hold_miswired, then="held"),
)

PROGRESSING = (
    *_FIRST,
    Rule(happening=Happening.STABLE_NOT_READY, when=stable_not_ready, follow=hold_stable, then="held"),
    Rule(happening=Happening.CANARY_NOT_READY, when=canary_not_ready, follow=hold_canary, then="held"),
    Rule(happening=Happening.SILENT, when=silent, follow=hold_silent, then="held, evidence kept"),
    *DOUBTS,
    Rule(happening=Happening.SHARE, when=off_share, follow=hold_share, then="held, gates armed"),
    Rule(happening=Happening.PAUSED, when=paused, follow=hold_paused, then="no step up, gates armed"),
    Rule(happening=Happening.CONFIRMATION, when=unconfirmed_step, follow=hold_step, then="held"),
    Rule(happening=Happening.RIPE, when=step_due, follow=step_up, then="next step; Baking at 1000m"),
    Rule(happening=Happening.OTHERWISE, when=always, follow=gather_more, then="gathers evidence"),
)

BAKING = (
    *_FIRST,
    Rule(happening=Happening.CANARY_NOT_READY, when=bake_not_ready, follow=hold_canary, then="held, bake time stops"),
    Rule(happening=Happening.STABLE_NOT_READY, when=stable_not_ready, follow=hold_stable, then="held"),
    Rule(happening=Happening.SILENT, when=silent, follow=hold_silent, then="held, bake time stops"),
    *DOUBTS,
    Rule(happening=Happening.APPROVAL, when=unapproved, follow=hold_unapproved, then="waits at 1000m, gates armed"),
    Rule(happening=Happening.PAUSED, when=paused, follow=hold_paused, then="no promotion, gates armed"),
    Rule(happening=Happening.CONFIRMATION, when=unconfirmed_promotion, follow=hold_promotion, then="held"),
    Rule(happening=Happening.RIPE, when=baked, follow=promote, then="Promoting"),
    Rule(happening=Happening.OTHERWISE, when=always, follow=gather_more, then="bakes"),
)
