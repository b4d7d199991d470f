"""What evidence owes to chance alone, over every outcome of small rollouts: no look, and no gap, makes odds."""

import itertools
import math
from dataclasses import replace
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core import statistics
from canary.core.book import Book
from canary.core.book import fold as fold_book
from canary.core.counts import Counts, Version, What
from canary.core.eprocess import BAKE, Evidence, Interval, Promise, against, alone, fold
from canary.core.gates import gates
from canary.core.judgement import judge
from tests.build import a_spec

pytestmark = pytest.mark.usefixtures("untraced")
Side: TypeAlias = tuple[int, int]
"""Groups of requests, and the size of each: a group fails as a whole."""
ROUNDING = 1e-9
ROUTES = ("GET /", "POST /", "PUT /")


def promise(p0: float, *sides: Side, alpha: float = 0.01) -> Promise:
    """Hold each side to a design effect of at least the size of its groups."""
    icc = max((size - 1) / max(1, groups * size - 1) for groups, size in sides)
    return Promise(p0=p0, p_bad=p0 + 0.1, delta=0.02, icc=icc, alpha=alpha)


def binomial(n: int, p: float) -> list[float]:
    return [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]


def interval(canary: Side, stable: Side, failed: tuple[int, int], weight: int = 100) -> Interval:
    (n, group), (m, other), (f, g) = canary, stable, failed
    return Interval(
        canary_requests=n * group,
        canary_failures=f * group,
        stable_requests=m * other,
        stable_failures=g * other,
        weight=weight,
    )


NOTHING = Interval(canary_requests=0, canary_failures=0, stable_requests=0, stable_failures=0, weight=100)


def joined(one: Interval, other: Interval) -> Interval:
    """See two intervals in one reading, the first of them having been missed."""
    return replace(
        other,
        canary_requests=one.canary_requests + other.canary_requests,
        canary_failures=one.canary_failures + other.canary_failures,
        stable_requests=one.stable_requests + other.stable_requests,
        stable_failures=one.stable_failures + other.stable_failures,
    )


def values(evidence: Evidence) -> dict[str, float]:
    bad, rel, rel0 = evidence.judged.values()
    lonely = alone(evidence)
    return {"bad": bad, "rel": rel, "rel0": rel0, "alone": lonely, "ok": sum(evidence.ok), "okr": sum(evidence.okr)}


def nulls(held: Promise, q: float) -> dict[str, float]:
    """Give the canary's rate at the edge of each null, where stable fails at q."""
    gap = held.p_bad - held.p0
    return {"bad": held.p0, "rel": q + held.delta, "rel0": q, "ok": held.p_bad, "okr": q + gap}


def mean(told: dict[tuple[int, int], dict[str, float]], name: str, p: float, q: float) -> float:
    n, m = max(told)
    canary, stable = binomial(n, p), binomial(m, q)
    return math.fsum(canary[f] * stable[g] * row[name] for (f, g), row in told.items())


sides = st.tuples(st.integers(1, 3), st.integers(1, 4))


class TestGaps:
    """A reading may fail for any reason but the outcomes: what is skipped or seen later is no evidence either way."""

    @given(sides, sides, st.sampled_from([0.01, 0.2]), st.booleans())
    def test_a_skipped_tick_does_not_raise_the_mean(self, canary: Side, stable: Side, p0: float, lost: bool) -> None:
        """Lost for good, or counted with the next one: both by a coin that does not look."""
        held = promise(p0, canary, stable, (2 * canary[0], canary[1]), (2 * stable[0], stable[1]))
        outcomes = list(itertools.product(range(canary[0] + 1), range(stable[0] + 1)))
        told = {
            (first, second): values(self._after(held, canary, stable, first, second, lost=lost))
            for first in outcomes
            for second in outcomes
        }
        before = values(Evidence.fresh())
        for q in (0.05, 0.3):
            for name, p in nulls(held, q).items():
                c, s = binomial(canary[0], p), binomial(stable[0], q)
                total = math.fsum(c[f] * s[g] * c[h] * s[k] * row[name] for ((f, g), (h, k)), row in told.items())
                assert total <= before[name] * (1 + ROUNDING), name

    @staticmethod
    def _after(
        held: Promise, canary: Side, stable: Side, first: tuple[int, int], second: tuple[int, int], *, lost: bool
    ) -> Evidence:
        one, two = interval(canary, stable, first), interval(canary, stable, second)
        missed = fold(held, Evidence.fresh(), NOTHING)
        return fold(held, missed, two if lost else joined(one, two))

    def test_a_tick_skipped_for_its_outcome_would_raise_it(self) -> None:
        """The law above can be broken: whoever drops the ticks in which nothing failed makes odds."""
        held, side = promise(0.2, (3, 1)), (3, 1)
        told = {
            (f, g): values(fold(held, Evidence.fresh(), interval(side, side, (f, g))) if f else Evidence.fresh())
            for f in range(4)
            for g in range(4)
        }
        assert mean(told, "bad", 0.2, 0.2) > 1.05


class TestCrossing:
    """Ville's inequality, summed up over every course of a short rollout that may be stopped at each look."""

    @pytest.mark.parametrize(
        ("canary", "stable", "weight"),
        [
            pytest.param((2, 1), (3, 1), 100, id="single requests"),
            pytest.param((2, 3), (3, 1), 100, id="groups on the canary"),
            pytest.param((2, 3), (3, 2), 500, id="groups on both, of different size"),
            pytest.param((3, 2), (0, 1), BAKE, id="without a control"),
        ],
    )
    def test_is_as_rare_as_declared(self, canary: Side, stable: Side, weight: int) -> None:
        alpha, p = 0.2, 0.25
        held = promise(p, canary, stable, alpha=alpha)
        crossed = self._crossed(held, Evidence.fresh(), (canary, stable, weight), 4, p)
        assert 0 < crossed <= alpha

    def _crossed(self, held: Promise, before: Evidence, tick: tuple[Side, Side, int], looks: int, p: float) -> float:
        """Give the chance that a canary as bad as stable, which just keeps its promise, is ever rolled back."""
        canary, stable, weight = tick
        if max(against(held, before), alone(before)) >= 1 / held.alpha:
            return 1.0
        if looks == 0:
            return 0.0
        return math.fsum(
            a
            * b
            * self._crossed(held, fold(held, before, interval(canary, stable, (f, g), weight)), tick, looks - 1, p)
            for f, a in enumerate(binomial(canary[0], p))
            for g, b in enumerate(binomial(stable[0], p))
        )


counted = st.tuples(st.integers(0, 40), st.integers(0, 400)).flatmap(
    lambda sent: st.tuples(st.just(sent), st.tuples(st.integers(0, sent[0]), st.integers(0, sent[1])))
)


class TestRoutes:
    @staticmethod
    def _counts(seen: dict[str, tuple[tuple[int, int], tuple[int, int]]]) -> Counts:
        counts = Counts()
        for route, ((n, m), (f, g)) in seen.items():
            for version, sent, failed in ((Version.CANARY, n, f), (Version.STABLE, m, g)):
                for place in ("", route):
                    counts.sums[version, place, What.ANSWERED] += sent
                    counts.sums[version, place, What.FAILED] += failed
        return counts

    @given(st.lists(st.tuples(counted, counted, counted), min_size=1, max_size=6), st.permutations(range(3)))
    def test_count_the_same_in_any_order(
        self, story: list[tuple[tuple[tuple[int, int], tuple[int, int]], ...]], order: list[int]
    ) -> None:
        rate = {"successRate": {"min": "99%"}}
        told = []
        for names in (ROUTES, tuple(ROUTES[i] for i in order)):
            spec = a_spec(gates={**rate, "routes": [{"name": name, **rate} for name in names]})
            book = Book()
            for seen in story:
                counts = self._counts(dict(zip(ROUTES, seen, strict=True)))
                book = fold_book(book, gates(spec, ()), counts, 100)
            told.append(judge(book, gates(spec, ()), spec))
        one, other = told
        assert other.against == pytest.approx(one.against, rel=ROUNDING)
        assert other.alone == pytest.approx(one.alone, rel=ROUNDING)
        assert (other.calm, other.passed, other.fault, other.verdicts) == (
            one.calm,
            one.passed,
            one.fault,
            one.verdicts,
        )

    @pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1)])
    def test_that_fail_together_make_no_more_odds_than_one(self, shares: tuple[float, float]) -> None:
        """Two gates that see the same outcomes: their mean is as fair as each of them."""
        held, side = promise(0.2, (4, 1)), (4, 1)
        told = {}
        for f, g in itertools.product(range(5), range(5)):
            bad = values(fold(held, Evidence.fresh(), interval(side, side, (f, g))))
            told[f, g] = {"merged": statistics.merge((bad["bad"], bad["rel0"]), shares)}
        assert mean(told, "merged", 0.2, 0.2) <= 1 + ROUNDING
