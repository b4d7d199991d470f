"""The gates of a Canary over one recorded episode: the shipped counts, evidence and judgement, tick by tick.

Used by the command, once per episode. The split stands in no counter, so the weight is what the requests show
(`Split`). Requests without an answer are in no recording: what `gates.unanswered` would do is not replayed.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Final, TypeAlias

from canary.backtest.recording import Row
from canary.core import book as books
from canary.core.book import Book
from canary.core.counts import SERVICE, Counts, Version, What
from canary.core.gates import EARLIEST_PASS, gates
from canary.core.history import Ticks, armed, candidates, recalled
from canary.core.judgement import GateView, Judgement, Verdict, judge
from canary.core.spec import FULL, CanarySpec, Weight

Tick: TypeAlias = tuple[float, Sequence[Row]]
"""The time at which an interval ended, and its rows."""
Tell: TypeAlias = Callable[[str, float, Judgement], None]
"""Hears of each tick: the episode, its time, what the gates said then."""

ALONE: Final = 10  # canary requests in an interval with none on stable: the split is at 1000m
MOST_EMPTY: Final = 1000  # intervals without a row in one go that are folded: more change nothing
SIGMAS: Final = 4.0  # beyond which an interval's share is another split's


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What would have been decided over one episode. Times as the recording has them; None: never.

    Fail wherever the evidence crosses, even after PASS; `seconds` is from the canary's first interval to the decision.
    """

    episode: str
    decision: Verdict
    at: float | None
    seconds: float | None
    passed: float | None
    """Seconds from the canary's first interval to the first PASS of all gates."""
    odds: float
    """The merged odds against the release, in the end."""
    culprits: tuple[str, ...]
    message: str
    ticks: int
    lasted: float
    """Seconds from the canary's first interval to the end of the episode, or to Fail."""
    gates: tuple[GateView, ...]
    before: float
    """Seconds of stable's past before the canary's first interval."""


def ticks(rows: Iterable[Row]) -> Iterator[Tick]:
    """Group rows of one episode, in order of time, by interval."""
    for t, group in groupby(rows, key=itemgetter(1)):
        yield t, tuple(group)


class Trial:
    """One episode on its way: ticks in, an outcome out.

    What comes before the canary's first request is stable's past: as before a rollout, it tells how far requests fail
    together, and which routes are too quiet to be waited for.
    """

    def __init__(self, spec: CanarySpec, cuts: tuple[float, ...], episode: str, tell: Tell | None = None) -> None:
        self._spec, self._cuts, self.episode, self._tell = spec, cuts, episode, tell
        self._gates = gates(spec, cuts)
        self._before, self._first = Ticks(candidates(spec, cuts)), math.inf
        self._book, self._split = Book(), Split()
        self._judgement = judge(self._book, self._gates, spec)
        self._begun: float | None = None
        self._passed: float | None = None
        self._last: float | None = None
        self._ticks = 0

    def see(self, tick: Tick) -> None:
        """Fold one interval in, and those before it of which there is no row, as zeros; after Fail nothing counts.

        The release would have been taken back.
        """
        t, rows = tick
        for missed in self._missed(t):
            self._fold(missed, Counts())
        self._fold(t, counted(rows))

    def _missed(self, t: float) -> list[float]:
        """List when intervals without a row ended since the last one that was seen."""
        interval, last = self._spec.interval.total_seconds(), t if self._last is None else self._last
        return [last + interval * number for number in range(1, min(MOST_EMPTY, round((t - last) / interval)))]

    def _fold(self, t: float, counts: Counts) -> None:
        if self._judgement.fault is not None:
            return
        interval = self._spec.interval.total_seconds()
        weight = self._split.see(counts)
        if self._begun is None and weight > 0:
            self._begun = t - interval if self._last is None else self._last
            self._arm(self._begun - self._first)
        if self._begun is None:
            self._before.add([counts])
            self._first = min(self._first, t - interval)
        self._book = books.fold(self._book, self._gates, counts, weight, self._spec.threshold)
        self._judgement = judge(self._book, self._gates, self._spec)
        self._last, self._ticks = t, self._ticks + 1
        early = self._lasted < EARLIEST_PASS.total_seconds()
        if self._passed is None and self._judgement.passed and not early:
            self._passed = self._lasted
        if self._tell is not None:
            self._tell(self.episode, t, self._judgement)

    def _arm(self, seconds: float) -> None:
        """Judge by what so many seconds of stable's past told, if there are any."""
        if seconds > 0:
            past = recalled(self._spec, self._cuts, self._before.demand(seconds))
            self._gates = armed(self._spec, self._cuts, past.demand, past.edges)

    @property
    def _lasted(self) -> float:
        return 0.0 if self._begun is None or self._last is None else self._last - self._begun

    def outcome(self) -> Outcome:
        """Say how it stands."""
        judgement, failed = self._judgement, self._judgement.fault is not None
        seconds = self._lasted if failed else self._passed
        return Outcome(
            episode=self.episode,
            decision=Verdict.FAIL if failed else Verdict.HOLD if seconds is None else Verdict.PASS,
            at=None if seconds is None or self._begun is None else self._begun + seconds,
            seconds=seconds,
            passed=self._passed,
            odds=max(judgement.against, judgement.alone),
            culprits=tuple(view.name for view in judgement.gates if view.verdict is Verdict.FAIL),
            message=judgement.message,
            ticks=self._ticks,
            lasted=self._lasted,
            gates=judgement.gates,
            before=max(0.0, self._begun - self._first) if self._begun is not None else 0.0,
        )


def counted(rows: Iterable[Row]) -> Counts:
    """Sum the rows of one interval as a reading of the counters would be."""
    counts = Counts()
    for row in rows:
        _add(counts, row)
        if row.pod:
            _add(counts.pods[row.side, row.pod], row)
    return counts


def _add(counts: Counts, row: Row) -> None:
    _, _, side, route, _, requests, failures, over, refused = row
    sums, fast = counts.sums, counts.fast
    sums[side, route, What.SENT] += requests
    sums[side, route, What.ANSWERED] += requests
    sums[side, route, What.FAILED] += failures
    sums[side, route, What.REFUSED] += refused
    if over:
        timed = requests - failures  # failed responses are kept apart: fast failures look fast
        sums[side, route, What.TIMED] += timed
        sums[side, route, What.FAILED_TIMED] += failures
        for seconds, slower in over:
            fast[side, route, seconds * 1000] += max(0.0, timed - slower)


class Split:
    """What the requests show of the weight: a level that stands until an interval does not fit it.

    By counts alone, never by outcomes, so that leaving out a comparison on its word does no harm (statistics.md §3.1).
    """

    def __init__(self) -> None:
        self._level: Weight = 0
        self._canary = self._total = 0.0

    def see(self, counts: Counts) -> Weight:
        """Take one interval in and give the weight at its end; 0 before the canary's first request."""
        canary, stable = _requests(counts)
        total = canary + stable
        if canary >= ALONE and stable == 0:
            self._level, self._canary, self._total = FULL, canary, total
        elif total and not self._fits(canary, total):
            self._level = min(FULL - 1, max(1, round(FULL * canary / total))) if canary else 0
            self._canary, self._total = canary, total
        else:
            self._canary += canary
            self._total += total
        return self._level

    def _fits(self, canary: float, total: float) -> bool:
        if self._level in (0, FULL):
            return canary == self._level * total / FULL
        known = self._total + 2  # one on each side, so that a first request alone proves nothing
        share = (self._canary + 1) / known
        spread = math.sqrt(total * share * (1 - share) * (1 + total / known))
        return abs(canary - total * share) <= SIGMAS * spread + 1


def _requests(counts: Counts) -> tuple[float, float]:
    """Count the requests of canary and stable: the service's, or those of all routes where it is not recorded."""
    found = [counts.of(side, SERVICE, What.SENT) for side in (Version.CANARY, Version.STABLE)]
    if not any(found):
        for (side, _, what), value in counts.sums.items():
            found[side is Version.STABLE] += value if what is What.SENT else 0.0
    return found[0], found[1]
