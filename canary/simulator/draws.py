"""Draws that the standard library of Python 3.11 lacks: how many of many requests go one way.

Exact for every mean, so that rare failures are as rare as they should be: no normal approximation.
"""

import math
from random import Random

FEW = 10.0  # mean below which waiting times are quicker than rejection


def binomial(rng: Random, n: int, p: float) -> int:
    """Draw how many of `n` independent requests have a property of probability `p`."""
    if n <= 0 or p <= 0.0:
        return 0
    if p >= 1.0:
        return n
    if p > 0.5:  # noqa: PLR2004 - mirrored: both methods want the rarer side
        return n - binomial(rng, n, 1.0 - p)
    return _gaps(rng, n, p) if n * p < FEW else _btrs(rng, n, p)


def poisson(rng: Random, mean: float) -> int:
    """Draw how many independent arrivals there are where `mean` are expected."""
    if mean <= 0.0:
        return 0
    return _arrivals(rng, mean) if mean < FEW else _ptrs(rng, mean)


def _gaps(rng: Random, n: int, p: float) -> int:
    """Walk from one failure to the next: the gaps are geometric (Devroye 1986, X.4)."""
    log_q, at, found = math.log1p(-p), 0, 0
    while True:
        at += int(math.log(1.0 - rng.random()) / log_q) + 1
        if at > n:
            return found
        found += 1


def _arrivals(rng: Random, mean: float) -> int:
    """Multiply waiting times until the interval is over (Knuth 1969)."""
    limit, product, found = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        found += 1
    return found


def _btrs(rng: Random, n: int, p: float) -> int:
    """Reject from a transformed uniform (Hörmann 1993, algorithm BTRS)."""
    spread = math.sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    c = n * p + 0.5
    inner = 0.92 - 4.2 / b
    alpha, odds, mode = (2.83 + 5.1 / b) * spread, math.log(p / (1 - p)), int((n + 1) * p)
    peak = math.lgamma(mode + 1) + math.lgamma(n - mode + 1)
    while True:
        u, v = rng.random() - 0.5, 1.0 - rng.random()
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + c) if us > 0 else -1
        if not 0 <= k <= n:
            continue
        if us >= 0.07 and v <= inner:  # noqa: PLR2004 - of the paper
            return k
        v = math.log(v * alpha / (a / (us * us) + b))
        if v <= peak - math.lgamma(k + 1) - math.lgamma(n - k + 1) + (k - mode) * odds:
            return k


def _ptrs(rng: Random, mean: float) -> int:
    """Reject from a transformed uniform (Hörmann 1993, algorithm PTRS)."""
    log_mean = math.log(mean)
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    inverse = 1.1239 + 1.1328 / (b - 3.4)
    inner = 0.9277 - 3.6224 / (b - 2)
    while True:
        u, v = rng.random() - 0.5, 1.0 - rng.random()
        us = 0.5 - abs(u)
        if us <= 0:
            continue
        k = math.floor((2 * a / us + b) * u + mean + 0.43)
        if us >= 0.07 and v <= inner:  # noqa: PLR2004 - of the paper
            return k
        if k < 0 or (us < 0.013 and v > us):  # noqa: PLR2004 - of the paper
            continue
        if math.log(v * inverse / (a / (us * us) + b)) <= k * log_mean - mean - math.lgamma(k + 1):
            return k
