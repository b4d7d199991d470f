"""Weights sized by risk: equal to the reference, never more than the risk allows."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core.ramp import bearable, excess_of, first_weight, next_weight, reaction
from canary.core.statistics import ucb

SECONDS = timedelta(seconds=1)
REACT = 25.0

traffic = st.floats(0.0, 1e5)
weights = st.integers(1, 500)
budgets = st.integers(1, 10_000)
requests = st.floats(0.0, 1e6)
rates = st.floats(0.0, 0.5)


@given(rps=traffic, budget=budgets)
def test_the_first_weight_is_the_reference_s(reference: SimpleNamespace, rps: float, budget: int) -> None:
    own = first_weight(bearable(rps, REACT, budget))
    assert own / 1000 == pytest.approx(reference.next_weight(0, rps, 0, 0, 0, budget), abs=1e-9)


@given(weight=weights, rps=traffic, counted=st.tuples(requests, rates), stable=rates, budget=budgets)
def test_the_next_weight_is_the_reference_s(
    reference: SimpleNamespace, *, weight: int, rps: float, counted: tuple[float, float], stable: float, budget: int
) -> None:
    n, f = counted[0], counted[0] * counted[1]
    own = next_weight(weight, bearable(rps, REACT, budget, excess_of(ucb(n, f), stable)))
    wanted = reference.next_weight(weight / 1000, rps, n, f, stable, budget)
    assert own / 1000 == pytest.approx(wanted, abs=1e-9)


@given(weight=weights, rps=traffic, excess=st.floats(0.002, 1.0), budget=budgets)
def test_a_weight_never_risks_more_than_the_budget_unless_it_is_the_least(
    weight: int, rps: float, excess: float, budget: int
) -> None:
    for found in (
        first_weight(bearable(rps, REACT, budget)),
        next_weight(weight, bearable(rps, REACT, budget, excess)),
    ):
        at_risk = found / 1000 * rps * REACT * excess
        assert found == 1 or at_risk <= budget * (1 + 1e-6)
        assert 1 <= found <= 500


@pytest.mark.parametrize(
    ("rps", "weight"), [(0, 100), (10, 100), (40, 100), (100, 40), (1000, 4), (10_000, 1), (100_000, 1)]
)
def test_the_first_weight_is_small_where_there_is_much_traffic(rps: float, weight: int) -> None:
    assert first_weight(bearable(rps, REACT, 100)) == weight


def test_a_good_release_doubles_its_weight() -> None:
    weight = first_weight(bearable(1000, REACT, 100))
    path = [weight]
    while weight < 500:
        weight = next_weight(weight, bearable(1000, REACT, 100, excess_of(0.002, 0.001)))
        path.append(weight)
    assert path == [4, 8, 16, 32, 64, 128, 256, 500]


def test_a_release_that_may_still_fail_much_waits() -> None:
    assert next_weight(40, bearable(100, REACT, 100, excess_of(0.9, 0.0))) == 44
    assert next_weight(40, bearable(200, REACT, 100, excess_of(0.9, 0.0))) == 22


@pytest.mark.parametrize(
    ("interval", "scrape", "seconds"), [(10, 10, 25), (30, 10, 65), (2, 10, 25), (1, 1, 2.5), (10, 30, 75)]
)
def test_it_takes_two_ticks_and_a_scrape_s_delay_to_react(interval: int, scrape: int, seconds: float) -> None:
    assert reaction(interval * SECONDS, scrape * SECONDS) == seconds
