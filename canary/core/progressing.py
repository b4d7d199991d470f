"""The rules of Progressing and Baking: when a step is left, when the release is good enough. Called by `decide`."""

from dataclasses import replace
from datetime import timedelta

from canary.core import guards
from canary.core.facts import Facts
from canary.core.formats import show_duration, show_weight
from canary.core.judgement import Verdict
from canary.core.questions import GateReply
from canary.core.rules import (
    Happening,
    Rule,
    Turn,
    aborted,
    always,
    archive,
    at_weight,
    conflict,
    deleted,
    fail,
    fail_aborted,
    fail_judged,
    failed,
    follow_pods,
    hold_miswired,
    hold_not_ours,
    hold_silent,
    hold_stable,
    let_go,
    miswired,
    not_ours,
    pods_lost,
    silent,
    stable_not_ready,
    stay,
    superseded_by,
    withdraw,
    yield_to_rival,
)
from canary.core.spec import FULL, Approval, Inconclusive, PromotionMode, WebhookKind
from canary.core.starting import begun, startable
from canary.core.status import Outcome, Phase, Reason

ANSWERED = 10  # canary requests answered at a weight before it is left
EARLIEST_PASS = timedelta(seconds=60)  # after the first weight: caches are cold and leaks are small before


def new_revision(facts: Facts) -> bool:
    """Tell whether a newer template landed."""
    return bool(superseded_by(facts))


def supersede(facts: Facts) -> Turn:
    """Take the old revision's weight to 0 and start over with the new one, on fresh evidence."""
    revision = superseded_by(facts)
    message = f"Revision {facts.rollout.revision} is superseded by {revision} at {show_weight(facts.status.weight)}."
    if facts.spec.paused or not startable(facts.status, revision) or facts.seen.stable is None or retreats_late(facts):
        return withdraw(facts, message)
    status = archive(facts, Outcome.SUPERSEDED, Reason.SUPERSEDED, message)
    return Turn(status=begun(facts, status, facts.rollout.found_replicas))


def retreats_late(facts: Facts) -> bool:
    """Tell whether traffic cannot go back to stable at once."""
    stable = facts.seen.stable
    return facts.status.weight > 0 and (stable is None or stable.serving() == 0)


def overdue(facts: Facts) -> bool:
    """Tell whether the step's deadline is over; in Baking it runs on the time beyond the bake."""
    extra = facts.spec.bake if facts.status.phase is Phase.BAKING else timedelta()
    return facts.rollout.spent >= facts.spec.step_timeout + extra


def end_step(facts: Facts) -> Turn:
    """Do what the user wants of a step that the evidence did not decide."""
    within = f"within {show_duration(facts.spec.step_timeout)} at {show_weight(facts.status.weight)}"
    trouble = guards.canary_trouble(facts.seen.canary, facts.rollout.revision, _least(facts))
    if trouble or facts.status.weight < facts.step_weight:
        return fail(facts, Reason.CANARY_NOT_READY, f"not ready {within}: {trouble or 'pods were lost'}")
    match facts.spec.on_inconclusive:
        case Inconclusive.ROLLBACK:
            return fail(facts, Reason.STEP_TIMEOUT, f"no decision {within}: {waits_for(facts)}")
        case Inconclusive.HOLD:
            return _hold_overdue(facts, within)
        case Inconclusive.PROMOTE:
            if guards.stable_trouble(facts.seen.stable):
                return _hold_overdue(facts, within)
            return promote(facts) if facts.status.phase is Phase.BAKING else step_up(facts)


def _hold_overdue(facts: Facts, within: str) -> Turn:
    """Hold, and be heard again after another stepTimeout."""
    rollout = replace(facts.rollout, overdue=True, spent=timedelta())
    message = f"Inconclusive {within}: {waits_for(facts)}."
    return Turn(status=replace(facts.status, rollout=rollout, reason=Reason.OVERDUE, message=message))


def _least(facts: Facts) -> int:
    """Count the pods that the present step, or the first one, wants."""
    rollout, stable = facts.rollout, facts.seen.stable
    if rollout.step >= 0 or stable is None:
        return max(1, rollout.needed)
    return max(1, guards.needed(stable.desired, facts.spec.steps[0]))


def passed(facts: Facts) -> bool:
    """Tell whether every gate has PASS, and early enough is over."""
    return facts.judgement is not None and facts.judgement.passed and facts.rollout.exposed >= EARLIEST_PASS


def target(facts: Facts) -> int:
    """Find the step to go to next: once PASS holds, straight to the last one below 1000m."""
    step = facts.rollout.step
    return facts.bridge if 0 <= step < facts.bridge and passed(facts) else step + 1


def ripe(facts: Facts) -> bool:
    """Tell whether the present step may be left, readiness apart."""
    rollout, judgement = facts.rollout, facts.judgement
    if judgement is None or not facts.settled:
        return False
    if rollout.step < 0:
        return facts.status.book.at > 0
    if facts.status.weight < facts.step_weight or rollout.dwelt < facts.spec.dwell:
        return False
    if rollout.step >= facts.bridge and not passed(facts):
        return False
    return judgement.calm and facts.status.book.answered >= ANSWERED


def canary_not_ready(facts: Facts) -> bool:
    """Tell whether pods are missing for the weight in force, or for the one that everything else is ripe for."""
    if facts.status.weight < facts.step_weight:
        return True
    return (facts.rollout.step < 0 or ripe(facts)) and bool(_trouble_ahead(facts))


def _trouble_ahead(facts: Facts) -> str:
    stable = facts.seen.stable
    weight = facts.spec.steps[min(target(facts), len(facts.spec.steps) - 1)]
    least = max(1, guards.needed(stable.desired if stable is not None else 1, weight))
    return guards.canary_trouble(facts.seen.canary, facts.rollout.revision, least)


def hold_canary(facts: Facts) -> Turn:
    """Hold until the canary can carry the weight."""
    trouble = _trouble_ahead(facts) or f"{facts.serving} canary pods are ready"
    if facts.rollout.step < 0:
        return stay(facts, Reason.STARTING, f"Waiting to begin: {trouble}.")
    return stay(facts, Reason.CANARY_NOT_READY, f"Held at {show_weight(facts.status.weight)}: {trouble}.")


def paused(facts: Facts) -> bool:
    """Tell whether the user froze the rollout; the gates stay armed."""
    return facts.spec.paused


def hold_paused(facts: Facts) -> Turn:
    """Freeze the weight."""
    return stay(facts, Reason.PAUSED, f"Paused at {show_weight(facts.status.weight)} by spec.paused; gates stay armed.")


def unconfirmed_step(facts: Facts) -> bool:
    """Tell whether a webhook must still agree to the next step."""
    kind = WebhookKind.CONFIRM_START if facts.rollout.step < 0 else WebhookKind.CONFIRM_STEP
    return ripe(facts) and _unconfirmed(facts, kind) is not None


def hold_step(facts: Facts) -> Turn:
    """Wait for the webhook that confirms a step."""
    kind = WebhookKind.CONFIRM_START if facts.rollout.step < 0 else WebhookKind.CONFIRM_STEP
    return _hold_unconfirmed(facts, kind)


def _unconfirmed(facts: Facts, kind: WebhookKind) -> tuple[Reason, str] | None:
    """Find the first webhook of a kind that has not said yes."""
    replies = dict(facts.replies.get(kind, []))
    for hook in facts.spec.webhooks:
        if hook.kind is kind:
            match replies.get(hook.name):
                case GateReply(yes=True):
                    continue
                case GateReply(detail=detail):
                    return Reason.CONFIRMATION, f"webhook {hook.name!r} ({kind}) says no: {detail}"
                case None:
                    return Reason.CONFIRMATION, f"webhook {hook.name!r} ({kind}) is being asked"
                case unanswered:
                    return (
                        Reason.WEBHOOK_UNANSWERED,
                        f"webhook {hook.name!r} ({kind}) gave no answer: {unanswered.detail}",
                    )
    return None


def _hold_unconfirmed(facts: Facts, kind: WebhookKind) -> Turn:
    reason, message = _unconfirmed(facts, kind) or (Reason.CONFIRMATION, "")
    return stay(facts, reason, f"Held at {show_weight(facts.status.weight)}: {message}.")


def step_up(facts: Facts) -> Turn:
    """Give the canary its next weight; the last one begins the bake."""
    index = min(target(facts), len(facts.spec.steps) - 1)
    weight = facts.spec.steps[index]
    stable = facts.seen.stable
    replicas = stable.desired if stable is not None else 0
    before = facts.status.weight
    rollout = replace(
        facts.rollout,
        step=index,
        needed=max(1, guards.needed(replicas, weight)),
        stable_replicas=replicas,
        spent=timedelta(),
        baked=timedelta(),
        overdue=False,
    )
    status = at_weight(replace(facts.status, rollout=rollout), weight)
    numbers = evidence_line(facts)
    if weight == FULL:
        message = f"Weight {show_weight(before)} -> 1000m: baking for {show_duration(facts.spec.bake)}, rollback armed; {numbers}."
        return Turn(status=replace(status, phase=Phase.BAKING, reason=Reason.BAKING, message=message))
    message = f"Weight {show_weight(before)} -> {show_weight(weight)}; {numbers}."
    return Turn(status=replace(status, reason=Reason.WEIGHT_INCREASED, message=message))


def evidence_line(facts: Facts) -> str:
    """Word the evidence in one line: requests at this weight, odds, gates that passed."""
    judgement = facts.judgement
    if judgement is None or facts.rollout.step < 0:
        return "no request has been sent to it yet"
    good = sum(verdict is Verdict.PASS for verdict in judgement.verdicts.values())
    odds = max(judgement.against, judgement.alone)
    return (
        f"{facts.status.book.answered:.0f} canary requests answered at {show_weight(facts.status.weight)}, odds {odds:.2g}:1 against"
        f" ({1 / facts.spec.risk.alpha:.0f}:1 roll back), {good} of {len(judgement.verdicts)} gates passed"
    )


def waits_for(facts: Facts) -> str:
    """Word what the step still lacks."""
    rollout, judgement, book = facts.rollout, facts.judgement, facts.status.book
    if judgement is None or book.at == 0:
        return "waiting for a first reading"
    lacks = []
    if not facts.settled:
        lacks.append("the split to be as intended")
    if rollout.step >= 0 and rollout.dwelt < facts.spec.dwell and facts.status.phase is Phase.PROGRESSING:
        lacks.append(f"the dwell, {rollout.dwelt.total_seconds():.0f} of {facts.spec.dwell.total_seconds():.0f} s")
    if rollout.step >= 0 and book.answered < ANSWERED:
        lacks.append(f"canary requests, {book.answered:.0f} of {ANSWERED} answered")
    if rollout.step >= 0 and not judgement.calm and facts.status.phase is Phase.PROGRESSING:
        lacks.append("evidence on the release's side")
    if facts.bridge <= rollout.step and facts.status.phase is Phase.PROGRESSING and not passed(facts):
        lacks.append(_waits_for_pass(facts))
    if facts.status.phase is Phase.BAKING and rollout.baked < facts.spec.bake:
        lacks.append(f"the bake, {rollout.baked.total_seconds():.0f} of {facts.spec.bake.total_seconds():.0f} s")
    return "waiting for " + ", ".join(lacks) if lacks else "nothing is missing"


def _waits_for_pass(facts: Facts) -> str:
    judgement = facts.judgement
    slow = [g for g in judgement.gates if g.verdict is not Verdict.PASS] if judgement is not None else []
    if not slow:
        return f"PASS, which counts from {EARLIEST_PASS.total_seconds():.0f} s after the first weight"
    worst = min(slow, key=lambda g: g.passing)
    return f"PASS of {len(slow)} gates, {worst.name} has {worst.passing:.2g} of {1 / facts.spec.risk.beta:.0f}"


def gather_more(facts: Facts) -> Turn:
    """Go on gathering evidence."""
    reason = Reason.BAKING if facts.status.phase is Phase.BAKING else Reason.GATHERING
    if facts.rollout.step < 0:
        reason = Reason.STARTING
    if facts.rollout.overdue:
        reason = Reason.OVERDUE
    return stay(facts, reason, f"At {show_weight(facts.status.weight)}: {evidence_line(facts)}; {waits_for(facts)}.")


def baked(facts: Facts) -> bool:
    """Tell whether the bake is over: time with readings, requests, both sides ready, the split as intended."""
    stable_ok = not guards.stable_trouble(facts.seen.stable)
    long_enough = facts.rollout.baked >= facts.spec.bake and facts.status.book.answered >= ANSWERED
    return long_enough and stable_ok and facts.settled and facts.status.weight == FULL and facts.silence is None


def unapproved(facts: Facts) -> bool:
    """Tell whether a person must still approve."""
    return baked(facts) and facts.spec.approval is Approval.MANUAL and facts.spec.approve != facts.rollout.id


def hold_unapproved(facts: Facts) -> Turn:
    """Wait at 1000m with the gates armed."""
    message = f"The bake is over; waiting for spec.approve to name {facts.rollout.id}, gates armed at 1000m."
    return stay(facts, Reason.AWAITING_APPROVAL, message)


def unconfirmed_promotion(facts: Facts) -> bool:
    """Tell whether a webhook must still agree to the promotion."""
    return baked(facts) and _unconfirmed(facts, WebhookKind.CONFIRM_PROMOTION) is not None


def hold_promotion(facts: Facts) -> Turn:
    """Wait for the webhook that confirms the promotion."""
    return _hold_unconfirmed(facts, WebhookKind.CONFIRM_PROMOTION)


def bake_not_ready(facts: Facts) -> bool:
    """Tell whether the canary lost pods while it has all the traffic."""
    return facts.status.weight < FULL or facts.serving < facts.rollout.needed


def promote(facts: Facts) -> Turn:
    """Let stable have the analysed template."""
    external = facts.spec.promotion is PromotionMode.EXTERNAL
    rollout = replace(facts.rollout, spent=timedelta(), overdue=False, copying=not external)
    reason = Reason.AWAITING_STABLE if external else Reason.PROMOTING
    how = "waiting for stable to carry its template" if external else f"copying it to {facts.spec.stable.deployment}"
    message = f"Revision {rollout.revision} is good: {how}; {evidence_line(facts)}."
    return Turn(status=replace(facts.status, phase=Phase.PROMOTING, rollout=rollout, reason=reason, message=message))


_FIRST = (
    Rule(happening=Happening.DELETED, when=deleted, follow=let_go, then="weight 0, then the object goes"),
    Rule(happening=Happening.CONFLICT, when=conflict, follow=yield_to_rival, then="held, nothing is touched"),
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
    Rule(happening=Happening.NOT_OURS, when=not_ours, follow=hold_not_ours, then="held, nothing is written to it"),
    Rule(happening=Happening.MISWIRED, when=miswired, follow=hold_miswired, then="held"),
    Rule(happening=Happening.PODS_LOST, when=pods_lost, follow=follow_pods, then="weight to what the ready pods carry"),
)

PROGRESSING = (
    *_FIRST,
    Rule(happening=Happening.STABLE_NOT_READY, when=stable_not_ready, follow=hold_stable, then="held"),
    Rule(happening=Happening.CANARY_NOT_READY, when=canary_not_ready, follow=hold_canary, then="held"),
    Rule(happening=Happening.SILENT, when=silent, follow=hold_silent, then="held, evidence kept"),
    Rule(happening=Happening.PAUSED, when=paused, follow=hold_paused, then="no step up, gates armed"),
    Rule(happening=Happening.CONFIRMATION, when=unconfirmed_step, follow=hold_step, then="held"),
    Rule(happening=Happening.RIPE, when=ripe, follow=step_up, then="next step; Baking at 1000m"),
    Rule(happening=Happening.OTHERWISE, when=always, follow=gather_more, then="gathers evidence"),
)

BAKING = (
    *_FIRST,
    Rule(happening=Happening.CANARY_NOT_READY, when=bake_not_ready, follow=hold_canary, then="held, bake time stops"),
    Rule(happening=Happening.STABLE_NOT_READY, when=stable_not_ready, follow=hold_stable, then="held"),
    Rule(happening=Happening.SILENT, when=silent, follow=hold_silent, then="held, bake time stops"),
    Rule(happening=Happening.APPROVAL, when=unapproved, follow=hold_unapproved, then="waits at 1000m, gates armed"),
    Rule(happening=Happening.PAUSED, when=paused, follow=hold_paused, then="no promotion, gates armed"),
    Rule(happening=Happening.CONFIRMATION, when=unconfirmed_promotion, follow=hold_promotion, then="held"),
    Rule(happening=Happening.RIPE, when=baked, follow=promote, then="Promoting"),
    Rule(happening=Happening.OTHERWISE, when=always, follow=gather_more, then="bakes"),
)
