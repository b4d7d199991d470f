"""What is expected of a rollout, and which of its gates it waits for."""

from dataclasses import replace

import pytest

from canary.core.demand import Demand
from canary.core.expectation import expecting, told
from canary.core.gates import Gate, gates
from canary.core.judgement import judge
from canary.core.manifest import parse_spec
from canary.core.questions import History
from canary.core.status import Phase, Reason
from tests.build import GOOD, a_book, a_raw_spec, a_snapshot, a_status, tick
from tests.canaries import a_canary, a_route

SERVICE, BUSY, QUIET = "service: success rate", "GET /: success rate", "POST /: success rate"
GATES = {"successRate": {"min": "99%"}, "routes": [a_route("GET /"), a_route("POST /")]}


def found(demand: dict[str, float], failure: float = 0.001, **spec: object) -> dict[str, Gate]:
    """Give the gates where so many requests a second are sent."""
    parsed = parse_spec(a_canary(**{"gates": GATES, **spec}))
    known = {name: Demand(rps=rps, failure=failure, seconds=1800.0) for name, rps in demand.items()}
    return {gate.name: gate for gate in expecting(parsed, gates(parsed, ()), known)}


def required(expected: dict[str, Gate]) -> list[str]:
    return [name for name, gate in expected.items() if gate.required]


def test_routes_with_traffic_are_waited_for() -> None:
    expected = found({SERVICE: 100, BUSY: 50, QUIET: 50})
    assert required(expected) == [SERVICE, BUSY, QUIET]
    assert expected[SERVICE].expected.startswith("PASS in about 1m; a 5% regression is caught in about ")
    assert expected[SERVICE].expected.endswith(" failed requests")


def test_a_route_that_passes_too_late_is_only_watched_and_that_is_said() -> None:
    expected = found({SERVICE: 100, BUSY: 99, QUIET: 0.01})
    assert required(expected) == [SERVICE, BUSY]
    assert expected[QUIET].expected == "too quiet to be waited for: PASS in about 16h, and a step may take 30m"


def test_a_route_that_nobody_calls_is_only_watched() -> None:
    expected = found({SERVICE: 100, BUSY: 100})
    assert required(expected) == [SERVICE, BUSY]
    assert "no requests before the rollout" in expected[QUIET].expected


@pytest.mark.parametrize(("rps", "waited_for"), [(50, True), (0.01, False)])
def test_a_slowdown_is_as_quiet_as_the_rest_of_its_route(rps: float, *, waited_for: bool) -> None:
    route = a_route("POST /", successRate={"min": "99%"}, latency={"slowdown": 2})
    expected = found({SERVICE: 100, QUIET: rps}, gates={"successRate": {"min": "99%"}, "routes": [route]})
    assert expected["POST /: latency beside stable"].required is waited_for


@pytest.mark.parametrize("latency", [{"p99": "500ms"}, {"slowdown": 2}], ids=["p99", "slowdown"])
@pytest.mark.parametrize("demand", [{SERVICE: 100}, {SERVICE: 100, QUIET: 0.0005}], ids=["no request", "one"])
def test_the_latency_of_a_route_of_which_nothing_was_timed_is_not_waited_for(
    demand: dict[str, float], latency: dict[str, object]
) -> None:
    route = a_route("POST /", successRate={"min": "99%"}, latency=latency)
    expected = found(demand, failure=1.0, gates={"successRate": {"min": "99%"}, "routes": [route]})
    assert required(expected) == [SERVICE]


def test_a_slowdown_alone_at_its_route_is_waited_for() -> None:
    route = {"name": "POST /", "latency": {"slowdown": 2}}
    expected = found({SERVICE: 100}, gates={"successRate": {"min": "99%"}, "routes": [route]})
    assert required(expected) == [SERVICE, "POST /: latency beside stable"]


@pytest.mark.parametrize(("seconds", "awaited"), [(299.0, [SERVICE, BUSY, QUIET]), (300.0, [SERVICE, BUSY])])
def test_a_short_past_does_not_tell_which_routes_are_quiet(seconds: float, awaited: list[str]) -> None:
    spec = parse_spec(a_canary(gates=GATES))
    known = {name: Demand(rps=100, failure=0.0, seconds=seconds) for name in (SERVICE, BUSY)}
    assert [gate.name for gate in expecting(spec, gates(spec, ()), known) if gate.required] == awaited


def test_the_service_is_always_waited_for_and_it_is_said_when_that_may_take_too_long() -> None:
    expected = found({SERVICE: 0.1, BUSY: 0.05, QUIET: 0.05})
    assert required(expected) == [SERVICE]
    assert expected[SERVICE].late
    assert ", but a step may take 30m; a 5% regression is caught in about" in expected[SERVICE].expected


@pytest.mark.parametrize("demand", [{}, {BUSY: 0.01, QUIET: 0.01}], ids=["nothing is known", "all are too quiet"])
def test_all_are_waited_for_where(demand: dict[str, float]) -> None:
    expected = found(demand, gates={"routes": GATES["routes"]})
    assert required(expected) == [BUSY, QUIET]


def test_what_can_be_neither_passed_nor_caught_is_said() -> None:
    expected = found({SERVICE: 0}, gates={"successRate": {"min": "99%"}})
    assert expected[SERVICE].expected == "no PASS at this traffic, but a step may take 30m"


def test_a_latency_gate_without_its_bucket_is_still_waited_for() -> None:
    parsed = parse_spec(
        a_canary(gates={"routes": [a_route("GET /", successRate={"min": "99%"}, latency={"p99": "1s"})]})
    )
    judged = expecting(parsed, gates(parsed, ()), {BUSY: Demand(rps=100, failure=0.0)})
    assert [(gate.required, bool(gate.expected)) for gate in judged] == [(True, True), (True, False)]


def test_no_more_than_a_few_gates_are_told_of() -> None:
    routes = [a_route(f"r{i}") for i in range(9)]
    demand = {f"r{i}: success rate": 100.0 if i < 5 else 0.01 for i in range(9)}
    said = told([*found(demand, gates={"routes": routes}).values()])
    assert said.count("PASS in about 1m") == 3
    assert said.count("too quiet to be waited for") == 3
    assert said.endswith(". And 3 more gates")


def test_a_rollout_passes_without_what_is_only_watched() -> None:
    spec = parse_spec(a_canary(gates=GATES))
    known = {name: Demand(rps=100, failure=0.001, seconds=1800.0) for name in (SERVICE, BUSY)}
    judged = expecting(spec, gates(spec, ()), known)
    book = a_book(*GOOD, of=[judged[0]])
    book = replace(book, evidence=dict.fromkeys((SERVICE, BUSY), book.evidence[SERVICE]))
    assert judge(book, judged, spec).passed
    assert not judge(book, gates(spec, ()), spec).passed


class TestAtTheStart:
    def begin(self, rps: float, **spec: object) -> list[tuple[str, bool]]:
        status = replace(a_status(Phase.PROGRESSING, 0), book=a_book(at=0.0))
        past = History(demand={SERVICE: Demand(rps=rps, failure=0.001, seconds=1800.0)})
        decided = tick(a_snapshot(status, spec=a_raw_spec(**spec)), history=past)
        return [(n.message, n.warning) for n in decided.notices if n.reason is Reason.FORECAST]

    def test_people_are_told_once_what_to_expect(self) -> None:
        ((message, warning),) = self.begin(100.0)
        assert message.startswith("Expected: service: success rate: PASS in about 1m; a 5% regression is caught in")
        assert not warning

    def test_people_are_warned_of_what_may_not_be_decided_in_time(self) -> None:
        ((message, warning),) = self.begin(0.1)
        assert "but a step may take 30m" in message
        assert warning

    def test_watched_routes_are_named(self) -> None:
        ((message, _),) = self.begin(100.0, gates=GATES)
        assert "GET /: success rate: no requests before the rollout" in message


def test_nothing_is_foretold_of_a_threshold_of_whose_traffic_nothing_is_known() -> None:
    expected = found({SERVICE: 100}, evidence={"mode": "Threshold"})
    assert "rolls back a good release with probability about" in expected[SERVICE].expected
    assert not expected[BUSY].expected
