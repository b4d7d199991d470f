"""When a step may be left, where to, and when the bake is over; whether the next step's pods are ready is not asked.

Predicates for `progressing`, `wording` and `converge`; nothing here changes a status.
"""

from datetime import timedelta

from canary.core import guards, statistics
from canary.core.facts import Facts
from canary.core.spec import FULL, Weight

ANSWERED = 10  # canary requests answered at a weight before it is left
EARLIEST_PASS = timedelta(seconds=60)  # after the first weight: caches are cold and leaks are small before


def passed(facts: Facts) -> bool:
    """Tell whether every gate has PASS, and early enough is over."""
    return facts.judgement is not None and facts.judgement.passed and facts.rollout.exposed >= EARLIEST_PASS


def at_bridge(facts: Facts) -> bool:
    """Tell whether 1000m is next, so that the present step is left with PASS only."""
    return facts.rollout.step >= 0 and _ahead(facts) == (FULL,)


def target(facts: Facts) -> Weight:
    """Find the weight of the next step: once PASS holds, straight to the last one below 1000m."""
    ahead = _ahead(facts)
    if facts.rollout.step >= 0 and len(ahead) > 1 and passed(facts):
        return ahead[-2]
    return ahead[0] if ahead else FULL


def _ahead(facts: Facts) -> tuple[Weight, ...]:
    """List the steps above the present one. Found by weight, as the steps may be edited in mid-rollout."""
    return tuple(weight for weight in facts.spec.steps if weight > facts.rollout.level)


def ripe(facts: Facts) -> bool:
    """Tell whether the present step may be left, readiness apart: `step_due` says when."""
    rollout, judgement = facts.rollout, facts.judgement
    if judgement is None or not facts.settled:
        return False
    if rollout.step < 0:
        return facts.status.book.at > 0
    held = facts.status.weight >= rollout.level and rollout.dwelt >= facts.spec.dwell
    return held and convincing(facts)


def convincing(facts: Facts) -> bool:
    """Tell whether the evidence is good enough for leaving the present step."""
    if not calm(facts) or facts.status.book.answered < ANSWERED:
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
    if facts.judgement is None:
        return False
    return statistics.calm(facts.judgement.alone) if facts.status.weight == FULL else facts.judgement.calm
