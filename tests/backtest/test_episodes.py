"""A past is cut into the releases in it, or into periods of stable alone."""

from datetime import timedelta

import pytest

from canary.backtest.episodes import Halves, Periods, Releases, periods
from canary.backtest.past import Counted, Interval, Origin, Period
from canary.backtest.recording import Row
from canary.core.counts import Version
from canary.errors import CanaryError
from tests.backtest.recorded import a_row

BEGIN = 1_772_006_400.0  # 2026-02-25T08:00:00Z
TICK = timedelta(seconds=10)
HOUR = Period(begin=BEGIN, end=BEGIN + 3600)


def an_interval(end: float, **requests: float) -> Interval:
    """Count an interval of ten seconds; revisions that begin with a c are the canary's."""
    counted = {
        Origin(Version.CANARY if name.startswith("c") else Version.STABLE, name, "", f"{name}-0"): Counted(n, 0.0, ())
        for name, n in requests.items()
    }
    return Interval(BEGIN + end - 10, BEGIN + end, counted)


def revisions(releases: Releases, *seen: Interval) -> list[list[tuple[str, float, str]]]:
    return [[(row.episode[:2], row.t, row.pod) for row in flat(releases.cut(interval))] for interval in seen]


def flat(rows: list[list[Row]]) -> list[Row]:
    """Leave out the time before."""
    return [row for interval in rows for row in interval if row.t > 0]


def test_a_release_begins_with_its_first_request() -> None:
    assert revisions(Releases(HOUR), an_interval(10, s1=9), an_interval(20, s1=9, c1=1), an_interval(30, s1=8)) == [
        [],
        [("c1", 10.0, "s1-0"), ("c1", 10.0, "c1-0")],
        [("c1", 20.0, "s1-0")],
    ]


def test_its_name_says_when_it_began() -> None:
    ((row,),) = Releases(HOUR).cut(an_interval(70, c1=1))
    assert row.episode == "c1 at 2026-02-25T08:01:00Z"


def test_the_next_release_begins_anew_and_what_is_left_of_the_one_before_does_not_count() -> None:
    seen = [an_interval(10, s1=9, c1=5), an_interval(20, s1=9, c1=3, c2=1), an_interval(30, s1=9, c1=1, c2=4)]
    assert revisions(Releases(HOUR), *seen)[1:] == [
        [("c2", 10.0, "s1-0"), ("c2", 10.0, "c2-0")],
        [("c2", 20.0, "s1-0"), ("c2", 20.0, "c2-0")],
    ]


def test_the_same_revision_is_another_release_after_ten_silent_minutes() -> None:
    releases = Releases(HOUR)
    seen = [an_interval(10, c1=1, s1=9), an_interval(610, s1=9), an_interval(620, s1=9), an_interval(700, c1=1, s1=9)]
    found = [flat(releases.cut(interval)) for interval in seen]
    assert [len(rows) for rows in found] == [2, 1, 0, 2]
    assert found[0][0].episode != found[3][0].episode


def test_stable_is_the_revision_that_had_most_requests_when_it_began() -> None:
    seen = [an_interval(10, c1=1), an_interval(20, c1=1, s1=9, s0=2), an_interval(30, c1=1, s2=9)]
    assert revisions(Releases(HOUR), *seen) == [
        [("c1", 10.0, "c1-0")],
        [("c1", 20.0, "c1-0"), ("c1", 20.0, "s1-0")],
        [("c1", 30.0, "c1-0")],
    ]


def test_periods_are_whole_and_of_stable_alone() -> None:
    periods = Periods(Period(begin=BEGIN, end=BEGIN + 50), timedelta(seconds=20))
    found = [flat(periods.cut(an_interval(end, s1=9, c1=1))) for end in (10, 20, 30, 40, 50)]
    assert [[(row.episode[-3:], row.t, row.pod) for row in rows] for rows in found] == [
        [("00Z", 10.0, "s1-0")],
        [("00Z", 20.0, "s1-0")],
        [("20Z", 10.0, "s1-0")],
        [("20Z", 20.0, "s1-0")],
        [],
    ]


def test_a_time_shorter_than_a_period_is_one() -> None:
    periods = Periods(Period(begin=BEGIN, end=BEGIN + 15), timedelta(seconds=20))
    assert len(periods.cut(an_interval(10, s1=9))) == 1


def test_the_half_hour_before_goes_with_each_episode() -> None:
    periods, releases = Periods(HOUR, timedelta(minutes=10)), Releases(HOUR)
    seen = [an_interval(10.0 * number, s1=9) for number in range(-199, 61)]
    cut = [rows for interval in seen for rows in periods.cut(interval)]
    assert [rows[0].t for rows in cut] == [10.0 * number for number in range(-179, 61)]
    for interval in seen:
        assert releases.cut(interval) == []
    (*before, release) = releases.cut(an_interval(610, s2=9, c1=1))
    assert [rows[0].t for rows in before] == [10.0 * number for number in range(-179, 1)]
    assert {row.side for rows in before for row in rows} == {Version.STABLE}
    assert {row.t for row in release} == {10.0}


def test_a_release_that_began_before_the_time_in_question_is_none_in_it() -> None:
    seen = [an_interval(end, s1=9, c1=1) for end in (-10, 0, 10)]
    assert revisions(Releases(HOUR), *seen) == [[], [], []]


def test_the_time_before_is_not_split() -> None:
    rows = [a_row("stable", pod=pod, t=0.0) for pod in ("a", "b", "")]
    assert Halves(1).split(rows) == rows


def halves(seed: int, *pods: str, episode: str = "e1") -> dict[str, str]:
    rows = [a_row("stable", pod=pod, episode=episode) for pod in pods]
    return {row.pod: str(row.side) for row in Halves(seed).split(rows)}


def test_pods_are_split_in_equal_halves_and_the_seed_says_how() -> None:
    pods = [f"p{number}" for number in range(10)]
    splits = [halves(seed, *pods) for seed in range(20)]
    assert {list(split.values()).count("canary") for split in splits} == {5}
    assert halves(3, *pods) == halves(3, *reversed(pods))
    assert len({tuple(split.items()) for split in splits}) > 10


def test_episodes_are_split_each_in_their_own_way() -> None:
    pods = [f"p{number}" for number in range(10)]
    assert halves(1, *pods) != halves(1, *pods, episode="e2")


def test_a_pod_keeps_its_side_and_a_new_one_joins_the_smaller_half() -> None:
    split = Halves(1)
    first = {row.pod: row.side for row in split.split([a_row("stable", pod=pod) for pod in ("a", "b", "c")])}
    second = {row.pod: row.side for row in split.split([a_row("stable", pod=pod, t=20.0) for pod in ("d", "a", "b")])}
    assert second == {"a": first["a"], "b": first["b"], "d": Version.CANARY}
    assert split.most == 4


def test_the_canary_itself_has_no_part_in_it() -> None:
    assert Halves(1).split([a_row("canary"), a_row("canary", pod="c2")]) == []


def test_one_pod_alone_is_stable() -> None:
    assert halves(1, "a") == {"a": "stable"}


def test_pods_without_names_cannot_be_split() -> None:
    with pytest.raises(CanaryError, match="A/A needs the names of stable's pods"):
        Halves(1).split([a_row("stable", pod="")])


def test_a_recorded_episode_is_cut_like_a_past_each_period_with_the_half_hour_before() -> None:
    rows = [a_row("stable", 10.0 * n) for n in range(-2, 6)]
    cut = [[(row.episode, row.t) for row in trial] for trial in periods(rows, 2 * TICK, TICK)]
    assert [{name for name, _ in trial} for trial in cut] == [{"e1 from 0 s"}, {"e1 from 20 s"}]
    assert [[t for _, t in trial] for trial in cut] == [[-20, -10, 0, 10, 20], [-40, -30, -20, -10, 0, 10, 20]]


@pytest.mark.parametrize("first", [10.0, BEGIN])
def test_a_recorded_episode_shorter_than_a_period_is_one_whenever_its_times_begin(first: float) -> None:
    rows = [a_row("stable", first), a_row("stable", first + 10)]
    assert [[row.t for row in trial] for trial in periods(rows, 10 * TICK, TICK)] == [[10.0, 20.0]]
    assert [row.episode for (row, _) in periods(rows, 10 * TICK, TICK)] == ["e1"]
