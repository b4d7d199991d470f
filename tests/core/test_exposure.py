"""What a ramp sizes its weights by: recent traffic, and how the release did in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core.counts import Counts, Version, What
from canary.core.exposure import Traffic, effective, flows


def sent(canary: float, stable: float, place: str = "") -> Counts:
    made = Counts()
    made.sums[Version.CANARY, place, What.SENT] = canary
    made.sums[Version.STABLE, place, What.SENT] = stable
    return made


def test_nothing_counted_is_no_traffic() -> None:
    assert Traffic().rps == 0.0


@given(rps=st.floats(0, 1e5), seconds=st.lists(st.floats(0.1, 300), min_size=1, max_size=20))
def test_steady_traffic_is_measured_rightly_whatever_the_intervals(rps: float, seconds: list[float]) -> None:
    found = Traffic()
    for length in seconds:
        found = found.later(rps * length, length)
    assert found.rps == pytest.approx(rps)


def test_what_was_long_ago_counts_little() -> None:
    found = Traffic().later(100_000, 100)
    for _ in range(60):
        found = found.later(100, 10)
    assert found.rps == pytest.approx(10, rel=0.1)


def test_both_sides_are_added_up_at_each_place() -> None:
    found = flows({"": Traffic(requests=0, seconds=10)}, ("", "GET /"), sent(40, 60), 10)
    assert found[""].rps == pytest.approx(100 / (10 + 10 * 2.718281828 ** (-1 / 6)))
    assert found["GET /"] == Traffic(requests=0, seconds=10, known=10)


def test_requests_count_as_far_as_they_tell_something_new() -> None:
    assert effective((0.0, 0.0), 1, 1, 0.01) == (1, 1)
    assert effective((10.0, 1.0), 101, 2, 0.01) == pytest.approx((10 + 101 / 2, 1 + 2 / 2))
