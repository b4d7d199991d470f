"""What may befall a rollout in more than one phase: abort, failing evidence, lost pods, silence, a newer revision.

Predicates and turns for the chains of `progressing` and `promoting`.
"""

from dataclasses import replace

from canary.core import guards
from canary.core.facts import Facts
from canary.core.formats import show_share, show_weight
from canary.core.questions import GateReply
from canary.core.rules import Happening, Rule, Turn, at_weight, fail, retreat, stay
from canary.core.spec import FULL, OnShare, WebhookKind, Weight
from canary.core.status import Phase, Reason


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
    """Tell whether the ready pods carry less than the weight in force, or more again.

    Giving back waits for a reading; taking away waits for nothing, unless stable has not one pod to give it to.
    """
    weight, present = bearable(facts), facts.status.weight
    if facts.rollout.step < 0 or weight == present:
        return False
    return facts.interval_over if weight > present else retreat(facts) == 0


def bearable(facts: Facts) -> Weight:
    """Find what the canary's ready pods carry of the step's weight. Growth of stable since then is no loss."""
    rollout = facts.rollout
    if facts.serving >= rollout.needed:
        return facts.rollout.level
    return guards.carried(facts.serving, rollout.stable_replicas, facts.rollout.level)


def follow_pods(facts: Facts) -> Turn:
    """Withdraw the weight to what is carried, or give it back."""
    weight, before = bearable(facts), facts.status.weight
    rollout = replace(facts.rollout, lost=True)
    status = at_weight(replace(facts.status, rollout=rollout), weight)
    counts = facts.cut_off or (
        guards.pods(facts.serving, rollout.needed, rollout.level) + guards.crashes(facts.seen.canary, rollout.revision)
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
    trouble = guards.stable_trouble(facts.seen.stable)
    trouble = trouble or f"stable's Service {facts.spec.stable.service!r} does not exist"
    return stay(facts, Reason.STABLE_NOT_READY, f"Held: {trouble}.")


def silent(facts: Facts) -> bool:
    """Tell whether the last reading says nothing."""
    return facts.rollout.silence is not None


def hold_silent(facts: Facts) -> Turn:
    """Hold: an outage never counts against a release."""
    reason, detail = facts.rollout.silence or (Reason.NO_DATA, "")
    return stay(facts, reason, f"Held at {show_weight(facts.status.weight)}: {detail}.")


def off_share(facts: Facts) -> bool:
    """Tell whether the rollout waits for the canary to get the part of the requests that the split gives it."""
    return facts.spec.traffic_share is OnShare.HOLD and bool(other_share(facts))


def other_share(facts: Facts) -> str:
    """Word that the canary gets another part of the requests than the split gives it; empty where it does not."""
    share, weight = facts.status.book.share, facts.status.weight
    at_step = facts.settled and weight == facts.rollout.level
    if not at_step or not share.deviates(weight):
        return ""
    got, wanted = show_share(share.canary / share.total), show_share(weight / FULL)
    return f"the canary got {got} of {share.total:.0f} requests, the split gives it {wanted}"


def hold_share(facts: Facts) -> Turn:
    """Hold where the release is believed to be where it is not; the evidence counts what was really sent."""
    share, spec = facts.status.book.share, facts.spec
    got, wanted, told = share.canary / share.total, facts.status.weight / FULL, other_share(facts)
    short, other = (spec.canary, spec.stable) if got < wanted else (spec.stable, spec.canary)
    causes = [
        f"pods of {short.deployment} that the proxies find not ready or failing",
        f"another TrafficSplit or an HTTPRoute of {spec.service}",
        "a ServiceProfile with dstOverrides of its own in a client's namespace",
        f"clients that call {other.service} directly",
    ]
    if share.past > 0:
        told += f"; {show_share(share.past / share.total)} went to {spec.service} itself, past the split"
        causes.insert(0, "clients that began before there was a split, until they restart or pause for 5 s")
    message = (
        f"Held at {show_weight(facts.status.weight)}: {told}. It may be: {'; '.join(causes)}."
        " Where it is meant to be so, gates.trafficShare: Watch goes on."
    )
    return stay(facts, Reason.SHARE, message)


def hanging(facts: Facts) -> bool:
    """Tell whether the canary leaves requests unanswered, and the user wants that to hold the rollout."""
    return facts.judgement is not None and bool(facts.judgement.hanging)


def hold_hanging(facts: Facts) -> Turn:
    """Hold while requests hang."""
    told = facts.judgement.hanging if facts.judgement is not None else ""
    return stay(facts, Reason.UNANSWERED, f"Held at {show_weight(facts.status.weight)}: {told}.")


def paused(facts: Facts) -> bool:
    """Tell whether the user froze the rollout; the gates stay armed."""
    return facts.spec.paused


def hold_paused(facts: Facts) -> Turn:
    """Freeze the weight."""
    return stay(facts, Reason.PAUSED, f"Paused at {show_weight(facts.status.weight)} by spec.paused; gates stay armed.")


def query_unsettled(facts: Facts) -> bool:
    """Tell whether some query's number is out of range, or unknown."""
    return facts.judgement is not None and facts.judgement.unsettled is not None


def hold_query(facts: Facts) -> Turn:
    """Hold while a query's number is not known to be within its range."""
    reason, told = (facts.judgement and facts.judgement.unsettled) or (Reason.QUERY_UNANSWERED, "")
    if reason is Reason.GATHERING and facts.status.phase is Phase.BAKING:
        reason = Reason.BAKING
    return stay(facts, reason, f"Held at {show_weight(facts.status.weight)}: {told}.")


DOUBTS = (
    Rule(happening=Happening.HANGING, when=hanging, follow=hold_hanging, then="held"),
    Rule(happening=Happening.QUERY, when=query_unsettled, follow=hold_query, then="held"),
)
"""What holds a rollout that goes well otherwise."""


def superseded_by(facts: Facts) -> str:
    """Name the canary Deployment's revision where it is another one than the rollout's."""
    canary = facts.seen.canary
    return canary.revision if canary is not None and canary.revision not in ("", facts.rollout.revision) else ""
