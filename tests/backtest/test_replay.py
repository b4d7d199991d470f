"""The shipped gates, over recorded episodes."""

from collections.abc import Iterable, Sequence

import pytest

from canary.backtest.recording import Row
from canary.backtest.replay import MOST_EMPTY, Outcome, Split, Tell, Trial, counted, ticks
from canary.core import eprocess
from canary.core.counts import Version
from canary.core.eprocess import Evidence, Interval
from canary.core.gates import gates
from canary.core.judgement import Judgement, Verdict
from canary.core.manifest import parse_spec
from canary.core.spec import CanarySpec
from tests.backtest.recorded import a_row, traffic
from tests.canaries import a_canary, a_route, with_gates

RATE = parse_spec(a_canary())
BOTH = parse_spec(with_gates(latency={"p99": "500ms"}))
ROUTED = parse_spec(with_gates(routes=[a_route("POST /"), a_route("GET /")]))


def played(
    rows: Iterable[Row], spec: CanarySpec = RATE, bounds: tuple[float, ...] = (500.0,), tell: Tell | None = None
) -> Outcome:
    trial = Trial(spec, bounds, "e1", tell)
    for tick in ticks(rows):
        trial.see(tick)
    return trial.outcome()


def flat(pairs: Iterable[Sequence[Row]]) -> list[Row]:
    return [row for pair in pairs for row in pair]


def test_a_good_release_passes_and_not_before_a_minute_is_over() -> None:
    outcome = played(flat(traffic()))
    assert (outcome.decision, outcome.culprits, outcome.message) == (Verdict.PASS, (), "")
    assert outcome.seconds == outcome.passed == outcome.at
    assert outcome.passed is not None
    assert 60 <= outcome.passed <= 120
    assert (outcome.ticks, outcome.lasted) == (60, 600.0)


def test_much_traffic_does_not_pass_earlier() -> None:
    rows = [row._replace(requests=100 * row.requests, failures=100 * row.failures) for row in flat(traffic(0.0))]
    assert played(rows).passed == 60


def test_a_bad_release_fails_with_its_culprit_and_odds_and_nothing_is_replayed_after() -> None:
    outcome = played(flat(traffic(0.05)), BOTH)
    assert outcome.decision is Verdict.FAIL
    assert outcome.culprits == ("service: success rate",)
    assert outcome.odds >= 100
    assert outcome.at == outcome.seconds == outcome.lasted == 10.0 * outcome.ticks < 100
    assert "canary requests failed" in outcome.message
    assert outcome.passed is None


def test_a_slow_release_fails_for_its_latency() -> None:
    assert played(flat(traffic(slow=0.05)), BOTH).culprits == ("service: p99 latency",)


def test_a_broken_route_is_named_although_the_service_looks_fine() -> None:
    rows = [
        a_row(side, 10.0 * number, route=route, requests=requests, failures=failures)
        for number in range(1, 30)
        for side, share in (("stable", 9), ("canary", 1))
        for route, requests, failed in (
            ("", 100.0 * share, 2.0),
            ("POST /", 20.0 * share, 2.0),
            ("GET /", 80.0 * share, 0),
        )
        for failures in (failed if side == "canary" else 0.0,)
    ]
    assert played(rows, ROUTED).culprits[0] == "POST /: success rate"


def test_a_route_that_is_not_recorded_is_never_decided() -> None:
    assert played(flat(traffic()), ROUTED).decision is Verdict.HOLD


def test_a_latency_that_is_not_recorded_is_never_decided() -> None:
    rows = [row._replace(over=()) for row in flat(traffic())]
    assert played(rows, BOTH, ()).decision is Verdict.HOLD


def test_a_regression_that_comes_after_pass_still_fails() -> None:
    later = [row._replace(t=row.t + 600) for row in flat(traffic(0.2, ticks=30))]
    outcome = played([*flat(traffic()), *later])
    assert outcome.decision is Verdict.FAIL
    assert outcome.passed is not None
    assert outcome.passed < 600 < (outcome.seconds or 0)


def test_what_hits_both_sides_alike_speaks_against_neither() -> None:
    rows = [
        a_row(side, 10.0 * number, requests=requests, failures=0.05 * requests)
        for number in range(1, 60)
        for side, requests in (("stable", 900.0), ("canary", 100.0))
    ]
    assert played(rows).decision is Verdict.HOLD


def test_times_count_from_the_first_interval_in_which_the_canary_has_a_request() -> None:
    before = [a_row("stable", 10.0 * number, requests=900.0) for number in range(1, 31)]
    after = [row._replace(t=row.t + 300) for row in flat(traffic(0.5))]
    outcome = played([*before, *after])
    assert outcome.seconds == (outcome.at or 0) - 300
    assert outcome.seconds in (20.0, 30.0)


def test_an_episode_without_a_canary_decides_nothing() -> None:
    outcome = played([a_row("stable", 10.0 * number) for number in range(1, 31)])
    assert (outcome.decision, outcome.at, outcome.seconds, outcome.lasted) == (Verdict.HOLD, None, None, 0.0)


def burst(number: int) -> float:
    """Say what share of stable fails in an interval: all at once, and then not for long."""
    return 0.05 if number % 10 == 0 else 0.0


def test_a_service_that_fails_in_bursts_is_learned_from_what_comes_before_the_canary() -> None:
    before = [
        a_row("stable", 10.0 * number, requests=1000.0, failures=1000 * burst(number)) for number in range(-179, 1)
    ]
    after = [
        a_row(side, 10.0 * number, requests=requests, failures=requests * burst(number + shift))
        for number in range(1, 60)
        for side, requests, shift in (("stable", 900.0, 0), ("canary", 100.0, 9))
    ]
    unknown, learned = played(after), played([*before, *after])
    assert (unknown.decision, learned.decision) == (Verdict.PASS, Verdict.PASS)
    assert (learned.seconds or 0) >= 2 * (unknown.seconds or 0)  # what comes in bursts counts for less


def test_rows_of_one_interval_are_one_tick() -> None:
    rows = flat(traffic(0.05))
    parts = [row._replace(requests=row.requests / 2, failures=row.failures / 2, over=()) for row in rows for _ in "ab"]
    assert played(parts) == played(rows)


def test_an_interval_without_a_row_is_one_of_zeros_as_in_a_rollout() -> None:
    together = [a_row(side, 10.0, requests=n) for side, n in (("canary", 100.0), ("stable", 900.0))]
    lonely = [a_row("canary", 20.0, requests=1.0, failures=1.0)]
    later = [row._replace(t=150.0) for row in together]
    zeros = [a_row("stable", 10.0 * number, requests=0.0) for number in range(3, 15)]
    heard: list[float] = []
    outcome = played([*together, *lonely, *later], tell=lambda _, t, __: heard.append(t))
    assert heard == [10.0 * number for number in range(1, 16)]
    assert outcome == played([*together, *lonely, *zeros, *later])
    assert outcome.odds > played([*together, *lonely, *(row._replace(t=30.0) for row in later)]).odds, (
        "stable came too late to be a control for it"
    )


def test_a_gap_of_years_is_folded_in_no_time() -> None:
    rows = [a_row(side, at) for at in (10.0, 1e9, 1e9 + 10) for side in ("canary", "stable")]
    assert played(rows).ticks == 2 + MOST_EMPTY


def test_each_tick_is_told() -> None:
    heard: list[tuple[float, Judgement]] = []
    played(flat(traffic(ticks=5)), tell=lambda _, t, judgement: heard.append((t, judgement)))
    assert [t for t, _ in heard] == [10.0, 20.0, 30.0, 40.0, 50.0]
    assert all(judgement.gates[0].name == "service: success rate" for _, judgement in heard)


def test_the_evidence_is_that_of_the_shipped_engine() -> None:
    (gate,) = gates(RATE, ())
    evidence = Evidence.fresh()
    for stable, canary in traffic(0.004, ticks=40, seed=3):
        seen = Interval(
            canary_requests=canary.requests,
            canary_failures=canary.failures,
            stable_requests=stable.requests,
            stable_failures=stable.failures,
            weight=100,
        )
        evidence = eprocess.fold(gate.promise, evidence, seen)
    outcome = played(flat(traffic(0.004, ticks=40, seed=3)))
    assert outcome.gates[0].passing == pytest.approx(eprocess.pass_value(gate.promise, evidence), rel=1e-12)
    assert outcome.odds == pytest.approx(max(eprocess.against(gate.promise, evidence), 1.0), rel=1e-12)


def test_failed_responses_have_no_latency() -> None:
    counts = counted([a_row(requests=100.0, failures=40.0, over=((0.5, 6.0),))])
    (_, latency) = gates(BOTH, (500.0,))
    assert counts.failing(latency, Version.CANARY) == (60.0, 6.0)
    (_, strict) = gates(parse_spec(with_gates(latency={"p99": "500ms", "failures": "Slow"})), (500.0,))
    assert counts.failing(strict, Version.CANARY) == (100.0, 46.0)


@pytest.mark.parametrize(
    ("intervals", "weights"),
    [
        pytest.param([(0, 900), (0, 900)], [0, 0], id="not begun"),
        pytest.param([(0, 900), (100, 900), (95, 905), (110, 890)], [0, 100, 100, 100], id="a step is one level"),
        pytest.param([(100, 900)] * 3 + [(250, 750), (240, 760)], [100, 100, 100, 250, 250], id="the next step"),
        pytest.param([(500, 500), (1000, 0), (1000, 0)], [500, 1000, 1000], id="the bake"),
        pytest.param([(1000, 0), (0, 1000)], [1000, 0], id="back to stable"),
        pytest.param([(500, 500), (0, 1000), (500, 500)], [500, 0, 500], id="down and up"),
        pytest.param([(1, 0), (0, 2), (0, 0), (0, 3)], [999, 999, 999, 999], id="a few requests prove no bake"),
        pytest.param([(0, 0)], [0], id="nothing at all"),
    ],
)
def test_the_weight_is_what_the_requests_show(intervals: list[tuple[int, int]], weights: list[int]) -> None:
    split = Split()
    rows = [[a_row(requests=float(n)), a_row("stable", requests=float(m))] for n, m in intervals]
    assert [split.see(counted(pair)) for pair in rows] == weights


def test_the_weight_shows_in_the_routes_where_the_service_is_not_recorded() -> None:
    rows = [a_row(side, route=route, requests=n) for side, n in (("canary", 25.0), ("stable", 75.0)) for route in "ab"]
    assert Split().see(counted(rows)) == 250
