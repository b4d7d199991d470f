"""The engine of an e-process: capital spread over alternatives and over start times, multiplied tick by tick.

Called by `core.eprocess`. Valid for any factors of mean <= 1 (`core.statistics`, theorem 4): a mixture of them is a
fair bet. Half of the capital is bet at the first tick, the rest little by little, so that a regression that begins
late (a leak, load) is not hidden behind a long good history. No tick moves a bet by more than a cap: two bad ticks
are needed at least.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self, TypeAlias

from canary.core.statistics import ODDS

FIRST, LAG = 0.5, 30.0
"""The share of the cash that is bet at the first tick; at tick t it is 1/(t + LAG)."""
FLOOR, CEILING = -700.0, 1e200
"""What a float can hold: the least log factor of a tick, the greatest capital on one alternative."""

Row: TypeAlias = tuple[float, ...]
"""Capital per alternative."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Capital against several nulls, a row for each; the rows share one schedule of bets, and so the cash."""

    cash: float
    bets: int
    rows: tuple[Row, ...]

    @classmethod
    def fresh(cls, rows: int) -> Self:
        """Begin with the unit capital in cash."""
        return cls(1.0, 0, ((0.0,) * len(ODDS),) * rows)

    def numbers(self) -> tuple[float, ...]:
        """Give the checkpoint."""
        return (self.cash, float(self.bets), *(w for row in self.rows for w in row))

    def values(self) -> tuple[float, ...]:
        """Give the e-value of each row."""
        return tuple([self.cash + sum(row) for row in self.rows])

    def bet(self, cap: float, *logs: Iterable[float]) -> "Ledger":
        """Stake some more cash, then let one tick multiply what is at stake; a list of log factors for each row."""
        stake = self.cash * (1.0 / (self.bets + LAG) if self.bets else FIRST)
        each = stake / len(ODDS)
        rows = tuple([multiply(row, factors, cap, each) for row, factors in zip(self.rows, logs, strict=True)])
        return Ledger(self.cash - stake, self.bets + 1, rows)


def multiply(row: Row, logs: Iterable[float], cap: float, stake: float = 0.0) -> Row:
    """Add `stake` to each alternative, then multiply it by its factor, by e^cap at most."""
    factors = [math.exp(FLOOR if log < FLOOR else min(cap, log)) for log in logs]
    pairs = zip(row, factors, strict=True)
    return tuple([grown if (grown := (w + stake) * factor) < CEILING else CEILING for w, factor in pairs])
