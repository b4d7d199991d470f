"""What a gate promises and what was measured of it, in words."""

import pytest

from canary.core.eprocess import FLOOR, UNKNOWN
from canary.core.gates import Metric, gates
from canary.core.promises import counting, describe, wanted
from tests.build import a_book, a_spec, counts


@pytest.mark.parametrize(
    ("bounds", "told"),
    [
        pytest.param((300.0, 500.0), "at most 1% may take longer than 300 ms", id="a bound"),
        pytest.param((200.0, 500.0), "(judged at 500 ms, passed at 200 ms: the nearest bucket bounds)", id="between"),
        pytest.param((200.0,), "(judged never, passed at 200 ms", id="above all"),
        pytest.param((500.0,), "(judged at 500 ms, passed never", id="below all"),
    ],
)
def test_a_limit_between_two_bounds_is_said(bounds: tuple[float, ...], told: str) -> None:
    (gate,) = gates(a_spec(gates={"latency": {"p99": "300ms"}}), bounds)
    assert told in wanted(gate)


def test_failures_that_count_as_slow_are_said() -> None:
    (gate,) = gates(a_spec(gates={"latency": {"p99": "300ms", "failures": "Slow"}}), (300.0,))
    assert wanted(gate) == "at most 1% may fail or take longer than 300 ms"
    assert "of 0 canary requests failed or took longer than 300 ms" in describe(gate, a_book(of=(gate,)))


def test_latency_is_worded_by_its_bound() -> None:
    (gate,) = gates(a_spec(gates={"latency": {"p99": "300ms"}}), (300.0,))
    book = a_book(counts((100, 10), (900, 1), metric=Metric.LATENCY), of=(gate,))
    assert "10% of 100 canary requests took longer than 300 ms" in describe(gate, book)
    assert "none of 0 canary requests" in describe(gate, a_book(of=(gate,)))


@pytest.mark.parametrize(
    ("icc", "requests", "told"),
    [
        pytest.param(0.15, 101, "it fails in bursts: evidence counted at 1/16", id="bursts"),
        pytest.param(UNKNOWN, 501, "stable's past is not known: evidence counted at 1/6", id="no past"),
        pytest.param(0.15, 7, "", id="too few requests for it to matter"),
        pytest.param(FLOOR, 10_000, "", id="no bursts, and caution"),
    ],
)
def test_how_evidence_is_counted_is_said_where_it_matters(icc: float, requests: float, told: str) -> None:
    assert counting(icc, requests) == told
