"""A line of a recording is read as it is meant, or refused with its field, its value and what is allowed."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.backtest.recording import Row, bounds, parse, render
from canary.core.counts import Version
from canary.errors import InvalidSpec
from tests.backtest.recorded import a_line, a_row


def test_every_field_is_read() -> None:
    line, over = a_line(route="POST /", over={"1": 1, "0.25": 3}, clientErrors=5), ((0.25, 3.0), (1.0, 1.0))
    assert parse(line) == Row("e1", 10.0, Version.CANARY, "POST /", "canary-0", 100.0, 1.0, over, 5.0)


def test_what_may_be_left_out_is_the_service_no_pod_and_no_latency() -> None:
    assert parse(a_line(route=None, pod=None, over=None)) == Row("e1", 10.0, Version.CANARY, "", "", 100.0, 1.0, ())


def test_an_episode_may_be_a_number() -> None:
    assert parse(a_line(episode=7)).episode == "7"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param("{", "line: '{' is not a JSON object", id="no JSON"),
        pytest.param("[" * 100_000, "is not a JSON object", id="brackets without end"),
        pytest.param("[1]", "line: '[1]' is not a JSON object", id="no object"),
        pytest.param(a_line(failure=1), "failure: 1 is not one of: episode, t, side", id="a field that is none"),
        pytest.param(a_line(episode=None), "episode: None is not a name or a whole number", id="no episode"),
        pytest.param(a_line(episode=""), "episode: '' is not a name", id="an episode without a name"),
        pytest.param(a_line(episode=True), "episode: True is not a name", id="an episode that is true"),
        pytest.param(a_line(t=None), "t: None is not a time in seconds", id="no time"),
        pytest.param(a_line(t="10"), "t: '10' is not a time in seconds", id="a time as text"),
        pytest.param(a_line(t=math.nan), "t: nan is not a time in seconds", id="a time that is none"),
        pytest.param(a_line(t=True), "t: True is not a time in seconds", id="a time that is true"),
        pytest.param(a_line(t=10**400), "is not a time in seconds", id="a time beyond all"),
        pytest.param(a_line(side="green"), "side: 'green' is not stable or canary", id="a third side"),
        pytest.param(a_line(side=["canary"]), "side: ['canary'] is not stable or canary", id="a list of sides"),
        pytest.param(a_line(route=3), "route: 3 is not a text", id="a route that is a number"),
        pytest.param(
            a_line(requests=1e30), "a count of at least 0, below 9007199254740992", id="more than can be counted"
        ),
        pytest.param(a_line(requests=-1), "requests: -1.0 is not a count of at least 0", id="less than nothing"),
        pytest.param(a_line(requests=None), "requests: None is not a count", id="no requests"),
        pytest.param(a_line(requests=math.inf), "requests: inf is not a count", id="endless requests"),
        pytest.param(a_line(requests=1e300), "requests: 1e+300 is not a count", id="more than can be counted"),
        pytest.param(
            a_line(failures=101), "failures: 101.0 is not a count of at most the requests, 100", id="all fail"
        ),
        pytest.param(
            a_line(clientErrors=100),
            "clientErrors: 100.0 is not a count of at most the requests that did not fail, 99",
            id="refused and failed",
        ),
        pytest.param(a_line(over=[1]), "over: [1] is not counts by seconds", id="over is a list"),
        pytest.param(a_line(over={"fast": 1}), "over: 'fast' is not a time in seconds above 0", id="no bound"),
        pytest.param(a_line(over={"0": 1}), "over: '0' is not a time in seconds above 0", id="a bound of nothing"),
        pytest.param(
            a_line(over={"nan": 1}), "over: 'nan' is not a time in seconds above 0", id="a bound that is none"
        ),
        pytest.param(
            a_line(over={"0.5": -1}), "over.0.5: -1.0 is not a count of at least 0", id="fewer than none slow"
        ),
        pytest.param(
            a_line(over={"0.5": 101}), "over.0.5: 101.0 is not a count of at most the requests", id="all slow"
        ),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(line: str, told: str) -> None:
    with pytest.raises(InvalidSpec, match=re.escape(told)):
        parse(line)


counts = st.integers(0, 10_000)


@given(
    episode=st.text(min_size=1),
    t=st.floats(-1e9, 1e10),
    side=st.sampled_from(Version),
    texts=st.tuples(st.text(), st.text()),
    numbers=st.tuples(counts, counts).map(sorted),
    cuts=st.lists(st.sampled_from([0.005, 0.1, 0.5, 1.0, 30.0]), unique=True).map(sorted),
)
def test_what_is_written_is_read_back(
    episode: str, t: float, side: Version, texts: tuple[str, str], numbers: list[int], cuts: list[float]
) -> None:
    failures, requests = numbers
    over = tuple((seconds, float(failures)) for seconds in cuts)
    row = Row(episode, t, side, *texts, float(requests), float(failures), over, float(requests - failures))
    assert parse(render(row)) == row


def test_bounds_are_those_of_the_first_row_that_has_any() -> None:
    assert bounds([a_row(), a_row(over=((0.25, 1.0), (0.5, 0.0)))]) == (250.0, 500.0)
    assert bounds([a_row()]) == ()
