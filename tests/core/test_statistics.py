"""The theorems of `core.statistics`, each on small cases, by exact enumeration of all outcomes."""

import itertools
import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core.statistics import (
    ODDS,
    RATIO,
    SHRINK,
    SHRINK_PRIOR,
    absolute,
    better_table,
    better_than_stable,
    calm,
    culprits,
    design_effect,
    divergence,
    enough_against,
    enough_for,
    merge,
    ucb,
    worse_table,
    worse_than_stable,
)

ROUNDING = 1e-9


def binomial(n: int, p: float) -> list[float]:
    return [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]


def mean_factors(logs: Callable[[int, int], list[float]], n: int, p: float, m: int = 0, q: float = 0.0) -> list[float]:
    """Mean of each factor over all failures of a canary (n, p) and of stable (m, q)."""
    outcomes = [
        (a * b, logs(f, g)) for f, a in enumerate(binomial(n, p)) for g, b in enumerate(binomial(m, q)) if a * b > 0
    ]
    return [math.fsum(w * math.exp(row[k]) for w, row in outcomes) for k in range(len(outcomes[0][1]))]


def worse(n: float, f: float, m: float, g: float, delta: float = 0.0) -> list[float]:
    return [log - delta * price for log, price in worse_than_stable(n, f, m, g)]


rates = st.floats(0.001, 0.6)
effects = st.floats(1.0, 8.0)


class TestDesignEffect:
    @pytest.mark.parametrize(
        ("requests", "icc", "effect"),
        [
            pytest.param(0, 0.5, 1, id="nothing counts as it is"),
            pytest.param(1, 0.5, 1, id="one request counts as one"),
            pytest.param(101, 0.01, 2, id="a hundred and one count as half as many"),
            pytest.param(1000, 0.0, 1, id="independent requests count fully"),
        ],
    )
    def test_is_the_size_of_a_group(self, requests: float, icc: float, effect: float) -> None:
        assert design_effect(requests, icc) == effect

    @given(st.floats(0, 1e9), st.floats(0.001, 1))
    def test_leaves_at_most_one_over_icc_requests(self, requests: float, icc: float) -> None:
        assert requests / design_effect(requests, icc) <= 1 / icc + ROUNDING


class TestAbsoluteFactors:
    @given(st.integers(1, 25), rates)
    def test_have_mean_one_at_the_edge(self, n: int, p: float) -> None:
        assert mean_factors(lambda f, _: absolute(worse_table(p), n, f), n, p) == pytest.approx([1] * len(ODDS))
        assert mean_factors(lambda f, _: absolute(better_table(p), n, f), n, p) == pytest.approx([1] * len(SHRINK))

    @given(st.integers(1, 25), rates, st.floats(0, 1), effects)
    def test_have_at_most_that_inside_the_null_and_tempered(self, n: int, p: float, share: float, d: float) -> None:
        fine, awful = p * share, p + (1 - p) * share
        assert max(mean_factors(lambda f, _: absolute(worse_table(p), n / d, f / d), n, fine)) <= 1 + ROUNDING
        assert max(mean_factors(lambda f, _: absolute(better_table(p), n / d, f / d), n, awful)) <= 1 + ROUNDING

    def test_grow_with_failures_when_they_speak_against_and_shrink_when_for(self) -> None:
        for k in range(len(ODDS)):
            assert absolute(worse_table(0.01), 10, 3)[k] > absolute(worse_table(0.01), 10, 2)[k]
        for k in range(len(SHRINK)):
            assert absolute(better_table(0.02), 10, 0)[k] > absolute(better_table(0.02), 10, 1)[k]

    def test_a_single_failure_rules_out_a_rate_of_zero(self) -> None:
        assert absolute(better_table(0.02), 10, 1)[0] == -math.inf


class TestRelativeFactors:
    @given(st.integers(1, 10), st.integers(1, 10), effects, effects, st.floats(0.001, 0.5), st.sampled_from([0, 0.01]))
    def test_have_mean_at_most_one_for_any_split_rate_and_pair_of_design_effects(
        self, n: int, m: int, d: float, e: float, p: float, delta: float
    ) -> None:
        against = mean_factors(lambda f, g: worse(n / d, f / d, m / e, g / e, delta), n, p + delta, m, p)
        passing = mean_factors(lambda f, g: better_than_stable(n / d, f / d, m / e, g / e, delta), n, p + delta, m, p)
        assert max(against) <= 1 + ROUNDING
        assert max(passing) <= 1 + ROUNDING

    @pytest.mark.parametrize(("n", "m", "group"), [(4, 12, 5), (6, 6, 3), (8, 3, 4)])
    @pytest.mark.parametrize("p", [0.02, 0.3])
    def test_stand_groups_that_fail_together_up_to_the_design_effect(
        self, n: int, m: int, group: int, p: float
    ) -> None:
        tempered = mean_factors(lambda f, g: worse(n, f, m, g), n, p, m, p)
        naive = mean_factors(lambda f, g: worse(n * group, f * group, m * group, g * group), n, p, m, p)
        assert max(tempered) <= 1 + ROUNDING
        assert max(naive) > 1.4

    @given(st.integers(1, 12), st.integers(1, 12), st.data())
    def test_need_only_random_assignment_when_the_release_makes_no_difference(
        self, n: int, m: int, data: st.DataObject
    ) -> None:
        """Whatever the outcomes are and however they depend on each other: only the assignment is random."""
        failures = data.draw(st.integers(0, n + m))
        ways = [math.comb(failures, f) * math.comb(n + m - failures, n - f) for f in range(min(n, failures) + 1)]
        for k in range(len(ODDS)):
            mean = math.fsum(way * math.exp(worse(n, f, m, failures - f)[k]) for f, way in enumerate(ways))
            assert mean / math.comb(n + m, n) <= 1 + ROUNDING

    @pytest.mark.parametrize(("n", "m"), [(0, 10), (10, 0), (0, 0)])
    def test_say_nothing_without_two_sides(self, n: int, m: int) -> None:
        assert worse_than_stable(n, n, m, m) == [(0.0, 0.0)] * len(ODDS)
        assert better_than_stable(n, n, m, m, 0.01) == [0.0] * len(RATIO)

    def test_tell_a_worse_canary_from_a_better_one(self) -> None:
        assert max(worse(100, 10, 900, 9)) > 5
        assert max(worse(100, 0, 900, 90)) < 0
        assert max(better_than_stable(100, 0, 900, 90, 0.01)) > 5
        assert max(better_than_stable(100, 10, 900, 9, 0.01)) < 0


class TestMerging:
    def test_is_the_mean_by_shares_fixed_before(self) -> None:
        assert merge([100, 1, 1], [0.5, 0.25, 0.25]) == 50.5

    def test_refuses_to_forget_a_gate(self) -> None:
        with pytest.raises(ValueError, match="shorter"):
            merge([1.0, 1.0], [1.0])

    @pytest.mark.parametrize(
        ("doubt", "expected"),
        [
            pytest.param(1.0, False, id="no data is not calm"),
            pytest.param(1 - 1e-12, False, id="nor is rounding"),
            pytest.param(0.999, True, id="a little evidence for the release is"),
            pytest.param(3.0, False, id="doubt is not"),
        ],
    )
    def test_calm_needs_evidence_for_the_release(self, doubt: float, expected: float) -> None:
        assert calm(doubt) is expected


class TestCulprits:
    @pytest.mark.parametrize(
        ("values", "named"),
        [
            pytest.param({}, (), id="nobody there"),
            pytest.param({"a": 99.9}, (), id="one below"),
            pytest.param({"a": 100.0}, ("a",), id="one at the threshold"),
            pytest.param({"a": 1.0, "b": 200.0}, ("b",), id="one of two needs twice as much"),
            pytest.param({"a": 1.0, "b": 199.0}, (), id="and not less"),
            pytest.param({"a": 100.0, "b": 150.0}, ("b", "a"), id="two of two carry each other"),
            pytest.param({"a": 1.0, "b": 160.0, "c": 150.0}, ("b", "c"), id="two of three, the worst first"),
            pytest.param({"a": 100.0, "b": 100.0, "c": 100.0}, ("a", "b", "c"), id="equals are named together"),
        ],
    )
    def test_are_named_by_e_bh(self, values: dict[str, float], named: tuple[str, ...]) -> None:
        assert culprits(values, 0.01) == named

    @pytest.mark.parametrize("guilty", [0, 1, 3])
    @pytest.mark.parametrize("alike", [False, True], ids=["independent", "all alike"])
    def test_are_wrongly_named_at_most_alpha_of_the_time(self, guilty: int, alike: bool) -> None:
        """Innocent gates get the worst e-values there are: v with probability 1/v, else nothing."""
        alpha, innocent = 0.2, 4
        for v in (5.0, 8.0, 10.0, 20.0, 40.0):
            wrong = 0.0
            for draws in itertools.product((0, 1), repeat=1 if alike else innocent):
                chance = math.prod(1 / v if hit else 1 - 1 / v for hit in draws)
                hits = draws * innocent if alike else draws
                values = {f"innocent {i}": v * hit for i, hit in enumerate(hits)} | {f"{i}": 1e9 for i in range(guilty)}
                named = culprits(values, alpha)
                wrong += chance * sum(name.startswith("innocent") for name in named) / max(1, len(named))
            assert wrong <= alpha + ROUNDING


class TestUpperBound:
    @pytest.mark.parametrize("p", [0.02, 0.1, 0.5])
    @pytest.mark.parametrize("beta", [0.05, 0.3])
    def test_is_ever_below_the_truth_with_probability_beta_at_most(self, p: float, beta: float) -> None:
        alive, missed = {0: 1.0}, 0.0
        for n in range(1, 121):
            after: dict[int, float] = {}
            for f, chance in alive.items():
                after[f] = after.get(f, 0.0) + chance * (1 - p)
                after[f + 1] = after.get(f + 1, 0.0) + chance * p
            below = {f for f in after if ucb(n, f, beta) < p}
            missed += math.fsum(after[f] for f in below)
            alive = {f: chance for f, chance in after.items() if f not in below}
        assert missed <= beta

    @given(st.integers(1, 2000), st.data())
    def test_lies_where_the_likelihood_falls_under_the_mixture(self, n: int, data: st.DataObject) -> None:
        f = data.draw(st.integers(0, n - 1))
        p = ucb(n, f)
        mixture = math.lgamma(f + 0.5) + math.lgamma(n - f + 0.5) - math.lgamma(n + 1) - math.log(math.pi)
        assert f / n < p <= 1
        assert f * math.log(p) + (n - f) * math.log1p(-p) == pytest.approx(mixture + math.log(0.05), abs=1e-4)

    def test_knows_nothing_without_requests_and_nothing_better_than_one_when_all_failed(self) -> None:
        assert ucb(0, 0) == 1
        assert ucb(10, 10) == 1

    def test_tightens_with_more_requests(self) -> None:
        assert 1 > ucb(10, 0) > ucb(100, 1) > ucb(10_000, 100) > 0.01


class TestForecasts:
    @pytest.mark.parametrize(
        ("rate", "requests"),
        [(0.015, 7110), (0.02, 1989), (0.03, 591), (0.05, 188), (0.1, 54), (0.2, 18), (0.5, 5), (1.0, 2)],
    )
    def test_of_a_rollback(self, rate: float, requests: float) -> None:
        assert round(enough_against(0.01, 0.5) / divergence(rate, 0.01)) == requests

    @pytest.mark.parametrize(("rate", "requests"), [(0.0, 228), (0.001, 284), (0.005, 563), (0.009, 1188)])
    def test_of_a_pass(self, rate: float, requests: float) -> None:
        assert round(enough_for(0.05) / divergence(rate, 0.02)) == requests

    def test_need_more_where_more_gates_share_alpha(self) -> None:
        assert enough_against(0.01, 0.05) > enough_against(0.01, 0.5)


def test_the_priors_are_priors() -> None:
    assert sum(SHRINK_PRIOR) == pytest.approx(1)
    assert len(SHRINK_PRIOR) == len(SHRINK)
