"""A slowdown: at most so many times as late as stable, measured at edges that stable's own latencies choose."""

import random
from collections.abc import Iterable
from dataclasses import replace

import pytest

from canary.core import book as books
from canary.core.book import Book
from canary.core.counts import Counts, Version, What
from canary.core.decide import questions
from canary.core.edges import Edge
from canary.core.gates import PROXY_BOUNDS, Gate, gates
from canary.core.judgement import Verdict, judge
from canary.core.promises import describe, wanted
from canary.core.questions import Bounds, ReadCounters
from canary.core.record import parse_status, render_status
from canary.core.snapshot import Snapshot
from canary.core.spec import CanarySpec
from canary.core.status import CanaryStatus, Phase, Reason
from tests.build import Story, a_raw_spec, a_snapshot, a_spec, a_status, stable, tick
from tests.load import BOUNDS, Load

SLOWDOWN: dict[str, object] = {"slowdown": 1.5}
EDGES = (Edge(place="", bound=50.0, tail=0.3), Edge(place="", bound=200.0, tail=0.02))


def judged(edges: tuple[Edge, ...] = EDGES, **latency: object) -> tuple[CanarySpec, tuple[Gate, ...]]:
    spec = a_spec(gates={"latency": {**SLOWDOWN, **latency}})
    return spec, gates(spec, PROXY_BOUNDS, edges=edges)


class TestItsGates:
    def test_are_one_for_each_edge_and_share_its_evidence(self) -> None:
        _, found = judged()
        assert [(g.name, g.beside, g.over, g.share) for g in found] == [
            ("service: latency beside stable over 50 ms", 50.0, 100.0, 0.5),
            ("service: latency beside stable over 200 ms", 200.0, 300.0, 0.5),
        ]
        assert [g.promise.p_bad - g.promise.p0 for g in found] == pytest.approx([0.05, 0.02])
        assert all(g.promise.relative and g.promise.delta == 0.005 and not g.split for g in found)

    def test_are_one_that_counts_nothing_until_there_is_an_edge(self) -> None:
        _, (gate,) = judged(edges=())
        counts = latencies([10.0] * 100, [10.0] * 900)
        assert gate.share == 1.0
        assert counts.failing(gate, Version.CANARY) == counts.passing(gate, Version.STABLE) == (0.0, 0.0)

    def test_count_the_canary_over_the_greater_bound(self) -> None:
        _, (gate, _) = judged()
        counts = latencies([60.0, 70.0, 150.0], [40.0, 60.0, 70.0, 150.0])
        assert counts.failing(gate, Version.CANARY) == counts.passing(gate, Version.CANARY) == (3.0, 1.0)
        assert counts.failing(gate, Version.STABLE) == (4.0, 3.0)

    def test_count_failures_as_slow_where_that_is_wanted(self) -> None:
        _, (gate, _) = judged(failures="Slow")
        counts = latencies([60.0, 150.0], [40.0])
        counts.sums[Version.CANARY, "", What.FAILED_TIMED] = 5.0
        assert counts.failing(gate, Version.CANARY) == (7.0, 6.0)

    def test_say_what_they_promise(self) -> None:
        _, (gate, _) = judged()
        assert wanted(gate) == "at most 1.5 times as late as stable (over 100 ms no more than stable over 50 ms)"
        _, (unmeasured,) = judged(edges=())
        assert wanted(unmeasured).endswith("(not measured yet: stable has had too few requests)")


def latencies(canary: Iterable[float], on_stable: Iterable[float]) -> Counts:
    """Count these answers as the proxy's buckets do."""
    made = Counts()
    for version, times in ((Version.CANARY, list(canary)), (Version.STABLE, list(on_stable))):
        made.sums[version, "", What.TIMED] = float(len(times))
        for bound in PROXY_BOUNDS:
            made.fast[version, "", bound] = float(sum(time <= bound for time in times))
    return made


def lived(factor: float, seed: int, ticks: int = 60) -> tuple[Book, CanarySpec, tuple[Gate, ...]]:
    """Let a release answer `factor` times as late as stable, whose latencies are log-normal around 50 ms."""
    rng, (spec, found), book = random.Random(seed), judged(), Book()
    for _ in range(ticks):
        canary, other = ([rng.lognormvariate(3.9, 0.8) for _ in range(n)] for n in (50, 450))
        book = books.fold(book, found, latencies([factor * time for time in canary], other), 100)
    return book, spec, found


class TestARelease:
    @pytest.mark.parametrize("factor", [0.2, 1.0, 1.5])
    def test_within_the_factor_is_spared(self, factor: float) -> None:
        assert [judge(*reordered(lived(factor, seed))).fault for seed in range(5)] == [None] * 5

    def test_as_fast_as_stable_passes(self) -> None:
        assert all(judge(*reordered(lived(1.0, seed))).passed for seed in range(5))

    def test_much_later_than_stable_is_rolled_back(self) -> None:
        for seed in range(5):
            book, spec, found = lived(4.0, seed, ticks=30)
            judgement = judge(book, found, spec)
            assert judgement.fault is Reason.LATENCY
            assert "service: slower than stable: " in judgement.message
            assert "at most 1.5 times as late is promised" in judgement.message

    def test_that_hits_the_tail_alone_does_not_pass(self) -> None:
        rng, (spec, found), book = random.Random(1), judged(), Book()
        for _ in range(60):
            canary, other = ([rng.lognormvariate(3.5, 0.3) for _ in range(n)] for n in (50, 450))
            book = books.fold(book, found, latencies([*canary[:47], 400.0, 400.0, 400.0], other), 100)
        judgement = judge(book, found, spec)
        assert judgement.verdicts[found[0].name] is Verdict.PASS or judgement.fault is not None
        assert not judgement.passed

    def test_is_worded_with_its_numbers(self) -> None:
        _, (gate, _) = judged()
        book = books.fold(Book(), (gate,), latencies([150.0] * 5 + [60.0] * 5, [60.0] + [40.0] * 9), 100)
        assert describe(gate, book) == (
            "service: slower than stable: 50% of 10 canary requests took longer than 100 ms, on stable 10% of 10 longer"
            " than 50 ms; at most 1.5 times as late is promised"
        )


def reordered(found: tuple[Book, CanarySpec, tuple[Gate, ...]]) -> tuple[Book, tuple[Gate, ...], CanarySpec]:
    book, spec, its = found
    return book, its, spec


def look(status: CanaryStatus | None = None, **spec: object) -> Snapshot:
    raw = {"gates": {"successRate": {"min": "99%"}, "latency": SLOWDOWN}, **spec}
    found = a_status(Phase.PROGRESSING, 100) if status is None else status
    assert found.rollout is not None
    return a_snapshot(replace(found, rollout=replace(found.rollout, spec=a_raw_spec(**raw))), spec=raw)


def measured(**per_tick: Load) -> Story:
    """Run until the edges are chosen: bounds are found, all are asked for, stable's buckets tell."""
    story = Story(seen=look(), per_tick={"c2": Load(sent=100), "s1": Load(sent=900), **per_tick})
    story.go(2)
    return story


def asked_at(seen: Snapshot) -> set[float]:
    (question,) = (q for q in questions(seen) if isinstance(q, ReadCounters))
    return set(question.scope.bounds)


class TestEdges:
    def test_are_chosen_once_stable_s_buckets_were_read(self) -> None:
        story = Story(seen=look())
        assert asked_at(story.seen) == set()
        story.go()
        assert asked_at(story.seen) == set(BOUNDS)
        story.go()
        assert [(edge.bound, edge.tail) for edge in story.seen.status.book.edges] == [(50.0, 0.0)]
        assert asked_at(story.seen) == {50.0, 100.0}

    def test_wait_for_enough_of_stable_s_requests(self) -> None:
        story = Story(seen=look(), per_tick={"s1": Load(sent=30)}, totals={"s1": Load(sent=10), "c2": Load()})
        story.go(2)
        assert story.seen.status.book.edges == ()
        story.go(1)
        assert len(story.seen.status.book.edges) == 1

    def test_survive_a_restart(self) -> None:
        status = measured().seen.status
        assert parse_status(render_status(status)).book.edges == status.book.edges
        spoilt = render_status(status)
        spoilt["evidence"] = {"edges": {"service": "-5.0 0.1 50.0 0.1 100.0 7.0", "x": "soon"}}
        assert parse_status(spoilt).book.edges == (Edge(place="", bound=50.0, tail=0.1),)

    def test_count_from_the_second_reading_that_asked_for_them(self) -> None:
        story = measured()
        (name,) = (g for g in story.go().status.book.tallies if "latency" in g)
        assert story.seen.status.book.tallies[name].canary_requests == 0
        assert story.go().status.book.tallies[name].canary_requests == 200

    @pytest.mark.parametrize(
        ("gates", "kept"),
        [
            pytest.param({"successRate": {"min": "98%"}, "latency": SLOWDOWN}, True, id="another promise"),
            pytest.param({"successRate": {"min": "99%"}, "latency": {"slowdown": 2}}, False, id="another factor"),
            pytest.param({"successRate": {"min": "99%"}, "latency": {"p99": "1s"}}, False, id="another kind"),
            pytest.param({"successRate": {"min": "99%"}}, False, id="none any more"),
        ],
    )
    def test_are_chosen_anew_when_the_promise_changes(self, gates: dict[str, object], *, kept: bool) -> None:
        story = measured()
        story.go(3)
        before = story.seen.status.book
        after = tick(replace(story.seen, spec=a_spec(gates=gates), raw_spec=a_raw_spec(gates=gates)))
        told = [notice.message for notice in after.notices if notice.reason is Reason.SPEC_CHANGED]
        assert (after.status.book.edges == before.edges) is kept
        assert ("latency beside stable" in told[0]) is ("slowdown" in str(gates) and not kept)

    def test_are_chosen_anew_when_stable_is_another_one(self) -> None:
        story = measured()
        story.go(3)
        other = replace(story.seen, stable=stable("s2"))
        decided = tick(other)
        assert decided.status.book.edges == ()
        assert not any("latency" in name for name in decided.status.book.evidence if "over" in name)


class TestARollout:
    def test_of_a_slow_release_is_rolled_back(self) -> None:
        story = measured(c2=Load(sent=100, slow=30))
        decided = story.go(8)
        assert decided.status.phase is Phase.ROLLING_BACK
        assert decided.status.reason is Reason.LATENCY
        assert "slower than stable" in decided.status.message

    def test_of_a_release_as_fast_as_stable_passes(self) -> None:
        story = measured()
        for _ in range(40):
            story.go()
            if story.seen.status.phase is not Phase.PROGRESSING:
                break
        assert story.seen.status.phase is Phase.BAKING

    def test_waits_while_nothing_can_be_measured(self) -> None:
        story = Story(seen=look(), per_tick={"c2": Load(sent=100), "s1": Load(sent=900)})
        story.go(30, bounds=Bounds(bounds=(50.0,)))
        assert story.seen.status.phase is Phase.PROGRESSING
        assert story.seen.status.weight == 500
