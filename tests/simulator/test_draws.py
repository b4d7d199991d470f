"""Draws have the distribution that they say: chi-squared against exact probabilities, on fixed seeds."""

import math
from collections import Counter
from random import Random

import pytest

from canary.simulator.draws import binomial, poisson

DRAWS = 20_000
RARE = 5.0  # expected draws below which cells are pooled
SURPRISING = 4.5  # standard deviations of chi-squared: once in some 100,000 seeds


def surprise(drawn: list[int], probability: dict[int, float]) -> float:
    """Tell how many standard deviations chi-squared is above its mean."""
    found, cells = Counter(drawn), []
    seen = expected = 0.0
    for value in sorted(probability):
        seen, expected = seen + found[value], expected + DRAWS * probability[value]
        if expected >= RARE:
            cells.append((seen, expected))
            seen = expected = 0.0
    cells.append((DRAWS - sum(s for s, _ in cells), max(DRAWS - sum(e for _, e in cells), 1e-9)))
    pooled = cells[:-1] if cells[-1][1] < RARE else cells
    chi, degrees = sum((s - e) ** 2 / e for s, e in pooled), len(pooled) - 1
    return (chi - degrees) / math.sqrt(2 * max(degrees, 1))


@pytest.mark.parametrize(
    ("n", "p"), [(1, 0.3), (20, 0.02), (40, 0.5), (200, 0.07), (1000, 0.001), (3000, 0.1), (500, 0.97)]
)
def test_binomial_draws_are_binomial(n: int, p: float) -> None:
    rng = Random(n)
    exact = (
        {k: math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)}
        if n <= 1000
        else {
            k: math.exp(
                math.lgamma(n + 1)
                - math.lgamma(k + 1)
                - math.lgamma(n - k + 1)
                + k * math.log(p)
                + (n - k) * math.log1p(-p)
            )
            for k in range(n + 1)
        }
    )
    assert surprise([binomial(rng, n, p) for _ in range(DRAWS)], exact) < SURPRISING


@pytest.mark.parametrize("mean", [0.2, 3.0, 9.9, 10.1, 50.0, 1000.0])
def test_poisson_draws_are_poisson(mean: float) -> None:
    rng = Random(int(mean * 10))
    most = int(mean + 12 * math.sqrt(mean) + 20)
    exact = {k: math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(most)}
    assert surprise([poisson(rng, mean) for _ in range(DRAWS)], exact) < SURPRISING


@pytest.mark.parametrize(("n", "p", "sure"), [(0, 0.5, 0), (7, 0.0, 0), (7, 1.0, 7), (7, -1.0, 0)])
def test_what_is_certain_is_not_drawn(n: int, p: float, sure: int) -> None:
    assert binomial(Random(1), n, p) == sure
    assert poisson(Random(1), 0.0) == 0
