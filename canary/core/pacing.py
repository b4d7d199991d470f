"""How fast the weight goes up: by the user's steps, or by a ramp sized by risk. Two ways to answer one question.

`pace` says which weight comes next, whether there is still something to wait for, and why it is this one. Whether the
evidence allows it is `ripeness`' question, and whether the pods can carry it that of `guards`.
"""

from dataclasses import dataclass

from canary.core import ramp as risk
from canary.core.counts import SERVICE
from canary.core.exposure import Traffic
from canary.core.facts import Facts
from canary.core.formats import show_share, show_weight
from canary.core.gates import EARLIEST_PASS, Gate
from canary.core.spec import FULL, HALF, Ramp, Weight
from canary.core.statistics import ucb

ANSWERED = 10  # canary requests answered at a step before it is left
ENOUGH = 0.9  # of a reading's seconds: ticks are not to the millisecond
QUIET = 3  # readings without a request after which there is no traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The next weight, always above the present one; what must come first, evidence apart; why it is this one.

    `answers` is how many canary requests must have been answered at the present weight.
    """

    weight: Weight
    answers: int = ANSWERED
    lacks: tuple[str, ...] = ()
    why: str = ""


def pace(facts: Facts) -> Pace:
    """Say which weight comes next."""
    ramp = facts.spec.ramp
    if ramp is None:
        return _by_steps(facts)
    if facts.rollout.step < 0:
        return _begin(facts, ramp)
    return _by_risk(facts, ramp) if facts.rollout.level < HALF else Pace(weight=FULL, answers=1)


def passed(facts: Facts) -> bool:
    """Tell whether every required gate has PASS, and early enough is over."""
    return facts.judgement is not None and facts.judgement.passed and facts.rollout.exposed >= EARLIEST_PASS


def at_bridge(facts: Facts) -> bool:
    """Tell whether 1000m is next, so that the present weight is left with PASS only."""
    return facts.rollout.step >= 0 and _ahead(facts) == (FULL,)


def number(facts: Facts, weight: Weight) -> int:
    """Count the weights up to `weight`: its index in the steps, or one more than the ramp's last."""
    return facts.rollout.step + 1 if facts.spec.ramp is not None else facts.spec.steps.index(weight)


def least(facts: Facts) -> Weight:
    """Give a weight without which nothing can begin, before the first."""
    return facts.spec.steps[0] if facts.spec.ramp is None else 1


def _ahead(facts: Facts) -> tuple[Weight, ...]:
    """List the steps above the present one. Found by weight, as the steps may be edited in mid-rollout."""
    return tuple(weight for weight in facts.spec.steps if weight > facts.rollout.level)


def _by_steps(facts: Facts) -> Pace:
    """Take one step after the other; once PASS holds, straight to the last one below 1000m."""
    ahead, rollout, dwell = _ahead(facts), facts.rollout, facts.spec.dwell
    weight = ahead[0] if ahead else FULL
    if rollout.step < 0:
        return Pace(weight=weight)
    if len(ahead) > 1 and passed(facts) and facts.spec.threshold is None:  # a good check is no proof
        weight = ahead[-2]
    lacks: tuple[str, ...] = ()
    if rollout.dwelt < dwell:
        lacks = (f"the dwell, {rollout.dwelt.total_seconds():.0f} of {dwell.total_seconds():.0f} s",)
    return Pace(weight=weight, lacks=lacks)


def _begin(facts: Facts, ramp: Ramp) -> Pace:
    """Size the first weight by the service's traffic, as if every request to the release failed.

    That is what the service had before the rollout, or more where more was counted since.
    """
    traffic, past = facts.status.book.traffic.get(SERVICE, Traffic()), _before(facts)
    known = _known(facts, traffic)
    if not known and not past:
        most = risk.first_weight(1.0)
        return Pace(weight=most, lacks=("the service's requests to be counted, which size the first weight",))
    share = risk.bearable(max(past, traffic.rps if known else 0.0), _reaction(facts), ramp.budget)
    weight = risk.first_weight(share)
    return Pace(weight=weight, why=_at_risk(ramp, weight, share))


def _before(facts: Facts) -> float:
    """Give the requests per second that the service had before, 0 where that is not known: of routes are only parts."""
    found = [gate.name for gate in facts.gates if not gate.place]
    learned = facts.rollout.learned or {}
    return max((learned[name].rps for name in found if name in learned), default=0.0)


def _known(facts: Facts, traffic: Traffic) -> bool:
    """Tell whether a whole interval and a whole scrape were counted; a service may also have no traffic."""
    reading = ENOUGH * max(facts.spec.interval, facts.seen.scrape).total_seconds()
    return traffic.known >= reading * (1 if traffic.requests > 0 else QUIET)


def _by_risk(facts: Facts, ramp: Ramp) -> Pace:
    """Double the weight, as far as its failures stay within the budget at the worst rate the release may still have."""
    level, gate = facts.rollout.level, _riskiest(facts, ramp)
    share = _bearable(facts, ramp, gate)
    weight = risk.next_weight(level, share)
    if weight > level:
        return Pace(weight=weight, answers=1, why=_at_risk(ramp, weight, share))
    rps = facts.status.book.traffic.get(gate.place, Traffic()).rps
    lacks = (
        f"room in the ramp: above {show_weight(max(level, weight))} more than {ramp.budget} failures would be at risk"
        f" ({gate.name}: up to {show_share(_excess(facts, gate))} more than stable, of {rps:.3g} requests/s,"
        f" for {_reaction(facts):.0f} s)"
    )
    return Pace(weight=min(HALF, 2 * level), answers=1, lacks=(lacks,))


def _riskiest(facts: Facts, ramp: Ramp) -> Gate:
    """Find the gate that bears least. Answers 4xx are no failures, so they cost nothing of the budget."""
    risky = (gate for gate in facts.gates if not gate.promise.controlled)
    return min(risky, key=lambda gate: _bearable(facts, ramp, gate))


def _bearable(facts: Facts, ramp: Ramp, gate: Gate) -> float:
    traffic = facts.status.book.traffic.get(gate.place, Traffic())
    return risk.bearable(traffic.rps, _reaction(facts), ramp.budget, _excess(facts, gate))


def _excess(facts: Facts, gate: Gate) -> float:
    book = facts.status.book
    n, f = book.effective.get(gate.name, (0.0, 0.0))
    tally = book.tallies.get(gate.name)
    stable = tally.stable_failures / tally.stable_requests if tally is not None and tally.stable_requests else 0.0
    return risk.excess_of(ucb(n, f, gate.promise.beta), stable)


def _reaction(facts: Facts) -> float:
    return risk.reaction(facts.spec.interval, facts.seen.scrape)


def _at_risk(ramp: Ramp, weight: Weight, share: float) -> str:
    return f"ramp: at most {ramp.budget * weight / FULL / share:.0f} failures at risk, {ramp.budget} allowed"
