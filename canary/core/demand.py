"""What one gate sees of today's traffic, as far as stable's past tells. Made by `history`, used by `forecast`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Requests a second, those of releases before included, and the share of stable's that break the promise.

    `icc` is how far the requests of one tick break it together, 0 to 1 (statistics.md §3(g)); None: nothing is known.
    `seconds` is how long they were counted; 0 where they are somebody's word.
    """

    rps: float
    failure: float
    icc: float | None = None
    seconds: float = 0.0
