"""The gates of a spec: one promise about one metric of one place, its share of the evidence, and where latency is cut.

Follows from the spec and the bucket bounds alone, so that nothing about them needs remembering but evidence under their
names. Called by `intake`, `gather` and what words messages, several times a tick.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final, assert_never

from canary.core.edges import Edge, partner
from canary.core.eprocess import Promise
from canary.core.spec import (
    CanarySpec,
    ClientErrors,
    FailedResponses,
    Latency,
    Place,
    Risk,
    Slowdown,
    SuccessRate,
)


class Metric(StrEnum):
    """What a gate measures."""

    SUCCESS_RATE = "success rate"
    LATENCY = "p99 latency"
    SLOWDOWN = "latency beside stable"
    CLIENT_ERRORS = "client errors"


# p99 as counts over a limit (design.md §5): 1 % may be slower, 2 % must be ruled out, 0.1 points over stable are
# tolerated
SLOW = SuccessRate(p0=0.01, p_bad=0.02, delta=0.001)
EARLIEST_PASS: Final = timedelta(seconds=60)
"""PASS counts from then on after the first weight: caches are cold and leaks are small before."""
SLOWER = 0.005  # of the requests may be slower than stable's at an edge, beyond the factor (statistics.md §3(d))
MORE_REFUSED = SuccessRate(p0=0.01, p_bad=0.06, delta=0.01)
"""Answers 4xx: a point more than stable's is tolerated, five points more must be ruled out. Users err at any rate, and
the less one rules out the longer it takes where they often do: at 20 % five points take 2,000 requests."""
PROXY_BOUNDS: Final = tuple(float(n * 10**power) for power in range(5) for n in range(1, 6))
"""Latency bucket bounds of Linkerd's proxy, in milliseconds. An installation may keep only some of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One promise. `share` is its part of the merged evidence; all shares of a Canary add up to 1.

    For latency, requests over `over` milliseconds are surely slower than the limit and speak against the release; those
    within `within` are surely faster and speak for it. None where no bucket bound is that great, or none is known.
    Failed responses count with `failures_slow`, as slow ones. The rollout waits for PASS of those that are `required`.
    `expected` words the forecast, where there is one, and `late` says that PASS may take longer than a step.

    For a slowdown, the canary's requests over `over` are held against stable's over `beside`; both are None until an
    edge is chosen. `factor` is how many times as late is tolerated.
    """

    name: str
    place: str
    metric: Metric
    promise: Promise
    share: float
    limit: float = 0.0
    over: float | None = None
    within: float | None = None
    failures_slow: bool = False
    required: bool = True
    late: bool = False
    expected: str = ""
    beside: float | None = None
    factor: float = 0.0

    @property
    def split(self) -> bool:
        """Whether failing and passing are judged at different bounds.

        With evidence of their own (statistics.md §3(c)).
        """
        return self.metric is Metric.LATENCY and self.over != self.within

    @property
    def pass_name(self) -> str:
        """The name of the evidence for promotion."""
        return f"{self.name}, passing" if self.split else self.name


@lru_cache(maxsize=256)
def gates(
    spec: CanarySpec,
    bounds: tuple[float, ...],
    correlated: tuple[tuple[str, float], ...] = (),
    edges: tuple[Edge, ...] = (),
) -> tuple[Gate, ...]:
    """List the gates of `spec`: the service's share half the evidence, the routes the other half in equal parts.

    `correlated` gives, by name, the intra-tick correlation of those of which stable's past tells it; `edges` are
    where slowdowns are measured, which share what such a gate has of the evidence.
    """
    routes = sum(1 for place in spec.places if place.route)
    service = len(spec.places) > routes
    found: list[Gate] = []
    for place in spec.places:
        part = (0.5 if service and routes else 1.0) / (max(1, routes) if place.route else 1)
        found += _at(place, part, spec.risk, bounds)
        if isinstance(place.latency, Slowdown):
            mine = tuple(edge for edge in edges if edge.place == place.route)
            found += _beside(place, place.latency, part / _metrics(place), spec.risk, _Cut(bounds, mine))
        if place.client_errors is ClientErrors.GATE:
            found.append(_no_more_refused(place, part / _metrics(place), spec.risk))
    learned = dict(correlated)
    return tuple(_correlated(gate, learned[gate.name]) if gate.name in learned else gate for gate in found)


def _correlated(gate: Gate, icc: float) -> Gate:
    return replace(gate, promise=replace(gate.promise, icc=icc))


def unmeasured(gate: Gate) -> bool:
    """Tell whether a slowdown has no edge yet, and so counts nothing."""
    return gate.metric is Metric.SLOWDOWN and gate.beside is None


def _metrics(place: Place) -> int:
    latency, refused = place.latency is not None, place.client_errors is ClientErrors.GATE
    return (place.success_rate is not None) + latency + refused


@dataclass(frozen=True, slots=True)
class _Cut:
    """Where latency can be cut, and where a slowdown is."""

    bounds: tuple[float, ...]
    edges: tuple[Edge, ...]


def _beside(place: Place, rule: Slowdown, share: float, risk: Risk, cut: _Cut) -> list[Gate]:
    """List a slowdown's gates, one for each edge; one that counts nothing while there is none."""
    name = f"{place.route or 'service'}: {Metric.SLOWDOWN}"
    gate = Gate(
        name=name,
        place=place.route,
        metric=Metric.SLOWDOWN,
        promise=_no_slower(0.01, risk),
        share=share,
        failures_slow=rule.failures is FailedResponses.SLOW,
        factor=rule.factor,
    )
    return [
        replace(
            gate,
            name=f"{name} over {edge.bound:g} ms",
            promise=_no_slower(edge.margin, risk),
            share=share / len(cut.edges),
            beside=edge.bound,
            over=partner(edge.bound, rule.factor, cut.bounds),
        )
        for edge in cut.edges
    ] or [gate]


def _no_slower(margin: float, risk: Risk) -> Promise:
    p0 = SLOW.p0
    return Promise(p0=p0, p_bad=p0 + margin, delta=SLOWER, alpha=risk.alpha, beta=risk.beta, relative=True)


def _no_more_refused(place: Place, share: float, risk: Risk) -> Gate:
    promise = replace(_promise(MORE_REFUSED, risk), relative=True, controlled=True)
    name = f"{place.route or 'service'}: {Metric.CLIENT_ERRORS}"
    return Gate(name=name, place=place.route, metric=Metric.CLIENT_ERRORS, promise=promise, share=share)


def _at(place: Place, part: float, risk: Risk, bounds: Sequence[float]) -> list[Gate]:
    metrics = [rule for rule in (place.success_rate, place.latency) if rule is not None]
    share = part / _metrics(place)
    where = place.route or "service"
    found = []
    for rule in metrics:
        match rule:
            case SuccessRate():
                promise = _promise(rule, risk)
                name = f"{where}: {Metric.SUCCESS_RATE}"
                found.append(
                    Gate(name=name, place=place.route, metric=Metric.SUCCESS_RATE, promise=promise, share=share)
                )
            case Latency():
                limit = rule.limit.total_seconds() * 1000
                over, within = around(limit, bounds)
                name = f"{where}: {Metric.LATENCY}"
                found.append(
                    Gate(
                        name=name,
                        place=place.route,
                        metric=Metric.LATENCY,
                        promise=_promise(SLOW, risk),
                        share=share,
                        limit=limit,
                        over=over,
                        within=within,
                        failures_slow=rule.failures is FailedResponses.SLOW,
                    )
                )
            case Slowdown():
                pass  # takes several
            case _:
                assert_never(rule)
    return found


def around(limit: float, bounds: Sequence[float]) -> tuple[float | None, float | None]:
    """Find the bucket bounds on either side of `limit`: (least bound >= limit, greatest bound <= limit)."""
    at = bisect_left(bounds, limit)
    over = bounds[at] if at < len(bounds) else None
    if over == limit:
        return over, over
    return over, bounds[at - 1] if at > 0 else None


@lru_cache(maxsize=256)
def remarks(spec: CanarySpec, bounds: tuple[float, ...] = ()) -> tuple[str, ...]:
    """Word which limits lie between two bucket bounds, by those of the proxy where none are known yet."""
    return tuple(
        f"{gate.name}: {gate.limit:g} ms is judged {_at_bound(gate.over)} and passed {_at_bound(gate.within)},"
        f" the nearest bucket bounds; choose {_choice(gate)}"
        for gate in gates(spec, bounds or PROXY_BOUNDS)
        if gate.split
    )


def _at_bound(bound: float | None) -> str:
    return "never" if bound is None else f"at {bound:g} ms"


def _choice(gate: Gate) -> str:
    return " or ".join(f"{bound:g}ms" for bound in (gate.within, gate.over) if bound is not None)


def _promise(rule: SuccessRate, risk: Risk) -> Promise:
    return Promise(p0=rule.p0, p_bad=rule.p_bad, delta=rule.delta, alpha=risk.alpha, beta=risk.beta)
