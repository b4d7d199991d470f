"""What stable carries of the release, what the canary is scaled to in the end: the world that a rollout leaves behind.

Predicates for `promoting` and `converge`; nothing here changes a status.
"""

from canary.core.facts import Facts
from canary.core.promotion import Template, carries, covers, release, same_pods
from canary.core.spec import PromotionMode, ScalingMode
from canary.core.status import Outcome, Phase


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


def undone(facts: Facts) -> bool:
    """Tell whether someone gave stable another template since we began to copy the release to it."""
    stable = facts.seen.stable
    if facts.status.phase is not Phase.PROMOTING or stable is None or not stable.revision or stable_carries(facts):
        return False
    return facts.rollout.copied or stable.revision != facts.rollout.baseline


def _before(facts: Facts) -> Template | None:
    """Find the canary's template from before the release, as long as it has a ReplicaSet."""
    return release(facts.seen.canary, facts.status.promoted)


def carried(facts: Facts) -> bool:
    """Tell whether stable runs the release on all its pods."""
    stable = facts.seen.stable
    if stable is None or not stable.settled or not stable_carries(facts):
        return False
    return stable.desired > 0 and stable.serving(stable.revision) >= stable.desired


def unseen(facts: Facts) -> bool:
    """Tell whether a Deployment's controller has not seen its spec yet: until then its ReplicaSets say nothing.

    The canary's do not matter where the analysed one is among them: it may be paused for good with another template.
    """
    asked = (facts.seen.stable, facts.seen.canary if analysed(facts) is None else None)
    return any(side is not None and not side.revision for side in asked)


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
