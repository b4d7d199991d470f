"""The shipped decisions in a simulated world: what should happen does, and a bug in them shows."""

from dataclasses import replace
from statistics import mean

import pytest

from canary.core import decide
from canary.core.counts import Version
from canary.core.decision import Decision
from canary.core.questions import Answers, Reading
from canary.core.snapshot import Snapshot
from canary.simulator import site
from canary.simulator.rollout import Ending, play
from canary.simulator.scenario import Loss, Release, Scenario, Trouble
from tests.canaries import a_canary, a_route, with_gates

QUICK = a_canary(bake="1m")
BAD = Scenario(canary=Release(failure=0.05))


def endings(canary: dict[str, object], scenario: Scenario, runs: int = 10) -> list[Ending]:
    return [play(canary, scenario, seed) for seed in range(runs)]


def outcomes(canary: dict[str, object], scenario: Scenario, runs: int = 10) -> set[tuple[str, str]]:
    return {(ending.outcome, ending.reason) for ending in endings(canary, scenario, runs)}


def test_a_good_release_is_promoted_and_harms_nobody() -> None:
    found = endings(QUICK, Scenario())
    assert {(ending.outcome, ending.peak, ending.harmed) for ending in found} == {("Promoted", 1000, 0.0)}


def test_a_bad_release_is_rolled_back_from_the_first_step() -> None:
    found = endings(QUICK, BAD)
    assert {(ending.outcome, ending.reason, ending.peak) for ending in found} == {("RolledBack", "SuccessRate", 100)}
    assert all(ending.seconds < 90 and ending.harmed < 60 for ending in found)


RAMP = a_canary(ramp={"budget": 100}, bake="1m")


@pytest.mark.parametrize("rps", [10, 100, 1000])
def test_a_ramp_promotes_a_good_release(rps: float) -> None:
    assert outcomes(RAMP, Scenario(traffic=rps), 5) == {("Promoted", "Promoted")}


@pytest.mark.parametrize(("rps", "first"), [(10, 100), (100, 40), (1000, 4), (10_000, 1)])
def test_a_ramp_begins_where_the_budget_bears_it(rps: float, first: int) -> None:
    peaks = [ending.peak for ending in endings(RAMP, Scenario(traffic=rps, canary=Release(failure=1.0)))]
    assert all(abs(peak - first) <= max(1, 0.2 * first) for peak in peaks)


def test_under_a_ramp_a_bad_release_costs_as_much_whatever_the_traffic() -> None:
    for rps in (100, 1000):
        found = endings(RAMP, Scenario(traffic=rps, canary=Release(failure=0.05)), 20)
        assert {(ending.outcome, ending.reason) for ending in found} == {("RolledBack", "SuccessRate")}
        assert mean(ending.harmed for ending in found) < 12  # about 8, and what a scrape is late


@pytest.mark.parametrize("evidence", [{"mode": "Threshold"}, {"mode": "Threshold", "window": "30s"}])
def test_a_threshold_promotes_the_good_and_rolls_back_the_bad(evidence: dict[str, str]) -> None:
    canary = a_canary(evidence=evidence, bake="1m")
    assert outcomes(canary, Scenario(), 4) == {("Promoted", "Promoted")}
    assert outcomes(canary, BAD, 4) == {("RolledBack", "SuccessRate")}


@pytest.mark.parametrize(
    ("canary", "scenario", "end"),
    [
        pytest.param(with_gates(unanswered="Rollback"), Scenario(canary=Release(hang=0.5)), "Unanswered", id="hangs"),
        pytest.param(with_gates(latency={"p99": "500ms"}), Scenario(canary=Release(slow=0.2)), "Latency", id="is slow"),
        pytest.param(QUICK, Scenario(canary=Release(failure=0.3, after=120)), "SuccessRate", id="fails later"),
        pytest.param(
            a_canary(stepTimeout="1m"), Scenario(canary=Release(start=300)), "CanaryNotReady", id="never ready"
        ),
    ],
)
def test_what_a_release_does_wrong_is_named(canary: dict[str, object], scenario: Scenario, end: str) -> None:
    assert outcomes(canary, scenario, 4) == {("RolledBack", end)}


def test_what_hits_both_sides_is_not_held_against_the_release() -> None:
    incident = Trouble(failure=0.1, at=60, lasts=120)
    assert outcomes(QUICK, Scenario(troubles=(incident,))) == {("Promoted", "Promoted")}


def test_a_canary_that_loses_its_pods_for_a_moment_gives_its_weight_back_and_goes_on() -> None:
    loss = Loss(side=Version.CANARY, at=40.0, lasts=20.0)
    weights: list[int] = []
    ending = play(QUICK, Scenario(losses=(loss,)), 1, lambda _, decision: weights.append(decision.status.weight))
    assert (ending.outcome, ending.harmed) == ("Promoted", 0.0)
    assert weights.index(0, weights.index(100)) > 0
    calm = play(QUICK, Scenario(), 1)
    assert ending.seconds >= calm.seconds + 20


def test_one_that_never_gets_them_back_is_rolled_back() -> None:
    lost = Loss(side=Version.CANARY, at=40.0, lasts=3600.0)
    assert outcomes(a_canary(stepTimeout="2m"), Scenario(losses=(lost,)), 2) == {("RolledBack", "CanaryNotReady")}


def test_a_gate_on_a_route_without_traffic_holds_until_the_deadline() -> None:
    canary = a_canary(gates={"routes": [a_route("POST /")]}, stepTimeout="5m", bake="1m")
    assert outcomes(canary, Scenario(), 2) == {("RolledBack", "StepTimeout")}


@pytest.mark.parametrize(
    ("slow", "end"), [pytest.param(0.0, ("Promoted", "Promoted")), pytest.param(0.3, ("RolledBack", "Latency"))]
)
def test_a_release_is_held_to_stable_s_latency(slow: float, end: tuple[str, str]) -> None:
    canary = a_canary(bake="1m", gates={"latency": {"slowdown": 1.5}})
    assert outcomes(canary, Scenario(traffic=100, canary=Release(slow=slow)), runs=3) == {end}


@pytest.mark.parametrize(
    ("scenario", "end"),
    [
        pytest.param(
            Scenario(stable=Release(refused=0.05), canary=Release(refused=0.2)),
            ("RolledBack", "ClientErrors"),
            id="more than stable",
        ),
        pytest.param(
            Scenario(
                stable=Release(refused=0.05),
                canary=Release(refused=0.05),
                troubles=(
                    Trouble(failure=0.0, refused=0.8, at=30.0, lasts=60.0),
                    Trouble(failure=0.0, refused=0.8, at=200.0, lasts=60.0),
                ),
            ),
            ("Promoted", "Promoted"),
            id="a storm on both, and one in the bake",
        ),
    ],
)
def test_a_release_is_held_to_stable_s_share_of_4xx(scenario: Scenario, end: tuple[str, str]) -> None:
    canary = a_canary(bake="2m", gates={"successRate": {"min": "99%"}, "clientErrors": "Gate"})
    assert outcomes(canary, scenario, runs=3) == {end}


def test_queries_are_taken_to_be_in_range() -> None:
    queries = [{"name": "low", "query": "x", "min": 0.5}, {"name": "high", "query": "x", "max": -1}]
    canary = a_canary(gates={"successRate": {"min": "99%"}, "queries": queries})
    assert outcomes(canary, Scenario(traffic=100), runs=1) == outcomes(a_canary(), Scenario(traffic=100), runs=1)


def test_the_same_seed_is_the_same_run() -> None:
    assert play(QUICK, BAD, 5) == play(QUICK, BAD, 5)
    assert len({play(QUICK, BAD, seed).harmed for seed in range(5)}) > 1


def blind(seen: Snapshot, answers: Answers) -> Decision:
    """See no failures: gates that are not armed."""
    return decide.decide(seen, {q: _spared(a) if isinstance(a, Reading) else a for q, a in answers.items()})


def _spared(reading: Reading) -> Reading:
    return replace(reading, series=tuple(s for s in reading.series if s.labels.get("classification") != "failure"))


def hasty(seen: Snapshot, answers: Answers) -> Decision:
    """Forget the dwell."""
    rollout = seen.status.rollout
    rushed = (
        seen
        if rollout is None
        else replace(seen, status=replace(seen.status, rollout=replace(rollout, dwelt=seen.spec.dwell)))
    )
    return decide.decide(rushed, answers)


@pytest.mark.parametrize("bug", [blind, hasty])
def test_a_bug_in_decide_shows_in_the_endings(bug: object, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = figures()
    monkeypatch.setattr(site, "decide", bug)
    assert figures() != sound


def figures() -> list[tuple[str, str, int, int]]:
    """Give what a table of good and bad releases is made of."""
    found = [ending for world in (BAD, Scenario()) for ending in endings(QUICK, world, 5)]
    return [(ending.outcome, ending.reason, ending.peak, round(ending.seconds)) for ending in found]


SLOW_TOO = {"latency": {"p99": "500ms", "failures": "Slow"}}


def test_failed_answers_count_as_slow_where_the_gate_says_so() -> None:
    failing = Scenario(traffic=100, canary=Release(failure=0.05))
    assert play(a_canary(gates=SLOW_TOO, bake="1m"), failing, 1).reason == "Latency"
    assert play(a_canary(gates={"latency": {"p99": "500ms"}}, bake="1m"), failing, 1).outcome == "Promoted"
