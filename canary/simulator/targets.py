"""What a calibration must show, T1 to T9, and whether it does.

The wanted values hold for the default promise (99 %, 98 % passes, 0.1 points over stable, 10 s) under the default
steps, or under a ramp with a budget of 100. For another Canary they are the measure that it is held against.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

from canary.core.eprocess import Promise
from canary.simulator import worlds
from canary.simulator.calibration import OURS, Cell
from canary.simulator.worlds import cell

CONFIDENT: Final = 0.01  # chance at which few runs contradict a target that is kept
QUANTILE: Final = 2.33  # of the normal distribution, for the same chance


class Figure(StrEnum):
    """What is read off a cell. Seconds count from the first weight, infinite for runs that did not get there."""

    FALSE = "rolled back"
    UNPASSED = "rolled back before it had all traffic"
    MISSED = "given all traffic"
    MEDIAN = "seconds to the rollback, median"
    P90 = "seconds to the rollback, 90th percentile"
    HARMED = "failed requests, mean"
    PASSED = "seconds to all traffic, median"

    @property
    def share(self) -> bool:
        """Whether it is a share of the runs."""
        return self in (Figure.FALSE, Figure.UNPASSED, Figure.MISSED)


Wish: TypeAlias = tuple[str, Figure, float]
"""World, figure, and what it may be at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One figure of one target."""

    world: str
    figure: Figure
    wanted: float
    got: float
    runs: int
    met: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A promise of the whole design, and how it was kept."""

    id: str
    wanted: str
    got: str
    met: bool
    parts: tuple[Part, ...]


WORST: Final = frozenset({"T1", "T2", "T3"})
"""Targets with one limit for every world: the worst of them is told."""
TITLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "T1": "a good release is rolled back",
        "T2": "at the exact boundary, four hours: rolled back",
        "T3": "in rough worlds, with the correlation learned: a good release is rolled back",
        "T4": "a bad release is rolled back",
        "T5": "a bad release under heavy traffic is rolled back",
        "T6": "few requests, or few failures: it is rolled back",
        "T7": "a bad release is missed, and found with little traffic",
        "T8": "a good release gets all traffic",
        "T9": "one tick of a gate",
    }
)


def wishes(promise: Promise, *, ramp: bool) -> dict[str, list[Wish]]:
    """List what T1 to T8 want of each world."""
    p_bad, p0 = promise.p_bad, promise.p0
    boundaries = [(w.name, 0.055 if "2 p0" in w.name else 0.01) for w in worlds.boundaries(promise)]
    rough = [w.name for rps in (100, 1000) for w in (*worlds.rough(rps), *worlds.held(rps))]
    first, second = cell(0.05, 100), cell(0.05, 1000)
    return {
        "T1": [(w.name, Figure.FALSE, 0.003) for w in worlds.good(promise)],
        "T2": [(name, Figure.FALSE, most) for name, most in boundaries],
        "T3": [(name, Figure.UNPASSED, 0.02) for name in rough],
        "T4": _caught(first, *((30, 50, 10) if ramp else (20, 40, 14))),
        "T5": [
            *_caught(second, *((30, 50, 10) if ramp else (20, 30, 120))),
            *_caught(cell(1.0, 1000), 20, 20, 100 if ramp else 2200),
        ],
        "T6": [
            *_caught(cell(0.2, 10), 30, 50, 8),
            *_caught(cell(p_bad, 100), 60, 120 if ramp else 100, 13),
        ],
        "T7": [
            *((cell(p_bad, rps), Figure.MISSED, 0.05) for rps in worlds.TRAFFIC),
            (cell(0.05, 1), Figure.MISSED, 0.0),
            *_caught(cell(0.05, 1), *((480, 840, 11) if ramp else (660, 1200, 9))),
        ],
        "T8": [
            (cell(0.9 * p0, 100), Figure.PASSED, 100 if ramp else 150),
            (cell(0.9 * p0, 1000), Figure.PASSED, 150 if ramp else 120),
            (cell(0.9 * p0, 10), Figure.PASSED, 360 if ramp else 420),
            (cell(0.5 * p0, 1), Figure.PASSED, 960 if ramp else 1080),
        ],
    }


def _caught(world: str, median: float, p90: float, harmed: float) -> list[Wish]:
    return [(world, Figure.MEDIAN, median), (world, Figure.P90, p90), (world, Figure.HARMED, harmed)]


def read(found: Cell, figure: Figure) -> float:
    """Read a figure off a cell."""
    caught = sum(map(math.isfinite, found.caught))
    match figure:
        case Figure.FALSE:
            return (caught + found.late) / found.runs
        case Figure.UNPASSED:
            return caught / found.runs
        case Figure.MISSED:
            return sum(map(math.isfinite, found.passed)) / found.runs
        case Figure.MEDIAN | Figure.P90:
            return _quantile(found.caught, figure)
        case Figure.PASSED:
            return _quantile(found.passed, figure)
        case Figure.HARMED:
            return sum(found.harmed) / len(found.harmed) if found.harmed else 0.0


def _rank(figure: Figure) -> float:
    return 0.9 if figure is Figure.P90 else 0.5


def _quantile(ordered: Sequence[float], figure: Figure) -> float:
    return ordered[math.ceil(_rank(figure) * len(ordered)) - 1]


def judged(cells: Iterable[Cell], promise: Promise, *, ramp: bool, few: bool) -> list[Target]:
    """Hold T1 to T8 against what came out. With `few` runs a target is missed only where they contradict it."""
    ours = {found.world: found for found in cells if found.rule == OURS}
    return [
        _target(name, [_part(ours[world], figure, wanted, few=few) for world, figure, wanted in some])
        for name, some in wishes(promise, ramp=ramp).items()
    ]


def _part(found: Cell, figure: Figure, wanted: float, *, few: bool) -> Part:
    got = read(found, figure)
    met = got <= wanted or (few and not _contradicted(found, figure, wanted))
    return Part(world=found.world, figure=figure, wanted=wanted, got=got, runs=found.runs, met=met)


def _contradicted(found: Cell, figure: Figure, wanted: float) -> bool:
    """Tell whether a kept target would hardly ever give such runs."""
    if figure is Figure.HARMED:
        count, mean = len(found.harmed), read(found, figure)
        spread = math.sqrt(sum((x - mean) ** 2 for x in found.harmed) / max(1, count - 1) / max(1, count))
        return mean - QUANTILE * spread > wanted
    if figure.share:
        return _tail(round(read(found, figure) * found.runs), found.runs, wanted) < CONFIDENT
    times = found.passed if figure is Figure.PASSED else found.caught
    return _tail(sum(at > wanted for at in times), len(times), 1 - _rank(figure)) < CONFIDENT


def _tail(least: int, n: int, p: float) -> float:
    """Give the chance of at least so many of n."""
    return sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(least, n + 1))


def _target(name: str, parts: Sequence[Part]) -> Target:
    met = all(part.met for part in parts)
    if name in WORST:
        worst = max(parts, key=lambda part: part.got / part.wanted)
        most = " or ".join(f"{share:.1%}" for share in sorted({part.wanted for part in parts}))
        wanted, got = f"{TITLES[name]} in at most {most}", f"{worst.got:.2%} at worst: {worst.world}"
        return Target(id=name, wanted=wanted, got=got, met=met, parts=tuple(parts))
    wanted = f"{TITLES[name]}: at most {_listed(parts, lambda part: part.wanted)}"
    return Target(id=name, wanted=wanted, got=_listed(parts, lambda part: part.got), met=met, parts=tuple(parts))


def _listed(parts: Sequence[Part], value: Callable[[Part], float]) -> str:
    """List figures, world by world."""
    told = {
        world: ", ".join(_words(p.figure, value(p)) for p in parts if p.world == world)
        for world in dict.fromkeys(part.world for part in parts)
    }
    return "; ".join(f"{world}: {words}" for world, words in told.items())


def _words(figure: Figure, value: float) -> str:
    match figure:
        case Figure.MEDIAN | Figure.PASSED:
            return show_seconds(value)
        case Figure.P90:
            return f"{show_seconds(value)} (p90)"
        case Figure.HARMED:
            return f"{value:.4g} failed"
        case _:
            return f"{value:.1%} missed"


def show_seconds(value: float) -> str:
    """Write seconds, or that it never happened."""
    return "never" if math.isinf(value) else f"{value:.0f} s"
