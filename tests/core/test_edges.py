"""Edges of a slowdown: chosen where stable has answers on both sides, each with a partner that is slow enough."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core.edges import FEWEST, MOST, TAILS, choose, partner
from canary.core.gates import PROXY_BOUNDS


@pytest.mark.parametrize(
    ("bound", "factor", "found"),
    [
        pytest.param(100.0, 2.0, 200.0, id="a bound itself"),
        pytest.param(100.0, 1.5, 200.0, id="the next one"),
        pytest.param(10.0, 3.0, 30.0, id="a factor that floats spoil"),
        pytest.param(50_000.0, 1.5, None, id="beyond the last"),
    ],
)
def test_the_partner_is_the_least_bound_so_many_times_as_great(
    bound: float, factor: float, found: float | None
) -> None:
    assert partner(bound, factor, PROXY_BOUNDS) == found


def tail_of(shares: dict[float, float]) -> dict[float, float]:
    """Give the share over each bound of the proxy; between the given ones it is that of the bound below."""
    tails, last = {}, 1.0
    for bound in PROXY_BOUNDS:
        last = shares.get(bound, last)
        tails[bound] = last
    return tails


@pytest.mark.parametrize(
    ("shares", "edges"),
    [
        pytest.param(
            {20.0: 0.5, 50.0: 0.25, 100.0: 0.06, 400.0: 0.01, 500.0: 0.001}, [50.0, 100.0, 400.0], id="all three"
        ),
        pytest.param({20.0: 0.5, 30.0: 0.0}, [20.0], id="one bound of use"),
        pytest.param({1.0: 0.001, 2.0: 0.0}, [1.0], id="all are faster than a millisecond"),
        pytest.param({1.0: 0.0}, [1.0], id="nobody was ever slow"),
        pytest.param({50_000.0: 0.9}, [30_000.0], id="all are slower than any bound but the last"),
    ],
)
def test_edges_stand_where_stable_is_on_both_sides(shares: dict[float, float], edges: list[float]) -> None:
    tails = tail_of(shares)
    found = choose("", 1.5, PROXY_BOUNDS, tails.__getitem__)
    assert [edge.bound for edge in found] == edges
    assert [edge.tail for edge in found] == [tails[bound] for bound in edges]


def test_one_bucket_has_no_edge() -> None:
    assert choose("", 1.5, (100.0,), lambda _: 0.3) == ()
    assert choose("", 1.5, (), lambda _: 0.3) == ()


@given(st.lists(st.floats(0, 1), min_size=25, max_size=25), st.floats(1, 10))
def test_edges_differ_rise_and_are_of_use_where_any_is(drawn: list[float], factor: float) -> None:
    tails = dict(zip(PROXY_BOUNDS, sorted(drawn, reverse=True), strict=True))
    found = choose("a", factor, PROXY_BOUNDS, tails.__getitem__)
    bounds = [edge.bound for edge in found]
    assert 1 <= len(found) <= len(TAILS)
    assert bounds == sorted(set(bounds))
    assert all(partner(bound, factor, PROXY_BOUNDS) is not None for bound in bounds)
    assert all(0.01 <= edge.margin <= 0.05 for edge in found)
    useful = [b for b in PROXY_BOUNDS if FEWEST <= tails[b] <= MOST and partner(b, factor, PROXY_BOUNDS)]
    assert set(bounds) <= set(useful) or not useful
    assert len(found) == min(len(TAILS), max(1, len(useful)))
