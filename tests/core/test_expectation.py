"""What is expected of a rollout, and which of its gates it waits for."""

import re
from dataclasses import replace

import pytest

from canary.core.book import Book
from canary.core.demand import Demand
from canary.core.expectation import expecting, told
from canary.core.facts import Facts
from canary.core.gates import Gate, gates
from canary.core.history import armed_gates
from canary.core.judgement import judge
from canary.core.lookback import history_wanted, with_history
from canary.core.manifest import parse_spec
from canary.core.questions import History
from canary.core.snapshot import Snapshot
from canary.core.status import Phase, Reason
from canary.core.threshold import Checks
from tests.build import CALM, GOOD, a_book, a_raw_spec, a_snapshot, a_status, tick
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


KNOWN = {SERVICE: Demand(rps=100.0, failure=0.001, icc=0.01, seconds=1800.0)}


class TestDuringARollout:
    def learned(self, **spec: object) -> Snapshot:
        """Look at a rollout that has learned, a tick after it did."""
        status = replace(a_status(Phase.PROGRESSING, 100, learned=KNOWN), book=a_book(*CALM))
        return a_snapshot(tick(a_snapshot(status)).status, spec=spec)

    def test_is_made_once_for_a_rollout_however_many_others_run(self) -> None:
        seen = self.learned()
        once = armed_gates(seen.spec, seen.status)
        for n in range(300):
            other = replace(KNOWN[SERVICE], rps=float(n))
            rollout = replace(seen.status.rollout, learned={SERVICE: other}) if seen.status.rollout else None
            armed_gates(seen.spec, replace(seen.status, rollout=rollout))
        assert armed_gates(seen.spec, tick(seen).status) is once

    def test_is_another_where_the_spec_is(self) -> None:
        seen = self.learned(evidence={"falseRollback": "2%"})
        (gate,) = armed_gates(seen.spec, tick(seen).status)
        assert gate.promise.alpha == 0.02
        assert gate.promise.icc == 0.01


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

    def test_what_was_forecast_is_kept_for_the_rest_of_the_tick(self) -> None:
        status = replace(a_status(Phase.PROGRESSING, 0), book=a_book(at=0.0))
        seen = a_snapshot(status)
        question = history_wanted(seen)
        assert question is not None
        facts = with_history(Facts(seen=seen, status=status, counters=None), {question: History(demand=KNOWN)})
        assert armed_gates(seen.spec, facts.status) is armed_gates(seen.spec, facts.status)

    def test_people_are_warned_of_what_may_not_be_decided_in_time(self) -> None:
        ((message, warning),) = self.begin(0.1)
        assert "but a step may take 30m" in message
        assert warning

    def test_watched_routes_are_named(self) -> None:
        ((message, _),) = self.begin(100.0, gates=GATES)
        assert "GET /: success rate: no requests before the rollout" in message


THRESHOLD = {"mode": "Threshold"}


class TestAThreshold:
    def test_waits_for_no_route_that_has_too_few_requests_to_be_judged(self) -> None:
        expected = found({SERVICE: 100, BUSY: 99, QUIET: 0.01}, evidence=THRESHOLD)
        assert required(expected) == [SERVICE, BUSY]
        assert expected[QUIET].expected == (
            "too quiet to be waited for: the 100 requests without which nothing is judged come in about 6h20m,"
            " and a step may take 30m"
        )

    def test_waits_for_no_route_that_nobody_calls(self) -> None:
        expected = found({SERVICE: 100, BUSY: 100}, evidence=THRESHOLD)
        assert required(expected) == [SERVICE, BUSY]
        assert "no requests before the rollout" in expected[QUIET].expected

    @pytest.mark.parametrize(("least", "awaited"), [(200, True), (300, False)])
    def test_waits_as_long_as_the_last_step_may_take_nine_times_in_ten(self, least: int, *, awaited: bool) -> None:
        expected = found({SERVICE: 100, BUSY: 99, QUIET: 0.3}, evidence={**THRESHOLD, "minRequests": least})
        assert expected[QUIET].required is awaited

    def test_waits_for_the_service_all_the_same_and_says_that_it_may_take_too_long(self) -> None:
        expected = found({SERVICE: 0.01, BUSY: 0.01}, evidence=THRESHOLD)
        assert required(expected) == [SERVICE]
        assert expected[SERVICE].late

    def test_is_wrong_by_one_gate_and_by_all_of_them(self) -> None:
        expected = found({SERVICE: 10, BUSY: 5, QUIET: 5}, failure=0.005, evidence=THRESHOLD)
        words = "with this traffic this gate alone rolls back a good release with probability about "
        assert expected[SERVICE].expected.startswith(words)
        alone = [float(re.findall(r"about ([0-9.]+)%", gate.expected)[0]) for gate in expected.values()]
        (together,) = re.findall(r"; all 3 of which it is known together at most ([0-9.]+)%", expected[BUSY].expected)
        assert float(together) == pytest.approx(sum(alone), abs=1)

    def test_says_where_that_takes_too_long_to_find(self) -> None:
        strict = {**THRESHOLD, "failures": 100}
        expected = found({SERVICE: 9_000, BUSY: 9_000, QUIET: 1}, failure=0.01, evidence=strict)
        assert "was not worked out" in expected[SERVICE].expected

    def test_passes_without_what_is_only_watched(self) -> None:
        spec = parse_spec(a_canary(gates=GATES, evidence=THRESHOLD))
        judged = found({SERVICE: 100, BUSY: 99, QUIET: 0.01}, evidence=THRESHOLD)
        good = {name: Checks(good=True) for name in (SERVICE, BUSY)}
        assert judge(Book(checks=good), [*judged.values()], spec).passed
        assert not judge(Book(checks=good), gates(spec, ()), spec).passed

    @pytest.mark.parametrize(
        ("icc", "how"), [(None, "independently"), (0.002, "independently"), (0.1, "in bursts, as stable's did")]
    )
    def test_is_wrong_more_often_where_stable_failed_in_bursts(self, icc: float | None, how: str) -> None:
        parsed = parse_spec(a_canary(evidence=THRESHOLD))
        (gate,) = expecting(parsed, gates(parsed, ()), {SERVICE: Demand(rps=100, failure=0.005, icc=icc)})
        assert gate.expected.endswith(f"if its requests fail {how}")

    def test_says_nothing_of_gates_without_a_past(self) -> None:
        assert not found({}, evidence=THRESHOLD)[SERVICE].expected


def test_a_route_is_only_watched_where_one_rollout_of_ten_would_come_too_late() -> None:
    (slow, *_), (quick, *_) = ([found({SERVICE: 100, BUSY: 100 - rps, QUIET: rps})[QUIET]] for rps in (0.6, 1.5))
    assert (slow.required, quick.required) == (False, True)
    assert slow.expected.endswith(", or twice that in one rollout of ten, and a step may take 30m")


def test_a_long_way_up_is_no_part_of_the_last_step() -> None:
    paced = found({SERVICE: 100, BUSY: 99, QUIET: 1.0}, dwell="20m")
    assert paced[QUIET].required
