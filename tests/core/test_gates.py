"""Gates follow from the spec and the bucket bounds."""

import pytest

from canary.core.gates import remarks
from tests.build import a_spec


@pytest.mark.parametrize(
    ("limit", "bounds", "told"),
    [
        pytest.param("400ms", (), [], id="a bound of the proxy"),
        pytest.param(
            "450ms",
            (),
            ["service: p99 latency: 450 ms is judged at 500 ms and passed at 400 ms", "choose 400ms or 500ms"],
            id="between two of them",
        ),
        pytest.param("450ms", (450.0,), [], id="a bound of this installation"),
        pytest.param("450ms", (300.0,), ["is judged never and passed at 300 ms", "choose 300ms"], id="above all"),
        pytest.param("450ms", (600.0,), ["is judged at 600 ms and passed never", "choose 600ms"], id="below all"),
    ],
)
def test_a_limit_between_two_bucket_bounds_is_remarked(limit: str, bounds: tuple[float, ...], told: list[str]) -> None:
    found = remarks(a_spec(gates={"latency": {"p99": limit}}), bounds)
    assert len(found) == bool(told)
    assert all(words in found[0] for words in told)
