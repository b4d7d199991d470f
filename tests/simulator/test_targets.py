"""Targets are met by what they want, missed by anything worse, and few runs must contradict them."""

import math
from dataclasses import replace

import pytest

from canary.core.eprocess import Promise
from canary.simulator.calibration import FULL, OURS, Cell, plan
from canary.simulator.targets import Figure, judged, wishes
from canary.simulator.worlds import bad

PROMISE = Promise(p0=0.01, p_bad=0.02, delta=0.001)


def a_cell(world: str, runs: int = 1000, *, bad: bool = False) -> Cell:
    never = (math.inf,) * runs
    caught, passed, harmed = ((20.0,) * runs, never, (5.0,) * runs) if bad else (never, (80.0,) * runs, ())
    return Cell(rule=OURS, world=world, runs=runs, seed=1, passed=passed, caught=caught, late=0, harmed=harmed)


def cells(runs: int = 1000) -> dict[str, Cell]:
    """Make one of everything, as good as can be."""
    names = {world.name for world in bad(PROMISE)}
    return {world.name: a_cell(world.name, runs, bad=world.name in names) for world, _ in plan(PROMISE, FULL)}


def met(found: dict[str, Cell], *, ramp: bool = False, few: bool = False) -> dict[str, bool]:
    return {target.id: target.met for target in judged(found.values(), PROMISE, ramp=ramp, few=few)}


@pytest.mark.parametrize("ramp", [True, False])
def test_every_wish_is_about_a_world_that_is_played(ramp: bool) -> None:
    assert met(cells(), ramp=ramp) == {f"T{n}": True for n in range(1, 9)}


@pytest.mark.parametrize(
    ("target", "world", "change"),
    [
        ("T1", "0.9% at 1 rps", {"caught": (30.0,) * 4 + (math.inf,) * 996}),
        ("T1", "0.9% at 1 rps", {"late": 4}),
        ("T2", "alone at p0, 10 rps", {"caught": (30.0,) * 11 + (math.inf,) * 989}),
        ("T2", "both at 2 p0, 10 rps", {"caught": (30.0,) * 56 + (math.inf,) * 944}),
        ("T3", "R5b at 1000 rps, held", {"caught": (30.0,) * 21 + (math.inf,) * 979}),
        ("T4", "5% at 100 rps", {"caught": (20.0,) * 499 + (30.0,) * 501}),
        ("T5", "100% at 1000 rps", {"harmed": (3000.0,) * 1000}),
        ("T6", "20% at 10 rps", {"caught": (20.0,) * 899 + (60.0,) * 101}),
        ("T7", "5% at 1 rps", {"passed": (500.0,) + (math.inf,) * 999}),
        ("T7", "2% at 1 rps", {"passed": (500.0,) * 51 + (math.inf,) * 949}),
        ("T8", "0.5% at 1 rps", {"passed": (80.0,) * 499 + (math.inf,) * 501}),
    ],
)
def test_a_target_is_missed_by_what_is_just_worse(target: str, world: str, change: dict[str, object]) -> None:
    found = cells()
    found[world] = replace(found[world], **change)  # type: ignore[arg-type] # a row of the table
    assert [name for name, kept in met(found).items() if not kept] == [target]


def test_few_runs_do_not_miss_a_target_by_chance() -> None:
    found = cells(40)
    found["0.9% at 1 rps"] = replace(found["0.9% at 1 rps"], late=1)
    found["5% at 100 rps"] = replace(found["5% at 100 rps"], caught=(20.0,) * 19 + (30.0,) * 21)
    found["20% at 10 rps"] = replace(found["20% at 10 rps"], harmed=tuple([5.0, 12.0] * 20))
    assert all(met(found, few=True).values())
    assert [name for name, kept in met(found).items() if not kept] == ["T1", "T4", "T6"]


def test_nor_do_they_meet_one_that_they_contradict() -> None:
    found = cells(40)
    found["0.9% at 1 rps"] = replace(found["0.9% at 1 rps"], late=4)
    found["5% at 100 rps"] = replace(found["5% at 100 rps"], caught=(20.0,) * 5 + (30.0,) * 35)
    found["20% at 10 rps"] = replace(found["20% at 10 rps"], harmed=tuple([9.0, 12.0] * 20))
    assert [name for name, kept in met(found, few=True).items() if not kept] == ["T1", "T4", "T6"]


def test_a_ramp_is_to_harm_fewer_than_steps() -> None:
    harmed = [
        next(most for world, figure, most in wishes(PROMISE, ramp=ramp)["T5"] if figure is Figure.HARMED)
        for ramp in (True, False)
    ]
    assert harmed == [10, 120]
