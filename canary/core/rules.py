"""The shape of a rule, what can happen, and the moves that several phases share.

A phase is an ordered chain of rules; the first whose `when` holds is followed. `canary.core.decide` has the chains and prints
them as the table in docs/architecture.md, so that a rule's `then` is what the reader of that table gets.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from canary.core import guards
from canary.core.decision import Notice
from canary.core.facts import Facts
from canary.core.formats import show_weight
from canary.core.spec import FULL, Weight, WebhookKind
from canary.core.questions import GateReply
from canary.core.status import CanaryStatus, Outcome, Past, Phase, Reason

LET_GO = timedelta(seconds=60)  # how long a deleted Canary waits for a stable without ready pods
HISTORY = 10


class Happening(StrEnum):
    """What a rule may find. The order is the table's."""

    DELETED = "the Canary is being deleted"
    CONFLICT = "an older Canary claims the same"
    MISWIRED = "a Service or Deployment is missing, or no TrafficSplit is served"
    NOT_OURS = "the split belongs to someone else"
    FIRST_SIGHT = "first sight"
    RETRIED = "retry names a rolled-back rollout"
    WAITING = "a new revision while paused"
    NEW_REVISION = "a new revision"
    ABORTED = "abort names this rollout"
    FAILED = "the evidence, hanging requests or a webhook say no"
    REVISION_GONE = "the analysed ReplicaSet is gone"
    OVERDUE = "the deadline is over"
    PODS_LOST = "canary pods are lost, or back"
    STABLE_NOT_READY = "stable is not ready"
    CANARY_NOT_READY = "the canary is not ready"
    SILENT = "no answer, or no data, from Prometheus"
    APPROVAL = "approval is missing"
    PAUSED = "paused"
    CONFIRMATION = "a confirming webhook has not said yes"
    RIPE = "everything is ripe"
    CARRIED = "stable runs the release and is ready"
    SETTLED = "the world is as intended"
    OTHERWISE = "otherwise"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a rule made of the facts: new intent, and what people are told besides the change of reason."""

    status: CanaryStatus
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """If `when`, then `follow`; `then` says it in the docs."""

    happening: Happening
    when: Callable[[Facts], bool]
    follow: Callable[[Facts], Turn]
    then: str


def always(_: Facts) -> bool:
    """Hold for all facts: the last rule of a chain."""
    return True


def stay(facts: Facts, reason: Reason, message: str) -> Turn:
    """Keep phase and weight, and say why."""
    return Turn(status=replace(facts.status, reason=reason, message=message))


def at_weight(status: CanaryStatus, weight: Weight) -> CanaryStatus:
    """Intend another weight; what was counted at the old one counts no longer towards leaving a step."""
    if weight == status.weight or status.rollout is None:
        return replace(status, weight=weight)
    rollout = replace(status.rollout, dwelt=timedelta(), peak=max(weight, status.rollout.peak), silent=0)
    return replace(status, weight=weight, rollout=rollout, book=replace(status.book, answered=0.0))


def retreat(facts: Facts) -> Weight:
    """Find the weight of a retreat: 0, unless that would lean on a stable without a single ready pod while the canary has some."""
    stable, canary = facts.seen.stable, facts.seen.canary
    stable_serves = stable is not None and stable.serving() > 0
    canary_serves = canary is not None and canary.serving() > 0
    return facts.status.weight if canary_serves and not stable_serves else 0


def fail(facts: Facts, reason: Reason, message: str) -> Turn:
    """Roll back, in this very tick."""
    rollout = replace(
        facts.rollout,
        fault=reason,
        fault_message=message,
        fault_route=facts.judgement.route if facts.judgement is not None else "",
        outcome=Outcome.ROLLED_BACK,
        spent=timedelta(),
    )
    status = at_weight(replace(facts.status, rollout=rollout), retreat(facts))
    told = f"Rolling back {rollout.revision} from {show_weight(facts.status.weight)}: {message}."
    return Turn(status=replace(status, phase=Phase.ROLLING_BACK, reason=reason, message=told))


def withdraw(facts: Facts, message: str) -> Turn:
    """Take a superseded rollout back, without condemning its revision."""
    rollout = replace(facts.rollout, outcome=Outcome.SUPERSEDED, fault_message=message, spent=timedelta())
    status = at_weight(replace(facts.status, rollout=rollout), retreat(facts))
    return Turn(status=replace(status, phase=Phase.ROLLING_BACK, reason=Reason.SUPERSEDED, message=message))


def archive(facts: Facts, outcome: Outcome, reason: Reason, message: str) -> CanaryStatus:
    """Move the rollout into the history."""
    rollout, book = facts.rollout, facts.status.book
    tally = next((t for name, t in book.tallies.items() if name.startswith("service: success")), None)
    tally = tally or next(iter(book.tallies.values()), None)
    past = Past(
        id=rollout.id,
        revision=rollout.revision,
        outcome=outcome,
        reason=reason,
        message=message,
        started_at=rollout.started_at,
        seconds=(facts.seen.at - rollout.started_at).total_seconds(),
        peak=rollout.peak,
        requests=tally.canary_requests if tally else 0.0,
        failures=tally.canary_failures if tally else 0.0,
        route=rollout.fault_route,
    )
    return replace(facts.status, history=(*facts.status.history, past)[-HISTORY:])


# what several phases ask


def deleted(facts: Facts) -> bool:
    """Tell whether the object waits for us to let it go."""
    return facts.seen.deleted_at is not None


def let_go(facts: Facts) -> Turn:
    """Give traffic back to stable; the finalizer comes off once the split says so."""
    deleted_at = facts.seen.deleted_at or facts.seen.at
    weight = 0 if facts.seen.at - deleted_at > LET_GO else retreat(facts)
    waits = "; stable has no ready pod, so the canary keeps its traffic for up to 60 s" if weight else ""
    message = f"The Canary is being deleted: traffic returns to {facts.spec.stable.service}{waits}."
    return Turn(status=replace(at_weight(facts.status, weight), reason=Reason.DELETED, message=message))


def conflict(facts: Facts) -> bool:
    """Tell whether an older Canary owns what we claim."""
    return bool(facts.seen.wiring.rival)


def yield_to_rival(facts: Facts) -> Turn:
    """Touch nothing."""
    message = f"Canary {facts.seen.wiring.rival} is older and claims the same Service, Deployment or split; this one touches nothing."
    return stay(facts, Reason.CONFLICT, message)


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
    return None


def hold_miswired(facts: Facts) -> Turn:
    """Hold and say what is missing."""
    reason, message = wiring_trouble(facts) or (Reason.READY, "")
    return stay(facts, reason, message)


def not_ours(facts: Facts) -> bool:
    """Tell whether the live split is about another service or other backends."""
    split, spec = facts.seen.split, facts.spec
    if split is None:
        return False
    return split.service != spec.service or set(split.weights) != {spec.stable.service, spec.canary.service}


def hold_not_ours(facts: Facts) -> Turn:
    """Refuse to write a split that someone else uses."""
    split = facts.seen.split
    if split is None:
        return stay(facts, Reason.NOT_OURS, "")
    message = (
        f"spec.route.name: TrafficSplit {split.name!r} splits {split.service!r} into {sorted(split.weights)}, not"
        f" {facts.spec.service!r} into {sorted((facts.spec.stable.service, facts.spec.canary.service))}; nothing is written to it"
    )
    return stay(facts, Reason.NOT_OURS, message)


def aborted(facts: Facts) -> bool:
    """Tell whether someone aborted this very rollout."""
    return facts.spec.abort == facts.rollout.id


def fail_aborted(facts: Facts) -> Turn:
    """Roll back by order."""
    return fail(facts, Reason.ABORTED, f"spec.abort names {facts.rollout.id}")


def failed(facts: Facts) -> bool:
    """Tell whether the evidence or a webhook speaks against the release."""
    return _verdict(facts) is not None


def fail_judged(facts: Facts) -> Turn:
    """Roll back by evidence."""
    reason, message = _verdict(facts) or (Reason.ROLLED_BACK, "")
    return fail(facts, reason, message)


def _verdict(facts: Facts) -> tuple[Reason, str] | None:
    judgement = facts.judgement
    if judgement is not None and judgement.fault is not None:
        return judgement.fault, judgement.message
    for name, reply in facts.replies.get(WebhookKind.ROLLBACK, []):
        if isinstance(reply, GateReply) and reply.yes:
            return Reason.WEBHOOK_VETO, f"webhook {name!r} asks for a rollback ({reply.detail})"
    return None


def pods_lost(facts: Facts) -> bool:
    """Tell whether the ready pods carry another weight than the one in force."""
    return facts.rollout.step >= 0 and bearable(facts) != facts.status.weight


def bearable(facts: Facts) -> Weight:
    """Find what the canary's ready pods carry of the step's weight. Growth of stable since then is no loss."""
    rollout = facts.rollout
    if facts.serving >= rollout.needed:
        return facts.step_weight
    return guards.carried(facts.serving, rollout.stable_replicas, facts.step_weight)


def follow_pods(facts: Facts) -> Turn:
    """Withdraw the weight to what is carried, or give it back."""
    weight, before = bearable(facts), facts.status.weight
    status = at_weight(facts.status, weight)
    rollout = facts.rollout
    counts = (
        f"{facts.serving} of the {rollout.needed} canary pods that {show_weight(facts.step_weight)} wants are ready"
    )
    if weight < before:
        message = f"Weight {show_weight(before)} is withdrawn to {show_weight(weight)}: {counts}."
        return Turn(status=replace(status, reason=Reason.CAPACITY_WITHDRAWN, message=message))
    message = f"Weight {show_weight(weight)} again: {counts}; the dwell starts over."
    return Turn(status=replace(status, reason=Reason.GATHERING, message=message))


def stable_not_ready(facts: Facts) -> bool:
    """Tell whether stable lacks pods."""
    return bool(guards.stable_trouble(facts.seen.stable))


def hold_stable(facts: Facts) -> Turn:
    """Hold until stable is well; the split is never moved onto a side that is not ready."""
    return stay(facts, Reason.STABLE_NOT_READY, f"Held: {guards.stable_trouble(facts.seen.stable)}.")


def silent(facts: Facts) -> bool:
    """Tell whether the last reading says nothing."""
    return facts.silence is not None or (facts.status.reason in _SILENCES and facts.status.book.waited > 0)


_SILENCES = (Reason.METRICS_UNREACHABLE, Reason.NO_DATA, Reason.NO_TRAFFIC, Reason.STALE_DATA)


def hold_silent(facts: Facts) -> Turn:
    """Hold: an outage never counts against a release."""
    if facts.silence is None:  # a look between two readings
        return Turn(status=facts.status)
    reason, detail = facts.silence
    return stay(facts, reason, f"Held at {show_weight(facts.status.weight)}: {detail}.")


def superseded_by(facts: Facts) -> str:
    """Name the canary Deployment's revision where it is another one than the rollout's."""
    canary = facts.seen.canary
    return canary.revision if canary is not None and canary.revision not in ("", facts.rollout.revision) else ""


def settled_at_full(facts: Facts) -> bool:
    """Tell whether all traffic is on the canary as intended."""
    return facts.settled and facts.status.weight == FULL
