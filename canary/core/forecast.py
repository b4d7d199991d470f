"""How long the evidence will take at today's traffic, and what a regression costs until it is caught. Before a rollout.

Wald's approximation: evidence grows by its mean per tick, along the schedule of the steps or of the ramp, until it is
enough. Typical values; one rollout in ten needs about twice the requests. Called by `expectation` when a rollout
begins, and by `canary forecast`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from canary.core import ramp
from canary.core.demand import Demand
from canary.core.eprocess import Promise
from canary.core.gates import EARLIEST_PASS, Gate, Metric
from canary.core.spec import FULL, HALF, CanarySpec, Ramp
from canary.core.statistics import (
    absolute,
    better_than_stable,
    design_effect,
    enough_against,
    enough_for,
    ucb,
    worse_than_stable,
)

REGRESSIONS = (0.01, 0.02, 0.05, 0.2, 0.5)
FEWEST = 2  # ticks before any verdict: no single one decides
SLOWLY = 2.0  # times the evidence that a release needs to pass, and one in ten needs more
SURE = 1.3  # standard deviations: nine times in ten there are no fewer requests
SCRAPE = timedelta(seconds=10)  # that of linkerd-viz: how a Prometheus scrapes is not known beforehand
SUSPECT = 3  # failures that stop a ramp: fewer may be missing by chance
LONGEST = 60  # ticks of a ramp that are followed one by one

Course: TypeAlias = Sequence[tuple[float, float]]
"""Shares of the traffic, each with the seconds it stands; the last one has no end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catch:
    """A release that breaks the promise at this rate: the seconds from its first weight until it is rolled back.

    `failed` is an upper estimate of the requests it costs, as if the weight rose on schedule meanwhile.
    """

    rate: float
    seconds: float
    failed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What to expect of one gate. Infinite seconds: never, at this traffic and this rate.

    `passing` counts from the first weight. A gate is `quiet` where that is more than a step may take; a route, which
    need not be waited for, already where one rollout in ten would outlast the deadline of the last step below 1000m.
    """

    gate: str
    demand: Demand
    passing: float
    quiet: bool
    catches: tuple[Catch, ...]


def forecast(spec: CanarySpec, gates: Sequence[Gate], demand: Mapping[str, Demand]) -> tuple[Outlook, ...]:
    """Forecast every gate of which, by its name, the demand is known."""
    known = [gate for gate in gates if gate.name in demand]
    service = service_rps(known, demand)
    return tuple(_outlook(spec, gate, demand[gate.name], service) for gate in known)


def service_rps(gates: Sequence[Gate], demand: Mapping[str, Demand]) -> float:
    """Give the requests a second of the whole service, or of its routes where it has no gate of its own."""
    places = {gate.place: demand[gate.name].rps for gate in gates if gate.name in demand}
    return places.get("", sum(places.values()))


def _outlook(spec: CanarySpec, gate: Gate, demand: Demand, service: float) -> Outlook:
    promise = gate.promise
    course = _course(spec, gate, demand, demand.failure, service)

    def growth(share: float) -> float:
        return _tick(spec, demand, share, demand.failure).speaks_for(promise)

    enough = enough_for(promise.beta)
    passing = max(_until(spec, gate, course, enough, growth), EARLIEST_PASS.total_seconds())
    catches = tuple(_catch(spec, gate, demand, rate, service) for rate in REGRESSIONS)
    quiet = passing > spec.step_timeout.total_seconds()
    if gate.place:
        quiet = _overdue(spec, course, _until(spec, gate, course, SLOWLY * enough, growth))
    return Outlook(gate=gate.name, demand=demand, passing=passing, quiet=quiet, catches=catches)


def _catch(spec: CanarySpec, gate: Gate, demand: Demand, rate: float, service: float) -> Catch:
    promise = gate.promise
    enough = enough_against(promise.alpha, gate.share)
    course = _course(spec, gate, demand, rate, service)
    seconds = _until(spec, gate, course, enough, lambda share: _tick(spec, demand, share, rate).speaks_against(promise))
    harm = max(0.0, rate - demand.failure) * demand.rps  # each second, at full weight
    return Catch(rate=rate, seconds=seconds, failed=harm * _exposed(course, seconds) if harm else 0.0)


@dataclass(frozen=True, slots=True)
class _Tick:
    """The mean of one tick: requests and failures of both sides."""

    n: float
    f: float
    m: float
    g: float

    def effective(self, icc: float) -> tuple[float, float, float, float]:
        """Divide each side by its design effect."""
        canary, stable = design_effect(self.n, icc), design_effect(self.m, icc)
        return self.n / canary, self.f / canary, self.m / stable, self.g / stable

    def speaks_against(self, promise: Promise) -> float:
        """Give the nats by which the best alternative to the release being good grows."""
        n, f, m, g = self.effective(promise.icc)
        rows = worse_than_stable(n, f, m, g)
        explained = max(row for row, _ in rows)
        worse = max(row - promise.delta * cost for row, cost in rows)
        bad = worse if promise.relative else min(max(absolute(promise.worse, n, f)), explained)
        grows = max(bad, worse)
        return min(grows, promise.cap)

    def speaks_for(self, promise: Promise) -> float:
        """Give the nats by which the best alternative for the release grows."""
        n, f, m, g = self.effective(promise.icc)
        surely = 0.0 if promise.relative else max(absolute(promise.better, n, f))
        beside = max(better_than_stable(n, f, m, g, promise.p_bad - promise.p0))
        return min(max(surely, beside), promise.pass_cap)


def _tick(spec: CanarySpec, demand: Demand, share: float, rate: float) -> _Tick:
    requests = demand.rps * spec.interval.total_seconds()
    n, m = share * requests, (1 - share) * requests
    return _Tick(n, rate * n, m, demand.failure * m)


def _cold(spec: CanarySpec, gate: Gate) -> float:
    """Give the seconds in which nothing counts that was timed: the warm-up and a scrape, in whole intervals."""
    if not spec.warmup or gate.metric not in {Metric.LATENCY, Metric.SLOWDOWN}:
        return 0.0
    return math.ceil((spec.warmup + SCRAPE) / spec.interval) * spec.interval.total_seconds()


def _warm(course: Course, cold: float) -> list[tuple[float, float]]:
    """Leave out the first so many seconds; what has no end keeps none."""
    found = []
    for share, seconds in course:
        found.append((share, max(0.0, seconds - cold)))
        cold = max(0.0, cold - seconds)
    return found


def _until(spec: CanarySpec, gate: Gate, course: Course, enough: float, growth: Callable[[float], float]) -> float:
    """Give the seconds until so many nats have come together, in whole intervals, once the pods are warm."""
    interval = spec.interval.total_seconds()
    spent, got = _cold(spec, gate), 0.0
    *before, (last, _) = _warm(course, spent)
    for share, seconds in before:
        each = growth(share)
        if got + each * seconds / interval >= enough:
            return max(spent + math.ceil((enough - got) / each) * interval, FEWEST * interval)
        got += max(0.0, each) * seconds / interval
        spent += seconds
    each = growth(last)
    return max(spent + math.ceil((enough - got) / each) * interval, FEWEST * interval) if each > 0 else math.inf


def _exposed(course: Course, seconds: float) -> float:
    """Integrate the canary's share of the traffic over the first so many seconds."""
    total = 0.0
    for share, lasts in course:
        total += share * max(0.0, min(seconds, lasts))
        seconds -= lasts
    return total


def _overdue(spec: CanarySpec, course: Course, seconds: float) -> bool:
    """Tell whether so long after the first weight the last step below 1000m has lasted longer than it may."""
    return seconds - sum(lasts for _, lasts in course[:-1]) > spec.step_timeout.total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """How long it takes until the canary has had so many requests below 1000m, nine times in ten.

    In `seconds` from the first weight, of which `last` are spent at the last step; infinite where there is no traffic.
    `late` where that step may not take so long.
    """

    seconds: float
    last: float
    late: bool


def gathering(spec: CanarySpec, gate: Gate, demand: Demand, service: float, requests: int) -> Wait:
    """Say how long it takes until so many requests have come together: their number is Poisson's."""
    course, interval = _course(spec, gate, demand, demand.failure, service), spec.interval.total_seconds()
    surely = requests + SURE * math.sqrt(requests) + SURE**2 / 2
    seconds = _until(spec, gate, course, surely, lambda share: share * demand.rps * interval)
    last = max(0.0, seconds - sum(lasts for _, lasts in course[:-1]))
    return Wait(seconds=seconds, last=last, late=_overdue(spec, course, seconds))


def exposures(spec: CanarySpec, gate: Gate, demand: Demand, service: float, last: float) -> list[float]:
    """List the canary's requests in each interval of a rollout, the bake included.

    Nothing holds it but that its last step below 1000m takes `last` seconds, or its dwell where that is longer.
    """
    interval = spec.interval.total_seconds()
    course = _course(spec, gate, demand, demand.failure, service)
    last = max(spec.dwell.total_seconds(), min(last, spec.step_timeout.total_seconds()))
    stays = [(share, min(seconds, last)) for share, seconds in course]
    stays = _warm([*stays, (1.0, spec.bake.total_seconds())], _cold(spec, gate))
    return [demand.rps * interval * share for share, seconds in stays for _ in range(math.ceil(seconds / interval))]


def _course(spec: CanarySpec, gate: Gate, demand: Demand, rate: float, service: float) -> Course:
    """Say how the weight goes up below 1000m if the release fails at this rate; `service` is the whole's traffic."""
    return _steps(spec) if spec.ramp is None else _ramp(spec, spec.ramp, gate, demand, rate, service)


def _steps(spec: CanarySpec) -> Course:
    interval = spec.interval.total_seconds()
    dwell = math.ceil(spec.dwell.total_seconds() / interval) * interval
    *before, last = [step / FULL for step in spec.steps if step < FULL] or [1.0]
    return [*((share, dwell) for share in before), (last, math.inf)]


def _ramp(spec: CanarySpec, by: Ramp, gate: Gate, demand: Demand, rate: float, service: float) -> Course:
    """Follow the ramp: it stands once a few failures speak against the release, and for two ticks at the start.

    In the first of them the two sides have not yet had the same weight for a whole interval. Answers 4xx are no
    failures: beside them none are taken to fail. While pods are cold nothing tells how slow the release is.
    """
    promise = gate.promise
    interval, react = spec.interval.total_seconds(), ramp.reaction(spec.interval, SCRAPE)
    weight = ramp.first_weight(ramp.bearable(service, react, by.budget))
    course, n, f, failed = [(weight / FULL, _cold(spec, gate) + interval)], 0.0, 0.0, 0.0
    while weight < HALF and len(course) < LONGEST:
        course.append((weight / FULL, interval))
        tick = _tick(spec, demand, weight / FULL, rate)
        requests, failures, _, _ = tick.effective(promise.icc)
        n, f, failed = n + requests, f + failures, failed + tick.f
        risk = (0.0, 0.0) if promise.controlled else (f, demand.failure)
        excess = ramp.excess_of(ucb(n, risk[0], promise.beta), risk[1])
        if tick.speaks_against(promise) <= 0 or failed < SUSPECT:
            weight = max(weight, ramp.next_weight(weight, ramp.bearable(demand.rps, react, by.budget, excess)))
    return [*course, (weight / FULL, math.inf)]
