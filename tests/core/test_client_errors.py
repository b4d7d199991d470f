"""Answers 4xx as a gate: more of them than stable gives at the same time, and never how many there are."""

import random
from dataclasses import replace

import pytest

from canary.core import book as books
from canary.core.book import Book
from canary.core.counts import Counts, Version, What
from canary.core.demand import Demand
from canary.core.exposure import Traffic
from canary.core.forecast import forecast
from canary.core.gates import gates
from canary.core.judgement import Judgement, Verdict, judge
from canary.core.promises import describe
from canary.core.record import parse_status, render_status
from canary.core.spec import CanarySpec
from canary.core.status import Phase, Reason
from tests.build import a_raw_spec, a_snapshot, a_spec, a_status, stable, tick

ASKED: dict[str, object] = {"successRate": {"min": "99%"}, "clientErrors": "Gate"}
SPEC = a_spec(gates=ASKED)
RATE, GATE = gates(SPEC, ())


def answers(canary: tuple[float, float], on_stable: tuple[float, float]) -> Counts:
    """Count (answered, of which 4xx) on both sides; nothing fails."""
    made = Counts()
    for version, (answered, refused) in ((Version.CANARY, canary), (Version.STABLE, on_stable)):
        made.sums[version, "", What.ANSWERED] = answered
        made.sums[version, "", What.REFUSED] = refused
    return made


def drawn(rng: random.Random, requests: int, share: float) -> tuple[float, float]:
    return float(requests), float(sum(rng.random() < share for _ in range(requests)))


def lived(canary: float, on_stable: float, seed: int, weight: int = 200, ticks: int = 60) -> Book:
    rng, book = random.Random(seed), Book()
    for _ in range(ticks):
        own, other = drawn(rng, weight, canary), drawn(rng, 1000 - weight, on_stable)
        book = books.fold(book, (RATE, GATE), answers(own, other), weight)
    return book


def judged(book: Book, spec: CanarySpec = SPEC) -> Judgement:
    return judge(book, gates(spec, ()), spec)


class TestTheGate:
    def test_is_there_on_request_only(self) -> None:
        (alone,) = gates(a_spec(gates={"successRate": {"min": "99%"}, "clientErrors": "Watch"}), ())
        assert (alone.name, alone.share) == ("service: success rate", 1.0)
        assert [(g.name, g.share) for g in (RATE, GATE)] == [
            ("service: success rate", 0.5),
            ("service: client errors", 0.5),
        ]

    def test_stands_for_the_service_beside_routes_that_promise_alone(self) -> None:
        routes = [{"name": "GET /", "successRate": {"min": "99%"}}]
        found = gates(a_spec(gates={"clientErrors": "Gate", "routes": routes}), ())
        assert [(g.name, g.share) for g in found] == [("service: client errors", 0.5), ("GET /: success rate", 0.5)]

    def test_counts_the_4xx_among_all_answers(self) -> None:
        assert answers((100, 7), (900, 9)).failing(GATE, Version.CANARY) == (100, 7)
        assert answers((100, 7), (900, 9)).passing(GATE, Version.STABLE) == (900, 9)

    def test_is_forecast_from_the_share_that_stable_has(self) -> None:
        (rare,), (usual,) = (
            forecast(SPEC, (GATE,), {GATE.name: Demand(rps=50.0, failure=share)}) for share in (0.001, 0.2)
        )
        assert rare.passing < usual.passing
        assert [each.seconds < float("inf") for each in usual.catches] == [False, False, False, False, True]

    def test_costs_nothing_of_a_ramp_s_budget_which_is_of_failures(self) -> None:
        ramp = {"budget": 100}
        book = replace(lived(0.2, 0.2, 1, weight=100, ticks=10), traffic={"": Traffic(requests=1e6, seconds=1e3)})
        status = replace(a_status(Phase.PROGRESSING, 100, step=5), book=replace(book, answered=1.0))
        assert tick(a_snapshot(status, spec={"gates": ASKED, "ramp": ramp})).status.weight == 200

    def test_is_forecast_along_a_ramp_that_it_does_not_slow(self) -> None:
        few, many = (a_spec(gates=ASKED, ramp={"budget": budget}) for budget in (10, 100))
        demand = {GATE.name: Demand(rps=10_000.0, failure=0.2)}
        (slow,), (quick,) = forecast(few, (GATE,), demand), forecast(many, (GATE,), demand)
        assert slow.passing <= quick.passing + 40, "it begins three or four doublings lower"

    def test_is_worded_with_its_numbers(self) -> None:
        book = books.fold(Book(), (RATE, GATE), answers((100, 12), (900, 9)), 100)
        assert describe(GATE, book) == (
            "service: client errors: 12% of 100 canary requests were answered with a 4xx (stable 1% of 900), at most"
            " 1pp more than on stable may be"
        )


class TestARelease:
    @pytest.mark.parametrize("share", [0.0, 0.05, 0.5])
    def test_that_refuses_as_many_as_stable_is_spared_and_passes(self, share: float) -> None:
        for seed in range(5):
            judgement = judged(lived(share, share, seed))
            assert judgement.fault is None
            assert judgement.passed

    def test_that_refuses_many_more_is_rolled_back(self) -> None:
        for seed in range(5):
            judgement = judged(lived(0.15, 0.05, seed, ticks=40))
            assert judgement.fault is Reason.CLIENT_ERRORS
            assert judgement.verdicts == {RATE.name: Verdict.PASS, GATE.name: Verdict.FAIL}
            assert "were answered with a 4xx" in judgement.message

    def test_that_refuses_many_more_does_not_pass(self) -> None:
        assert not any(judged(lived(0.11, 0.05, seed)).passed for seed in range(20))

    def test_that_is_alone_in_a_storm_is_spared(self) -> None:
        """At 1000m nothing shows that stable would have answered otherwise."""
        before = lived(0.01, 0.01, seed=1)
        book = before
        for _ in range(30):
            book = books.fold(book, (RATE, GATE), answers((1000, 900), (0, 0)), 1000)
        assert judged(book).fault is None
        assert judged(book).alone < 1 < judged(before).gates[1].passing

    def test_that_waits_for_stable_s_requests_is_spared_too(self) -> None:
        book = Book()
        for _ in range(30):
            book = books.fold(book, (RATE, GATE), answers((50, 45), (0, 0)), 500)
        assert judged(book).fault is None


def storm(seed: int) -> Book:
    """Let both sides be stormed by requests that nobody can serve, in spells, while the weight goes up."""
    rng, book = random.Random(seed), Book()
    for number in range(120):
        weight, share = (100, 200, 500)[number // 40], rng.choice([0.01, 0.01, 0.6, 0.95])
        own, other = drawn(rng, weight, share), drawn(rng, 1000 - weight, share)
        book = books.fold(book, (RATE, GATE), answers(own, other), weight)
        assert judged(book).fault is None, number
    return book


def test_a_storm_on_both_sides_never_rolls_back() -> None:
    assert all(judged(storm(seed)).passed for seed in range(10))


def test_another_stable_is_compared_with_anew() -> None:
    raw = a_raw_spec(gates=ASKED)
    status = a_status(Phase.PROGRESSING, 100)
    assert status.rollout is not None
    status = replace(status, book=lived(0.05, 0.05, 1), rollout=replace(status.rollout, spec=raw))
    after = tick(a_snapshot(status, spec={"gates": ASKED}, stable=stable("s9"))).status.book
    assert after.of(RATE.name).ok == status.book.of(RATE.name).ok
    assert after.of(GATE.name).judged.values() == (1.0, 1.0, 1.0)
    assert after.of(GATE.name).pool == (0.0, 0.0)


def test_its_evidence_survives_a_restart() -> None:
    status = replace(a_status(Phase.PROGRESSING, 200), book=lived(0.1, 0.05, 1, ticks=5))
    assert parse_status(render_status(status)).book.of(GATE.name) == status.book.of(GATE.name)
