"""The worlds in which the promises are tried: good and bad releases, exact boundaries, and eight rough ones.

Named and sized as the targets name them. The rough ones break what a theorem would need: incidents, bursts, failures
that come in groups, a late scrape, drift. Called by `targets` and `calibration`.
"""

from dataclasses import dataclass, replace
from random import Random
from typing import Final

from canary.core.counts import SERVICE, Version, What
from canary.core.eprocess import FLOOR, Promise
from canary.core.formats import show_share
from canary.core.history import correlation
from canary.core.spec import FULL
from canary.simulator.counting import Window
from canary.simulator.mesh import Mesh
from canary.simulator.scenario import Release, Route, Scenario, Trouble
from canary.simulator.trial import SERVING

TRAFFIC: Final = (1, 10, 100, 1000)
"""Requests per second."""
UNKNOWN: Final = 0.01  # the correlation that is taken where nothing is known
TICK: Final = 10.0
HISTORY: Final = 180  # ticks of stable's past from which the correlation is learned: half an hour
POD: Final = 0.1  # share of the traffic of the pod whose past is read
POOL: Final = 20  # pasts per world; runs take turns with them
HOUR: Final = 360  # ticks


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One cell of the table. `icc` is what is known of the correlation, None where it is learned from a past.

    With `held` the weight stays at it for `ticks` intervals, and only the evidence is asked; without, it is a rollout.
    With `shifts` the troubles come at another moment in each run.
    """

    name: str
    scenario: Scenario
    icc: float | None = FLOOR
    held: int | None = None
    ticks: int = HOUR
    shifts: bool = False
    bakes: bool = False
    """Whether a rollout is followed through its bake; without, until it has all traffic."""

    def scene(self, seed: int) -> Scenario:
        """Give the scenario of one run."""
        if not self.shifts:
            return self.scenario
        moved = tuple(replace(t, at=t.at + TICK * (seed % 12)) for t in self.scenario.troubles)
        return replace(self.scenario, troubles=moved)

    def on(self, routes: tuple[Route, ...]) -> "World":
        """Spread the traffic of rollouts over routes; a held gate is alone with its own."""
        return self if self.held else replace(self, scenario=replace(self.scenario, routes=routes))

    def correlations(self) -> tuple[float, ...]:
        """Give what runs of this world take for the correlation, in turns."""
        if self.icc is not None:
            return (self.icc,)
        return tuple(learned(self.scenario, seed) for seed in range(POOL))


def learned(scenario: Scenario, seed: int) -> float:
    """Learn the correlation from the past of one pod of stable."""
    mesh = Mesh(replace(scenario, traffic=POD * scenario.traffic), Random(seed), -TICK * HISTORY)  # noqa: S311 - chance
    window, cells = Window(mesh), list[tuple[float, float]]()
    while mesh.now < 0:
        mesh.pass_time(mesh.now + TICK, 0, SERVING)
        counts = window.counts()
        answered, failed = (counts.of(Version.STABLE, SERVICE, what) for what in (What.ANSWERED, What.FAILED))
        cells.append((answered, failed))
    found = correlation(cells, cells)
    return UNKNOWN if found is None else found


def release(traffic: float, stable: float, canary: float) -> Scenario:
    """Make a world of independent requests."""
    return Scenario(traffic=traffic, stable=Release(failure=stable), canary=Release(failure=canary))


def cell(rate: float, rps: float) -> str:
    """Name a world by the release's failure rate and the traffic."""
    return f"{show_share(rate)} at {rps:g} rps"


def good(promise: Promise) -> list[World]:
    """List releases that keep the promise and are as good as stable: at a tenth, a half and nine tenths of p0."""
    rates = [part * promise.p0 for part in (0.1, 0.5, 0.9)]
    return [
        World(name=cell(rate, rps), scenario=release(rps, rate, rate), bakes=True) for rps in TRAFFIC for rate in rates
    ]


def bad(promise: Promise) -> list[World]:
    """List releases that break it, beside a stable at a tenth of p0."""
    rates = {rps: {promise.p_bad} for rps in TRAFFIC}
    for rate, rps in ((0.05, 1), (0.05, 100), (0.05, 1000), (0.2, 10), (1.0, 100), (1.0, 1000)):
        rates[rps].add(rate)
    stable = 0.1 * promise.p0
    return [
        World(name=cell(rate, rps), scenario=release(rps, stable, rate))
        for rps, some in rates.items()
        for rate in sorted(some)
    ]


def boundaries(promise: Promise) -> list[World]:
    """List the worst that a null allows, held for four hours at 100m (without a control: at 1000m)."""
    p0, half = promise.p0, promise.p0 / 2
    pairs = [(f"both at p0, {rps} rps", release(rps, p0, p0), 100) for rps in TRAFFIC]
    pairs += [(f"stable + delta, {rps} rps", release(rps, half, half + promise.delta), 100) for rps in (100, 1000)]
    pairs += [(f"alone at p0, {rps} rps", release(rps, p0, p0), FULL) for rps in (1, 10, 100)]
    pairs += [(f"both at 2 p0, {rps} rps", release(rps, 2 * p0, 2 * p0), 100) for rps in (10, 100)]
    return [
        World(name=name, scenario=scenario, icc=0.0, held=weight, ticks=4 * HOUR) for name, scenario, weight in pairs
    ]


def rough(rps: float) -> list[World]:
    """List good releases among independent requests no more (statistics of the targets, R1 to R8)."""
    incident, bursts = Trouble(failure=0.1, at=0.0, lasts=120.0), Trouble(failure=0.2, lasts=10.0, share=0.02)
    calm, usual = release(rps, 0.001, 0.001), release(rps, 0.005, 0.005)
    late = replace(calm, canary=replace(calm.canary, late=10.0))
    scenarios = {
        "R1": replace(calm, troubles=(incident,)),
        "R2": replace(calm, troubles=(bursts,)),
        "R3": replace(calm, troubles=(replace(bursts, apart=True),)),
        "R4": replace(usual, unsteady=1.0),
        "R5": replace(usual, clusters=5),
        "R5b": replace(usual, clusters=20),
        "R6": replace(late, troubles=(incident,)),
        "R7": release(rps, 0.02, 0.02),
        "R8": replace(calm, drift=0.174),  # from 0.1 % to 3 % in ten minutes
    }
    return [
        World(name=f"{name} at {rps:g} rps", scenario=scenario, icc=None, shifts=name in ("R1", "R6"))
        for name, scenario in scenarios.items()
    ]


def held(rps: float) -> list[World]:
    """List the rough worlds that are hardest for a release that stays at 100m for an hour."""
    return [
        replace(world, name=f"{world.name}, held", held=100)
        for world in rough(rps)
        if world.name.split()[0] in ("R3", "R5", "R5b")
    ]
