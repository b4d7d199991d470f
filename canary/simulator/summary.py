"""Many runs as one table: how they ended, how long that took and what it cost."""

import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING

from canary.simulator.rollout import Ending, play

if TYPE_CHECKING:
    from collections.abc import Mapping

    from canary.simulator.scenario import Scenario

CHUNK = 8  # runs that a process takes at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The runs with one outcome and reason. Times in seconds; `harmed` as in `Ending`."""

    outcome: str
    reason: str
    runs: int
    share: float
    seconds: tuple[float, float]
    """Median and 90th percentile."""
    harmed: tuple[float, float]
    seeds: tuple[int, ...]
    """The first few, for playing one of them alone."""


def play_many(canary: "Mapping[str, object]", scenario: "Scenario", seeds: Sequence[int], jobs: int) -> list[Ending]:
    """Play a run for each seed, on so many processes; the order is that of the seeds."""
    if jobs == 1:
        return [play(canary, scenario, seed) for seed in seeds]
    with ProcessPoolExecutor(jobs, mp_context=get_context("forkserver")) as pool:
        count = len(seeds)
        return list(pool.map(play, [canary] * count, [scenario] * count, seeds, chunksize=CHUNK))


def summarise(endings: Sequence[Ending]) -> list[Share]:
    """Group runs by how they ended, the most frequent first."""
    groups: dict[tuple[str, str], list[Ending]] = {}
    for ending in endings:
        groups.setdefault((ending.outcome, ending.reason), []).append(ending)
    return [
        Share(
            outcome=outcome,
            reason=reason,
            runs=len(group),
            share=len(group) / len(endings),
            seconds=_typical(ending.seconds for ending in group),
            harmed=_typical(ending.harmed for ending in group),
            seeds=tuple(ending.seed for ending in group[:3]),
        )
        for (outcome, reason), group in sorted(groups.items(), key=lambda item: -len(item[1]))
    ]


def _typical(values: Iterable[float]) -> tuple[float, float]:
    """Give the median and the 90th percentile, each a value that occurred."""
    ordered = sorted(values)
    return tuple(ordered[math.ceil(q * len(ordered)) - 1] for q in (0.5, 0.9))  # type: ignore[return-value] # two of them
