"""Mode Threshold: checks in a row, what is not judged, and how often the rule is wrong about a good release."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core import threshold
from canary.core.counts import Counts
from canary.core.decision import Decision
from canary.core.demand import Demand
from canary.core.gates import gates
from canary.core.questions import History
from canary.core.record import parse_status, render_status
from canary.core.snapshot import Snapshot
from canary.core.spec import Threshold
from canary.core.status import Phase, Reason
from canary.core.threshold import Checks, binomial, chance, check
from canary.errors import InvalidSpec
from tests.build import DOWN, JUDGED, Story, a_book, a_snapshot, a_spec, a_status, counts, tick
from tests.load import Load

RULE = Threshold(failures=3, min_requests=100, intervals=0)
WINDOWED = replace(RULE, intervals=2)
MODE = {"evidence": {"mode": "Threshold"}}


def checked(rule: Threshold, *intervals: tuple[float, float]) -> Checks:
    found = Checks()
    for requests, failures in intervals:
        found = check(rule, 0.01, found, requests, failures)
    return found


class TestACheck:
    @pytest.mark.parametrize(
        ("intervals", "run", "good"),
        [
            pytest.param([], 0, False, id="nothing"),
            pytest.param([(99, 50)], 0, False, id="too few requests"),
            pytest.param([(100, 1)], 0, True, id="at the limit"),
            pytest.param([(100, 2)], 1, False, id="over it"),
            pytest.param([(50, 1), (50, 1)], 1, False, id="all are counted together"),
            pytest.param([(100, 5)] * 3, 3, False, id="in a row"),
            pytest.param([(100, 5), (0, 0), (100, 5)], 2, False, id="an interval without requests says nothing"),
            pytest.param([(100, 2), (900, 1), (100, 0)], 0, True, id="one that is good ends the row"),
        ],
    )
    def test_counts_all_since_the_beginning(self, intervals: list[tuple[float, float]], run: int, good: bool) -> None:
        found = checked(RULE, *intervals)
        assert (found.run, found.good) == (run, good)

    def test_of_a_window_judges_its_own_requests_alone(self) -> None:
        assert checked(WINDOWED, (500, 50)).run == 0, "the window is not over"
        assert checked(WINDOWED, (500, 50), (500, 0)).run == 1
        assert checked(WINDOWED, (500, 50), (500, 0), (500, 0), (500, 0)) == Checks(good=True)
        few = checked(WINDOWED, (500, 50), (500, 0), (40, 40), (40, 40))
        assert (few.run, few.requests) == (1, 80), "too few to judge: the check goes on"
        assert check(WINDOWED, 0.01, few, 40, 0) == Checks(run=2)

    @given(st.lists(st.tuples(st.integers(0, 500), st.floats(0, 1)), max_size=20), st.integers(0, 3))
    def test_is_read_back_from_a_checkpoint(self, drawn: list[tuple[int, float]], intervals: int) -> None:
        found = checked(replace(RULE, intervals=intervals), *((n, n * share) for n, share in drawn))
        assert Checks.from_numbers(found.numbers()) == found

    @pytest.mark.parametrize("numbers", [(1, 2, 0, 0, 0), (1, 0, -1, 0, 0), (1, 0, 0, float("nan"), 0)])
    def test_that_nothing_can_have_left_is_refused(self, numbers: tuple[float, ...]) -> None:
        with pytest.raises(ValueError, match="are no checks"):
            Checks.from_numbers(numbers)


def enumerated(rule: Threshold, failing: float, intervals: list[int]) -> float:
    """Add up every course that ends in a rollback."""
    total = 0.0
    for course in product(*(range(n + 1) for n in intervals)):
        weight, found = 1.0, Checks()
        for n, k in zip(intervals, course, strict=True):
            weight *= comb(n, k) * failing**k * (1 - failing) ** (n - k)
        for n, k in zip(intervals, course, strict=True):
            found = check(rule, 0.2, found, n, k)
            if found.run >= rule.failures:
                total += weight
                break
    return total


def worked_out(rule: Threshold, limit: float, failing: float, intervals: Sequence[float], icc: float = 0.0) -> float:
    found = chance(rule, limit, failing, intervals, icc)
    assert found is not None
    return found


class TestTheChance:
    @pytest.mark.parametrize("rows", [1, 2, 3])
    @pytest.mark.parametrize("window", [0, 1, 2])
    @pytest.mark.parametrize("least", [1, 5, 9])
    def test_is_that_of_all_courses_enumerated(self, rows: int, window: int, least: int) -> None:
        rule = Threshold(failures=rows, min_requests=least, intervals=window)
        for intervals in ([3, 4, 5, 4], [6, 0, 6, 3], [1, 2, 9, 2]):
            for failing in (0.05, 0.2, 0.7):
                assert worked_out(rule, 0.2, failing, intervals) == pytest.approx(
                    enumerated(rule, failing, intervals), abs=1e-6
                )

    def test_of_one_check_is_the_binomial_tail(self) -> None:
        rule = Threshold(failures=1, min_requests=1, intervals=1)
        tail = 1 - sum(comb(100, k) * 0.01**k * 0.99 ** (100 - k) for k in range(2))
        assert worked_out(rule, 0.01, 0.01, [100]) == pytest.approx(tail)

    @pytest.mark.usefixtures("untraced")
    def test_is_great_where_few_requests_are_judged_and_small_where_many_are(self) -> None:
        hasty = Threshold(failures=1, min_requests=1, intervals=1)
        assert worked_out(hasty, 0.01, 0.001, [10] * 60) > 0.4
        assert worked_out(RULE, 0.01, 0.001, [100] * 60) < 0.01
        assert worked_out(RULE, 0.01, 0.001, [100_000.0] * 60) == pytest.approx(0, abs=1e-9)
        assert worked_out(RULE, 0.01, 0.02, [100_000.0] * 60) == pytest.approx(1, abs=1e-3)
        assert worked_out(RULE, 0.01, 0.009, [1_000_000.0] * 60) == pytest.approx(0, abs=1e-6)

    @pytest.mark.parametrize("failing", [0.003, 0.03])
    def test_is_the_same_where_later_counts_are_taken_for_settled(
        self, failing: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rule = Threshold(failures=6, min_requests=100, intervals=0)
        short = worked_out(rule, 0.01, failing, [400] * 40)
        monkeypatch.setattr(threshold, "SETTLED", 1e9)
        assert worked_out(rule, 0.01, failing, [400] * 40) == pytest.approx(short, abs=1e-6)

    @pytest.mark.parametrize(
        ("requests", "intervals"), [(10_000, 60), (1e10, 5), (0.4, 9000)], ids=["near", "many at once", "for long"]
    )
    def test_is_not_given_where_it_takes_too_long(self, requests: float, intervals: int) -> None:
        assert chance(RULE, 0.01, 0.01, [requests] * intervals, work=1e5) is None

    def test_is_that_of_the_last_check_too(self) -> None:
        rule = Threshold(failures=1, min_requests=1, intervals=1)
        once = worked_out(rule, 0.03, 0.001, [50])
        assert worked_out(rule, 0.03, 0.001, [50] * 500) == pytest.approx(1 - (1 - once) ** 500, abs=1e-5)
        rare = Threshold(failures=100, min_requests=1, intervals=1)
        assert worked_out(rare, 0.01, 0.5, [1000] * 200) == pytest.approx(1)
        assert worked_out(rare, 0.01, 0.5, [1000] * 50) == 0, "there are no hundred checks"

    def test_is_that_of_many_failures_in_each_check_too(self) -> None:
        rule = Threshold(failures=1, min_requests=1, intervals=1)
        once = worked_out(rule, 0.5, 0.49, [10_000])
        assert worked_out(rule, 0.5, 0.49, [10_000] * 50) == pytest.approx(1 - (1 - once) ** 50, abs=1e-4)

    def test_of_what_is_settled_counts_only_the_checks_that_are_due(self) -> None:
        rule = Threshold(failures=3, min_requests=1000, intervals=0)
        assert worked_out(rule, 0.01, 0.5, [1000, *[0.1] * 14]) == 0, "one request more: two checks"

    def test_counts_requests_that_come_less_than_once_an_interval(self) -> None:
        often = Threshold(failures=1, min_requests=10, intervals=0)
        rare = worked_out(often, 0.01, 0.01, [0.4] * 25)
        assert rare == pytest.approx(1 - 0.99**10)

    def test_where_all_requests_of_an_interval_fail_together_is_that_of_one_draw(self) -> None:
        rule = Threshold(failures=2, min_requests=1, intervals=1)
        assert worked_out(rule, 0.2, 0.1, [50, 80], icc=1.0) == pytest.approx(0.1**2)
        assert worked_out(rule, 0.2, 0.1, [50, 80]) < 0.001

    def test_is_greater_where_failures_come_in_bursts(self) -> None:
        assert worked_out(RULE, 0.01, 0.005, [100] * 60, icc=0.1) > 5 * worked_out(RULE, 0.01, 0.005, [100] * 60)

    def test_is_found_among_late_checks_of_little_traffic(self) -> None:
        late = Threshold(failures=1, min_requests=100, intervals=0)
        assert worked_out(late, 0.01, 0.01, [1.0] * 100) == pytest.approx(1 - 0.99**100 - 0.99**99, abs=1e-6)

    def test_is_none_where_nothing_fails_or_is_judged(self) -> None:
        assert worked_out(RULE, 0.01, 0.0, [1000] * 9) == 0
        assert worked_out(RULE, 0.01, 0.5, [10] * 9) == 0
        assert worked_out(RULE, 0.01, 1.0, [1000] * 9) == pytest.approx(1, abs=1e-3)

    @given(st.integers(0, 3000), st.floats(0, 1))
    def test_the_binomial_adds_up(self, n: int, p: float) -> None:
        found = binomial(n, p)
        assert sum(q for _, q in found) == pytest.approx(1)
        assert sum(k * q for k, q in found) == pytest.approx(n * p, abs=1e-4)


def at(weight: int, *intervals: Counts, **fields: object) -> Snapshot:
    spec = a_spec(**{**MODE, **fields})
    book = a_book(*intervals, weight=weight, of=gates(spec, ()), rule=spec.threshold, answered=200.0)
    return a_snapshot(replace(a_status(Phase.PROGRESSING, weight), book=book), spec={**MODE, **fields})


def test_a_slowdown_is_no_matter_for_a_threshold() -> None:
    with pytest.raises(InvalidSpec, match="Evidence where a latency is a slowdown"):
        a_spec(gates={"latency": {"slowdown": 1.5}}, **MODE)


class TestARollout:
    def test_goes_up_on_a_good_check(self) -> None:
        decided = tick(at(100, counts((500, 0), (4500, 4))))
        assert decided.status.weight == 200
        assert "0 checks over the limit in a row (3 roll back)" in decided.status.message

    def test_is_rolled_back_at_the_third_bad_check_in_a_row_and_not_before(self) -> None:
        seen = at(100, counts((500, 25), (4500, 4)))
        story = Story(seen=seen, per_tick={"c2": Load(sent=100, failed=5), "s1": Load(sent=900)})
        assert story.go().status.phase is Phase.PROGRESSING
        assert story.decided[-1].status.weight == 100
        status = story.go().status
        assert (status.phase, status.weight, status.reason) == (Phase.ROLLING_BACK, 0, Reason.SUCCESS_RATE)
        assert "5% of 700 canary requests failed" in status.message
        assert "over its limit in 3 checks in a row" in status.message

    def test_is_not_rolled_back_by_the_odds(self) -> None:
        bad = counts((2000, 400), (18_000, 2))
        decided: Decision = tick(at(100, bad, bad), reading=DOWN)
        assert decided.status.phase is Phase.PROGRESSING
        assert decided.judgement is not None
        assert decided.judgement.against > 100

    def test_holds_where_too_little_is_asked_to_be_judged(self) -> None:
        story = Story(seen=at(100), per_tick={"c2": Load(sent=5, failed=5), "s1": Load(sent=45)})
        assert story.go(19).status.phase is Phase.PROGRESSING
        assert story.decided[-1].status.weight == 100

    def test_holds_in_an_outage(self) -> None:
        story = Story(seen=at(100, counts((500, 25), (4500, 4))))
        assert story.go(9, reading=DOWN).status.phase is Phase.PROGRESSING

    def test_bakes_only_after_a_good_check(self) -> None:
        lacks = at(500, counts((50, 0), (50, 0)))
        story = Story(seen=lacks, per_tick={"c2": Load(sent=1), "s1": Load(sent=1)})
        assert "a check of service: success rate that it passes, on 100 requests or more" in story.go().status.message
        assert tick(at(500, counts((500, 0), (500, 0)))).status.phase is Phase.BAKING

    def test_keeps_its_checks_over_a_restart(self) -> None:
        status = tick(at(100, counts((500, 25), (4500, 4)))).status
        assert parse_status(render_status(status)).book.checks == status.book.checks
        assert status.book.checks[JUDGED].run == 2

    @pytest.mark.parametrize(
        ("rps", "failure", "says"),
        [
            (100.0, 0.009, "with this traffic this rule rolls back a good release with probability about "),
            (100.0, 0.0001, "probability about 0.01% or less"),
            (100.0, 0.2, "probability about 100%"),
            (0.01, 0.001, "100 requests without which nothing is judged come in about 6h20m, but a step may take 30m"),
            (0.0, 0.001, "100 requests without which nothing is judged never come, but a step may take 30m"),
        ],
    )
    def test_says_beforehand_how_often_it_will_be_wrong(self, rps: float, failure: float, says: str) -> None:
        begun = replace(a_status(Phase.PROGRESSING, 0), book=a_book(at=0.0))
        past = History(demand={JUDGED: Demand(rps=rps, failure=failure)})
        decided = tick(a_snapshot(begun, spec=MODE), history=past)
        (told,) = [notice.message for notice in decided.notices if notice.reason is Reason.FORECAST]
        assert says in told

    @pytest.mark.parametrize(("rps", "warned"), [(100.0, False), (0.01, True)])
    def test_is_warned_of_where_nothing_will_be_judged_in_time(self, rps: float, *, warned: bool) -> None:
        begun = replace(a_status(Phase.PROGRESSING, 0), book=a_book(at=0.0))
        decided = tick(a_snapshot(begun, spec=MODE), history=History(demand={JUDGED: Demand(rps=rps, failure=0.001)}))
        assert [n.warning for n in decided.notices if n.reason is Reason.FORECAST] == [warned]

    def test_says_nothing_of_gates_without_a_past(self) -> None:
        begun = replace(a_status(Phase.PROGRESSING, 0), book=a_book(at=0.0))
        decided = tick(a_snapshot(begun, spec=MODE), history=History(demand={}))
        assert [notice for notice in decided.notices if notice.reason is Reason.FORECAST] == []
