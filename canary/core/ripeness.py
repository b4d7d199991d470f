"""When a step may be left, where to, and when the bake is over; whether the next step's pods are ready is not asked.

Predicates for `progressing`, `wording` and `converge`; nothing here changes a status.
"""

from canary.core import guards, statistics
from canary.core.facts import Facts
from canary.core.pacing import ANSWERED, at_bridge, pace, passed
from canary.core.spec import FULL, Weight


def target(facts: Facts) -> Weight:
    """Find the next weight."""
    return pace(facts).weight


def ripe(facts: Facts) -> bool:
    """Tell whether the present step may be left, readiness apart: `step_due` says when."""
    rollout, judgement = facts.rollout, facts.judgement
    if judgement is None or not facts.settled:
        return False
    if pace(facts).lacks:
        return False
    if rollout.step < 0:
        return facts.status.book.at > 0
    return facts.status.weight >= rollout.level and convincing(facts)


def convincing(facts: Facts) -> bool:
    """Tell whether the evidence is good enough for leaving the present step."""
    if not calm(facts) or facts.status.book.answered < pace(facts).answers:
        return False
    return passed(facts) or not at_bridge(facts)


def step_due(facts: Facts) -> bool:
    """Tell whether to take the next step now: right after a reading, so that no interval has two weights (Simpson)."""
    return ripe(facts) and facts.interval_over


def baked(facts: Facts) -> bool:
    """Tell whether the bake is over: time with readings, requests, both sides ready, the split as intended.

    While the evidence is not on the release's side it goes on: what began to fail a moment ago is not promoted.
    """
    stable_ok = not guards.stable_trouble(facts.seen.stable)
    long_enough = facts.rollout.baked >= facts.spec.bake and facts.status.book.answered >= ANSWERED
    in_force = facts.settled and facts.status.weight == FULL and facts.rollout.silence is None
    return long_enough and stable_ok and in_force and calm(facts)


def calm(facts: Facts) -> bool:
    """Tell whether the evidence is on the release's side: against stable, and in the bake against the promise alone."""
    judgement, evidence = facts.judgement, facts.spec.threshold is None
    if evidence and facts.status.weight == FULL:
        return judgement is not None and statistics.calm(judgement.alone)
    return judgement is not None and judgement.calm
