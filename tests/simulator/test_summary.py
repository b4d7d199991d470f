"""Runs are grouped by how they ended, and processes change nothing."""

from canary.simulator.rollout import Ending, play
from canary.simulator.scenario import Release, Scenario
from canary.simulator.summary import play_many, summarise
from tests.canaries import a_canary


def an_ending(seed: int, outcome: str, seconds: float, harmed: float = 0.0) -> Ending:
    return Ending(
        seed=seed, outcome=outcome, reason="why", message="", seconds=seconds, sent=9, harmed=harmed, peak=100
    )


def test_the_most_frequent_ending_comes_first_with_its_typical_figures() -> None:
    good = [an_ending(seed, "Promoted", seconds=float(seed)) for seed in range(1, 11)]
    first, second = summarise([an_ending(99, "RolledBack", 5.0, 7.0), *good])
    assert (first.outcome, first.runs, first.share, first.seconds, first.seeds) == (
        "Promoted", 10, 10 / 11, (5.0, 9.0), (1, 2, 3)
    )  # fmt: skip
    assert (second.outcome, second.reason, second.harmed, second.seeds) == ("RolledBack", "why", (7.0, 7.0), (99,))


def test_many_processes_find_what_one_finds() -> None:
    scenario = Scenario(canary=Release(failure=0.2))
    seeds = range(3, 13)
    assert play_many(a_canary(), scenario, seeds, 2) == [play(a_canary(), scenario, seed) for seed in seeds]
