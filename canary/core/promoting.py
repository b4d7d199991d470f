"""The rules of Promoting, Finalising and RollingBack: how a rollout ends, either way. Called by `decide`."""

from dataclasses import replace
from datetime import timedelta

from canary.core.decision import Notice
from canary.core.facts import Facts
from canary.core.formats import show_duration, show_weight
from canary.core.handover import analysed, carried, resting_replicas, restored, stable_carries, unseen, was_promoted
from canary.core.hazards import (
    aborted,
    fail_aborted,
    fail_judged,
    failed,
    follow_pods,
    hold_stable,
    pods_lost,
    superseded_by,
)
from canary.core.obstacles import (
    blind,
    conflict,
    deleted,
    hold_blind,
    hold_not_ours,
    let_go,
    not_ours,
    take_back,
    unreadable,
    yield_to_rival,
)
from canary.core.rules import (
    Happening,
    Rule,
    Turn,
    always,
    archive,
    at_weight,
    fail,
    insist,
    lasted,
    retreat,
    stay,
    withdraw,
)
from canary.core.spec import PromotionMode
from canary.core.status import Outcome, Phase, Reason
from canary.core.wording import evidence_line


def finalise(facts: Facts) -> Turn:
    """Give traffic back to a stable that is the release now."""
    message = (
        f"{facts.spec.stable.deployment} runs {facts.rollout.revision} on all its pods: traffic returns to stable."
    )
    rollout = replace(facts.rollout, outcome=Outcome.PROMOTED, spent=timedelta())
    status = at_weight(replace(facts.status, rollout=rollout), retreat(facts))
    return Turn(status=replace(status, phase=Phase.FINALISING, reason=Reason.FINALISING, message=message))


def gone(facts: Facts) -> bool:
    """Tell whether what was analysed no longer exists and was not copied yet."""
    return analysed(facts) is None and not unseen(facts) and not stable_carries(facts) and not blind(facts)


def give_up(facts: Facts) -> Turn:
    """Restore stable: nobody can promote what is gone."""
    return withdraw(facts, f"The ReplicaSet of {facts.rollout.revision} is gone before its template was promoted.")


def overdue(facts: Facts) -> bool:
    """Tell whether stable takes longer than the deadline."""
    return facts.rollout.spent >= facts.spec.step_timeout


def end_promotion(facts: Facts) -> Turn:
    """Fail; or only say so where someone else promotes."""
    within = show_duration(facts.spec.step_timeout)
    if facts.spec.promotion is PromotionMode.EXTERNAL:
        rollout = replace(facts.rollout, spent=timedelta(), overdue=True)
        message = f"Stable does not carry {rollout.revision} after {within}; the canary keeps serving at 1000m."
        status = replace(facts.status, rollout=rollout, reason=Reason.AWAITING_STABLE, message=message)
        return insist(facts, status)
    return fail(facts, Reason.STEP_TIMEOUT, f"stable was not ready with the release within {within}")


def newer(facts: Facts) -> bool:
    """Tell whether unanalysed pods would get the canary's traffic, or what was analysed is waited for in vain."""
    return bool(superseded_by(facts)) and retreat(facts) == 0 and (facts.status.weight > 0 or _passed_over(facts))


def _passed_over(facts: Facts) -> bool:
    """Tell whether whoever promotes has a newer revision to promote instead of the analysed one."""
    return facts.spec.promotion is PromotionMode.EXTERNAL and not stable_carries(facts)


def step_aside(facts: Facts) -> Turn:
    """Take the traffic off a canary that is no longer what was analysed; the promotion goes on, if it is ours."""
    if _passed_over(facts):
        revision = facts.rollout.revision
        return withdraw(facts, f"{superseded_by(facts)} landed before stable was made to carry {revision}.")
    message = (
        f"{superseded_by(facts)} landed while {facts.rollout.revision} is promoted:"
        " traffic goes to stable until that is done."
    )
    return Turn(status=replace(at_weight(facts.status, 0), reason=Reason.PROMOTING, message=message))


def lost(facts: Facts) -> bool:
    """Tell whether the canary lost pods; not while it has been set aside."""
    return not superseded_by(facts) and pods_lost(facts)


def wait_for_stable(facts: Facts) -> Turn:
    """Wait until stable has the release."""
    stable = facts.seen.stable
    ready = (
        f"{stable.serving(stable.revision)} of {stable.desired} pods ready" if stable is not None else "no Deployment"
    )
    if facts.spec.promotion is PromotionMode.EXTERNAL:
        message = f"Waiting for stable to carry {facts.rollout.revision} ({ready}); {evidence_line(facts)}."
        return stay(facts, Reason.AWAITING_STABLE, message)
    return stay(facts, Reason.PROMOTING, f"Promoting {facts.rollout.revision}: stable has {ready}.")


def cannot_retreat(facts: Facts) -> bool:
    """Tell whether traffic must stay where it is, for stable has no ready pod."""
    return facts.status.weight > 0 and retreat(facts) > 0


def can_retreat(facts: Facts) -> bool:
    """Tell whether stable can take back what it could not take before."""
    return facts.status.weight > 0 and retreat(facts) == 0


def go_back(facts: Facts) -> Turn:
    """Give stable its traffic."""
    message = "Stable is ready again: traffic returns to it."
    return Turn(status=replace(at_weight(facts.status, 0), reason=ending(facts), message=message))


def ending(facts: Facts) -> Reason:
    """Say why the rollout ends, as it did before something got in the way."""
    rollout = facts.rollout
    if rollout.outcome is Outcome.PROMOTED:
        return Reason.FINALISING
    if rollout.outcome is Outcome.SUPERSEDED:
        return Reason.SUPERSEDED
    return rollout.fault or Reason.ROLLED_BACK


def settled(facts: Facts) -> bool:
    """Tell whether the split, stable's template and the canary's replicas are as they shall stay."""
    replicas, canary = resting_replicas(facts), facts.seen.canary
    scaled = replicas is None or canary is None or canary.desired == replicas
    return facts.status.weight == 0 and facts.settled and restored(facts) and scaled


def end_promoted(facts: Facts) -> Turn:
    """Close the rollout: promoted."""
    rollout = facts.rollout
    message = (
        f"Revision {rollout.revision} was promoted in {lasted(facts):.0f} s; {facts.spec.stable.deployment} runs it."
    )
    status = archive(facts, Outcome.PROMOTED, Reason.PROMOTED, message)
    return Turn(
        status=replace(status, phase=Phase.IDLE, promoted=rollout.revision, reason=Reason.PROMOTED, message=message)
    )


def end_taken_back(facts: Facts) -> Turn:
    """Close the rollout: rolled back, or superseded."""
    rollout = facts.rollout
    if rollout.outcome is Outcome.SUPERSEDED:
        status = archive(facts, Outcome.SUPERSEDED, Reason.SUPERSEDED, rollout.fault_message)
        return Turn(status=replace(status, phase=Phase.IDLE, reason=Reason.SUPERSEDED, message=rollout.fault_message))
    reason = rollout.fault or Reason.ROLLED_BACK
    peak = show_weight(rollout.peak)
    message = f"Revision {rollout.revision} was rolled back from at most {peak}: {rollout.fault_message}."
    if was_promoted(facts):
        message += f" Stable keeps it, for the ReplicaSet of its former revision {rollout.baseline} is gone!"
    status = archive(facts, Outcome.ROLLED_BACK, reason, message)
    return Turn(status=replace(status, phase=Phase.IDLE, reason=reason, message=message))


def late(facts: Facts) -> bool:
    """Tell whether the end takes longer than a step may. There is nothing else to do than what is done already."""
    done = can_retreat(facts) or settled(facts)
    return facts.rollout.spent >= facts.spec.step_timeout and (blind(facts) or not done)


def remind(facts: Facts) -> Turn:
    """Say aloud what is waited for, and again after each stepTimeout."""
    if blind(facts):
        waits = hold_blind(facts).status
    elif cannot_retreat(facts):
        waits = hold_stable(facts).status
    else:
        waits = (hold_not_ours if not_ours(facts) else keep_going)(facts).status
    within = show_duration(facts.spec.step_timeout)
    message = f"{facts.status.phase} has not ended in {within} and goes on. {waits.message}"
    status = replace(waits, rollout=replace(facts.rollout, spent=timedelta()))
    return Turn(status=status, notices=(Notice(reason=Reason.STEP_TIMEOUT, message=message, warning=True),))


def keep_going(facts: Facts) -> Turn:
    """Wait for the world to follow, and say for what; `converge` keeps at it."""
    rollout, canary, replicas = facts.rollout, facts.seen.canary, resting_replicas(facts)
    lacks = [] if facts.settled else ["the split"]
    if not restored(facts):
        lacks.append(f"{facts.spec.stable.deployment} to have the template of {rollout.baseline}")
    if canary is not None and replicas not in (None, canary.desired):
        lacks.append(f"{canary.name} to be scaled from {canary.desired} to {replicas}")
    taken_back = f"Revision {rollout.revision} is taken back ({rollout.fault_message.rstrip('.')})"
    doing = "Traffic returns to stable" if rollout.outcome is Outcome.PROMOTED else taken_back
    return stay(facts, ending(facts), f"{doing}: waiting for {', '.join(lacks) or 'nothing more'}.")


_CONFLICT = Rule(happening=Happening.CONFLICT, when=conflict, follow=yield_to_rival, then="held, nothing is touched")
_BLIND = Rule(happening=Happening.BLIND, when=blind, follow=hold_blind, then="held")
_NOT_OURS = Rule(
    happening=Happening.NOT_OURS, when=not_ours, follow=hold_not_ours, then="held, nothing is written to it"
)

PROMOTING = (
    Rule(happening=Happening.DELETED, when=deleted, follow=let_go, then="weight 0, then the object goes"),
    _CONFLICT,
    Rule(
        happening=Happening.UNREADABLE,
        when=unreadable,
        follow=take_back,
        then="RollingBack (Superseded), stable restored",
    ),
    Rule(
        happening=Happening.ABORTED, when=aborted, follow=fail_aborted, then="RollingBack, stable's template restored"
    ),
    Rule(happening=Happening.FAILED, when=failed, follow=fail_judged, then="RollingBack, stable's template restored"),
    Rule(
        happening=Happening.REVISION_GONE, when=gone, follow=give_up, then="RollingBack (Superseded), stable restored"
    ),
    Rule(happening=Happening.CARRIED, when=carried, follow=finalise, then="Finalising, weight 0"),
    Rule(
        happening=Happening.OVERDUE,
        when=overdue,
        follow=end_promotion,
        then="RollingBack (StepTimeout); External: an event",
    ),
    _BLIND,
    Rule(
        happening=Happening.NEW_REVISION,
        when=newer,
        follow=step_aside,
        then="weight 0, the analysed one is still promoted; External: Superseded",
    ),
    _NOT_OURS,
    Rule(happening=Happening.PODS_LOST, when=lost, follow=follow_pods, then="weight to what the ready pods carry"),
    Rule(happening=Happening.OTHERWISE, when=always, follow=wait_for_stable, then="waits for stable"),
)

_RETREATING = (
    Rule(happening=Happening.DELETED, when=deleted, follow=let_go, then="weight 0, then the object goes"),
    _CONFLICT,
    Rule(
        happening=Happening.OVERDUE,
        when=late,
        follow=remind,
        then="waits on; an event says for what, after each stepTimeout",
    ),
    _BLIND,
    Rule(
        happening=Happening.STABLE_NOT_READY,
        when=cannot_retreat,
        follow=hold_stable,
        then="held until stable has a ready pod",
    ),
    Rule(happening=Happening.RIPE, when=can_retreat, follow=go_back, then="weight 0"),
    _NOT_OURS,
)

FINALISING = (
    *_RETREATING,
    Rule(happening=Happening.SETTLED, when=settled, follow=end_promoted, then="Idle (Promoted)"),
    Rule(happening=Happening.OTHERWISE, when=always, follow=keep_going, then="waits for the split and the scale"),
)

ROLLING_BACK = (
    *_RETREATING,
    Rule(happening=Happening.SETTLED, when=settled, follow=end_taken_back, then="Idle (RolledBack, or Superseded)"),
    Rule(happening=Happening.OTHERWISE, when=always, follow=keep_going, then="waits for split, template and scale"),
)
