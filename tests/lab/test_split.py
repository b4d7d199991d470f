from collections import Counter
from random import Random

import pytest

from canary.lab.split import draw, parse_split, parse_weight
from tests.lab.world import a_split


@pytest.mark.parametrize(
    ("written", "milliunits"),
    [
        pytest.param("900m", 900, id="milliunits"),
        pytest.param("1", 1000, id="a whole in a string"),
        pytest.param(900, 900_000, id="an integer"),
        pytest.param(0.9, 900, id="a fraction"),
        pytest.param("1k", 1_000_000, id="a thousand"),
        pytest.param("1e3", 1_000_000, id="an exponent"),
        pytest.param("0m", 0, id="nothing"),
    ],
)
def test_weights_are_read_as_quantities(written: object, milliunits: int) -> None:
    assert parse_weight(written) == milliunits


@pytest.mark.parametrize("written", ["", "m", "ninety", "9q", True, None, [], "900mm"])
def test_what_is_no_quantity_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_weight(written)


def test_a_split_gives_its_apex_and_weights() -> None:
    assert parse_split(a_split({"web-stable": "900m", "web-canary": "100m"})) == (
        "web",
        {"web-stable": 900, "web-canary": 100},
    )


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        parse_split(a_split({"web-stable": -1}))


@pytest.mark.parametrize("scale", [1, 1000], ids=["sum 10", "sum 10000"])
def test_only_the_proportion_of_weights_counts(scale: int) -> None:
    rng = Random("seed")
    drawn = Counter(draw([("stable", 9 * scale), ("canary", scale)], rng) for _ in range(10_000))
    assert drawn["canary"] == pytest.approx(1000, abs=100)
