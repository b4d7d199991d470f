"""Plays every world so many times, under a Canary and under its peers' rules, and sums up what came out.

Seeds are all different within a rule. Called by `canary calibrate`; what is to come out says `targets`.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Final

from canary.core.eprocess import Promise
from canary.core.gates import Metric
from canary.core.manifest import parse_spec
from canary.errors import CanaryError
from canary.simulator import worlds
from canary.simulator.hold import crossing
from canary.simulator.peers import PEERS
from canary.simulator.scenario import Route
from canary.simulator.trial import Trial, prepare
from canary.simulator.worlds import World

OURS: Final = "canary"
CHUNK: Final = 20  # runs that a process takes at a time
STRIDE: Final = 1_000_000  # between the seeds of two worlds


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many runs each kind of world gets."""

    good: int
    bad: int
    rough: int
    boundary: int
    held: int

    def scaled(self, good: int) -> "Sizes":
        """Give the same proportions for so many runs of each good world."""
        part = good / self.good
        bad, rough, boundary, held = (
            max(1, round(part * runs)) for runs in (self.bad, self.rough, self.boundary, self.held)
        )
        return Sizes(good=good, bad=bad, rough=rough, boundary=boundary, held=held)


FULL: Final = Sizes(good=4000, bad=1000, rough=2000, boundary=1000, held=1000)
QUICK: Final = Sizes(good=50, bad=60, rough=20, boundary=10, held=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What came out of one world under one rule. Runs are listed in seconds, infinite where it did not happen."""

    rule: str
    world: str
    runs: int
    seed: int
    passed: tuple[float, ...]
    """Until all traffic."""
    caught: tuple[float, ...]
    """Until rolled back by evidence, before it had all traffic."""
    late: int
    """How many were rolled back by evidence after that."""
    harmed: tuple[float, ...]
    """Requests that failed in those that were caught."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Some runs of one world under one rule."""

    canary: Mapping[str, object]
    promise: Promise
    rule: str
    world: World
    seeds: range


def plan(promise: Promise, sizes: Sizes) -> list[tuple[World, int]]:
    """List all worlds with their runs."""
    rough = [world for rps in (100, 1000) for world in worlds.rough(rps)]
    held = [world for rps in (100, 1000) for world in worlds.held(rps)]
    kinds = (
        (worlds.good(promise), sizes.good),
        (worlds.bad(promise), sizes.bad),
        (rough, sizes.rough),
        (worlds.boundaries(promise), sizes.boundary),
        (held, sizes.held),
    )
    return [(world, runs) for some, runs in kinds for world in some]


def calibrate(
    canary: Mapping[str, object], sizes: Sizes, seed: int, jobs: int, tell: Callable[[int, int], None] | None = None
) -> list[Cell]:
    """Play everything. `tell` hears how many of all chunks are done. Raises CanaryError."""
    promise, routes = promise_of(canary), routes_of(canary)
    todo = [
        Job(
            canary=canary,
            promise=promise,
            rule=rule,
            world=world.on(routes),
            seeds=range(first, min(first + CHUNK, start + runs)),
        )
        for number, (world, runs) in enumerate(plan(promise, sizes))
        for rule in ([OURS] if world.held else [OURS, *PEERS])
        for start in [seed + number * STRIDE]
        for first in range(start, start + runs, CHUNK)
    ]
    done: list[list[Trial]] = []
    for trials in _played(todo, jobs):
        done.append(trials)
        if tell is not None:
            tell(len(done), len(todo))
    return _summed(todo, done)


def routes_of(canary: Mapping[str, object]) -> tuple[Route, ...]:
    """Let the routes that the Canary names share the traffic."""
    named = [place.route for place in parse_spec(canary).places if place.route]
    return tuple(Route(name=name, share=1 / len(named)) for name in named)


def promise_of(canary: Mapping[str, object]) -> Promise:
    """Find the promise about failures that the worlds try."""
    gate = next((g for g in prepare(canary, 0.0).gates if g.metric is Metric.SUCCESS_RATE), None)
    if gate is None:
        raise CanaryError("spec.gates: a successRate is needed: the worlds of a calibration are made of failures")
    return gate.promise


def _played(todo: Sequence[Job], jobs: int) -> Iterable[list[Trial]]:
    if jobs == 1:
        yield from map(run, todo)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("forkserver")) as pool:
        yield from pool.map(run, todo)


def run(job: Job) -> list[Trial]:
    """Play some runs."""
    world = job.world
    known = world.correlations() if job.rule == OURS else (0.0,)
    if world.held:
        promises = [_with(job.promise, icc) for icc in known]
        ends = [crossing(promises[s % len(known)], world.scene(s), s, world.ticks, world.held) for s in job.seeds]
        return [Trial(passed=None, failed=end, harmed=0.0) for end in ends]
    if job.rule != OURS:
        return [PEERS[job.rule].trial(world.scene(s), s, 1 - job.promise.p0) for s in job.seeds]
    stages = [prepare(job.canary, icc) for icc in known]
    return [stages[s % len(known)].trial(world.scene(s), s, bake=world.bakes) for s in job.seeds]


def _with(promise: Promise, icc: float) -> Promise:
    return Promise(
        p0=promise.p0, p_bad=promise.p_bad, delta=promise.delta, alpha=promise.alpha, beta=promise.beta, icc=icc
    )


def _summed(todo: Sequence[Job], done: Sequence[list[Trial]]) -> list[Cell]:
    groups: dict[tuple[str, str], list[Trial]] = {}
    seeds: dict[tuple[str, str], int] = {}
    for job, trials in zip(todo, done, strict=True):
        groups.setdefault((job.rule, job.world.name), []).extend(trials)
        seeds.setdefault((job.rule, job.world.name), job.seeds.start)
    return [_cell(rule, world, trials, seeds[rule, world]) for (rule, world), trials in groups.items()]


def _cell(rule: str, world: str, trials: Sequence[Trial], seed: int) -> Cell:
    caught = [t for t in trials if t.failed is not None and t.passed is None]
    return Cell(
        rule=rule,
        world=world,
        runs=len(trials),
        seed=seed,
        passed=_ordered(t.passed for t in trials),
        caught=_ordered(t.failed if t.passed is None else None for t in trials),
        late=sum(t.failed is not None and t.passed is not None for t in trials),
        harmed=tuple(t.harmed for t in caught),
    )


def _ordered(times: Iterable[float | None]) -> tuple[float, ...]:
    return tuple(sorted(math.inf if at is None else at for at in times))
