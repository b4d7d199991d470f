"""The evidence in words: what no gate counts is said beside it."""

from dataclasses import replace

import pytest

from canary.core.book import Tally
from canary.core.checkpoint import parse_book, render_book
from canary.core.counters import Series
from canary.core.record import render_status
from canary.core.status import CanaryStatus, Phase
from tests.build import CALM, a_book, a_snapshot, a_status, tick
from tests.load import BEFORE, SCRAPED, Load, a_reading, at_client, read_before, since


def refused(canary: tuple[float, float], stable: tuple[float, float]) -> Tally:
    (n, f), (m, g) = canary, stable
    return Tally(canary_requests=n, canary_failures=f, stable_requests=m, stable_failures=g)


def at_100m(tally: Tally) -> CanaryStatus:
    return replace(a_status(Phase.PROGRESSING, 100), book=a_book(*CALM, refused=tally))


@pytest.mark.parametrize(
    ("tally", "told"),
    [
        pytest.param(refused((1000, 120), (9000, 90)), "12% of the canary's answers are 4xx (stable's: 1%)", id="many"),
        pytest.param(refused((1000, 12), (9000, 90)), "", id="as many"),
        pytest.param(refused((1000, 30), (9000, 90)), "", id="some more, which may be chance"),
        pytest.param(refused((9000, 100), (9000, 9000)), "", id="stable refuses all"),
        pytest.param(refused((0, 0), (9000, 90)), "", id="the canary answered nothing"),
        pytest.param(refused((1000, 900), (0, 0)), "", id="stable answered nothing"),
    ],
)
def test_a_release_that_refuses_many_more_requests_than_stable_is_said_and_not_held(tally: Tally, told: str) -> None:
    said = tick(a_snapshot(at_100m(tally)), reading=a_reading(since())).status
    assert said.weight == 200
    assert told in said.message
    assert ("4xx" in said.message) == bool(told)


def answers(canary: float, stable: float, at: float) -> tuple[Series, ...]:
    """Count so many answers 404 of each side."""
    labels = {"__name__": "response_total", "status_code": "404", "classification": "success"}
    return tuple(
        Series({**labels, **at_client(revision)}, ((at - 1, value),))
        for revision, value in (("c2", canary), ("s1", stable))
    )


def test_a_4xx_is_counted_on_both_sides() -> None:
    before = a_reading(BEFORE, at=SCRAPED)
    before = replace(before, series=(*before.series, *answers(5, 7, before.at)))
    now = a_reading(since(c2=Load(sent=100), s1=Load(sent=900)))
    now = replace(now, series=(*now.series, *answers(8, 8, now.at)))
    seen = a_snapshot(at_100m(Tally()), counters=read_before(before))
    counted = tick(seen, reading=now).status
    assert counted.book.refused == refused((103, 3), (901, 1))
    assert parse_book(render_book(counted.book)).refused == counted.book.refused
    shown = render_status(counted)["rollout"]
    assert isinstance(shown, dict)
    assert shown["clientErrors"] == {"canary": "3 of 103", "stable": "1 of 901"}
