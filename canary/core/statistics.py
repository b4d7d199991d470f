"""The mathematics of the gates: factors of evidence, and what may be done with them. Floats in, floats out.

`core.eprocess` multiplies the factors up, tick by tick; `core.judgement` merges the results over gates. Nothing here
knows of gates, routes or time.

Theory of operation. An *e-process* is a capital that starts at 1 and, as long as its null hypothesis holds, never
grows on average: E[M_t | past] <= M_(t-1). Then P(sup_t M_t >= 1/alpha) <= alpha (Ville 1939): one may look after
every tick, stop and go on at will, and choose traffic weights from what was seen. Six theorems carry the product,
and the tests enumerate small cases of them exactly.

1. *Absolute factor.* L = (q/p)^f ((1-q)/(1-p))^(n-f) has mean 1 at failure rate p, and at most 1 on the null's side
   of it.
2. *Relative factor.* With s = m/n, A = r (1+s)/(r+s), B = (1+s)/(r+s), L = A^f B^g exp(-delta n (A-1)) has mean <=
   1 if p_canary <= p_stable + delta, whatever p_stable is in this tick: (1 + p (A-1))^n <= exp(p n (A-1)), the same
   for B, and n (A-1) + m (B-1) = 0. If the release makes no difference, random assignment alone suffices: given all
   requests and their outcomes f is hypergeometric, L is convex in f, so its mean is at most the binomial one
   (Hoeffding 1963). Hence drift, incidents and bursts that hit both sides do no harm.
3. *Design effect.* If requests fail in groups of at most d, n/d and f/d may stand for n and f: E L^(1/d) <= 1
   (Hoelder). In the relative factor each side may have its own d, as A^(1/d) <= 1 + (A-1)/d (Bernoulli). With an
   *estimated* correlation this is a model and no theorem (Kish 1965; Zhou et al. 2023).
4. *Mixtures and means* of e-processes are e-processes however they depend on each other, and nothing admissible
   beats the mean (Robbins 1970; Vovk & Wang 2021; Wang 2025). A factor cut off above stays valid: that only lowers
   its mean.
5. *e-BH.* Name the j largest of m e-values, j the greatest with e_(j) >= m/(j alpha): on average at most a share
   alpha of those named is named wrongly, under any dependence (Wang & Ramdas 2022).
6. *Upper bound.* At most one time in 1/beta does the truth ever leave the set of rates p whose likelihood is above
   beta times the Beta(1/2, 1/2)-mixture of likelihoods (Robbins 1970; Howard et al. 2021).

Also: Wald 1945 (forecasts); Lindon & Malek 2022, ter Schure et al. 2020 and Turner et al. 2024 (counts of two arms);
Waudby-Smith & Ramdas 2024 (only the conditional mean matters).
"""

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TypeAlias

ODDS = (1.6, 2.5, 5.0, 12.0, 40.0, 400.0)
"""Alternatives of "too bad": odds ratio (absolute) or rate ratio (relative) to the null."""
SHRINK = (0.0, 0.1, 0.35, 0.7)
"""Alternatives of "good enough", absolute: the failure rate as a fraction of the bad one."""
SHRINK_PRIOR = (0.4, 0.3, 0.2, 0.1)
RATIO = (0.02, 0.2, 0.5, 0.8, 0.92)
"""Alternatives of "good enough", relative: what one canary failure multiplies the capital by."""
PAIR = 2
"""Requests of a cell that tell whether they fail together."""
FEWEST_CELLS = 20
FEWEST_FAILURES = 5

Table: TypeAlias = tuple[tuple[float, float], ...]
"""Per alternative: the log factor of one failure and of one success."""


def design_effect(requests: float, icc: float) -> float:
    """Give the size of the groups in which requests of one tick count: requests / design effect <= 1/icc (Kish)."""
    return 1.0 + max(0.0, requests - 1.0) * icc


def icc_moment(cells: Iterable[tuple[float, float]]) -> float | None:
    """Estimate the correlation of failures within a cell, each cell one tick's (requests, failures) of one pod.

    The moment estimate of the analysis of variance (Donner 1986): 0 for independent requests, 1 where a cell fails as a
    whole or not at all. None where too little is known: 20 cells with two requests and 5 failures are the least.
    """
    told = [(n, f) for n, f in cells if n >= PAIR]
    requests, failures = sum(n for n, _ in told), sum(f for _, f in told)
    if len(told) < FEWEST_CELLS or failures < FEWEST_FAILURES or failures == requests:
        return None
    rate = failures / requests
    between = sum(n * (f / n - rate) ** 2 for n, f in told) / (len(told) - 1)
    within = sum(f * (1 - f / n) for n, f in told) / (requests - len(told))
    size = (requests - sum(n * n for n, _ in told) / requests) / (len(told) - 1)
    return max(0.0, min(1.0, (between - within) / (between + (size - 1) * within)))


def worse_table(p0: float) -> Table:
    """Precompute theorem 1 against "the failure rate is at most p0"."""
    rates = [p0 * r / (1 - p0 + p0 * r) for r in ODDS]
    return tuple((math.log(p / p0), math.log((1 - p) / (1 - p0))) for p in rates)


def better_table(p_bad: float) -> Table:
    """Precompute theorem 1 against "the failure rate is at least p_bad"."""
    return tuple((math.log(s) if s else -math.inf, math.log((1 - s * p_bad) / (1 - p_bad))) for s in SHRINK)


def absolute(table: Table, n: float, f: float) -> list[float]:
    """Log factors of f failures among n requests, effective counts, one per alternative."""
    if f == 0:  # also keeps 0 * -inf out
        return [n * success for _, success in table]
    return [f * failure + (n - f) * success for failure, success in table]


def worse_than_stable(n: float, f: float, m: float, g: float) -> list[tuple[float, float]]:
    """Log factors of theorem 2 against "at most stable's rate plus delta": (at delta = 0, cost of a unit of delta).

    n, f are the canary's effective requests and failures, m, g stable's. A side without requests says nothing.
    """
    if n <= 0 or m <= 0:
        return [(0.0, 0.0)] * len(ODDS)
    s = m / n
    pairs = []
    for r in ODDS:
        b = (1 + s) / (r + s)
        a = r * b
        pairs.append((f * math.log(a) + g * math.log(b), n * (a - 1)))
    return pairs


def better_than_stable(n: float, f: float, m: float, g: float, delta: float) -> list[float]:
    """Log factors of theorem 2, mirrored, against "at least stable's rate plus delta"."""
    if n <= 0 or m <= 0:
        return [0.0] * len(RATIO)
    s = n / m
    return [f * math.log(a) + g * math.log1p(s * (1 - a)) + delta * n * (1 - a) for a in RATIO]


def merge(values: Iterable[float], shares: Iterable[float]) -> float:
    """Merge e-values by theorem 4. The shares are fixed before the rollout and sum to 1."""
    return sum(value * share for value, share in zip(values, shares, strict=True))


def calm(doubt: float) -> bool:
    """Tell whether the weight may go up: the evidence is on the release's side. No data (doubt = 1) is not calm."""
    return doubt < 1 - 1e-9


def culprits(e_values: Mapping[str, float], alpha: float) -> tuple[str, ...]:
    """Name those to blame, the worst first (theorem 5). May name nobody although the merged value crossed."""
    ranked = sorted(e_values, key=lambda name: -e_values[name])
    needed = len(ranked) / alpha
    named = max((j for j, name in enumerate(ranked, 1) if e_values[name] * j >= needed), default=0)
    return tuple(ranked[:named])


@lru_cache(maxsize=1024)
def ucb(n: float, f: float, beta: float = 0.05) -> float:
    """Bound the failure rate from above after f failures among n effective requests, anytime-valid (theorem 6).

    Asked again and again of the same counts: several times a tick, and all through the bake, in which stable's stand.
    """
    if n <= 0:
        return 1.0
    mixture = math.lgamma(f + 0.5) + math.lgamma(n - f + 0.5) - math.lgamma(n + 1) - 2 * math.lgamma(0.5)
    least = mixture + math.log(beta)  # the bound is the greatest rate whose log likelihood is above this
    low, high = f / n, 1.0
    for _ in range(50):
        p = 0.5 * (low + high)
        if p < 1 and (f * math.log(p) if f else 0.0) + (n - f) * math.log1p(-p) > least:
            low = p
        else:
            high = p
    return high


def enough_against(alpha: float, share: float) -> float:
    """Give the nats at which a gate with this share of the evidence decides against a release by itself (Wald)."""
    return math.log(2 * len(ODDS) / (share * alpha))


def enough_for(beta: float) -> float:
    """Give the nats at which a gate passes."""
    return math.log(2 / (beta * SHRINK_PRIOR[0]))


def divergence(a: float, b: float) -> float:
    """Kullback and Leibler's, in nats per request."""
    failures = a * math.log(a / b) if a > 0 else 0.0
    return failures + ((1 - a) * math.log((1 - a) / (1 - b)) if a < 1 else 0.0)
