"""Rollouts on exact counts: they end as whole ones do, and a bug in the rules shows in them."""

from dataclasses import replace

import pytest

from canary.core import decide
from canary.core.facts import Facts
from canary.core.rules import Turn
from canary.simulator import trial
from canary.simulator.rollout import play
from canary.simulator.scenario import Release, Scenario
from canary.simulator.trial import Trial, prepare
from tests.canaries import a_canary, a_route, a_webhook, with_gates

QUICK = a_canary(bake="1m")
BAD = Scenario(canary=Release(failure=0.05))


def trials(canary: dict[str, object], scenario: Scenario, runs: int = 20) -> list[Trial]:
    stage = prepare(canary, 0.002)
    return [stage.trial(scenario, seed, bake=True) for seed in range(runs)]


def test_a_good_release_gets_all_traffic_and_is_not_taken_back() -> None:
    found = trials(QUICK, Scenario())
    assert all(t.passed is not None and 90 <= t.passed <= 150 and t.failed is None for t in found)


def test_a_bad_release_is_caught_before_it_has_all_traffic() -> None:
    found = trials(QUICK, BAD)
    assert all(t.passed is None and t.failed is not None and 20 <= t.failed <= 60 for t in found)
    assert 5 < sum(t.harmed for t in found) / len(found) < 20


def test_whole_rollouts_take_but_a_scrape_and_the_start_of_pods_longer() -> None:
    whole = sorted(play(QUICK, BAD, seed).seconds for seed in range(20))[10]
    counted = sorted(t.failed or 0.0 for t in trials(QUICK, BAD))[10]
    assert counted < whole <= counted + 40


def test_a_release_that_fails_in_its_bake_passed_and_failed() -> None:
    (found,) = trials(a_canary(bake="5m"), Scenario(canary=Release(failure=0.3, after=250)), 1)
    assert found.passed is not None
    assert found.failed is not None
    assert found.failed > found.passed


def test_a_trial_without_its_bake_ends_with_all_traffic() -> None:
    world = Scenario(canary=Release(failure=0.3, after=250))
    assert prepare(QUICK, 0.002).trial(world, 1, bake=False).failed is None


@pytest.mark.parametrize(
    "canary",
    [
        pytest.param(a_canary(promotion={"approval": "Manual"}), id="approval"),
        pytest.param(with_gates(webhooks=[a_webhook(type="confirm-step")]), id="a webhook"),
        pytest.param(a_canary(paused=True), id="a pause"),
    ],
)
def test_nobody_is_waited_for(canary: dict[str, object]) -> None:
    (found,) = trials(canary, Scenario(), 1)
    assert found.passed is not None


def test_a_gate_without_traffic_runs_into_the_deadline() -> None:
    canary = a_canary(gates={"routes": [a_route("POST /")]}, stepTimeout="5m")
    (found,) = trials(canary, Scenario(), 1)
    assert (found.passed, found.failed) == (None, None)


def test_a_slow_release_is_caught_by_its_latency() -> None:
    found = trials(with_gates(latency={"p99": "500ms"}), Scenario(canary=Release(slow=0.2)), 4)
    assert all(t.passed is None and t.failed is not None for t in found)


def test_a_bug_in_the_rules_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    def hasty(facts: Facts) -> Turn:
        rollout = replace(facts.rollout, dwelt=facts.spec.dwell)
        return decide.advance(replace(facts, status=replace(facts.status, rollout=rollout)))

    sound = trials(QUICK, Scenario(), 3)
    monkeypatch.setattr(trial, "advance", hasty)
    assert trials(QUICK, Scenario(), 3) != sound


def test_failed_answers_count_as_slow_in_a_trial_and_in_its_past() -> None:
    stage = prepare(a_canary(gates={"latency": {"p99": "500ms", "failures": "Slow"}}), 0.002)
    scenario = Scenario(traffic=100, canary=Release(failure=0.05))
    assert stage.trial(scenario, 1, bake=False).failed is not None
