"""Latencies of cold pods are left out, once: neither a crash loop nor ever new pods can hide."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core.checkpoint import parse_book, render_book
from canary.core.counters import Increment
from canary.core.counts import Origin, Placed, Version, What, gained
from canary.core.snapshot import Snapshot
from canary.core.status import CanaryStatus, Phase, Reason
from canary.core.warmup import Spared, cold, without
from tests.build import Story, a_raw_spec, a_snapshot, a_status
from tests.load import SCRAPED, Load

GATES: dict[str, object] = {"successRate": {"min": "99%"}, "latency": {"p99": "300ms"}, "warmup": "60s"}
FRESH = Spared()


class TestColdPods:
    def test_are_those_that_started_lately(self) -> None:
        after = cold(FRESH, {"old": 50.0, "young": 101.0, "again": 0.0}, 4, since=100.0)
        assert after == Spared(pods=1, names=frozenset({"young"}))

    def test_stay_so_until_their_time_is_over(self) -> None:
        before = cold(FRESH, {"a": 101.0}, 1, since=100.0)
        assert cold(before, {"a": 101.0}, 1, since=100.5) == before
        assert cold(before, {"a": 101.0}, 1, since=101.0) == Spared(pods=1)

    def test_are_no_more_than_are_wanted(self) -> None:
        before = cold(FRESH, {"a": 101.0, "b": 102.0, "c": 103.0}, 2, since=100.0)
        assert before == Spared(pods=2, latest=103.0, names=frozenset({"a", "b"}))
        assert cold(before, {"d": 104.0}, 2, since=100.0).names == frozenset()
        assert cold(before, {"d": 104.0}, 3, since=100.0).names == {"d"}

    def test_that_started_in_one_second_are_no_more_either(self) -> None:
        begun = dict.fromkeys("abc", 101.0)
        before = cold(FRESH, begun, 1, since=100.0)
        assert before.names == cold(before, begun, 1, since=100.0).names == {"a"}

    def test_of_a_deployment_that_grows_are_the_new_ones_and_none_that_counted(self) -> None:
        before = cold(FRESH, {"a": 101.0, "b": 101.0}, 2, since=100.0)
        before = cold(before, {"a": 101.0, "b2": 105.0}, 2, since=100.0)
        assert before.names == {"a"}
        assert cold(before, {"a": 101.0, "b2": 105.0, "c": 107.0}, 3, since=100.0).names == {"a", "c"}

    @given(
        st.lists(
            st.tuples(st.sets(st.integers(0, 8)), st.sampled_from([20, 60]), st.booleans()), min_size=1, max_size=30
        ),
        st.integers(0, 5),
    )
    def test_of_a_deployment_that_makes_pods_for_ever_are_no_more_than_it_ever_wanted(
        self, looks: Sequence[tuple[set[int], int, bool]], wanted: int
    ) -> None:
        """Up to three begin in one second, some are seen again, and it may grow by one between two looks."""
        spared, now, seen, counted = FRESH, 1000.0, set[str](), set[str]()
        for number, (places, later, grows) in enumerate(looks):
            wanted += grows
            begun = {f"{number // 3}-{place}": 1000.0 + number // 3 * 30 + place // 3 for place in places}
            spared = cold(spared, begun, wanted, since=now - 60.0)
            assert cold(spared, begun, wanted, since=now - 60.0) == spared
            assert spared.names <= begun.keys() - counted
            counted |= begun.keys() - spared.names
            seen |= spared.names
            now += later
            assert len(seen) <= spared.pods <= wanted


def timed(version: Version, pod: str, value: float, *sums: What, le: float | None = None, place: str = "") -> Placed:
    at = Origin(version=version, place=place, pod=pod)
    return Placed(Increment(labels={}, value=value), None, at, sums, le)


READ = [
    timed(Version.CANARY, "c-0", 10.0, What.ANSWERED),
    timed(Version.CANARY, "c-0", 10.0, What.TIMED),
    timed(Version.CANARY, "c-0", 4.0, le=300.0),
    timed(Version.CANARY, "c-1", 20.0, What.TIMED),
    timed(Version.CANARY, "c-1", 19.0, le=300.0),
    timed(Version.STABLE, "s-0", 90.0, What.TIMED),
    timed(Version.STABLE, "s-0", 3.0, What.FAILED_TIMED),
    timed(Version.STABLE, "s-0", 90.0, What.TIMED, place="GET /"),
    timed(Version.STABLE, "s-0", 90.0, What.ANSWERED),
]


class TestWithout:
    def test_leaves_out_what_cold_pods_timed_and_nothing_else(self) -> None:
        counts = gained(without(READ, {"c-0"}))
        assert counts.of(Version.CANARY, "", What.ANSWERED) == 10
        assert counts.of(Version.CANARY, "", What.TIMED) == 20
        assert counts.fast[Version.CANARY, "", 300.0] == 19
        assert counts.of(Version.STABLE, "", What.TIMED) == 90

    def test_leaves_both_sides_out_where_one_has_nothing_left(self) -> None:
        counts = gained(without(READ, {"c-0", "c-1"}))
        assert {what for (_, place, what), n in counts.sums.items() if n and not place} == {What.ANSWERED}
        assert counts.of(Version.STABLE, "GET /", What.TIMED) == 90

    @pytest.mark.parametrize(("slow", "canary"), [((), 0), (("",), 30)])
    def test_takes_a_failed_answer_for_one_only_where_it_is_a_slow_one(
        self, slow: Sequence[str], canary: float
    ) -> None:
        """Stable's only warm pod failed."""
        failed = timed(Version.STABLE, "s-1", 1.0, What.FAILED_TIMED)
        counts = gained(without([*READ, failed], {"s-0"}, slow))
        assert counts.of(Version.CANARY, "", What.TIMED) == canary
        assert counts.of(Version.STABLE, "", What.TIMED) == 0

    def test_leaves_all_as_it_is_where_no_pod_is_cold(self) -> None:
        assert without(READ, ()) == READ


def look(lasts: str = "60s") -> Snapshot:
    """Look at a rollout that promises a latency, with its spec known."""
    gates = {**GATES, "warmup": lasts}
    status = a_status(Phase.PROGRESSING, 100)
    assert status.rollout is not None
    kept = replace(status, rollout=replace(status.rollout, spec=a_raw_spec(gates=gates)))
    return a_snapshot(kept, spec={"gates": gates})


def a_story(slow: float = 0.4) -> Story:
    return Story(seen=look(), per_tick={"c2": Load(sent=100, slow=100 * slow), "s1": Load(sent=900)})


def played(story: Story, ticks: int, started: Callable[[float], float]) -> CanaryStatus:
    """Let it tick while its only pod says that it started then, as a function of the time."""
    for _ in range(ticks):
        canary = story.seen.canary
        assert canary is not None
        pods = tuple(replace(pod, started=started(story.now)) for pod in canary.pods)
        story.seen = replace(story.seen, canary=replace(canary, pods=pods))
        if story.go().status.phase is not Phase.PROGRESSING:
            break
    return story.seen.status


def made_anew(story: Story, ticks: int) -> CanaryStatus:
    """Let it tick while other pods take the place of the first ones after fifty seconds, and of those again."""
    canary = story.seen.canary
    assert canary is not None
    gone = tuple(replace(pod, name=pod.name + "-before") for pod in canary.pods)
    story.seen = replace(story.seen, canary=replace(canary, pods=gone))
    played(story, 4, lambda _: SCRAPED)
    story.seen = replace(story.seen, canary=canary)
    return played(story, ticks, lambda now: now - now % 50)


def timed_by_the_gate(status: CanaryStatus) -> float:
    return status.book.tallies["service: p99 latency"].canary_requests


class TestARollout:
    def test_counts_no_latency_while_its_pods_are_cold_and_every_failure(self) -> None:
        status = played(a_story(), 4, lambda _: SCRAPED)
        assert timed_by_the_gate(status) == 0
        assert status.book.tallies["service: success rate"].canary_requests > 0
        assert status.phase is Phase.PROGRESSING

    def test_counts_them_afterwards(self) -> None:
        story = a_story()
        status = played(story, 20, lambda _: SCRAPED)
        assert (status.phase, status.reason) == (Phase.ROLLING_BACK, Reason.LATENCY)
        assert len(story.decided) > 7  # sixty seconds, and what is counted over their end

    def test_is_judged_at_once_where_nothing_is_said_of_a_warm_up(self) -> None:
        story = Story(seen=look("0s"), per_tick=a_story().per_tick)
        status = played(story, 20, lambda _: SCRAPED)
        assert (status.phase, status.reason) == (Phase.ROLLING_BACK, Reason.LATENCY)
        assert len(story.decided) < 7

    def test_of_a_crash_loop_is_rolled_back(self) -> None:
        """It began again after twenty seconds: nothing tells since when it runs for the first time."""
        story = a_story()
        status = played(story, 20, lambda now: SCRAPED if now < SCRAPED + 20 else 0.0)
        assert (status.phase, status.reason) == (Phase.ROLLING_BACK, Reason.LATENCY)
        assert len(story.decided) < 10

    def test_of_pods_that_are_made_anew_again_and_again_is_rolled_back(self) -> None:
        status = made_anew(a_story(), 40)
        assert (status.phase, status.reason) == (Phase.ROLLING_BACK, Reason.LATENCY)

    def test_of_a_good_release_passes_whatever_its_pods_do(self) -> None:
        status = made_anew(a_story(slow=0.0), 60)
        assert status.phase is Phase.BAKING

    def test_whose_stable_is_gone_spares_the_canary_s_pods_all_the_same(self) -> None:
        story = a_story()
        story.seen = replace(story.seen, stable=None)
        assert set(played(story, 2, lambda _: SCRAPED).book.spared) == {Version.CANARY}

    @pytest.mark.parametrize(("earlier", "counts"), [("", False), ("-before", True)])
    def test_spares_no_pod_twice_after_a_restart_of_ours(self, earlier: str, counts: bool) -> None:
        story = a_story(slow=0.0)
        canary = story.seen.canary
        assert canary is not None
        gone = tuple(replace(pod, name=pod.name + earlier) for pod in canary.pods)
        story.seen = replace(story.seen, canary=replace(canary, pods=gone))
        before = played(story, 3, lambda _: SCRAPED)
        read_back = parse_book(render_book(before.book))
        assert read_back.spared == before.book.spared
        story.seen = replace(story.seen, status=replace(before, book=read_back), canary=canary)
        after = played(story, 3, lambda _: SCRAPED + 15)
        assert (timed_by_the_gate(after) > timed_by_the_gate(before)) == counts

    def test_is_read_where_an_older_version_kept_no_names(self) -> None:
        spoilt = {"spared": {"canary": "4.0 1000.0", "stable": "soon", "green": "1.0 2.0"}}
        assert parse_book(spoilt).spared == {Version.CANARY: Spared(pods=4, latest=1000.0)}
        assert parse_book({"spared": {"canary": "-1.0 5.0"}}).spared == {}
