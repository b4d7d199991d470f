"""Weights are targets: what the canary really gets is measured, and a release that does not get its share waits."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core.book import Book
from canary.core.checkpoint import parse_book, render_book
from canary.core.counters import Increment
from canary.core.counts import Leaf, Revisions, count
from canary.core.decision import Decision
from canary.core.questions import Reading, Scope
from canary.core.share import FADING, Share, settled
from canary.core.snapshot import Snapshot
from canary.core.spec import Side
from canary.core.status import Phase, Reason
from tests.build import CALM, TICK, Remembered, a_book, a_snapshot, a_status, tick
from tests.load import BEFORE, SCRAPED, Load, a_reading, at_client, read_before, since

SCOPE = Scope(
    namespace="shop",
    apex="web",
    stable=Side(service="web-stable", deployment="web-stable"),
    canary=Side(service="web-canary", deployment="web-canary"),
    bounds=frozenset(),
    routes=False,
)


def of(canary: float, stable: float, past: float = 0.0) -> Share:
    return Share(canary=canary, stable=stable, past=past, intervals=2)


class TestDeviation:
    @pytest.mark.parametrize(
        ("share", "weight", "deviates"),
        [
            pytest.param(of(1000, 9000), 100, False, id="exact"),
            pytest.param(of(850, 9150), 100, False, id="within the tolerance, however many"),
            pytest.param(of(85e6, 915e6), 100, False, id="or however many more"),
            pytest.param(of(500, 9500), 100, True, id="half of it"),
            pytest.param(of(5, 95), 100, False, id="half of it, of a few"),
            pytest.param(of(1000, 9000 - 5000, 5000 * 3), 100, True, id="clients past the split"),
            pytest.param(of(2000, 8000), 100, True, id="twice as much"),
            pytest.param(of(0, 10_000), 100, True, id="nothing"),
            pytest.param(of(10_000, 0), 900, True, id="everything"),
            pytest.param(of(5000, 5000), 500, False, id="half and half"),
            pytest.param(of(0, 10_000), 0, False, id="no weight to get"),
            pytest.param(of(5000, 5000), 1000, False, id="no split any more"),
            pytest.param(of(0, 0), 100, False, id="nothing known"),
        ],
    )
    def test_of_what_was_sent_from_the_weight(self, share: Share, weight: int, *, deviates: bool) -> None:
        assert share.deviates(weight) is deviates

    @given(n=st.integers(1, 10**7), weight=st.integers(1, 999), off=st.floats(-4, 4))
    def test_is_never_what_chance_does(self, n: int, weight: int, off: float) -> None:
        p = weight / 1000
        canary = min(float(n), max(0.0, n * p + off * (n * p * (1 - p)) ** 0.5))
        assert not of(canary, n - canary).deviates(weight)

    def test_heals_once_the_cause_is_gone(self) -> None:
        share = of(0, 100_000)
        for _ in range(round(4 * FADING / 10)):
            share = share.later({Leaf.CANARY: 100.0, Leaf.STABLE: 900.0}, 10.0)
        assert not share.deviates(100)


@pytest.mark.parametrize(("dwelt", "counts"), [(0, False), (10, False), (15, True)])
def test_counts_what_every_client_sent_at_the_present_weight(dwelt: float, *, counts: bool) -> None:
    assert settled(timedelta(seconds=dwelt), timedelta(seconds=10)) is counts


def test_what_clients_sent_is_told_apart_by_where_they_sent_it_whatever_revision_answered() -> None:
    sent = {"__name__": "request_total", **at_client("c2")}
    found = count(
        [
            Increment(labels=sent, value=1),
            Increment(labels={**sent, "dst_service": "web-stable", "dst_pod_template_hash": "s0"}, value=20),
            Increment(labels={**sent, "dst_service": "web"}, value=300),
            Increment(labels={**sent, "dst_service": "other"}, value=4000),
            Increment(labels={**sent, "dst_namespace": "elsewhere"}, value=4000),
            Increment(labels={**sent, "__name__": "response_total"}, value=4000),
        ],
        SCOPE,
        Revisions(stable="s1", canary="c2"),
        client=True,
    )
    assert dict(found.sent) == {Leaf.CANARY: 1, Leaf.STABLE: 20, Leaf.APEX: 300}


WATCHED: Mapping[str, object] = {"gates": {"successRate": {"min": "99%"}, "trafficShare": "Watch"}}


def at_100m(spec: Mapping[str, object] = MappingProxyType({}), **rollout: Unpack[Remembered]) -> Snapshot:
    status = a_status(Phase.PROGRESSING, 100, **rollout)
    return a_snapshot(replace(status, book=a_book(*CALM, answered=200.0, share=Share(intervals=1))), spec=spec)


def with_apex(loads: dict[str, Load], past: float) -> Reading:
    """Read what the client counted, with so many requests to the apex itself."""
    reading = a_reading(loads)
    apex = {**at_client("s1"), "dst_service": "web"}
    return replace(reading, series=(*reading.series, *Load(sent=past).series(apex, reading.at - 1)))


def hold(seen: Snapshot, reading: Reading) -> Decision:
    before = replace(with_apex(BEFORE, 0.0), at=SCRAPED)
    before = replace(before, series=tuple(replace(s, samples=((SCRAPED - 1, s.samples[0][1]),)) for s in before.series))
    return tick(replace(seen, counters=read_before(before)), reading=reading)


@pytest.mark.parametrize(("text", "share"), [("1.5 2.0 3.0 2", of(1.5, 2, 3)), ("1 2 nan 2", Share()), ("1", Share())])
def test_is_checkpointed_and_what_no_fold_can_have_left_is_none(text: str, share: Share) -> None:
    written = render_book(Book(share=of(1.5, 2, 3)))
    assert written["share"] == "1.5 2 3 2"
    assert parse_book({**written, "share": text}).share == share


SHORT = with_apex(since(c2=Load(sent=100), s1=Load(sent=1900)), 8000.0)


class TestHolding:
    def test_says_what_may_be_the_cause(self) -> None:
        short = hold(at_100m(), with_apex(since(c2=Load(sent=100), s1=Load(sent=1900)), 8000.0))
        assert (short.status.weight, short.status.reason) == (100, Reason.SHARE)
        said = "Held at 100m: the canary got 1% of 10000 requests, the split gives it 10%; 80% went to web itself"
        assert short.status.message.startswith(said)
        assert "clients that began before there was a split" in short.status.message
        assert "pods of web-canary that the proxies find not ready" in short.status.message

    def test_of_too_great_a_share_looks_for_the_cause_at_stable(self) -> None:
        much = hold(at_100m(), with_apex(since(c2=Load(sent=1900), s1=Load(sent=1900)), 0.0))
        assert much.status.reason is Reason.SHARE
        assert "pods of web-stable" in much.status.message
        assert "clients that call web-canary directly" in much.status.message
        assert "past the split" not in much.status.message

    def test_waits_until_all_was_sent_at_this_weight(self) -> None:
        early = hold(at_100m(dwelt=TICK), with_apex(since(c2=Load(sent=100), s1=Load(sent=9900)), 0.0))
        assert early.status.reason is Reason.GATHERING
        assert early.status.book.share == Share(intervals=1)

    def test_waits_for_a_second_interval(self) -> None:
        first = replace(at_100m(), status=replace(at_100m().status, book=a_book(*CALM)))
        decided = hold(first, with_apex(since(c2=Load(sent=100), s1=Load(sent=9900)), 0.0))
        assert decided.status.reason is not Reason.SHARE

    @pytest.mark.parametrize(("silent", "reason"), [(0, Reason.SHARE), (5, Reason.NO_TRAFFIC)])
    def test_leaves_a_canary_without_any_request_to_the_rule_of_silence(self, silent: int, reason: Reason) -> None:
        none = hold(at_100m(silent=silent), with_apex(since(s1=Load(sent=9900)), 0.0))
        assert (none.status.weight, none.status.reason) == (100, reason)

    def test_says_how_it_goes_on_where_that_is_meant(self) -> None:
        held = hold(at_100m(), SHORT)
        assert held.status.message.endswith("Where it is meant to be so, gates.trafficShare: Watch goes on.")
        watched = hold(at_100m(WATCHED), SHORT)
        assert (watched.status.weight, watched.status.reason) == (200, Reason.WEIGHT_INCREASED)

    def test_is_said_where_it_is_meant(self) -> None:
        watched = hold(at_100m({**WATCHED, "dwell": "1h"}), SHORT)
        assert watched.status.reason is Reason.GATHERING
        assert "the canary got 1% of 10000 requests, the split gives it 10%" in watched.status.message

    def test_is_what_the_deadline_says_was_missing(self) -> None:
        over = hold(at_100m(spent=timedelta(minutes=30)), SHORT)
        assert (over.status.phase, over.status.reason) == (Phase.ROLLING_BACK, Reason.STEP_TIMEOUT)
        assert "its share (the canary got 1% of 10000 requests, the split gives it 10%)" in over.status.message

    def test_starts_over_with_another_weight(self) -> None:
        up = tick(a_snapshot(replace(a_status(Phase.PROGRESSING, 100), book=a_book(*CALM, answered=200.0))))
        assert up.status.weight == 200
        assert up.status.book.share == Share()
