"""A query's number is good within its range, bad after long enough outside, and unknown otherwise."""

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core.ranges import Checked, describe, failing, observe, passing, unsettled, wanted, within
from canary.core.spec import Query


def a_query(least: float | None = None, most: float | None = 5.0, lasting: float = 30) -> Query:
    return Query(name="depth", promql="max(depth)", least=least, most=most, lasting=timedelta(seconds=lasting))


def after(*answers: tuple[float, ...], query: Query | None = None, armed: bool = True) -> Checked:
    """Remember these answers, ten seconds apart."""
    checked = Checked()
    for numbers in answers:
        checked = observe(checked, query or a_query(), numbers, 10, armed=armed)
    return checked


@pytest.mark.parametrize(
    ("least", "most", "value", "good", "words"),
    [
        pytest.param(None, 5.0, 5.0, True, "at most 5", id="at its max"),
        pytest.param(None, 5.0, 5.1, False, "at most 5", id="above"),
        pytest.param(None, 5.0, -1e9, True, "at most 5", id="without a min nothing is too little"),
        pytest.param(0.5, None, 0.5, True, "at least 0.5", id="at its min"),
        pytest.param(0.5, None, 0.4, False, "at least 0.5", id="below"),
        pytest.param(0.0, 5.0, -0.1, False, "from 0 to 5", id="below both"),
        pytest.param(0.0, 5.0, 0.0, True, "from 0 to 5", id="a min of zero is one"),
    ],
)
def test_the_ends_of_a_range_are_in_it(
    least: float | None, most: float | None, value: float, words: str, *, good: bool
) -> None:
    query = a_query(least, most)
    assert within(query, value) is good
    assert passing(query, after((value,), query=query)) is good
    assert wanted(query) == words


BAD, GOOD = (7.0,), (3.0,)


@pytest.mark.parametrize(
    ("answers", "bad"),
    [
        pytest.param([BAD] * 3, False, id="for twenty seconds"),
        pytest.param([BAD] * 4, True, id="for thirty"),
        pytest.param([BAD, BAD, GOOD, BAD, BAD], False, id="not in a row"),
        pytest.param([BAD, BAD, (), BAD, BAD], False, id="an answer without data is none, and begins the row anew"),
        pytest.param([BAD, BAD, (math.nan,), BAD, BAD], False, id="nor is NaN one"),
        pytest.param([BAD, BAD, (7.0, 7.0), BAD, BAD], False, id="nor are two"),
        pytest.param([BAD] * 4 + [GOOD], False, id="it is good again"),
        pytest.param([BAD] * 4 + [()], False, id="nothing is known any more"),
        pytest.param([(math.inf,)] * 9, False, id="infinity is not held against a range"),
    ],
)
def test_only_a_row_of_bad_numbers_fails(answers: list[tuple[float, ...]], *, bad: bool) -> None:
    assert failing(a_query(), after(*answers)) is bad


def test_a_range_that_may_not_be_left_at_all_fails_at_once() -> None:
    assert failing(a_query(lasting=0), after(BAD))


def test_nothing_counts_before_the_release_has_a_weight() -> None:
    checked = after(*[BAD] * 9, armed=False)
    assert not failing(a_query(), checked)
    assert not passing(a_query(), checked)
    assert not failing(a_query(), observe(checked, a_query(), BAD, 10, armed=True))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param((), "query 'depth' has no number: it found no data", id="nothing"),
        pytest.param((math.nan,), "its answer is nan, which nothing can be held against", id="NaN"),
        pytest.param((1.0, 2.0), "its answer is 2 numbers and not one: aggregate them", id="two"),
        pytest.param((3.0,), "query 'depth' is 3, at most 5 is promised", id="good"),
        pytest.param((7.5,), "is 7.5, at most 5 is promised; outside for 0 s, 30s roll back", id="bad"),
    ],
)
def test_the_last_answer_is_worded(answer: tuple[float, ...], words: str) -> None:
    assert words in describe(a_query(), after(answer))


def test_the_first_query_that_is_not_known_to_be_good_is_found() -> None:
    queries = [a_query(), a_query(most=2.0)]
    assert unsettled(queries, {}) is queries[0]
    assert unsettled(queries, {"depth": after(GOOD)}) is queries[1]
    assert unsettled(queries[:1], {"depth": after(GOOD)}) is None


@given(st.lists(st.lists(st.floats(), max_size=2).map(tuple), max_size=8), st.booleans())
def test_a_checkpoint_restores_what_counts(answers: list[tuple[float, ...]], armed: bool) -> None:
    checked = after(*answers, armed=armed)
    again = Checked.from_numbers(checked.numbers())
    assert (again.value, again.outside) == (checked.value, checked.outside)


@given(st.lists(st.sampled_from([BAD, GOOD, (), (math.nan,), (1.0, 9.0)]), max_size=20))
def test_what_fails_was_outside_in_each_of_the_last_answers(answers: list[tuple[float, ...]]) -> None:
    assert failing(a_query(), after(*answers)) is (answers[-4:] == [BAD] * 4)


@pytest.mark.parametrize("numbers", [(math.inf, math.nan), (1.0, -1.0), (1.0, math.inf), (1.0,), (1.0, 2.0, 3.0)])
def test_what_no_answer_can_have_left_is_refused(numbers: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"answer of a query|unpack"):
        Checked.from_numbers(numbers)
