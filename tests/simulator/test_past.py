"""The simulated Prometheus has a past too, in which the old release serves as the scenario says."""

from random import Random

import pytest

from canary.core.eprocess import FLOOR
from canary.core.history import WINDOW
from canary.core.manifest import parse_spec
from canary.core.questions import ReadHistory
from canary.simulator.past import look_back
from canary.simulator.scenario import Release, Route, Scenario, Trouble
from tests.canaries import a_canary, a_route

SPEC = parse_spec(
    a_canary(
        gates={
            "successRate": {"min": "99%"},
            "latency": {"p99": "500ms"},
            "routes": [a_route("GET /"), a_route("PUT /")],
        }
    )
)
ASKED = ReadHistory(spec=SPEC, namespace="shop", window=WINDOW)


def test_tells_each_gate_s_traffic_and_failures() -> None:
    routes = (Route(name="GET /", share=0.2, failure=0.5),)
    scenario = Scenario(stable=Release(failure=0.01, slow=0.02), canary=Release(failure=0.9), routes=routes)
    found = look_back(scenario, ASKED, Random(1)).demand
    assert {name: demand.rps for name, demand in found.items()} == pytest.approx(
        {"service: success rate": 100, "service: p99 latency": 99, "GET /: success rate": 20}, rel=0.05
    )
    assert {name: demand.failure for name, demand in found.items()} == pytest.approx(
        {"service: success rate": 0.01, "service: p99 latency": 0.02, "GET /: success rate": 0.01}, rel=0.3
    )


@pytest.mark.parametrize(
    ("scenario", "least", "most"),
    [
        pytest.param(Scenario(stable=Release(failure=0.005)), FLOOR, FLOOR, id="independent requests"),
        pytest.param(Scenario(clusters=20, stable=Release(failure=0.005)), 0.05, 0.11, id="clusters"),
        pytest.param(
            Scenario(troubles=(Trouble(failure=0.2, share=0.05, lasts=10.0, apart=True),)), 0.1, 0.25, id="bursts"
        ),
    ],
)
def test_tells_how_far_requests_fail_together(scenario: Scenario, least: float, most: float) -> None:
    icc = look_back(scenario, ASKED, Random(1)).demand["service: success rate"].icc
    assert icc is not None
    assert least <= icc <= most


def test_of_few_failures_tells_nothing_about_bursts() -> None:
    assert look_back(Scenario(traffic=0.5), ASKED, Random(1)).demand["service: success rate"].icc is None


def test_failures_of_the_past_count_as_slow_where_the_gate_says_so() -> None:
    gates = {"latency": {"p99": "500ms", "failures": "Slow"}}
    asked = ReadHistory(spec=parse_spec(a_canary(gates=gates)), namespace="shop", window=WINDOW)
    found = look_back(Scenario(stable=Release(failure=0.05)), asked, Random(1)).demand
    assert [demand.failure for demand in found.values()] == [pytest.approx(0.05, abs=0.01)]
