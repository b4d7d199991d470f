"""A slow start in the simulated world, with the shipped decisions: forgiven once, on request."""

import pytest

from canary.simulator.rollout import play
from canary.simulator.scenario import Release, Scenario, Warmup
from tests.canaries import a_canary


@pytest.mark.parametrize(
    ("every", "end"),
    [pytest.param(0.0, "Promoted", id="once"), pytest.param(120.0, "RolledBack", id="again and again")],
)
def test_a_slow_start_is_forgiven_once(every: float, end: str) -> None:
    cold = Release(warmup=Warmup(lasts=60.0, slow=0.2, every=every))
    gates = {"successRate": {"min": "99%"}, "latency": {"p99": "500ms"}, "warmup": "90s"}
    scenario = Scenario(traffic=100, canary=cold)
    assert {play(a_canary(gates=gates, bake="1m"), scenario, seed).outcome for seed in (1, 2)} == {end}


def test_a_slow_start_is_none_that_is_forgiven_unasked() -> None:
    scenario = Scenario(traffic=100, canary=Release(warmup=Warmup(lasts=60.0, slow=0.2)))
    gates = {"successRate": {"min": "99%"}, "latency": {"p99": "500ms"}}
    assert play(a_canary(gates=gates, bake="1m"), scenario, 1).reason == "Latency"
