"""The forecast of a gate, before a rollout."""

import math

import pytest

from canary.core.demand import Demand
from canary.core.forecast import Outlook, exposures, forecast, gathering
from canary.core.gates import gates
from canary.core.manifest import parse_spec
from tests.canaries import GATES, a_canary, a_route, with_gates

SERVICE = "service: success rate"
BOUNDS = (100.0, 500.0, 1000.0)


def outlook(rps: float, failure: float = 0.001, **spec: object) -> Outlook:
    parsed = parse_spec(a_canary(**spec))
    (found,) = forecast(parsed, gates(parsed, BOUNDS), {SERVICE: Demand(rps=rps, failure=failure)})
    return found


def seconds(found: Outlook) -> dict[float, float]:
    return {catch.rate: catch.seconds for catch in found.catches}


def test_no_traffic_decides_nothing() -> None:
    found = outlook(0.0)
    assert (found.passing, found.quiet, set(seconds(found).values())) == (math.inf, True, {math.inf})
    assert {catch.failed for catch in found.catches} == {0.0}


def test_no_verdict_is_quicker_than_two_ticks_nor_a_pass_than_a_minute() -> None:
    found = outlook(10_000.0)
    assert found.passing == 60
    assert min(seconds(found).values()) == 20


@pytest.mark.parametrize(("rps", "passing"), [(1, 670), (3, 280), (10, 140)])
def test_less_traffic_takes_longer(rps: float, passing: float) -> None:
    assert outlook(rps).passing == passing


def test_worse_releases_are_caught_sooner() -> None:
    found = list(seconds(outlook(10.0)).values())
    assert found == sorted(found, reverse=True)
    assert found[0] > found[-1]


def test_what_is_within_the_promise_and_no_worse_than_stable_is_never_caught() -> None:
    found = outlook(100.0, failure=0.01)
    assert seconds(found)[0.01] == math.inf
    assert next(catch.failed for catch in found.catches if catch.rate == 0.01) == 0


def test_a_release_as_good_as_a_sick_stable_takes_longer_to_pass() -> None:
    assert outlook(100.0).passing < outlook(100.0, failure=0.03).passing < math.inf


def test_a_gate_that_passes_after_the_deadline_is_quiet() -> None:
    assert not outlook(1.0, stepTimeout="12m").quiet
    assert outlook(1.0, stepTimeout="11m").quiet


def test_a_single_step_at_full_weight_is_forecast_too() -> None:
    assert outlook(1.0, steps=["1000m"]).passing < outlook(1.0).passing


def costs(found: Outlook) -> dict[float, float]:
    return {catch.rate: catch.failed for catch in found.catches}


def test_under_a_ramp_a_regression_costs_no_more_where_there_is_more_traffic() -> None:
    few, many = outlook(1000.0, ramp={"budget": 100}), outlook(10_000.0, ramp={"budget": 100})
    assert costs(few)[0.05] <= 15
    assert max(costs(many).values()) <= 100
    assert costs(outlook(1000.0))[0.05] > 90


def test_a_ramp_passes_as_soon_as_its_traffic_allows() -> None:
    assert outlook(10.0, ramp={"budget": 1000}).passing < outlook(10.0, ramp={"budget": 1}).passing < math.inf


def test_a_ramp_that_never_gets_far_is_followed_to_its_end() -> None:
    assert outlook(100_000.0, ramp={"budget": 1}).passing < math.inf


def test_a_ramp_begins_by_the_traffic_of_the_whole_service() -> None:
    spec = parse_spec(a_canary(ramp={"budget": 100}, gates={"routes": [a_route("GET /"), a_route("POST /")]}))
    quiet, busy = "GET /: success rate", "POST /: success rate"
    demand = {quiet: Demand(rps=10, failure=0.0), busy: Demand(rps=10_000, failure=0.0)}
    found = {each.gate: each.passing for each in forecast(spec, gates(spec, ()), demand)}
    alone = {each.gate: each.passing for each in forecast(spec, gates(spec, ()), {quiet: demand[quiet]})}
    assert found[quiet] > alone[quiet]


def test_evidence_is_shared_among_gates_and_places_are_kept_apart() -> None:
    routes = [a_route("GET /"), a_route("POST /")]
    spec = parse_spec(with_gates(latency={"p99": "500ms"}, routes=routes))
    demand = {gate.name: Demand(rps=50 if gate.place == "" else 1, failure=0.0) for gate in gates(spec, BOUNDS)}
    del demand["GET /: success rate"]
    found = {each.gate: each for each in forecast(spec, gates(spec, BOUNDS), demand)}
    assert sorted(found) == ["POST /: success rate", "service: p99 latency", "service: success rate"]
    assert found["service: success rate"].passing < found["POST /: success rate"].passing
    alone = outlook(50.0, failure=0.0)
    assert seconds(found["service: success rate"])[0.02] > seconds(alone)[0.02]


@pytest.mark.parametrize("latency", [{"p99": "500ms"}, {"slowdown": 2}])
@pytest.mark.parametrize("pace", [{}, {"ramp": {"budget": 100}}])
def test_nothing_that_is_timed_counts_while_pods_are_cold(latency: dict[str, object], pace: dict[str, object]) -> None:
    def found(warmup: str) -> tuple[Outlook, Outlook]:
        spec = parse_spec(a_canary(**pace, gates={**GATES, "latency": latency, "warmup": warmup}))
        known = gates(spec, BOUNDS)
        rate, timed = forecast(spec, known, {gate.name: Demand(rps=1000.0, failure=0.001) for gate in known})
        return rate, timed

    (rate, timed), (rate_cold, timed_cold) = found("0s"), found("90s")
    assert rate_cold == rate
    assert 100 < timed_cold.passing <= timed.passing + 100
    for before, after in zip(timed.catches, timed_cold.catches, strict=True):
        assert after.seconds == math.inf or after.seconds > 100
        assert after.seconds <= before.seconds + 100
        assert after.failed >= before.failed


def test_a_route_that_is_cold_for_too_long_is_quiet() -> None:
    def quiet(warmup: str) -> bool:
        route = a_route(latency={"p99": "500ms"})
        spec = parse_spec(a_canary(stepTimeout="5m", gates={"routes": [route], "warmup": warmup}))
        (gate,) = gates(spec, BOUNDS)
        return forecast(spec, (gate,), {gate.name: Demand(rps=100.0, failure=0.001)})[0].quiet

    assert (quiet("0s"), quiet("10m")) == (False, True)


def test_a_threshold_waits_for_warm_pods_too_and_counts_from_then_on() -> None:
    def found(warmup: str) -> tuple[float, float]:
        spec = parse_spec(a_canary(gates={"latency": {"p99": "500ms"}, "warmup": warmup}))
        (gate,) = gates(spec, BOUNDS)
        demand = Demand(rps=100.0, failure=0.001)
        requests = exposures(spec, gate, demand, 100.0, 60.0)
        return gathering(spec, gate, demand, 100.0, 100).seconds, sum(requests)

    (soon, many), (late, fewer) = found("0s"), found("90s")
    assert soon < 100 < late
    assert many * 0.5 < fewer < many
