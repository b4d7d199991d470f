"""What stable's past says of each gate: its traffic, what share of it breaks the promise, and whether in bursts.

Counters are folded as in a rollout, tick by tick and pod by pod (statistics.md §3(g)). Read once when a rollout begins,
by the runtime's readings, and by `canary forecast`. Nothing here decides.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeAlias

from canary.core import counters as counting
from canary.core.counters import Counters, Increment, Series
from canary.core.counts import Counts, Revisions, Version, at_client, count
from canary.core.demand import Demand
from canary.core.edges import ENOUGH, Edge, choose, partner
from canary.core.eprocess import FLOOR
from canary.core.expectation import expecting
from canary.core.gates import Gate, Metric, gates, unmeasured
from canary.core.questions import History, Scope
from canary.core.spec import CanarySpec
from canary.core.statistics import FEWEST_CELLS, PAIR, icc_moment
from canary.core.status import Armed, CanaryStatus

WINDOW = timedelta(minutes=30)
TICK = timedelta(seconds=10)
CEILING = 0.2
"""The greatest correlation that is believed: it covers 2 % of ticks with a fifth of failures, and failures in
clusters of 20 (statistics.md §5.5, R3 and R5b). One crash of a pod would show 0.4, with which nothing passes in time.
"""

Cell: TypeAlias = tuple[float, float]
"""Requests and failures of one tick."""


def armed_gates(spec: CanarySpec, status: CanaryStatus) -> tuple[Gate, ...]:
    """List the gates as a rollout judges by them: with what was learned when it began, fixed for all of it."""
    rollout, book = status.rollout, status.book
    if rollout is None or not rollout.learned:
        return gates(spec, book.bounds, edges=book.edges)
    if rollout.armed is not None and rollout.armed.of == (spec, book.bounds, rollout.learned, book.edges):
        return rollout.armed.gates
    return armed(spec, book.bounds, rollout.learned, book.edges)


def remember(spec: CanarySpec, status: CanaryStatus, found: tuple[Gate, ...]) -> CanaryStatus:
    """Keep the gates that `armed_gates` found for the ticks that follow, as long as the rollout runs."""
    rollout, book = status.rollout, status.book
    if rollout is None or not rollout.learned or (rollout.armed is not None and rollout.armed.gates is found):
        return status
    kept = Armed((spec, book.bounds, rollout.learned, book.edges), found)
    return replace(status, rollout=replace(rollout, armed=kept))


def armed(
    spec: CanarySpec, bounds: tuple[float, ...], learned: Mapping[str, Demand], edges: tuple[Edge, ...] = ()
) -> tuple[Gate, ...]:
    """List the gates with what was learned of each, by its name."""
    return expecting(spec, gates(spec, bounds, correlations(learned), edges), learned)


def correlations(learned: Mapping[str, Demand]) -> tuple[tuple[str, float], ...]:
    """List the gates of which the correlation is known."""
    return tuple((name, demand.icc) for name, demand in learned.items() if demand.icc is not None)


@dataclass(slots=True)
class _Lately:
    """What one gate saw of stable: in all, in each tick, and in each tick of each pod. `served` counts both sides."""

    served: float = 0.0
    requests: float = 0.0
    failures: float = 0.0
    ticks: list[Cell] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)


class Ticks:
    """What some gates saw, tick by tick, of stable; of the releases before only how much of the traffic they had."""

    def __init__(self, judged: Sequence[Gate]) -> None:
        self._seen = {gate: _Lately() for gate in judged}
        self._cut: set[tuple[str, float]] = set()

    def add(self, parts: Sequence[Counts]) -> None:
        """Take in the counts of one tick, of each revision."""
        for gate, lately in self._seen.items():
            sums = [counts.failing(gate, Version.STABLE) for counts in parts]
            requests, failures = sum(n for n, _ in sums), sum(f for _, f in sums)
            lately.served += requests + sum(counts.failing(gate, Version.CANARY)[0] for counts in parts)
            lately.requests += requests
            lately.failures += failures
            lately.ticks.append((requests, failures))
            cells = (its.failing(gate, Version.STABLE) for counts in parts for its in counts.pods.values())
            lately.cells += [cell for cell in cells if cell[0] >= PAIR]
        self._cut |= {(place, bound) for counts in parts for _, place, bound in counts.fast}

    def demand(self, seconds: float) -> dict[str, Demand]:
        """Give what each gate saw in so many seconds, as far as it had requests: of stable's, enough to choose by."""
        return {
            gate.name: Demand(
                rps=lately.served / seconds,
                failure=lately.failures / lately.requests,
                icc=correlation(lately.ticks, lately.cells),
                seconds=seconds,
            )
            for gate, lately in self._seen.items()
            if lately.requests > 0 and (gate.beside is None or lately.requests >= ENOUGH) and self._was_cut(gate)
        }

    def _was_cut(self, gate: Gate) -> bool:
        """Tell whether there was the latency bucket that the gate is judged at: some installations keep only a few."""
        return gate.metric is not Metric.LATENCY or gate.over is None or (gate.place, gate.over) in self._cut


def candidates(spec: CanarySpec, bounds: tuple[float, ...]) -> tuple[Gate, ...]:
    """List the gates while nothing is chosen, with one for each bucket bound at which a slowdown may be measured."""
    edges = [
        Edge(place=gate.place, bound=bound, tail=0.0)
        for gate in filter(unmeasured, gates(spec, bounds))
        for bound in bounds
        if partner(bound, gate.factor, bounds) is not None
    ]
    return gates(spec, bounds, edges=tuple(edges))


def recalled(spec: CanarySpec, bounds: tuple[float, ...], found: Mapping[str, Demand]) -> History:
    """Choose where a slowdown is measured from what all candidates saw, and keep what is told of the gates judged."""
    tails: dict[str, dict[float, float]] = {}
    for gate in candidates(spec, bounds):
        demand = found.get(gate.name)
        if gate.beside is not None and demand is not None:
            tails.setdefault(gate.place, {})[gate.beside] = demand.failure
    edges: list[Edge] = []
    for gate in filter(unmeasured, gates(spec, bounds)):
        if gate.place in tails:
            edges += choose(gate.place, gate.factor, bounds, tails[gate.place].__getitem__)
    names = {gate.name for gate in gates(spec, bounds, edges=tuple(edges))}
    kept = {name: each for name, each in found.items() if name in names}
    return History(demand=kept, edges=tuple(edges), bounds=bounds)


class Past:
    """Folds readings of both sides, of whatever revision, in order of time; `bounds` are the buckets there are."""

    def __init__(self, spec: CanarySpec, bounds: tuple[float, ...], scope: Scope) -> None:
        self._spec, self._bounds = spec, bounds
        self._scope, self._ticks = scope, Ticks(candidates(spec, bounds))
        self._counters = Counters.fresh()
        self._since, self._until = math.inf, -math.inf

    def take(self, at: float, series: Sequence[Series]) -> None:
        """Take in a reading at `at` (Unix seconds); the first one tells only where the counters stood."""
        first = self._until == -math.inf
        self._counters, increments = counting.advance(self._counters, series, at=at, born={})
        if self._since == math.inf and series:
            self._since = at if first else min(one.samples[0][0] for one in series)
        self._until = at
        if not first:
            client = at_client(series, self._scope)
            parts = self._by_revision(increments)
            self._ticks.add([count(part, self._scope, own, client=client) for own, part in parts])

    def told(self) -> History:
        """Give what each gate saw; rates are over the time in which Prometheus knew the service."""
        return recalled(self._spec, self._bounds, self._ticks.demand(self._until - self._since))

    def _by_revision(self, increments: Iterable[Increment]) -> list[tuple[Revisions, list[Increment]]]:
        parts: dict[str, list[Increment]] = {}
        for one in increments:
            revision = one.labels.get("dst_pod_template_hash") or one.labels.get("pod_template_hash", "")
            parts.setdefault(revision, []).append(one)
        return [(Revisions(stable=revision, canary=revision), part) for revision, part in parts.items() if revision]


def correlation(ticks: Sequence[Cell], cells: Sequence[Cell]) -> float | None:
    """Learn how far requests fail together: within a tick of a pod where pods have the traffic for it, else in a tick.

    A burst of one pod is what a canary of one pod would be condemned for, and the side's sum would thin it out.
    """
    if sum(n >= PAIR for n, _ in ticks) < FEWEST_CELLS:
        return None
    found = icc_moment(cells)
    found = icc_moment(ticks) if found is None else found
    return None if found is None else min(CEILING, max(FLOOR, found))
