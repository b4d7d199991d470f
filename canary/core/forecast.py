"""How long the evidence will take at today's traffic, and what a regression costs until it is caught. Before a rollout.

Wald's approximation: evidence grows by its mean per tick, along the schedule of the steps, until it is enough. Typical
values, of which the 90th percentile is about twice. Called by `canary forecast`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from canary.core.demand import Demand
from canary.core.eprocess import Promise
from canary.core.gates import Gate
from canary.core.pacing import EARLIEST_PASS
from canary.core.spec import FULL, CanarySpec
from canary.core.statistics import (
    absolute,
    better_than_stable,
    design_effect,
    enough_against,
    enough_for,
    worse_than_stable,
)

REGRESSIONS = (0.01, 0.02, 0.05, 0.2, 0.5)
FEWEST = 2  # ticks before any verdict: no single one decides


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

    `passing` counts from the first weight. A gate that passes later than a step may take is too quiet to be waited for.
    """

    gate: str
    demand: Demand
    passing: float
    quiet: bool
    catches: tuple[Catch, ...]


def forecast(spec: CanarySpec, gates: Sequence[Gate], demand: Mapping[str, Demand]) -> tuple[Outlook, ...]:
    """Forecast every gate of which, by its name, the demand is known."""
    return tuple(_outlook(spec, gate, demand[gate.name]) for gate in gates if gate.name in demand)


def _outlook(spec: CanarySpec, gate: Gate, demand: Demand) -> Outlook:
    promise = gate.promise
    passing = _until(
        spec, enough_for(promise.beta), lambda share: _tick(spec, demand, share, demand.failure).speaks_for(promise)
    )
    passing = max(passing, EARLIEST_PASS.total_seconds())
    catches = tuple(_catch(spec, gate, demand, rate) for rate in REGRESSIONS)
    quiet = passing > spec.step_timeout.total_seconds()
    return Outlook(gate=gate.name, demand=demand, passing=passing, quiet=quiet, catches=catches)


def _catch(spec: CanarySpec, gate: Gate, demand: Demand, rate: float) -> Catch:
    promise = gate.promise
    enough = enough_against(promise.alpha, gate.share)
    seconds = _until(spec, enough, lambda share: _tick(spec, demand, share, rate).speaks_against(promise))
    harm = max(0.0, rate - demand.failure) * demand.rps  # each second, at full weight
    return Catch(rate=rate, seconds=seconds, failed=harm * _exposed(spec, seconds) if harm else 0.0)


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
        grows = max(min(max(absolute(promise.worse, n, f)), explained), worse)
        return min(grows, promise.cap)

    def speaks_for(self, promise: Promise) -> float:
        """Give the nats by which the best alternative for the release grows."""
        n, f, m, g = self.effective(promise.icc)
        surely = max(absolute(promise.better, n, f))
        beside = max(better_than_stable(n, f, m, g, promise.p_bad - promise.p0))
        return min(max(surely, beside), promise.pass_cap)


def _tick(spec: CanarySpec, demand: Demand, share: float, rate: float) -> _Tick:
    requests = demand.rps * spec.interval.total_seconds()
    n, m = share * requests, (1 - share) * requests
    return _Tick(n, rate * n, m, demand.failure * m)


def _until(spec: CanarySpec, enough: float, growth: Callable[[float], float]) -> float:
    """Give the seconds until so many nats have come together, in whole intervals."""
    interval = spec.interval.total_seconds()
    *before, (last, _) = _schedule(spec)
    spent = got = 0.0
    for share, seconds in before:
        each = growth(share)
        if got + each * seconds / interval >= enough:
            return max(spent + math.ceil((enough - got) / each) * interval, FEWEST * interval)
        got += max(0.0, each) * seconds / interval
        spent += seconds
    each = growth(last)
    return max(spent + math.ceil((enough - got) / each) * interval, FEWEST * interval) if each > 0 else math.inf


def _exposed(spec: CanarySpec, seconds: float) -> float:
    """Integrate the canary's share of the traffic over the first so many seconds."""
    total = 0.0
    for share, lasts in _schedule(spec):
        total += share * max(0.0, min(seconds, lasts))
        seconds -= lasts
    return total


def _schedule(spec: CanarySpec) -> list[tuple[float, float]]:
    """List the steps below 1000m as shares of the traffic, each with the seconds it stands; the last one has no end."""
    interval = spec.interval.total_seconds()
    dwell = math.ceil(spec.dwell.total_seconds() / interval) * interval
    *before, last = [step / FULL for step in spec.steps if step < FULL] or [1.0]
    return [*((share, dwell) for share in before), (last, math.inf)]
