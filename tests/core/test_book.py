"""What is counted beside the evidence: the canary's requests at a weight."""

import pytest

from canary.core import book as books
from canary.core.book import Book
from canary.core.counts import Counts, Version, What
from canary.core.gates import gates
from canary.core.spec import Weight
from tests.build import a_spec, counts

QUIET = "GET /quiet"


def answered(*intervals: tuple[Weight, Counts], routes: tuple[str, ...] = ()) -> float:
    """Count through intervals, each with its weight at the end."""
    named = [{"name": route, "successRate": {"min": "99%"}} for route in routes]
    found = gates(a_spec(gates={"successRate": {"min": "99%"}, "routes": named}), ())
    book = Book()
    for weight, interval in intervals:
        book = books.fold(book, found, interval, weight)
    return book.answered


BOTH = counts((50, 0), (450, 0))
STABLE = counts((0, 0), (500, 0))


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        pytest.param([(100, BOTH), (100, BOTH)], 100, id="all at one weight"),
        pytest.param([(0, STABLE), (100, BOTH)], 0, id="not those of the first interval, which began without it"),
        pytest.param([(0, STABLE), (100, BOTH), (100, BOTH)], 50, id="those of the next"),
        pytest.param([(100, BOTH), (200, BOTH)], 100, id="a step that at most doubles is compared"),
        pytest.param([(100, BOTH), (500, BOTH)], 50, id="a leap is not"),
    ],
)
def test_canary_requests_count_where_they_are_compared_with_stables(
    intervals: list[tuple[Weight, Counts]], expected: float
) -> None:
    assert answered(*intervals) == expected


def test_a_quiet_route_keeps_nobody_from_counting() -> None:
    quiet = counts((50, 0), (450, 0))
    quiet.sums[Version.STABLE, QUIET, What.ANSWERED] = 1.0
    assert answered((100, quiet), (500, quiet), (500, BOTH), routes=(QUIET,)) == 100
