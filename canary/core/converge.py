"""Intent minus reality: the effects that bring the cluster to what the status says. Called by `decide` after the rules.

Every prefix is safe: pods come up before the weight goes up, and go down after it went down; the finalizer goes on
before the first write and comes off after the last. Nothing is touched while a Canary has a rival, an invalid spec or a
foreign split.
"""

from canary.core import guards
from canary.core.decision import FIELD_MANAGER, Effect, Guard, Notice, Scale, SetTemplate, SetWeights, Unguard
from canary.core.facts import Facts
from canary.core.formats import show_weight
from canary.core.handover import analysed, former, resting_replicas, stable_carries, undone, unseen, was_promoted
from canary.core.obstacles import conflict, deleted, miswired, not_ours, waited_enough
from canary.core.promotion import promoted
from canary.core.ripeness import target
from canary.core.snapshot import Split, Workload
from canary.core.spec import FULL, PromotionMode, ScalingMode
from canary.core.status import CanaryStatus, Phase, Reason


def converge(facts: Facts) -> tuple[Effect, ...]:
    """List what to do, in order. Empty where the world is as intended."""
    if conflict(facts) or not facts.status.promoted:
        return _unguard(facts)
    if not deleted(facts) and not facts.seen.guarded:
        return (Guard(), *_traffic(facts))
    return (*_traffic(facts), *_unguard(facts))


def _traffic(facts: Facts) -> tuple[Effect, ...]:
    down = _scale_to_rest(facts)
    return (*_scale_ahead(facts), *_weights(facts), *_template(facts), *down)


def _weights(facts: Facts) -> tuple[Effect, ...]:
    status, spec, split = facts.status, facts.spec, facts.seen.split
    if not_ours(facts) or facts.seen.wiring.unsupported or facts.settled:
        return ()
    if (_leans_on_nothing(facts) or _names_nobody(facts)) and not waited_enough(facts):
        return ()
    if (deleted(facts) and split is None) or (not status.active and not deleted(facts) and miswired(facts)):
        return ()
    return (
        SetWeights(
            name=split.name if split is not None else spec.route_name,
            service=spec.service,
            weights={spec.stable.service: FULL - status.weight, spec.canary.service: status.weight},
            resource_version=split.resource_version if split is not None else "",
        ),
    )


def _leans_on_nothing(facts: Facts) -> bool:
    """Tell whether a split must stay as it is, or absent: the canary has pods, stable none to take more traffic.

    It was edited, or stable lost its pods after the intent was saved.
    """
    split = facts.seen.split
    more = split is None or split.weights.get(facts.spec.canary.service, 0) > facts.status.weight
    if facts.status.active:
        return more and facts.canary_serves and not facts.stable_serves
    return more and _available(facts.seen.canary) and not _available(facts.seen.stable)


def _available(side: Workload | None) -> bool:
    """Tell whether a side of an idle Canary, whose pods are not read, has any."""
    return side is not None and side.available > 0


def _names_nobody(facts: Facts) -> bool:
    """Tell whether a Service that does not exist would newly get traffic: a name in the spec is wrong."""
    missing, spec, split = facts.seen.wiring.missing_services, facts.spec, facts.seen.split
    known = {} if split is None else split.weights
    weights = {spec.stable.service: FULL - facts.status.weight, spec.canary.service: facts.status.weight}
    return any(weight > 0 and name in missing and not known.get(name) for name, weight in weights.items())


def _scale_ahead(facts: Facts) -> tuple[Effect, ...]:
    """Bring up the pods of the next step before its weight, and only ever up."""
    canary, stable, spec = facts.seen.canary, facts.seen.stable, facts.spec
    if (
        facts.status.phase not in (Phase.PROGRESSING, Phase.BAKING)
        or spec.scaling is ScalingMode.NONE
        or deleted(facts)
    ):
        return ()
    if canary is None or stable is None or canary.autoscaled or not_ours(facts):
        return ()
    wanted = max(1, guards.needed(stable.desired, target(facts)), facts.rollout.needed)
    return _scaled(canary, wanted) if canary.desired < wanted else ()


def _scale_to_rest(facts: Facts) -> tuple[Effect, ...]:
    """Give back the canary's pods once no traffic needs them."""
    canary = facts.seen.canary
    if facts.status.phase not in (Phase.FINALISING, Phase.ROLLING_BACK) or canary is None:
        return ()
    if facts.status.weight > 0 or not facts.settled:
        return ()
    replicas = resting_replicas(facts)
    return _scaled(canary, replicas) if replicas not in (None, canary.desired) else ()


def _scaled(canary: Workload, replicas: int) -> tuple[Effect, ...]:
    return (Scale(deployment=canary.name, resource_version=canary.resource_version, replicas=replicas),)


def _template(facts: Facts) -> tuple[Effect, ...]:
    """Copy the analysed template to stable, or put the former one back."""
    stable, template, mode = facts.seen.stable, analysed(facts) if facts.status.active else None, facts.spec.promotion
    if stable is None or deleted(facts) or mode is PromotionMode.EXTERNAL:
        return ()
    promoting = facts.status.phase is Phase.PROMOTING and not not_ours(facts)
    if promoting and template is not None and stable.revision and not stable_carries(facts):
        wanted = promoted(stable, template, mode)
        return (SetTemplate(deployment=stable.name, resource_version=stable.resource_version, template=wanted),)
    if facts.status.phase is Phase.ROLLING_BACK and was_promoted(facts) and not unseen(facts):
        before = former(facts)
        if before is not None:
            return (SetTemplate(deployment=stable.name, resource_version=stable.resource_version, template=before),)
    return ()


def _unguard(facts: Facts) -> tuple[Effect, ...]:
    if not deleted(facts) or not facts.seen.guarded:
        return ()
    never_ours = facts.seen.split is None or not_ours(facts) or conflict(facts) or not facts.status.promoted
    untouchable = never_ours or bool(facts.seen.wiring.unsupported)
    at_rest = facts.status.weight == 0 and facts.settled
    return (Unguard(),) if at_rest or untouchable else ()


def repairs(before: CanaryStatus, facts: Facts, effects: tuple[Effect, ...]) -> tuple[Notice, ...]:
    """Say that someone edited or deleted what is put back now: the split, or the release on stable."""
    return (*_split_repaired(before, facts, effects), *_template_repaired(facts, effects))


def _template_repaired(facts: Facts, effects: tuple[Effect, ...]) -> tuple[Notice, ...]:
    stable = facts.seen.stable
    if stable is None or not undone(facts) or not any(isinstance(effect, SetTemplate) for effect in effects):
        return ()
    who, release = f" by {stable.editor}" if stable.editor else "", facts.rollout.revision
    message = (
        f"{stable.name} was changed{who} to revision {stable.revision} while {release} is promoted to it;"
        f" the template of {release} is put back."
    )
    return (Notice(reason=Reason.STABLE_CHANGED, message=message, warning=True, recurring=True, deed=True),)


def _unwritten(before: CanaryStatus, facts: Facts, split: Split) -> bool:
    """Tell whether a restart came between the save of a first step and its write: nobody edited anything."""
    rollout = before.rollout
    first = rollout is not None and rollout.step == 0 and not rollout.dwelt
    at_rest = facts.own_backends and split.exact and split.weights[facts.spec.canary.service] == 0
    return first and at_rest and not facts.seen.elapsed


def _split_repaired(before: CanaryStatus, facts: Facts, effects: tuple[Effect, ...]) -> tuple[Notice, ...]:
    """Say it of a split that stood as intended before this tick, and no longer does."""
    split, spec = facts.seen.split, facts.spec
    writes = any(isinstance(effect, SetWeights) for effect in effects)
    if not before.promoted or not writes or deleted(facts):
        return ()
    if split is None:
        message = f"TrafficSplit {spec.route_name} was gone; it is created again at {show_weight(facts.status.weight)}."
        return (Notice(reason=Reason.SPLIT_RESTORED, message=message, warning=True, recurring=True, deed=True),)
    as_before = facts.own_backends and split.weights[spec.canary.service] == before.weight and split.exact
    if split.editor == FIELD_MANAGER or as_before or _unwritten(before, facts, split):
        return ()
    who = f" by {split.editor}" if split.editor else ""
    live = ", ".join(f"{name} {show_weight(weight)}" for name, weight in sorted(split.weights.items())) or "no backends"
    wanted = f"{spec.canary.service} {show_weight(before.weight)}"
    message = f"TrafficSplit {split.name} was changed{who} to {live}, where {wanted} was meant; it is put back."
    return (Notice(reason=Reason.SPLIT_RESTORED, message=message, warning=True, recurring=True, deed=True),)
