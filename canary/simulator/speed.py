"""How long one tick of a gate takes, and what its state is worth: the ninth target. Called by `report` and the bench.

The only figure of a calibration that depends on the machine: the least of many short measurements of this process' own
time, for whatever else runs only adds to it.
"""

import time
import timeit
from dataclasses import dataclass
from typing import Final

from canary.core.eprocess import Evidence, Interval, Promise, against, alone, doubt, fold, pass_value

REPEATS: Final = 100
TICKS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """One gate's tick in microseconds, the numbers of its checkpoint, and whether that restores it without loss."""

    tick: float
    numbers: int
    restored: bool


def measure(promise: Promise) -> Speed:
    """Time the folding and reading of an interval in the middle of a rollout."""
    start = Evidence.fresh()
    for failures in (0, 1, 0, 2):
        start = fold(promise, start, _interval(failures))
    intervals = [_interval(failures) for failures in (0, 1, 3, 0)]
    kept = Evidence.from_numbers(start.numbers())
    seconds = min(
        timeit.repeat(lambda: _ticks(promise, start, intervals), timer=time.process_time, number=1, repeat=REPEATS)
    )
    return Speed(tick=1e6 * seconds / TICKS, numbers=len(start.numbers()), restored=kept == start)


def _ticks(promise: Promise, start: Evidence, intervals: list[Interval]) -> None:
    for number in range(TICKS):
        evidence = fold(promise, start, intervals[number % len(intervals)])
        against(promise, evidence), alone(evidence), doubt(evidence), pass_value(promise, evidence) >= 1 / promise.beta


def _interval(failures: int) -> Interval:
    return Interval(
        canary_requests=100, canary_failures=failures, stable_requests=900, stable_failures=failures, weight=100
    )
