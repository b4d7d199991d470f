"""What stable's past tells: how much traffic, how much of it fails, and whether it fails in bursts."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core.counters import Series
from canary.core.counts import Counts, Version, What
from canary.core.demand import Demand
from canary.core.edges import ENOUGH, choose
from canary.core.eprocess import FLOOR
from canary.core.gates import gates
from canary.core.history import CEILING, Past, Ticks, armed_gates, candidates, correlation, recalled
from canary.core.intake import scope_for
from canary.core.manifest import parse_spec
from canary.core.questions import History
from canary.core.record import parse_status, render_status
from canary.core.statistics import icc_moment
from canary.core.status import Phase
from tests.build import JUDGED, a_spec, a_status
from tests.canaries import a_canary
from tests.load import BOUNDS, SCRAPED, Load, at_client, at_server

EVEN = [(100.0, 1.0)] * 60
BURSTS = [(100.0, 50.0 if tick % 10 == 0 else 0.0) for tick in range(60)]
PODS = st.lists(st.tuples(st.integers(0, 500), st.floats(0, 1)), max_size=80).map(
    lambda cells: [(float(n), float(round(n * share))) for n, share in cells]
)


class TestCorrelation:
    @given(cells=PODS)
    def test_equals_the_reference(self, reference: SimpleNamespace, cells: list[tuple[float, float]]) -> None:
        found, wanted = icc_moment(cells), reference.icc_moment(cells)
        assert found == (None if wanted is None else pytest.approx(wanted, abs=1e-9))

    @pytest.mark.parametrize(
        ("cells", "icc"),
        [
            pytest.param(EVEN, 0.0, id="never twice as many as usual"),
            pytest.param([(100.0, 100.0 if t == 3 else 0.0) for t in range(60)], 1.0, id="a tick fails as a whole"),
            pytest.param(BURSTS, 0.4726, id="bursts of half of the requests"),
            pytest.param(BURSTS[:19], None, id="too few ticks"),
            pytest.param([(100.0, 0.0)] * 56 + [(100.0, 1.0)] * 4, None, id="too few failures"),
            pytest.param([(1.0, 1.0)] * 60, None, id="single requests"),
            pytest.param([(10.0, 10.0)] * 60, None, id="nothing but failures"),
            pytest.param([], None, id="no past"),
        ],
    )
    def test_of_a_tick_s_requests(self, cells: list[tuple[float, float]], icc: float | None) -> None:
        assert icc_moment(cells) == (None if icc is None else pytest.approx(icc, abs=1e-3))

    def test_has_a_floor(self) -> None:
        assert correlation(EVEN, EVEN) == FLOOR

    def test_is_that_of_a_pod_where_pods_have_the_traffic(self) -> None:
        pods = [(25.0, 3.0 if tick % 10 == 0 and pod == 0 else 0.0) for tick in range(60) for pod in range(4)]
        side = [(100.0, 3.0 if tick % 10 == 0 else 0.0) for tick in range(60)]
        assert correlation(side, pods) == icc_moment(pods)
        assert correlation(side, [(1.0, 0.0)] * 240) == icc_moment(side) != icc_moment(pods)

    def test_has_a_ceiling(self) -> None:
        assert correlation(EVEN, [(100.0, 100.0 if tick == 7 else 0.0) for tick in range(240)]) == CEILING

    def test_wants_twenty_ticks_however_many_pods_there_are(self) -> None:
        assert correlation(BURSTS[:10], BURSTS) is None


def read(past: Past, ticks: int, *, failing: str = "", slow: str = "", bounds: tuple[float, ...] = ()) -> None:
    """Let two pods take 50 requests each in a tick; of one of them, every tenth tick fails, or is slow, as a whole."""
    for tick in range(ticks + 1):
        series: list[Series] = []
        for pod in ("s1-0", "s1-1"):
            failed = 50.0 * (tick // 10) if pod == failing else 0.0
            slower = 50.0 * (tick // 10) if pod == slow else 0.0
            labels = {**at_client("s1"), "dst_pod": pod}
            series += Load(sent=50.0 * tick, failed=failed, slow=slower).series(labels, SCRAPED + 10 * tick, bounds)
        past.take(SCRAPED + 10 * tick, series)


def a_past() -> Past:
    return Past(a_spec(), (), scope_for(a_spec(), "shop", ()))


class TestPast:
    def test_counts_each_tick_of_each_pod(self) -> None:
        past = a_past()
        read(past, 60, failing="s1-1")
        found = past.told().demand[JUDGED]
        assert (found.rps, found.failure) == pytest.approx((10, 0.05))
        assert found.icc == CEILING, "it is 1, but with that nothing would pass in time"

    def test_knows_no_gate_that_had_no_requests(self) -> None:
        past = a_past()
        read(past, 0)
        assert past.told().demand == {}
        for tick in range(30):
            past.take(SCRAPED + 10 * tick, [])
        assert past.told().demand == {}

    def test_counts_the_traffic_that_releases_had_but_only_how_stable_did(self) -> None:
        past = a_past()
        for tick in range(21):
            read_at = SCRAPED + 10 * tick
            released = Load(sent=50.0 * tick, failed=25.0 * tick).series(at_client("c1"), read_at)
            past.take(read_at, [*Load(sent=50.0 * tick).series(at_client("s1"), read_at), *released])
        found = past.told().demand[JUDGED]
        assert (found.rps, found.failure) == pytest.approx((10, 0))

    def test_is_read_at_the_servers_where_no_client_is_scraped(self) -> None:
        past = a_past()
        for tick in range(4):
            past.take(SCRAPED + 10 * tick, Load(sent=50.0 * tick).series(at_server("s1"), SCRAPED + 10 * tick))
        assert past.told().demand[JUDGED].rps == pytest.approx(5)

    def test_of_a_series_without_a_revision_tells_nothing(self) -> None:
        past = a_past()
        for tick in range(4):
            labels = {k: v for k, v in at_client("s1").items() if k != "dst_pod_template_hash"}
            past.take(SCRAPED + 10 * tick, Load(sent=50.0 * tick).series(labels, SCRAPED + 10 * tick))
        assert past.told().demand == {}


class TestWhereASlowdownIsMeasured:
    SPEC = parse_spec(a_canary(gates={"successRate": {"min": "99%"}, "latency": {"slowdown": 2}}))

    def told(self, ticks: int) -> History:
        past = Past(self.SPEC, BOUNDS, scope_for(self.SPEC, "shop", BOUNDS))
        read(past, ticks, slow="s1-1", bounds=BOUNDS)
        return past.told()

    def test_is_chosen_by_what_stable_did_and_bursts_are_learned_there(self) -> None:
        found = self.told(60)
        assert found.edges == choose("", 2.0, BOUNDS, lambda _: 0.05)
        measured = [gate for gate in gates(self.SPEC, BOUNDS, edges=found.edges) if gate.beside is not None]
        assert len(measured) == 3
        assert found.demand.keys() == {JUDGED, *(gate.name for gate in measured)}
        for gate in measured:
            demand = found.demand[gate.name]
            assert (demand.rps, demand.failure) == pytest.approx((10, 0.05))
            assert demand.icc == CEILING

    def test_is_not_chosen_where_nothing_was_answered(self) -> None:
        found = self.told(0)
        assert (found.edges, dict(found.demand)) == ((), {})

    @pytest.mark.parametrize(("answers", "chosen"), [(ENOUGH - 1, False), (ENOUGH, True)])
    def test_is_chosen_by_enough_answers_of_stable_however_many_a_release_gave(
        self, answers: float, chosen: bool
    ) -> None:
        ticks, counts = Ticks(candidates(self.SPEC, BOUNDS)), Counts()
        for version, timed in ((Version.STABLE, answers), (Version.CANARY, 10_000.0)):
            counts.sums[version, "", What.TIMED] = timed
            counts.fast |= {(version, "", bound): timed / 2 for bound in BOUNDS}
        ticks.add([counts])
        assert bool(recalled(self.SPEC, BOUNDS, ticks.demand(60.0)).edges) == chosen


def test_a_rollout_counts_by_what_was_learned_when_it_began() -> None:
    demand = {JUDGED: Demand(rps=10.0, failure=0.001, icc=0.0625), "GET /: success rate": Demand(rps=1.0, failure=0.0)}
    status = a_status(Phase.PROGRESSING, 100)
    assert status.rollout is not None
    knowing = replace(status, rollout=replace(status.rollout, learned=demand))
    assert [gate.promise.icc for gate in armed_gates(a_spec(), knowing)] == [0.0625]
    assert [gate.promise.icc for gate in armed_gates(a_spec(), status)] == [0.01]
    read_back = parse_status(render_status(knowing)).rollout
    assert read_back is not None
    assert read_back.learned == demand
    assert parse_status(render_status(status)).rollout == status.rollout


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"requestsPerSecond": 0, "failure": 0.1}, id="no requests"),
        pytest.param({"requestsPerSecond": 5, "failure": 1.5}, id="more failures than requests"),
        pytest.param({"requestsPerSecond": "5"}, id="no number"),
        pytest.param("?", id="no object"),
    ],
)
def test_what_no_past_can_have_told_is_left_out(fields: object) -> None:
    record = render_status(a_status(Phase.PROGRESSING, 100))
    rollout = record["rollout"]
    assert isinstance(rollout, dict)
    rollout["learned"] = {JUDGED: fields, "kept": {"requestsPerSecond": 5, "failure": 0.1, "icc": 7}}
    read_back = parse_status(record).rollout
    assert read_back is not None
    assert read_back.learned == {"kept": Demand(rps=5.0, failure=0.1)}
