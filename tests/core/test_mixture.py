"""The engine: whatever the factors, capital must stay a fair bet, late starts included."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core.mixture import CEILING, FIRST, LAG, Ledger, multiply
from canary.core.statistics import ODDS

EVEN = [0.0] * len(ODDS)
NO_CAP = 1e6


def held(ledger: Ledger) -> float:
    """All the ledger's capital, over its one row."""
    return ledger.values()[0]


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=40), st.floats(0.1, 3))
def test_a_fair_factor_leaves_the_capital_as_it_is_on_average(logs: list[float], spread: float) -> None:
    """A coin decides each tick: up by e^spread with just the chance that makes the mean factor 1."""
    ledger = Ledger.fresh(1)
    for log in logs:
        ledger = ledger.bet(NO_CAP, [log] * len(ODDS))
    chance = (1 - math.exp(-spread)) / (math.exp(spread) - math.exp(-spread))
    up, down = (held(ledger.bet(NO_CAP, [way * spread] * len(ODDS))) for way in (1, -1))
    assert chance * up + (1 - chance) * down == pytest.approx(held(ledger))


def test_half_of_the_capital_is_kept_for_regressions_that_begin_late() -> None:
    ledger = Ledger.fresh(2).bet(NO_CAP, EVEN, EVEN)
    assert ledger.cash == 1 - FIRST
    assert ledger.bet(NO_CAP, EVEN, EVEN).cash == pytest.approx((1 - FIRST) * (1 - 1 / (1 + LAG)))
    assert ledger.values() == pytest.approx((1, 1))


def test_a_late_regression_need_not_pay_back_a_long_good_history() -> None:
    ledger = Ledger.fresh(1)
    all_at_once: tuple[float, ...] = (1 / len(ODDS),) * len(ODDS)
    for log in [-1.0] * 300 + [1.5] * 10:
        ledger = ledger.bet(NO_CAP, [log] * len(ODDS))
        all_at_once = multiply(all_at_once, [log] * len(ODDS), NO_CAP)
    assert held(ledger) > 100
    assert sum(all_at_once) < 1e-100


def test_rows_share_the_stakes_and_nothing_else() -> None:
    both = Ledger.fresh(2).bet(NO_CAP, [0.5] * len(ODDS), [-0.5] * len(ODDS))
    up, down = (held(Ledger.fresh(1).bet(NO_CAP, [log] * len(ODDS))) for log in (0.5, -0.5))
    assert both.values() == (up, down)


def test_one_tick_moves_a_bet_by_no_more_than_the_cap() -> None:
    assert multiply((0.5, 0.5), [50.0, -50.0], 2.0) == pytest.approx((0.5 * math.exp(2), 0.5 * math.exp(-50)))


@pytest.mark.parametrize(
    ("row", "log"),
    [
        pytest.param((1.0,), -math.inf, id="no float below zero"),
        pytest.param((1e199,), 500.0, id="no infinity"),
        pytest.param((0.0,), 700.0, id="nothing stays nothing"),
    ],
)
def test_capital_stays_a_finite_number(row: tuple[float, ...], log: float) -> None:
    (value,) = multiply(row, [log], NO_CAP)
    assert 0 <= value <= CEILING


def test_a_row_without_its_factors_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Ledger.fresh(2).bet(1.0, EVEN)
