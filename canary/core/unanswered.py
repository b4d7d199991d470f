"""Requests that never get an answer: no response counter shows them, so a release that hangs would look silent.

Called by `core.book` once per reading and place; the success-rate and latency gates of a place get its `excess`. *Open*
is requests minus responses as a side's counters stand. Little's law makes of stable's open requests a mean time that a
request stays open, and of that what the canary may have open at its rate. A hard rule with measured false alarms, no
e-process.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from canary.core.eprocess import BAKE

STREAM = 30.0
"""Seconds that a request of stable may stay open on average, before the place is taken for one of long streams."""
LEAST = 20.0
"""Open requests too many that are needed at least: few may be chance."""
IN_A_ROW = 3
"""Readings that must agree."""
NUMBERS = 4
"""The length of a checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One side of one place at a reading."""

    open: float
    """Requests minus responses, as the counters stand."""
    sent: float
    """Requests since the reading before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequests:
    """What is remembered of a place in a rollout."""

    open_time: float | None = None
    """Seconds that a request stays open on stable, the last time that stable was a control."""
    requests: float = 0.0
    """Sent to the canary in this rollout."""
    excess: float = 0.0
    """The canary's open requests beyond what open_time and chance explain: what PASS is discounted by."""
    in_a_row: int = 0
    """Readings, up to the last one, whose excess was too great."""

    @classmethod
    def fresh(cls) -> Self:
        """Know nothing yet."""
        return cls()

    @property
    def streams(self) -> bool:
        """Whether the rule is off, for stable itself keeps requests open; to be said in status."""
        return self.open_time is not None and self.open_time > STREAM

    @property
    def hung(self) -> bool:
        """Whether the release leaves requests unanswered: a hard reason to roll back."""
        return self.in_a_row >= IN_A_ROW

    def observe(
        self, canary: Standing, stable: Standing, *, seconds: float, weight: int, p_bad: float
    ) -> "OpenRequests":
        """Take in a reading, `seconds` after the one before. `weight` is the canary's, `p_bad` what its gate rules out.

        Where stable never was a control there is nothing to compare with, and nothing is said.
        """
        if seconds <= 0:
            return self
        open_time = self.open_time
        if weight < BAKE and stable.sent > 0:
            open_time = max(0.0, stable.open) * seconds / stable.sent
        now = OpenRequests(open_time=open_time, requests=self.requests + canary.sent)
        if open_time is None or now.streams:
            return now
        excess = unanswered_excess(canary.open, canary.sent / seconds, open_time)
        in_a_row = self.in_a_row + 1 if too_many(excess, now.requests, p_bad) else 0
        return replace(now, excess=excess, in_a_row=in_a_row)

    def numbers(self) -> tuple[float, float, float, float]:
        """Give the checkpoint, which from_numbers takes back; -1 stands for no open time yet."""
        return -1.0 if self.open_time is None else self.open_time, self.requests, self.excess, float(self.in_a_row)

    @classmethod
    def from_numbers(cls, numbers: Sequence[float]) -> Self:
        """Restore a checkpoint; raises ValueError for one that no reading can have left."""
        if len(numbers) != NUMBERS:
            raise ValueError(f"open requests have {NUMBERS} numbers, not {len(numbers)}")
        open_time, requests, excess, in_a_row = numbers
        if not all(0 <= x < math.inf for x in (requests, excess, in_a_row)) or in_a_row != int(in_a_row):
            raise ValueError(f"{tuple(numbers)} is no state of open requests")
        if open_time != -1 and not 0 <= open_time < math.inf:
            raise ValueError(f"an open time of {open_time} s is none")
        return cls(
            open_time=None if open_time == -1 else float(open_time),
            requests=float(requests),
            excess=float(excess),
            in_a_row=int(in_a_row),
        )


def unanswered_excess(open_canary: float, rate_canary: float, open_time: float) -> float:
    """Give the canary's open requests beyond what stable's open time and three standard deviations explain."""
    expected = rate_canary * open_time
    return max(0.0, open_canary - expected - 3 * math.sqrt(expected + 1))


def too_many(excess: float, requests: float, p_bad: float) -> bool:
    """Tell whether one reading speaks for a hanging release, after `requests` sent to the canary in this rollout."""
    return excess >= max(LEAST, p_bad * requests)
