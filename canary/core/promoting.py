"""The rules of Promoting, Finalising and RollingBack: how a rollout ends, either way. Called by `decide`."""

from dataclasses import replace
from datetime import timedelta

from canary.core.facts import Facts
from canary.core.formats import show_duration, show_weight
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
from canary.core.obstacles import conflict, deleted, hold_not_ours, let_go, not_ours, yield_to_rival
from canary.core.promotion import Template, carries, covers, release, same_pods
from canary.core.rules import Happening, Rule, Turn, always, archive, at_weight, fail, insist, retreat, stay, withdraw
from canary.core.spec import PromotionMode, ScalingMode
from canary.core.status import Outcome, Phase, Reason
from canary.core.wording import evidence_line


def analysed(facts: Facts) -> Template | None:
    """Find the template that was analysed."""
    return release(facts.seen.canary, facts.rollout.revision)


def former(facts: Facts) -> Template | None:
    """Find stable's template from before the promotion, in its former ReplicaSet."""
    stable = facts.seen.stable
    return None if stable is None else stable.templates.get(facts.rollout.baseline)


def stable_carries(facts: Facts) -> bool:
    """Tell whether stable's Deployment has the release's template."""
    stable, template = facts.seen.stable, analysed(facts)
    if stable is None:
        return False
    if template is None:  # gone after we copied it
        return facts.rollout.copying and stable.revision not in ("", facts.rollout.baseline)
    if carries(stable, template, facts.spec.promotion, _before(facts)):
        return True
    written = facts.rollout.copying and stable.revision not in ("", facts.rollout.baseline)
    return written and covers(stable, template, facts.spec.promotion)


def _before(facts: Facts) -> Template | None:
    """Find the canary's template from before the release, as long as it has a ReplicaSet."""
    return release(facts.seen.canary, facts.status.promoted)


def carried(facts: Facts) -> bool:
    """Tell whether stable runs the release on all its pods."""
    stable = facts.seen.stable
    if stable is None or not stable.settled or not stable_carries(facts):
        return False
    return stable.desired > 0 and stable.serving(stable.revision) >= stable.desired


def finalise(facts: Facts) -> Turn:
    """Give traffic back to a stable that is the release now."""
    message = (
        f"{facts.spec.stable.deployment} runs {facts.rollout.revision} on all its pods: traffic returns to stable."
    )
    rollout = replace(facts.rollout, outcome=Outcome.PROMOTED)
    status = at_weight(replace(facts.status, rollout=rollout), retreat(facts))
    return Turn(status=replace(status, phase=Phase.FINALISING, reason=Reason.FINALISING, message=message))


def gone(facts: Facts) -> bool:
    """Tell whether what was analysed no longer exists and was not copied yet."""
    return analysed(facts) is None and not unseen(facts) and not stable_carries(facts)


def unseen(facts: Facts) -> bool:
    """Tell whether a Deployment's controller has not seen its spec yet: until then its ReplicaSets say nothing."""
    return any(side is not None and not side.revision for side in (facts.seen.canary, facts.seen.stable))


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
    """Tell whether unanalysed pods would get the canary's traffic."""
    return bool(superseded_by(facts)) and facts.status.weight > 0 and retreat(facts) == 0


def step_aside(facts: Facts) -> Turn:
    """Take the traffic off a canary that is no longer what was analysed; the promotion goes on."""
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


def resting_replicas(facts: Facts) -> int | None:
    """Say how many replicas the canary has after the rollout, where that is ours to set."""
    canary, spec = facts.seen.canary, facts.spec
    if canary is None or spec.scaling is ScalingMode.NONE or canary.autoscaled:
        return None
    return facts.rollout.found_replicas if spec.idle_replicas is None else spec.idle_replicas


def restored(facts: Facts) -> bool:
    """Tell whether stable has its former template, or there is nothing to restore it from."""
    stable, template = facts.seen.stable, former(facts)
    if stable is None or not facts.rollout.copying or facts.rollout.outcome is Outcome.PROMOTED:
        return True
    if unseen(facts):
        return False
    return not was_promoted(facts) or template is None or stable.template == template


def was_promoted(facts: Facts) -> bool:
    """Tell whether our promotion reached stable before it was taken back."""
    stable, mode = facts.seen.stable, facts.spec.promotion
    if stable is None or mode is PromotionMode.EXTERNAL or facts.rollout.outcome is Outcome.PROMOTED:
        return False
    if not facts.rollout.copying or stable.revision == facts.rollout.baseline:
        return False
    template = analysed(facts)
    if template is None or carries(stable, template, mode):
        return True
    return mode is PromotionMode.COPY and same_pods(stable, template)  # stamped by a webhook, it is still the release


def settled(facts: Facts) -> bool:
    """Tell whether the split, stable's template and the canary's replicas are as they shall stay."""
    replicas, canary = resting_replicas(facts), facts.seen.canary
    scaled = replicas is None or canary is None or canary.desired == replicas
    return facts.status.weight == 0 and facts.settled and restored(facts) and scaled


def end_promoted(facts: Facts) -> Turn:
    """Close the rollout: promoted."""
    rollout = facts.rollout
    seconds = (facts.seen.at - rollout.started_at).total_seconds()
    message = f"Revision {rollout.revision} was promoted in {seconds:.0f} s; {facts.spec.stable.deployment} runs it."
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


def keep_going(facts: Facts) -> Turn:
    """Wait for the world to follow; `converge` keeps at it."""
    reason = ending(facts)
    if facts.status.reason is reason:
        return Turn(status=facts.status)
    return stay(facts, reason, "Nothing is in the way any more; it goes on.")


_CONFLICT = Rule(happening=Happening.CONFLICT, when=conflict, follow=yield_to_rival, then="held, nothing is touched")
_NOT_OURS = Rule(
    happening=Happening.NOT_OURS, when=not_ours, follow=hold_not_ours, then="held, nothing is written to it"
)

PROMOTING = (
    Rule(happening=Happening.DELETED, when=deleted, follow=let_go, then="weight 0, then the object goes"),
    _CONFLICT,
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
    Rule(
        happening=Happening.NEW_REVISION,
        when=newer,
        follow=step_aside,
        then="weight 0, the analysed one is still promoted",
    ),
    _NOT_OURS,
    Rule(happening=Happening.PODS_LOST, when=lost, follow=follow_pods, then="weight to what the ready pods carry"),
    Rule(happening=Happening.OTHERWISE, when=always, follow=wait_for_stable, then="waits for stable"),
)

FINALISING = (
    Rule(happening=Happening.DELETED, when=deleted, follow=let_go, then="weight 0, then the object goes"),
    _CONFLICT,
    Rule(
        happening=Happening.STABLE_NOT_READY,
        when=cannot_retreat,
        follow=hold_stable,
        then="held until stable has a ready pod",
    ),
    Rule(happening=Happening.RIPE, when=can_retreat, follow=go_back, then="weight 0"),
    _NOT_OURS,
    Rule(happening=Happening.SETTLED, when=settled, follow=end_promoted, then="Idle (Promoted)"),
    Rule(happening=Happening.OTHERWISE, when=always, follow=keep_going, then="waits for the split and the scale"),
)

ROLLING_BACK = (
    Rule(happening=Happening.DELETED, when=deleted, follow=let_go, then="weight 0, then the object goes"),
    _CONFLICT,
    Rule(
        happening=Happening.STABLE_NOT_READY,
        when=cannot_retreat,
        follow=hold_stable,
        then="held until stable has a ready pod",
    ),
    Rule(happening=Happening.RIPE, when=can_retreat, follow=go_back, then="weight 0"),
    _NOT_OURS,
    Rule(happening=Happening.SETTLED, when=settled, follow=end_taken_back, then="Idle (RolledBack, or Superseded)"),
    Rule(happening=Happening.OTHERWISE, when=always, follow=keep_going, then="waits for split, template and scale"),
)
