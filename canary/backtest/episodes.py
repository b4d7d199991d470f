"""Into which episodes a past is cut: the releases that were in it, or periods of one length in which there was none.

Called by the command with one interval after the other, in order. `t` of a row is in seconds from its episode's begin;
up to 0 it is the half hour before, of stable alone, from which a rollout learns how far its requests fail together.
"""

import hashlib
import math
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from canary.backtest.past import Interval, Period
from canary.backtest.recording import Row
from canary.core.counts import Version
from canary.core.history import WINDOW
from canary.errors import CanaryError

TINY: Final = 1e-3  # seconds: times are sums of intervals
GAP: Final = 600.0  # seconds without a request after which a revision's release is over


class Episodes(Protocol):
    """Cuts a past."""

    def cut(self, seen: Interval) -> list[list[Row]]:
        """Give the rows of each interval that is now known to belong to an episode."""


def with_before(period: Period) -> Period:
    """Add what must be read for the episodes that begin with the period."""
    return Period(begin=period.begin - WINDOW.total_seconds(), end=period.end)


class _Lately:
    """Stable in the half hour before an episode."""

    def __init__(self) -> None:
        self._seen: deque[Interval] = deque()

    def add(self, seen: Interval) -> None:
        """Take one more interval in, and forget what is too long ago."""
        self._seen.append(seen)
        while self._seen[0].end <= seen.end - WINDOW.total_seconds():
            self._seen.popleft()

    def before(self, episode: str, begin: float) -> list[list[Row]]:
        """Give stable's rows, of whatever revision, until an episode's begin."""
        rows = (_rows(seen, episode, begin, _stable(seen)) for seen in self._seen if seen.end <= begin + TINY)
        return [interval for interval in rows if interval]


class Releases:
    """An episode for each release: from its first request until ten minutes pass without one, or the next begins.

    Stable is the revision that had most of stable's requests when it began.
    """

    def __init__(self, period: Period) -> None:
        self._from = period.begin
        self._lately = _Lately()
        self._seen: dict[str, float] = {}
        self._name = self._canary = ""
        self._stable: str | None = None
        self._begin = 0.0

    def cut(self, seen: Interval) -> list[list[Row]]:
        """Give the rows of the release that was on its way."""
        requests, found = _revisions(seen, Version.CANARY), []
        fresh = [revision for revision in requests if seen.end - self._seen.get(revision, -math.inf) > GAP]
        if fresh and seen.begin > self._from - TINY:
            self._canary = max(fresh, key=lambda revision: requests[revision])
            self._name = f"{self._canary or 'release'} at {_time(seen.begin)}"
            self._begin, self._stable = seen.begin, None
            found = self._lately.before(self._name, self._begin)
        self._lately.add(seen)
        self._seen |= dict.fromkeys(requests, seen.end)
        if not self._name or seen.end - self._seen.get(self._canary, -math.inf) > GAP:
            return found
        stable = _revisions(seen, Version.STABLE)
        if self._stable is None and stable:
            self._stable = max(stable, key=lambda revision: stable[revision])
        wanted = {(Version.CANARY, self._canary), (Version.STABLE, self._stable)}
        rows = _rows(seen, self._name, self._begin, wanted)
        return [*found, rows] if rows else found


class Periods:
    """Episodes of one length, of stable alone: whole ones, but one at least."""

    def __init__(self, period: Period, length: timedelta) -> None:
        self._begin, self._length = period.begin, length.total_seconds()
        self._most = max(1, math.floor((period.end - period.begin) / self._length))
        self._lately, self._number = _Lately(), -1

    def cut(self, seen: Interval) -> list[list[Row]]:
        """Give the rows of the period in which the interval lies."""
        number = math.floor((seen.begin - self._begin + TINY) / self._length)
        begin = self._begin + number * self._length
        found: list[list[Row]] = []
        if self._number < number < self._most:
            self._number, found = number, self._lately.before(_time(begin), begin)
        self._lately.add(seen)
        if not 0 <= number < self._most:
            return found
        rows = _rows(seen, _time(begin), begin, _stable(seen))
        return [*found, rows] if rows else found


def periods(rows: Sequence[Row], length: timedelta, interval: timedelta) -> Iterator[list[Row]]:
    """Cut one episode of a recording, in order of time, as `Periods` cuts a past.

    Its times count from its begin, unless they only begin after a whole period: then from its first interval.
    """
    long, first = length.total_seconds(), rows[0].t
    start = first - interval.total_seconds() if first > long else 0.0
    most = max(1, math.floor((rows[-1].t - start + TINY) / long))
    for number in range(most):
        begin = start + number * long
        name = rows[0].episode if most == 1 else f"{rows[0].episode} from {begin:g} s"
        low, high = begin - WINDOW.total_seconds() + TINY, begin + long + TINY
        yield [row._replace(episode=name, t=round(row.t - begin, 3)) for row in rows if low < row.t < high]


class Halves:
    """Stable's pods in two halves, one of which plays the canary: A/A. The same seed gives the same halves.

    A pod that comes later joins the smaller half.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._episode = ""
        self._sides: dict[str, Version] = {}
        self.most = 0
        """The most pods seen in one episode; with less than two nothing was compared."""

    def split(self, rows: Sequence[Row]) -> list[Row]:
        """Give stable's rows of one interval to the two halves; what was before stays as it is.

        Raises CanaryError where no pods are named.
        """
        mine = [row for row in rows if row.side is Version.STABLE]
        if mine and mine[0].t <= 0:
            return mine
        for episode in {row.episode for row in mine} - {self._episode}:
            self._episode, self._sides = episode, {}
        new = {row.pod for row in mine} - self._sides.keys()
        if "" in new:
            raise CanaryError("A/A needs the names of stable's pods, and some rows have none")
        for pod in sorted(new, key=self._lot):
            halves = list(self._sides.values())
            fewer = halves.count(Version.CANARY) < halves.count(Version.STABLE)
            self._sides[pod] = Version.CANARY if fewer else Version.STABLE
        self.most = max(self.most, len(self._sides))
        return [row._replace(side=self._sides[row.pod]) for row in mine]

    def _lot(self, pod: str) -> bytes:
        return hashlib.sha256(f"{self._seed} {self._episode} {pod}".encode()).digest()


def _revisions(seen: Interval, side: Version) -> dict[str, float]:
    """Give a side's requests by revision."""
    found: dict[str, float] = {}
    for whose, counted in seen.counted.items():
        if whose.side is side:
            found[whose.revision] = found.get(whose.revision, 0.0) + counted.requests
    return found


def _stable(seen: Interval) -> set[tuple[Version, str | None]]:
    return {(Version.STABLE, revision) for revision in _revisions(seen, Version.STABLE)}


def _rows(seen: Interval, episode: str, begin: float, wanted: set[tuple[Version, str | None]]) -> list[Row]:
    t = round(seen.end - begin, 3)
    return [
        Row(episode, t, whose.side, whose.route, whose.pod, *counted)
        for whose, counted in seen.counted.items()
        if (whose.side, whose.revision) in wanted
    ]


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
