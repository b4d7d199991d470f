"""The worlds of a calibration are what they are called."""

import pytest

from canary.core.eprocess import FLOOR, Promise
from canary.simulator.hold import crossing
from canary.simulator.scenario import Release, Scenario
from canary.simulator.worlds import UNKNOWN, World, bad, boundaries, good, held, learned, release, rough

PROMISE = Promise(p0=0.01, p_bad=0.02, delta=0.001)


def world(name: str) -> World:
    return next(w for rps in (100, 1000) for w in (*rough(rps), *held(rps)) if w.name == name)


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("R1 at 100 rps", FLOOR, 0.003),
        ("R3 at 100 rps", 0.1, 0.25),
        ("R4 at 100 rps", FLOOR, 0.015),
        ("R5 at 100 rps", 0.02, 0.07),
        ("R5b at 100 rps", 0.1, 0.3),
        ("R5b at 1000 rps", 0.01, 0.04),
    ],
)
def test_learned_correlation_is_that_of_the_failures(name: str, least: float, most: float) -> None:
    median = sorted(world(name).correlations())[10]
    assert least <= median <= most


def test_a_past_without_failures_teaches_nothing() -> None:
    assert learned(release(100, 0.0, 0.0), 1) == UNKNOWN


def test_names_are_all_different() -> None:
    names = [w.name for w in (*good(PROMISE), *boundaries(PROMISE), *rough(100), *held(100), *bad(PROMISE))]
    assert len(set(names)) == len(names)


def test_good_worlds_keep_the_promise_and_bad_ones_break_it() -> None:
    assert all(w.scenario.canary.failure < PROMISE.p0 for w in good(PROMISE))
    assert all(w.scenario.canary.failure >= PROMISE.p_bad for w in bad(PROMISE))


def test_an_incident_comes_at_another_moment_in_each_run() -> None:
    moments = {world("R1 at 100 rps").scene(seed).troubles[0].at for seed in range(24)}
    assert moments == {10.0 * tick for tick in range(12)}


class TestHeld:
    def test_a_broken_release_crosses_in_two_ticks(self) -> None:
        assert crossing(PROMISE, release(100, 0.001, 1.0), 1, 100, 100) == 20

    def test_a_broken_one_without_a_control_too(self) -> None:
        assert crossing(PROMISE, release(100, 0.001, 1.0), 1, 100, 1000) == 20

    def test_a_good_one_never_does(self) -> None:
        assert all(crossing(PROMISE, release(100, 0.001, 0.001), seed, 200, 100) is None for seed in range(5))

    def test_bursts_of_its_own_pass_for_a_bad_release_where_nothing_is_learned(self) -> None:
        """The worlds are rough enough to show it."""
        rowdy, naive = world("R3 at 100 rps, held"), Promise(p0=0.01, p_bad=0.02, delta=0.001, icc=0.0)
        wary = Promise(p0=0.01, p_bad=0.02, delta=0.001, icc=rowdy.correlations()[0])
        crossed = [sum(crossing(p, rowdy.scenario, s, 360, 100) is not None for s in range(12)) for p in (naive, wary)]
        assert crossed[0] > crossed[1] + 2


def test_late_counters_show_an_incident_of_both_sides_on_one_side_first() -> None:
    late = Scenario(canary=Release(failure=0.001, late=10.0))
    assert world("R6 at 100 rps").scenario.canary == late.canary
