"""The evidence in words: what was counted, how the odds stand, what is still missing. For messages, events and status.

Called by the rules of `progressing` and `promoting`.
"""

from canary.core.book import Tally
from canary.core.facts import Facts
from canary.core.formats import show_share, show_weight
from canary.core.gates import EARLIEST_PASS
from canary.core.hazards import off_share, other_share
from canary.core.judgement import Judgement, Verdict
from canary.core.pacing import at_bridge, pace, passed
from canary.core.ripeness import calm
from canary.core.share import NATS
from canary.core.spec import OnUnanswered
from canary.core.statistics import divergence
from canary.core.status import Phase


def evidence_line(facts: Facts) -> str:
    """Word the evidence in one line: requests at this weight, odds, gates that passed."""
    judgement = facts.judgement
    if judgement is None or facts.rollout.step < 0:
        return "no request has been sent to it yet"
    awaited = [gate for gate in judgement.gates if gate.required]
    good = sum(gate.verdict is Verdict.PASS for gate in awaited)
    watched = f" ({len(judgement.gates) - len(awaited)} more are only watched)" if awaited != [*judgement.gates] else ""
    return (
        f"{facts.status.book.answered:.0f} canary requests answered at {show_weight(facts.status.weight)},"
        f" {_standing(facts, judgement)},"
        f" {good} of {len(awaited)} gates passed{watched}{_reserves(facts)}"
    )


def _standing(facts: Facts, judgement: Judgement) -> str:
    """Word how near it is to a rollback."""
    if facts.spec.threshold is not None:
        return f"{judgement.run} checks over the limit in a row ({facts.spec.threshold.failures} roll back)"
    odds = max(judgement.against, judgement.alone)
    return f"odds {odds:.2g}:1 against ({1 / facts.spec.risk.alpha:.0f}:1 roll back)"


def _reserves(facts: Facts) -> str:
    """Say where less is seen than one may think."""
    book, told = facts.status.book, ""
    if book.manner is not None and not book.manner.client:
        told += ", counted at the servers, for no client's proxy is scraped"
    for place, state in sorted(book.open.items()):
        if state.streams and state.open_time is not None and facts.spec.unanswered is not OnUnanswered.IGNORE:
            kept = f"stable keeps its requests open for {state.open_time:.0f} s"
            told += f", unanswered ones left out for {place or 'the service'}: {kept}"
    other = other_share(facts)
    return told + (f", {other}" if other else "") + _refused(book.refused)


def _refused(tally: Tally) -> str:
    """Say that the release answers many more requests with a 4xx than stable; a gate counts them on request only.

    Where chance explains it at most once in a million looks, even if half more and a hundredth were meant.
    """
    if not tally.canary_requests or not tally.stable_requests:
        return ""
    canary = tally.canary_failures / tally.canary_requests
    stable = tally.stable_failures / tally.stable_requests
    usual = min(1.5 * stable + 0.01, 0.99)
    if canary <= usual or tally.canary_requests * divergence(canary, usual) < NATS:
        return ""
    return f", {show_share(canary)} of the canary's answers are 4xx (stable's: {show_share(stable)})"


def waits_for(facts: Facts) -> str:
    """Word what the step still lacks."""
    rollout, judgement, book = facts.rollout, facts.judgement, facts.status.book
    if judgement is None or book.at == 0:
        return "waiting for a first reading"
    lacks = [] if rollout.silence is None else [f"readings ({rollout.silence[1]})"]
    if not facts.settled:
        lacks.append("the split to be as intended")
    following = pace(facts)
    if facts.status.phase is Phase.PROGRESSING:
        lacks += [*following.lacks, *([f"its share ({other_share(facts)})"] if off_share(facts) else [])]
    if rollout.step >= 0 and book.answered < following.answers:
        lacks.append(f"canary requests, {book.answered:.0f} of {following.answers} answered")
    if rollout.step >= 0 and not calm(facts):
        lacks.append("evidence on the release's side")
    if judgement.unsettled is not None:
        lacks.append(judgement.unsettled[1])
    if judgement.hanging:
        lacks.append(judgement.hanging)
    if at_bridge(facts) and facts.status.phase is Phase.PROGRESSING and not passed(facts):
        lacks.append(_waits_for_pass(facts))
    if facts.status.phase is Phase.BAKING and rollout.baked < facts.spec.bake:
        lacks.append(f"the bake, {rollout.baked.total_seconds():.0f} of {facts.spec.bake.total_seconds():.0f} s")
    return "waiting for " + ", ".join(lacks) if lacks else "nothing is missing"


def _waits_for_pass(facts: Facts) -> str:
    judgement = facts.judgement
    slow = [g for g in judgement.gates if g.required and g.verdict is not Verdict.PASS] if judgement is not None else []
    if not slow:
        return f"PASS, which counts from {EARLIEST_PASS.total_seconds():.0f} s after the first weight"
    if facts.spec.threshold is not None:
        return f"a check of {slow[0].name} that it passes, on {facts.spec.threshold.min_requests} requests or more"
    worst = min(slow, key=lambda g: g.passing)
    return f"PASS of {len(slow)} gates, {worst.name} has {worst.passing:.2g} of {1 / facts.spec.risk.beta:.0f}"
