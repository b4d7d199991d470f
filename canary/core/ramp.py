"""Weights sized by risk: how much traffic a release may get if so many failures are what its user risks. Pure numbers.

Called by `pacing` and `forecast`. Rates are per request, traffic is in requests per second, shares of it in 0..1.
"""

import math
from datetime import timedelta

from canary.core.spec import FULL, Weight

FIRST = 0.1
"""The first weight is at most this share."""
MOST = 0.5
"""A ramp rises to this share; what follows needs PASS."""
LEAST_EXCESS = 0.002
"""However good a release looks, it may turn out to fail so much more than stable."""
TRICKLE = 1e-9  # requests per second that stand for none


def reaction(interval: timedelta, scrape: timedelta) -> float:
    """Give the seconds in which failures go on before a weight is taken back: 25 at 10 s intervals and scrapes.

    Two ticks, for no single one decides, and what a scrape is late on average, which is half its interval. Where
    scrapes are rarer than ticks, it is they that bring news.
    """
    return 2 * max(interval, scrape).total_seconds() + 0.5 * scrape.total_seconds()


def bearable(rps: float, react: float, budget: float, excess: float = 1.0) -> float:
    """Give the share of the traffic at which `budget` requests fail in `react` seconds if `excess` of them do."""
    return budget / (max(rps, TRICKLE) * react * excess)


def excess_of(bound: float, stable: float) -> float:
    """Say how much more than stable a release may fail, given the upper bound on its rate (statistics.md §6)."""
    return max(bound - stable, LEAST_EXCESS)


def first_weight(bearable_share: float) -> Weight:
    """Give the weight to begin with: all requests may fail, for nothing is known yet."""
    return milliunits(min(FIRST, bearable_share))


def next_weight(weight: Weight, bearable_share: float) -> Weight:
    """Give the weight after `weight`: at most the double, and half the traffic; less than it has where that risks more.

    It equals `weight`, or is below, where the ramp must wait.
    """
    return milliunits(min(MOST, 2 * weight / FULL, bearable_share))


def milliunits(share: float) -> Weight:
    """Round a share down to whole thousandths, of which there is at least one."""
    return max(1, math.floor(FULL * share + 1e-9))
