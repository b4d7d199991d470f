"""Cumulative counters as scraped -> what was counted since the last reading, each request once.

Called by `intake` once per reading. Never `rate` or `increase`: they extrapolate and miss a series' first value.
A reading must be whole: every series of the families and targets in it, for the same question as the reading before;
where the question changes, or a rollout begins, begin with fresh(). A *target* is one proxy (labels `instance` and
`pod`: a pod label named `instance` takes the place of the address), a *family* a metric name. Per series:

- A sample not newer than the last one used is ignored: it is late, or from a second Prometheus behind the same address.
- A smaller value than before is a reset and counts from zero.
- Missing while its target goes on, it was dropped by the proxy as idle; if it comes back, it counts from zero.
- Seen for the first time, it counts from zero if its target was scraped before it was there, or if a pod that it names
  was born in this rollout; else only what comes after its first sample.
- Where all series of a target are exchanged for others, its pod was relabelled: theirs are old values.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Self, TypeAlias

Sample: TypeAlias = tuple[float, float]
"""Scrape time in Unix seconds, cumulative value."""
SeriesKey: TypeAlias = tuple[str, str, str]
"""Family, target, and the other labels as one text: compact, for there are thousands."""

MOST = 2.0**53
"""A counter that stands here or above counts no single request any more: it is no proxy's."""
MEMORY = 3600.0
"""Seconds after which a series that is gone is forgotten."""
IDLE = 600.0
"""Seconds without requests after which a proxy drops a series: LINKERD2_PROXY_METRICS_RETAIN_IDLE."""
BREAK = 120.0
"""Seconds without a reading after which nobody can say that a series was missing."""
EARLY = 60.0
"""Seconds before the first reading within which a pod still counts as born in this rollout: it begins with its pods."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a reading: its labels, `__name__` among them, and its raw samples in ascending order."""

    labels: Mapping[str, str]
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Increment:
    """What one series of a reading has counted since the last one. `le` is spelt as by Prometheus 3."""

    labels: Mapping[str, str]
    value: float
    total: float = 0.0
    """The counter as it stands, for what is a difference of two counters: open requests."""


class _Going(NamedTuple):
    """A target that goes on: its last scrape used before, and its newest one."""

    used: float
    newest: float


_Offered: TypeAlias = dict[SeriesKey, tuple[Mapping[str, str], tuple[Sample, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What is remembered between readings. Times in Unix seconds; None before the first reading."""

    last: Mapping[SeriesKey, Sample] = field(default_factory=dict)
    """The last sample used of each series; value 0: whatever comes next counts fully."""
    begun: float | None = None
    taken: float | None = None
    steady: float | None = None
    """Since when readings have come without a break."""

    @classmethod
    def fresh(cls) -> Self:
        """Know nothing: the next reading is the baseline."""
        return cls()

    @property
    def newest(self) -> float | None:
        """Say when the newest sample was scraped: the age of what is known."""
        return max((at for at, _ in self.last.values()), default=None)


def advance(
    before: Counters, reading: Iterable[Series], *, at: float, born: Mapping[str, float]
) -> tuple[Counters, list[Increment]]:
    """Count what `reading`, taken at `at`, adds. `born` gives the creation times of pods by name, as far as known.

    The first reading counts only within its own window: a caller who wants a baseline drops its increments.
    """
    offered = _keyed(reading)
    begun = at if before.begun is None else before.begun
    steady = at if before.taken is None or before.steady is None or at - before.taken > BREAK else before.steady
    going = _going(before.last, offered)
    known = {key[:2] for key in before.last}
    oldest = max(begun - EARLY, at - MEMORY)  # a pod born later cannot have been seen and forgotten again
    last: dict[SeriesKey, Sample] = {}
    increments: list[Increment] = []
    for key, (labels, samples) in offered.items():
        was = before.last.get(key)
        if was is None:
            first, target = samples[0], key[:2]
            if target in going:
                new = going[target].used < first[0] <= going[target].newest
            else:
                new = target not in known and _born(labels, born) > oldest
            was = (-math.inf, 0.0) if new else first
        value, last[key] = _count(was, samples)
        increments.append(Increment(labels=labels, value=value, total=last[key][1]))
    for key, was in before.last.items():
        if key not in offered and (kept := _missing(was, going.get(key[:2]), at, steady)) is not None:
            last[key] = kept
    return Counters(last=last, begun=begun, taken=at, steady=steady), increments


def bound(labels: Mapping[str, str]) -> float | None:
    """Read the bound of a bucket; None where there is none, or none that is a number."""
    try:
        value = float(labels.get("le", "nan"))
    except ValueError:
        return None
    return None if math.isnan(value) else value


def _counts(sample: Sample) -> bool:
    return 0 <= sample[1] < MOST


def _keyed(reading: Iterable[Series]) -> _Offered:
    """Name each series, without what is no count (NaN, huge, stale markers); two spellings of one name are merged."""
    offered: _Offered = {}
    for series in reading:
        samples = series.samples if all(map(_counts, series.samples)) else tuple(filter(_counts, series.samples))
        if not samples:
            continue
        labels = _canonical(series.labels)
        key = _key(labels)
        if key in offered:
            samples = tuple(sorted(offered[key][1] + samples))
        offered[key] = (labels, samples)
    return offered


def _canonical(labels: Mapping[str, str]) -> Mapping[str, str]:
    """Spell `le` in one way: Prometheus 2 writes "300" where 3 writes "300.0", and may be upgraded in mid-rollout."""
    value = bound(labels) if "le" in labels else None
    if value is None:
        return labels
    le = "+Inf" if value == math.inf else str(value)
    return labels if le == labels["le"] else {**labels, "le": le}


def _key(labels: Mapping[str, str]) -> SeriesKey:
    target = labels.get("instance", "")
    target = target and f"{target} {labels.get('pod', '')}"
    return labels.get("__name__", ""), target, "\0".join(sorted(map("=".join, labels.items())))


def _born(labels: Mapping[str, str], born: Mapping[str, float]) -> float:
    """Say since when a series can have counted at most: the younger one of client and server."""
    return max(born.get(labels.get(name, ""), -math.inf) for name in ("pod", "dst_pod"))


def _going(last: Mapping[SeriesKey, Sample], offered: _Offered) -> dict[tuple[str, str], _Going]:
    """Find the targets that go on under labels known before. Without `instance` a target cannot be told from others."""
    going: dict[tuple[str, str], _Going] = {}
    for key, (_, samples) in offered.items():
        if key in last and key[1]:
            used, newest = going.get(key[:2], (0.0, 0.0))
            going[key[:2]] = _Going(max(used, last[key][0]), max(newest, samples[-1][0]))
    return going


def _count(was: Sample, samples: Iterable[Sample]) -> tuple[float, Sample]:
    """Walk the samples in order, so that a reset between two of them is seen."""
    counted, (used_at, used) = 0.0, was
    shown = math.inf
    for at, value in samples:
        # A drop that this answer's own samples do not show is no reset, but another Prometheus whose clock is behind.
        if at > used_at and (value >= used or value < shown):
            counted += value - used if value >= used else value
            used_at, used = at, value
        shown = value
    return counted, (used_at, used)


def _missing(was: Sample, target: _Going | None, at: float, steady: float) -> Sample | None:
    """Say what to remember of a series that the reading does not have: nothing if its target goes on without it."""
    if at - was[0] > MEMORY or (target is not None and target.newest > was[0]):
        return None
    if at - max(was[0], steady) > IDLE:
        return was[0], 0.0  # nothing beside it tells, but it was looked for all the time
    return was
