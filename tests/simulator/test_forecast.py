"""The forecast holds in the simulated world: no more than twice too soon or too late."""

from statistics import mean, median

import pytest

from canary.core.demand import Demand
from canary.core.expectation import expecting
from canary.core.forecast import forecast
from canary.core.gates import gates
from canary.core.manifest import parse_spec
from canary.simulator.rollout import play
from canary.simulator.scenario import Release, Scenario
from tests.canaries import a_canary

START = 10.0  # seconds until the pods are ready and the first reading is there


def test_a_threshold_is_wrong_as_often_as_it_says() -> None:
    rule = {"mode": "Threshold", "failures": 2, "minRequests": 20, "window": "10s"}
    canary = a_canary(evidence=rule, bake="1m")
    spec = parse_spec(canary)
    good = Release(failure=0.009)
    (judged,) = expecting(spec, gates(spec, ()), {"service: success rate": Demand(rps=10.0, failure=0.009)})
    assert judged.expected.endswith("about 65%, if its requests fail independently")
    endings = [play(canary, Scenario(traffic=10.0, stable=good, canary=good), seed) for seed in range(60)]
    assert 0.5 < mean(ending.outcome == "RolledBack" for ending in endings) < 0.85


@pytest.mark.parametrize("pace", [{}, {"ramp": {"budget": 100}}], ids=["steps", "ramp"])
@pytest.mark.parametrize(("rps", "rate"), [(3.0, 0.05), (10.0, 0.05), (100.0, 0.02), (100.0, 0.5), (1000.0, 0.05)])
def test_a_regression_is_caught_when_it_says(rps: float, rate: float, pace: dict[str, object]) -> None:
    canary = a_canary(**pace)
    spec = parse_spec(canary)
    (outlook,) = forecast(spec, gates(spec, ()), {"service: success rate": Demand(rps=rps, failure=0.001)})
    said = next(catch for catch in outlook.catches if catch.rate == rate)
    scenario = Scenario(traffic=rps, canary=Release(failure=rate))
    endings = [play(canary, scenario, seed) for seed in range(12)]
    assert said.seconds / 2 <= median(ending.seconds for ending in endings) - START <= said.seconds * 2
    assert mean(ending.harmed for ending in endings) <= said.failed * 1.5
