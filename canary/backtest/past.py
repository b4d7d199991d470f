"""What a Canary's service counted in a period of the past, interval by interval, from a Prometheus.

Read in chunks, each with one query per family, and cut into the readings that the controller would have taken: memory
is bounded by a chunk, however long the period. Counted as in a rollout.
"""

import math
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple

from canary.backtest.recording import Over
from canary.core import counters as counting
from canary.core.counters import Counters, Increment
from canary.core.counts import Counts, Revisions, Version, What, at_client, count, origin
from canary.core.intake import scope_for
from canary.core.questions import FindBounds, ReadCounters, Reading, Scope
from canary.core.snapshot import Key
from canary.core.spec import CanarySpec
from canary.runtime.ports import Clock, Metrics
from canary.runtime.readings import LOOKBACK, Readings, until

CHUNK: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A part of the past on Prometheus' clock, in Unix seconds."""

    begin: float
    end: float


class Origin(NamedTuple):
    """Whose requests were counted. `revision` is the pod-template-hash, `route` "" for the service."""

    side: Version
    revision: str
    route: str
    pod: str


class Counted(NamedTuple):
    """What became of them in one interval; `over` as in a recording."""

    requests: float
    failures: float
    over: Over
    refused: float = 0.0


class Interval(NamedTuple):
    """What was counted after `begin`, until `end`; only what is not nothing."""

    begin: float
    end: float
    counted: dict[Origin, Counted]


class Past:
    """One service's past. `scrape` is Prometheus' scrape interval."""

    def __init__(self, metrics: Metrics, clock: Clock, scrape: timedelta) -> None:
        self._back = LOOKBACK * scrape
        # a chunk's first reading looks back, too
        self._readings = Readings(metrics, clock, (CHUNK + LOOKBACK * scrape) / LOOKBACK)

    async def now(self) -> float:
        """Tell the time on Prometheus' clock. Raises MetricsUnreachable, as all here."""
        return await self._readings.now()

    async def cuts(self, spec: CanarySpec, key: Key, at: float) -> tuple[tuple[float, ...], Scope]:
        """Give the latency buckets of that time, and whose counters the gates need where they are cut at these."""
        found = (await self._readings.bounds(FindBounds(scope=scope_for(spec, key.namespace, ()), at=at))).bounds
        return found, scope_for(spec, key.namespace, found)

    async def intervals(self, scope: Scope, period: Period, step: timedelta) -> AsyncIterator[Interval]:
        """Count interval by interval; the first reading is the baseline."""
        counters, client = Counters.fresh(), False
        async for reading in self._taken(scope, period, step.total_seconds()):
            met = client or at_client(reading.series, scope)
            # who is first counted at its servers and then at its clients would be counted from two beginnings
            before, client = counters if met == client else Counters.fresh(), met
            counters, increments = counting.advance(before, reading.series, at=reading.at, born={})
            if before.taken is not None:
                yield Interval(before.taken, reading.at, _sorted(increments, scope, client=client))

    async def _taken(self, scope: Scope, period: Period, step: float) -> AsyncIterator[Reading]:
        steps = math.floor((period.end - period.begin) / step + 1e-9)
        each = max(1, round(CHUNK.total_seconds() / step))
        for first in range(0, steps + 1, each):
            moments = [period.begin + step * number for number in range(first, min(first + each, steps + 1))]
            chunk = await self._readings.read(ReadCounters(scope=scope, at=moments[-1], sent=False))
            for at in moments:
                yield Reading(at=at, series=until(chunk.series, at, self._back))


def _sorted(increments: Iterable[Increment], scope: Scope, *, client: bool) -> dict[Origin, Counted]:
    """Sort increments by whose requests they count, and count them."""
    groups: dict[Origin, list[Increment]] = {}
    for increment in increments:
        if increment.value:
            labels = increment.labels
            revision = labels.get("dst_pod_template_hash") or labels.get("pod_template_hash", "")
            at = origin(labels, scope, Revisions(stable=revision, canary=revision), client=client)
            if at is not None:
                groups.setdefault(Origin(at.version, revision, at.place, at.pod), []).append(increment)
    cuts = sorted(scope.bounds)
    found = {}
    for whose, group in groups.items():
        revisions = Revisions(stable=whose.revision, canary=whose.revision)
        counted = _counted(whose, count(group, scope, revisions, client=client), cuts)
        if counted.requests:
            found[whose] = counted
    return found


def _counted(whose: Origin, counts: Counts, cuts: Sequence[float]) -> Counted:
    at = (whose.side, whose.route)
    requests = counts.of(*at, What.ANSWERED)
    failures = min(requests, counts.of(*at, What.FAILED))
    timed = counts.of(*at, What.TIMED)
    slower = ((cut / 1000, min(requests, max(0.0, timed - counts.fast.get((*at, cut), 0.0)))) for cut in cuts)
    refused = min(requests - failures, counts.of(*at, What.REFUSED))
    return Counted(requests, failures, tuple(slower), refused)
