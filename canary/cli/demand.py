"""What each gate of a Canary saw lately, by the controller's own counting. Used by `canary forecast`.

Counters are read minute by minute, as raw series, and folded as in a rollout, so that a pod that restarted or vanished
meanwhile is counted rightly.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from canary.core import counters as counting
from canary.core.counters import Counters, Increment, Series
from canary.core.counts import Counts, Revisions, Version, at_client, count
from canary.core.forecast import Demand
from canary.core.gates import Gate, gates
from canary.core.intake import scope_for
from canary.core.questions import FindBounds, ReadCounters, Scope
from canary.core.snapshot import Key
from canary.core.spec import CanarySpec
from canary.runtime.readings import Readings

STEP = timedelta(minutes=1)


async def measured(
    readings: Readings, spec: CanarySpec, key: Key, now: float, window: timedelta
) -> tuple[tuple[Gate, ...], Mapping[str, Demand]]:
    """Give the gates, and the demand of each that had requests in the `window` before `now` (Prometheus' clock).

    Rates are over the part of the window in which Prometheus knew the service. Raises MetricsUnreachable.
    """
    found = (await readings.bounds(FindBounds(scope=scope_for(spec, key.namespace, ())))).bounds
    judged, asked = gates(spec, found), scope_for(spec, key.namespace, found)
    steps = max(1, round(window / STEP))
    moments = [now - STEP.total_seconds() * left for left in range(steps, -1, -1)]
    taken = [(at, (await readings.read(ReadCounters(scope=asked, at=at))).series) for at in moments]
    return judged, _demand(judged, _totals(taken, asked), now - _known(taken))


def _known(taken: Sequence[tuple[float, Sequence[Series]]]) -> float:
    """Say since when the service is counted: from the first reading on, or what a later one brings of its past."""
    (first, there), *later = taken
    samples = (series.samples[0][0] for _, found in later for series in found if series.samples)
    return first if there else min(samples, default=-math.inf)


def _totals(taken: Sequence[tuple[float, Sequence[Series]]], scope: Scope) -> list[Counts]:
    """Fold the readings; stable's revisions are told apart, as one may have replaced another."""
    counters = Counters.fresh()
    increments: list[Increment] = []
    for number, (at, series) in enumerate(taken):
        counters, more = counting.advance(counters, series, at=at, born={})
        increments += more if number else []  # the first only tells where the counters stood
    everything = [series for _, found in taken for series in found]
    client = at_client(everything, scope)
    return [
        count(increments, scope, Revisions(stable=revision, canary=""), client=client)
        for revision in _revisions(everything, scope)
    ]


def _revisions(series: Iterable[Series], scope: Scope) -> set[str]:
    stable = scope.stable
    return {
        s.labels.get("dst_pod_template_hash") or s.labels.get("pod_template_hash", "")
        for s in series
        if s.labels.get("dst_service") == stable.service or s.labels.get("deployment") == stable.deployment
    } - {""}


def _demand(judged: Iterable[Gate], totals: Sequence[Counts], seconds: float) -> dict[str, Demand]:
    found = {}
    for gate in judged:
        pairs = [counts.failing(gate, Version.STABLE) for counts in totals]
        requests, failures = (sum(column) for column in zip(*pairs, strict=True)) if pairs else (0.0, 0.0)
        if requests > 0:
            found[gate.name] = Demand(rps=requests / seconds, failure=failures / requests)
    return found
