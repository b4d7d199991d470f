"""What people are told of errors stays short, whatever the outside sent."""

import pytest

from canary.errors import PROBLEMS, InvalidSpec, Problem, clip, listed

BAD = Problem("spec.bake", "soon", "a duration")


@pytest.mark.parametrize(
    ("count", "end"),
    [
        pytest.param(1, "is not a duration", id="one"),
        pytest.param(PROBLEMS, "is not a duration", id="as many as are named"),
        pytest.param(PROBLEMS + 1, "; and 1 more", id="one more"),
        pytest.param(10_000, "; and 9990 more", id="a flood"),
    ],
)
def test_the_first_problems_are_named_and_the_others_counted(count: int, end: str) -> None:
    told = listed([BAD] * count)
    assert told.count("spec.bake: 'soon' is not a duration") == min(count, PROBLEMS)
    assert told.endswith(end)
    assert InvalidSpec([BAD] * count).hint == told
    assert len(InvalidSpec([BAD] * count).problems) == count


@pytest.mark.parametrize("problem", [Problem("f" * 10_000, "v", "x"), Problem("f", "v" * 10_000, "x")])
def test_a_problem_is_a_short_text(problem: Problem) -> None:
    assert len(str(problem)) < 600


def test_payloads_are_cut_and_put_on_one_line() -> None:
    assert clip("a\n\tb " + "c" * 10_000) == "a b " + "c" * 251 + "…"
