"""From evidence to one verdict, with the numbers and the culprit in words."""

from dataclasses import replace

import pytest

from canary.core.book import Book
from canary.core.counts import Counts, Version, What
from canary.core.gates import gates
from canary.core.judgement import Verdict, judge
from canary.core.spec import CanarySpec
from canary.core.status import Reason
from canary.core.unanswered import OpenRequests
from tests.build import BAD, CALM, GOOD, a_book, a_spec

ROUTED = {"successRate": {"min": "99%"}, "routes": [{"name": "GET /", "successRate": {"min": "99%"}}]}
HUNG = OpenRequests(open_time=0.01, requests=900, excess=200, in_a_row=3)


def at(place: str, canary: tuple[float, float], stable: tuple[float, float]) -> Counts:
    made = Counts()
    for version, (requests, failures) in ((Version.CANARY, canary), (Version.STABLE, stable)):
        made.sums[version, place, What.ANSWERED] = requests
        made.sums[version, place, What.FAILED] = failures
    return made


def both(*parts: Counts) -> Counts:
    made = Counts()
    for part in parts:
        made.sums.update(part.sums)
    return made


@pytest.mark.parametrize(
    ("intervals", "verdict", "fault"),
    [
        pytest.param(GOOD, Verdict.PASS, None, id="good"),
        pytest.param(CALM, Verdict.HOLD, None, id="too little"),
        pytest.param(BAD, Verdict.FAIL, Reason.SUCCESS_RATE, id="bad"),
    ],
)
def test_one_gate(intervals: tuple[Counts, ...], verdict: Verdict, fault: Reason | None) -> None:
    spec = a_spec()
    found = judge(a_book(*intervals), gates(spec, ()), spec)
    assert (found.verdicts, found.fault) == ({"service: success rate": verdict}, fault)
    assert found.passed == (verdict is Verdict.PASS)


def test_a_culprit_is_named_with_its_numbers_route_first() -> None:
    spec = a_spec(gates=ROUTED)
    bad = both(at("", (200, 30), (1800, 2)), at("GET /", (200, 30), (1800, 2)))
    found = judge(a_book(*[bad] * 4, of=gates(spec, ())), gates(spec, ()), spec)
    assert found.route == "GET /"
    assert found.message.startswith("GET /: success rate: 15% of 800 canary requests failed (stable 0.11% of 7200)")
    assert "100:1 decide" in found.message


def test_where_only_the_service_crosses_it_points_to_the_route() -> None:
    spec = a_spec(gates=ROUTED)
    bad = both(at("", (300, 60), (2700, 2)), at("GET /", (12, 1), (100, 0)))
    found = judge(a_book(*[bad] * 3, of=gates(spec, ())), gates(spec, ()), spec)
    assert found.verdicts["GET /: success rate"] is not Verdict.FAIL
    assert (found.route, "it points to GET /: success rate" in found.message) == ("GET /", True)


def hanging(policy: str) -> tuple[Book, CanarySpec]:
    spec = a_spec(gates={"successRate": {"min": "99%"}, "unanswered": policy})
    return replace(a_book(*GOOD), open={"": HUNG}), spec


@pytest.mark.parametrize(
    ("policy", "fault", "passed"),
    [("Rollback", Reason.UNANSWERED, False), ("Hold", None, False), ("Ignore", None, True)],
)
def test_hanging_requests(policy: str, fault: Reason | None, *, passed: bool) -> None:
    book, spec = hanging(policy)
    found = judge(book, gates(spec, ()), spec)
    assert (found.fault, found.passed) == (fault, passed)
