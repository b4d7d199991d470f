"""When a step may be left, where to, and when the bake is over; whether the next step's pods are ready is not asked.

Predicates for `progressing`, `wording` and `converge`; nothing here changes a status.
"""

from datetime import timedelta

from canary.core import guards
from canary.core.facts import Facts
from canary.core.spec import FULL

ANSWERED = 10  # canary requests answered at a weight before it is left
EARLIEST_PASS = timedelta(seconds=60)  # after the first weight: caches are cold and leaks are small before


def passed(facts: Facts) -> bool:
    """Tell whether every gate has PASS, and early enough is over."""
    return facts.judgement is not None and facts.judgement.passed and facts.rollout.exposed >= EARLIEST_PASS


def target(facts: Facts) -> int:
    """Find the step to go to next: once PASS holds, straight to the last one below 1000m."""
    step = facts.rollout.step
    return facts.bridge if 0 <= step < facts.bridge and passed(facts) else step + 1


def ripe(facts: Facts) -> bool:
    """Tell whether the present step may be left, readiness apart."""
    rollout, judgement = facts.rollout, facts.judgement
    if judgement is None or not facts.settled:
        return False
    if rollout.step < 0:
        return facts.status.book.at > 0
    if facts.status.weight < facts.step_weight or rollout.dwelt < facts.spec.dwell:
        return False
    if rollout.step >= facts.bridge and not passed(facts):
        return False
    return judgement.calm and facts.status.book.answered >= ANSWERED


def baked(facts: Facts) -> bool:
    """Tell whether the bake is over: time with readings, requests, both sides ready, the split as intended."""
    stable_ok = not guards.stable_trouble(facts.seen.stable)
    long_enough = facts.rollout.baked >= facts.spec.bake and facts.status.book.answered >= ANSWERED
    return long_enough and stable_ok and facts.settled and facts.status.weight == FULL and facts.rollout.silence is None
