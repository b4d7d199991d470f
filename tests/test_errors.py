"""What people are told of errors stays short, whatever the outside sent."""

import pytest

from canary.errors import PROBLEMS, InvalidSpec, Problem, clip, listed, redacted, veiled

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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("at http://prometheus:9090: refused", "at http://prometheus:9090: refused", id="a host"),
        pytest.param("'https://host/'", "'https://host/'", id="a bare path"),
        pytest.param("http://me:hunter2@host", "http://host", id="a password"),
        pytest.param("http://me:hun/ter2@host/path", "http://host/…", id="a password with a slash"),
        pytest.param("HTTPS://hooks/services/T0/hunter2 failed", "HTTPS://hooks/… failed", id="a path"),
        pytest.param("['http://a?token=hunter2', 'http://b#hunter2']", "['http://a/…', 'http://b/…']", id="two"),
        pytest.param("http://[::1]:80/hunter2", "http://[::1]:80/…", id="digits"),
        pytest.param("no address", "no address", id="none"),
    ],
)
def test_addresses_are_shown_without_what_may_be_secret(text: str, shown: str) -> None:
    assert veiled(text) == shown


def test_secrets_are_taken_out_longest_first_and_short_ones_are_none() -> None:
    assert redacted("hunter2hunter2, hunter2, a", {"hunter2", "hunter2hunter2", "a", ""}) == "…, …, a"
