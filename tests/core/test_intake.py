"""What is asked of Prometheus, and that each request counts once, across restarts and changes of manner."""

from dataclasses import replace
from datetime import timedelta

import pytest

from canary.core.book import Tally
from canary.core.counters import Counters, Series
from canary.core.decide import questions
from canary.core.decision import Decision
from canary.core.demand import Demand
from canary.core.edges import Edge
from canary.core.gates import gates
from canary.core.history import armed_gates
from canary.core.manifest import parse_spec
from canary.core.questions import Bounds, FindBounds, History, ReadCounters, ReadHistory, Reading, Unanswered
from canary.core.snapshot import Snapshot, Wiring
from canary.core.status import Phase, Reason
from tests.build import CALM, DOWN, JUDGED, NOW, TICK, a_book, a_raw_spec, a_snapshot, a_split, a_status, canary, tick
from tests.canaries import a_canary
from tests.load import BEFORE, BOUNDS, SCRAPED, Load, a_reading, at_client, at_server, read_before, since

LATENCY = {"gates": {"successRate": {"min": "99%"}, "latency": {"p99": "300ms"}}}
ROUTED = {"gates": {"successRate": {"min": "99%"}, "routes": [{"name": "GET /", "successRate": {"min": "99%"}}]}}
LEARNED = History(demand={JUDGED: Demand(rps=10.0, failure=0.001, icc=0.05)})
MORE = since(c2=Load(sent=50, failed=1), s1=Load(sent=450))


def fresh(**seen: object) -> Snapshot:
    """Look at a rollout at 100m that has counted nothing so far."""
    status = replace(a_status(Phase.PROGRESSING, 100), book=a_book())
    return replace(a_snapshot(status), **seen)  # type: ignore[arg-type] # a table's own columns


def tally(decided: Decision, gate: str = JUDGED) -> tuple[float, float]:
    found = decided.status.book.tallies.get(gate, Tally())
    return found.canary_requests, found.canary_failures


def served(loads: dict[str, Load], at: float = SCRAPED + 10, route: str = "") -> Reading:
    """Read these totals at the servers."""
    prefix = "route_" if route else ""
    series = [s for rev, load in loads.items() for s in load.series(at_server(rev, route), at - 1, (), prefix)]
    return Reading(at=at, series=tuple(series))


class TestAsking:
    @pytest.mark.parametrize(
        ("seen", "asks"),
        [
            pytest.param(a_snapshot(), True, id="each interval"),
            pytest.param(a_snapshot(elapsed=timedelta(seconds=4)), False, id="not between two readings"),
            pytest.param(a_snapshot(elapsed=timedelta(seconds=1), counters=None), True, id="at once after a restart"),
            pytest.param(a_snapshot(a_status(Phase.PROMOTING, 1000)), True, id="until stable has the release"),
            pytest.param(a_snapshot(a_status(Phase.FINALISING, 0)), False, id="not once it is decided"),
            pytest.param(a_snapshot(a_status(Phase.ROLLING_BACK, 0)), False, id="not while it is taken back"),
            pytest.param(a_snapshot(a_status(Phase.IDLE, 0)), False, id="never when idle"),
            pytest.param(a_snapshot(wiring=Wiring(rival="web-older")), False, id="nor beside a rival"),
        ],
    )
    def test_for_counters(self, seen: Snapshot, *, asks: bool) -> None:
        assert any(isinstance(q, ReadCounters) for q in questions(seen)) == asks

    def test_for_what_the_checkpoint_had_counted_after_a_restart_only(self) -> None:
        times = [q.at for q in questions(a_snapshot(counters=None)) if isinstance(q, ReadCounters)]
        assert times == [None, SCRAPED]
        assert [q.at for q in questions(a_snapshot()) if isinstance(q, ReadCounters)] == [None]

    def test_for_bucket_bounds_until_they_are_known(self) -> None:
        seen = a_snapshot(spec=LATENCY)
        assert any(isinstance(q, FindBounds) for q in questions(seen))
        known = tick(seen, bounds=Bounds(bounds=BOUNDS)).status
        assert known.book.bounds == BOUNDS
        later = replace(seen, status=known)
        assert not any(isinstance(q, FindBounds) for q in questions(later))
        (asked,) = questions(later)
        assert isinstance(asked, ReadCounters)
        assert asked.scope.bounds == {300.0}

    @pytest.mark.parametrize("answer", [Unanswered(detail="503"), Bounds(bounds=())])
    def test_again_where_no_bounds_were_found(self, answer: Bounds | Unanswered) -> None:
        seen = a_snapshot(spec=LATENCY)
        decided = tick(seen, bounds=answer)
        assert any(isinstance(q, FindBounds) for q in questions(replace(seen, status=decided.status)))

    def test_for_stable_s_past_until_it_is_known_and_never_after_the_first_step(self) -> None:
        begun = a_snapshot(a_status(Phase.PROGRESSING, 0))
        assert asks_for_the_past(begun)
        waiting = replace(begun, canary=canary(pods=()))
        assert asks_for_the_past(replace(waiting, status=tick(waiting, history=DOWN).status))
        learned = tick(begun, history=LEARNED)
        assert learned.save
        assert learned.status.rollout is not None
        assert learned.status.rollout.learned == LEARNED.demand
        assert not asks_for_the_past(replace(begun, status=learned.status))
        assert not asks_for_the_past(a_snapshot(a_status(Phase.PROGRESSING, 100)))
        assert not asks_for_the_past(a_snapshot(a_status(Phase.IDLE, 0)))

    def test_an_outage_of_the_past_does_not_keep_a_release_from_its_first_step(self) -> None:
        begun = a_snapshot(a_status(Phase.PROGRESSING, 0))
        assert tick(begun, history=DOWN).status.weight == tick(begun, history=LEARNED).status.weight == 100

    def test_for_the_past_in_the_same_words_before_and_after_the_buckets_are_known(self) -> None:
        begun = a_snapshot(a_status(Phase.PROGRESSING, 0), spec=LATENCY)
        waiting = replace(begun, canary=canary(pods=()))
        known = tick(waiting, history=DOWN, bounds=Bounds(bounds=BOUNDS)).status
        assert known.book.bounds == BOUNDS
        before, after = (
            [q for q in questions(seen) if isinstance(q, ReadHistory)]
            for seen in (waiting, replace(waiting, status=known))
        )
        assert before == after != []


def test_a_slowdown_is_measured_where_the_past_shows_it_best_and_counted_as_it_fails_together() -> None:
    spec = parse_spec(a_canary(gates={"latency": {"slowdown": 2}}))
    edge = Edge(place="", bound=100.0, tail=0.3)
    (name,) = (gate.name for gate in gates(spec, BOUNDS, edges=(edge,)))
    past = History(demand={name: Demand(rps=10.0, failure=0.3, icc=0.05)}, edges=(edge,))
    begun = a_snapshot(
        replace(a_status(Phase.PROGRESSING, 0), book=a_book(bounds=BOUNDS)),
        spec=a_raw_spec(gates={"latency": {"slowdown": 2}}),
    )
    decided = tick(begun, history=past)
    assert decided.status.book.edges == (edge,)
    assert [(gate.over, gate.promise.icc) for gate in armed_gates(spec, decided.status)] == [(200.0, 0.05)]


class TestAPastThatIsNotKnown:
    @staticmethod
    def told(begun: Snapshot, history: History | Unanswered) -> list[tuple[str, bool]]:
        notices = tick(begun, history=history).notices
        return [(notice.message, notice.warning) for notice in notices if notice.reason is Reason.FORECAST]

    def test_is_said_once_with_why_and_what_is_taken_instead(self) -> None:
        begun = a_snapshot(a_status(Phase.PROGRESSING, 0))
        ((message, warning),) = self.told(begun, DOWN)
        assert message == (
            f"Stable's past could not be read ({DOWN.detail}): nothing is forecast, every gate is waited for, and "
            "evidence is counted at a correlation of 0.01."
        )
        assert warning
        stepped = tick(begun, history=DOWN).status
        assert self.told(replace(begun, status=stepped), DOWN) == []

    def test_is_not_yet_said_while_it_may_still_be_read(self) -> None:
        waiting = replace(a_snapshot(a_status(Phase.PROGRESSING, 0)), canary=canary(pods=()))
        assert self.told(waiting, DOWN) == []

    def test_is_said_where_there_is_none(self) -> None:
        ((message, _),) = self.told(a_snapshot(a_status(Phase.PROGRESSING, 0)), History(demand={}))
        assert message.startswith("Prometheus has no requests to stable in the last 30m: nothing is forecast")

    def test_is_not_told_of_where_it_is_known(self) -> None:
        ((message, _),) = self.told(a_snapshot(a_status(Phase.PROGRESSING, 0)), LEARNED)
        assert message.startswith("Expected: ")


def asks_for_the_past(seen: Snapshot) -> bool:
    return any(isinstance(q, ReadHistory) for q in questions(seen))


class TestCounting:
    def test_what_came_since_the_reading_before(self) -> None:
        decided = tick(fresh(), reading=a_reading(MORE))
        assert tally(decided) == (50, 1)
        assert decided.status.book.at == SCRAPED + 10

    def test_nothing_of_the_first_reading(self) -> None:
        first = fresh(counters=None, status=replace(fresh().status, book=a_book(at=0.0, manner=None)))
        decided = tick(first, reading=a_reading(MORE))
        assert tally(decided) == (0, 0)
        assert decided.counters is not None

    def test_nothing_of_other_revisions(self) -> None:
        loads = {**MORE, "c1": Load(sent=900, failed=900), "s0": Load(sent=900)}
        assert tally(tick(fresh(), reading=a_reading(loads))) == (50, 1)

    @pytest.mark.parametrize(
        ("recalled", "counted"),
        [
            pytest.param(a_reading(BEFORE, at=SCRAPED), (50, 1), id="known: the gap is one interval"),
            pytest.param(a_reading({}, at=SCRAPED), (0, 0), id="lost: it goes on from the checkpoint"),
        ],
    )
    def test_the_gap_of_a_restart(self, recalled: Reading, counted: tuple[float, float]) -> None:
        decided = tick(fresh(counters=None), reading=a_reading(MORE), recalled=recalled)
        assert tally(decided) == counted

    def test_the_gap_once_prometheus_answers_both(self) -> None:
        seen = fresh(counters=None, elapsed=timedelta())
        first = tick(seen, reading=a_reading(MORE), recalled=DOWN)
        assert tally(first) == (0, 0)
        assert first.counters is None
        second = tick(replace(seen, status=first.status, elapsed=TICK), reading=a_reading(MORE, at=SCRAPED + 20))
        assert tally(second) == (50, 1)

    def test_an_outage_as_one_interval_afterwards(self) -> None:
        first = tick(fresh(), reading=DOWN)
        assert first.status.book.at == SCRAPED
        second = tick(fresh(status=first.status), reading=a_reading(MORE, at=SCRAPED + 20))
        assert tally(second) == (50, 1)


class TestAnInterval:
    """Counts of two weights are not compared (Simpson's paradox)."""

    @pytest.mark.parametrize(
        ("live", "compared"),
        [
            pytest.param(100, True, id="at the weight that was meant"),
            pytest.param(500, False, id="in which someone moved traffic"),
            pytest.param(0, False, id="in which someone took it away"),
        ],
    )
    def test_is_compared(self, live: int, *, compared: bool) -> None:
        status = replace(a_status(Phase.PROGRESSING, 100), book=a_book(*CALM))
        before = status.book.of(JUDGED).judged.values()
        decided = tick(a_snapshot(status, split=a_split(live, editor="kubectl")), reading=a_reading(MORE))
        after = decided.status.book.of(JUDGED).judged.values()
        assert after[0] != before[0], "what needs no comparison counts"
        assert (after[2] != pytest.approx(before[2])) == compared

    def test_after_one_that_someone_disturbed_is_not_compared_either(self) -> None:
        status = replace(a_status(Phase.PROGRESSING, 100), book=a_book(*CALM))
        edited = tick(a_snapshot(status, split=a_split(500, editor="kubectl")), reading=a_reading(MORE)).status
        later = {"c2": MORE["c2"] + Load(sent=50, failed=1), "s1": MORE["s1"] + Load(sent=450)}
        seen = a_snapshot(edited, counters=read_before(a_reading(MORE)))
        decided = tick(seen, reading=a_reading(later, at=SCRAPED + 20))
        before, after = (s.book.of(JUDGED).judged.values() for s in (edited, decided.status))
        assert after[2] == pytest.approx(before[2])


class TestTheManner:
    def test_a_service_is_counted_at_its_servers_where_no_client_is_scraped(self) -> None:
        before = served(BEFORE, at=SCRAPED)
        book = a_book(manner=None)
        seen = fresh(counters=read_before(before), status=replace(fresh().status, book=book))
        decided = tick(seen, reading=served(MORE))
        assert tally(decided) == (50, 1)
        assert "counted at the servers" in decided.status.message

    def test_from_clients_to_servers_nothing_counts_twice(self) -> None:
        first = tick(fresh(), reading=served(MORE))
        assert tally(first) == (0, 0)
        later = {"c2": MORE["c2"] + Load(sent=7), "s1": MORE["s1"]}
        second = tick(fresh(status=first.status, counters=first.counters), reading=served(later, at=SCRAPED + 20))
        assert tally(second) == (7, 0)

    def test_clients_that_are_away_for_a_moment_come_back_with_all_they_counted(self) -> None:
        first = tick(fresh(), reading=a_reading(BEFORE, at=SCRAPED + 10))
        away = fresh(status=first.status, counters=first.counters)
        second = tick(away, reading=served(MORE, at=SCRAPED + 20))
        assert (tally(second), second.status.reason) == ((0, 0), Reason.NO_DATA)
        back = fresh(status=second.status, counters=second.counters)
        assert tally(tick(back, reading=a_reading(MORE, at=SCRAPED + 30))) == (50, 1)

    def test_clients_that_stay_away_are_done_without(self) -> None:
        first = tick(fresh(), reading=a_reading(BEFORE, at=SCRAPED + 10))
        away = fresh(status=first.status, counters=first.counters)
        second = tick(away, reading=served(MORE, at=SCRAPED + 80))
        assert second.status.reason is Reason.GATHERING
        assert "counted at the servers" in second.status.message

    def test_where_nothing_is_seen_the_manner_is_as_before(self) -> None:
        decided = tick(fresh(), reading=a_reading({}))
        assert decided.status.book.manner == fresh().status.book.manner

    def test_a_bucket_counts_from_the_second_reading_that_asked_for_it(self) -> None:
        slow = "service: p99 latency"
        status = replace(a_status(Phase.PROGRESSING, 100), book=a_book(bounds=BOUNDS))
        seen = a_snapshot(status, spec=LATENCY)
        first = tick(seen, reading=a_reading(MORE, bounds=(300.0,)))
        assert tally(first, slow) == (0, 0)
        later = {"c2": MORE["c2"] + Load(sent=30, slow=2), "s1": MORE["s1"]}
        again = replace(seen, status=first.status, counters=first.counters)
        second = tick(again, reading=a_reading(later, at=SCRAPED + 20, bounds=(300.0,)))
        assert tally(second, slow) == (30, 2)

    def test_a_route_counts_from_the_second_reading_that_asked_for_it(self) -> None:
        route = "GET /: success rate"
        seen = a_snapshot(replace(a_status(Phase.PROGRESSING, 100), book=a_book()), spec=ROUTED)
        routed = served(MORE, route="GET /").series
        first = tick(seen, reading=Reading(at=SCRAPED + 10, series=(*a_reading(MORE).series, *routed)))
        assert tally(first, route) == (0, 0)
        later = {"c2": MORE["c2"] + Load(sent=30, failed=2), "s1": MORE["s1"]}
        both = (*a_reading(MORE, at=SCRAPED + 20).series, *served(later, SCRAPED + 20, "GET /").series)
        again = replace(seen, status=first.status, counters=first.counters)
        second = tick(again, reading=Reading(at=SCRAPED + 20, series=both))
        assert tally(second, route) == (30, 2)
        assert tally(second) == (50, 1)


class TestSilence:
    @pytest.mark.parametrize(
        ("reading", "reason", "says"),
        [
            pytest.param(DOWN, Reason.METRICS_UNREACHABLE, "connection refused", id="an outage"),
            pytest.param(a_reading({}), Reason.NO_DATA, "no meshed client", id="nothing"),
            pytest.param(
                Reading(at=SCRAPED + 10, series=(Series(at_client("c2"), ((SCRAPED + 9, float("nan")),)),)),
                Reason.NO_DATA,
                "Prometheus has no requests",
                id="no number",
            ),
            pytest.param(
                a_reading(BEFORE, scraped=SCRAPED - 20), Reason.STALE_DATA, "sample is 30 s old", id="old numbers"
            ),
        ],
    )
    def test_holds_and_says_why(self, reading: Reading | Unanswered, reason: Reason, says: str) -> None:
        decided = tick(a_snapshot(), reading=reading)
        assert (decided.status.weight, decided.status.reason) == (100, reason)
        assert says in decided.status.message
        assert decided.judgement is not None
        assert decided.judgement.passed is False

    def test_lasts_until_the_next_reading(self) -> None:
        first = tick(a_snapshot(), reading=DOWN)
        between = a_snapshot(first.status, elapsed=timedelta(seconds=2), at=NOW + timedelta(seconds=2))
        assert tick(between).status.reason is Reason.METRICS_UNREACHABLE

    def test_checkpoints_a_time_at_which_there_were_counters(self) -> None:
        assert tick(a_snapshot(), reading=a_reading({})).status.book.at == SCRAPED

    def test_of_a_few_users_is_chance(self) -> None:
        idle = a_snapshot(a_status(Phase.PROGRESSING, 4, silent=5))
        assert tick(idle, reading=a_reading(since(s1=Load(sent=100)))).status.reason is not Reason.NO_TRAFFIC

    @pytest.mark.parametrize(
        ("on_stable", "says"),
        [
            pytest.param(Load(sent=900), "; clients without the mesh", id="they do not obey the split"),
            pytest.param(Load(), ", nor stable in this one", id="there are none"),
        ],
    )
    def test_of_users_is_said_after_six_intervals(self, on_stable: Load, says: str) -> None:
        idle = a_snapshot(a_status(Phase.PROGRESSING, 100, silent=5))
        decided = tick(idle, reading=a_reading(since(s1=on_stable)))
        assert decided.status.reason is Reason.NO_TRAFFIC
        assert f"no request reached the canary at 100m in 6 intervals{says}" in decided.status.message

    def test_of_users_before_the_first_weight_is_none(self) -> None:
        decided = tick(a_snapshot(a_status(Phase.PROGRESSING, 0, silent=5)), reading=a_reading(since(s1=Load(sent=9))))
        assert decided.status.weight == 100


def test_a_rollout_begins_with_no_counters() -> None:
    seen = a_snapshot(a_status(Phase.IDLE, 0), counters=Counters.fresh())
    assert tick(seen).counters is None
