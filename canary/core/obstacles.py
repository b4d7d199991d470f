"""What stands in the way of any rollout: deletion, an older rival, missing objects, a split that is not ours.

Predicates and turns for the chains of several phases; `converge` asks the same predicates before it touches anything.
"""

from dataclasses import replace
from datetime import timedelta

from canary.core.facts import Facts
from canary.core.hiding import hiding
from canary.core.manifest import is_valid
from canary.core.rules import Turn, at_weight, retreat, stay, withdraw
from canary.core.status import Reason
from canary.errors import listed

LET_GO = timedelta(seconds=60)  # how long a deleted Canary waits for a stable without ready pods


def deleted(facts: Facts) -> bool:
    """Tell whether the object waits for us to let it go."""
    return facts.seen.deleted_at is not None


def let_go(facts: Facts) -> Turn:
    """Give traffic back to stable; the finalizer comes off once the split says so.

    Where we leave and the object stays, its rollout goes on from here once a controller is back.
    """
    reason, why = Reason.DELETED, "The Canary is being deleted"
    if facts.seen.leaving:
        reason, why = Reason.LEAVING, "The controller leaves"
    weight = 0 if waited_enough(facts) else retreat(facts)
    waits = "; stable has no ready pod, so the canary keeps its traffic for up to 60 s" if weight else ""
    message = f"{why}: traffic returns to {facts.spec.stable.service}{waits}."
    return Turn(status=replace(at_weight(facts.status, weight), reason=reason, message=message))


def waited_enough(facts: Facts) -> bool:
    """Tell whether a deletion has waited for stable as long as it may."""
    deleted_at = facts.seen.deleted_at
    return deleted_at is not None and facts.seen.at - deleted_at > LET_GO


def conflict(facts: Facts) -> bool:
    """Tell whether an older Canary owns what we claim."""
    return bool(facts.seen.wiring.rival)


def yield_to_rival(facts: Facts) -> Turn:
    """Touch nothing."""
    rival = facts.seen.wiring.rival
    message = f"Canary {rival} is older and claims the same Service, Deployment or split; this one touches nothing."
    return stay(facts, Reason.CONFLICT, message)


def unreadable(facts: Facts) -> bool:
    """Tell whether not even the spec that the rollout follows is valid: it was, for another version of this program."""
    return bool(facts.seen.problems) and not is_valid(facts.rollout.spec, facts.seen.key.name)


def take_back(facts: Facts) -> Turn:
    """Take back what can be neither judged nor ended as its user meant it; it may start again under a valid spec."""
    problems = listed(facts.seen.problems)
    return withdraw(facts, f"{facts.rollout.id} follows a spec that this version cannot read: {problems}.")


def blind(facts: Facts) -> bool:
    """Tell whether we could not look at the workloads, or at what else a decision needs."""
    return bool(facts.seen.blind)


def hold_blind(facts: Facts) -> Turn:
    """Hold, for what is not seen is neither there nor gone. The deadline runs."""
    return stay(facts, Reason.FORBIDDEN, f"The controller's rights do not cover this: {facts.seen.blind}")


def miswired(facts: Facts) -> bool:
    """Tell whether something that the spec names does not exist."""
    return wiring_trouble(facts) is not None


def wiring_trouble(facts: Facts) -> tuple[Reason, str] | None:
    """Name the field, the value and what is missing."""
    wiring, spec = facts.seen.wiring, facts.spec
    fields = {
        "spec.service": spec.service,
        "spec.stable.service": spec.stable.service,
        "spec.canary.service": spec.canary.service,
    }
    for field, name in fields.items():
        if name in wiring.missing_services:
            return (
                Reason.SERVICE_MISSING,
                f"{field}: Service {name!r} does not exist in namespace {facts.seen.key.namespace}",
            )
    sides = (
        ("spec.stable.deployment", spec.stable.deployment, facts.seen.stable),
        ("spec.canary.deployment", spec.canary.deployment, facts.seen.canary),
    )
    for field, name, workload in sides:
        if workload is None:
            return (
                Reason.DEPLOYMENT_MISSING,
                f"{field}: Deployment {name!r} does not exist in namespace {facts.seen.key.namespace}",
            )
    if wiring.unsupported:
        return Reason.SPLIT_UNSUPPORTED, wiring.unsupported
    return _hidden(facts)


def _hidden(facts: Facts) -> tuple[Reason, str] | None:
    """Name a pod label that would have requests counted wrongly, where they are counted at the servers."""
    spec, manner = facts.spec, facts.status.book.manner
    if not any(place.route for place in spec.places) and (manner is None or manner.client):
        return None
    for field, side in (("spec.stable.deployment", facts.seen.stable), ("spec.canary.deployment", facts.seen.canary)):
        name = "" if side is None else hiding(side.template)
        if side is not None and name:
            taken = f"pods of {side.name!r} have the label {name!r}, which in Prometheus takes the place of the proxy's"
            return Reason.LABEL_COLLISION, f"{field}: {taken}, so that requests would be counted wrongly; rename it"
    return None


def hold_miswired(facts: Facts) -> Turn:
    """Hold and say what is missing."""
    reason, message = wiring_trouble(facts) or (Reason.READY, "")
    return stay(facts, reason, message)


def not_ours(facts: Facts) -> bool:
    """Tell whether the live split is another service's.

    Other backends are refused at first sight only: in a split that we took over they are an edit, and are put back.
    """
    split = facts.seen.split
    if split is None:
        return False
    return split.service != facts.spec.service or not (facts.status.promoted or facts.own_backends)


def hold_not_ours(facts: Facts) -> Turn:
    """Refuse to write a split that someone else uses."""
    split = facts.seen.split
    if split is None:
        return stay(facts, Reason.NOT_OURS, "")
    ours = sorted((facts.spec.stable.service, facts.spec.canary.service))
    message = (
        f"spec.route.name: TrafficSplit {split.name!r} splits {split.service!r} into {sorted(split.weights)}, not"
        f" {facts.spec.service!r} into {ours}; nothing is written to it"
    )
    return stay(facts, Reason.NOT_OURS, message)
