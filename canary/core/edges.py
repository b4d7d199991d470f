"""Where a slowdown is measured: at bucket bounds chosen from stable's latencies, before a request is judged by them.

If the canary is at most k times slower than stable, then P(canary > b') <= P(stable > b) for every b' >= k b: stable is
counted over an edge b, and the canary over the edge's `partner` b', the least bound that is k times as great
(statistics.md §3(d)). Any edges are valid that do not depend on what is counted afterwards; these have power, for some
of stable's answers are over each. Called by `gates` and `intake`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

TAILS: Final = (0.3, 0.05, 0.01)
"""The shares of stable's answers over the edges that are looked for: half-way, and the tail."""
FEWEST, MOST = 0.002, 0.6
"""An edge is of use while at least and at most these shares of stable's answers are over it."""
ENOUGH = 100.0
"""Answers of stable by which edges are chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A bound in milliseconds, and the share of stable's answers at `place` that was over it when it was chosen."""

    place: str
    bound: float
    tail: float

    @property
    def margin(self) -> float:
        """How many more of the canary's answers must be ruled out before it passes: twice stable's tail, in bounds."""
        return min(0.05, max(0.01, self.tail))


def partner(bound: float, factor: float, bounds: Iterable[float]) -> float | None:
    """Find the bound at which the canary is counted."""
    # 1.1 * 10.0 is a little more than 11.0
    return min((b for b in bounds if b >= factor * bound * (1 - 1e-9)), default=None)


def choose(place: str, factor: float, bounds: Sequence[float], tail: Callable[[float], float]) -> tuple[Edge, ...]:
    """Choose an edge for each of TAILS, as far as the bounds have different ones; `tail` gives stable's share over one.

    Where no bound is of use, the one that comes nearest. None at all where no bound has a partner.
    """
    known = [Edge(place=place, bound=b, tail=tail(b)) for b in bounds if partner(b, factor, bounds) is not None]
    useful = [edge for edge in known if FEWEST <= edge.tail <= MOST]
    if not useful:
        return tuple(sorted(known, key=_uselessness)[:1])
    found: list[Edge] = []
    for wanted in TAILS:
        left = [edge for edge in useful if edge not in found]
        found += sorted(left, key=lambda e: _apart(e.tail, wanted))[:1]
    return tuple(sorted(found, key=lambda e: e.bound))


def _uselessness(edge: Edge) -> tuple[float, float]:
    """Order by the distance from what is of use; of those that all answers are over the greatest bound comes first."""
    if edge.tail > MOST:
        return math.log(edge.tail / MOST), -edge.bound
    return _apart(edge.tail, FEWEST), edge.bound


def _apart(tail: float, wanted: float) -> float:
    return abs(math.log(max(tail, 1e-9) / wanted))
