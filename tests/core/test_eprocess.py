"""What one gate knows: equal to the reference, valid under every null, and never more than the counts say."""

import json
import math
import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TypeAlias, TypedDict

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from canary.core.eprocess import (
    BAKE,
    NUMBERS,
    WAIT,
    Evidence,
    Interval,
    Promise,
    against,
    alone,
    alone_limit,
    doubt,
    fold,
    pass_value,
)
from canary.core.statistics import calm, merge, ucb

Counts: TypeAlias = tuple[int, int]
Step: TypeAlias = tuple[float, float, float, float, int, tuple[float, float] | None]
"""Requests and failures of the canary, of stable, the weight, the control."""
History: TypeAlias = list[tuple[Counts, Counts]]
Told: TypeAlias = dict[str, list[float]]


class Case(TypedDict):
    promise: dict[str, float]
    intervals: list[tuple[float, float, float, float, int, tuple[float, float] | None, float]]


class Frozen(Case):
    name: str
    told: Told


FROZEN: list[Frozen] = json.loads((Path(__file__).parent / "data" / "evidence.json").read_text())
PROMISE = Promise(p0=0.01, p_bad=0.02, delta=0.001)
ROUNDING = 1e-9


def promised(values: dict[str, float]) -> Promise:
    return Promise(**values)  # type: ignore[arg-type] # a table's own columns


def seen(
    nc: float, fc: float, ns: float, fs: float, weight: int = 100, control: tuple[float, float] | None = None
) -> Interval:
    return Interval(
        canary_requests=nc, canary_failures=fc, stable_requests=ns, stable_failures=fs, weight=weight, control=control
    )


def after(*intervals: Interval, promise: Promise = PROMISE, start: Evidence | None = None) -> Evidence:
    evidence = start or Evidence.fresh()
    for interval in intervals:
        evidence = fold(promise, evidence, interval)
    return evidence


def draw(rng: random.Random, n: int, p: float) -> int:
    return sum(rng.random() < p for _ in range(n))


def close(value: object) -> object:
    return pytest.approx(value, rel=ROUNDING, abs=1e-290)


def passes(promise: Promise, evidence: Evidence, excess: float = 0.0) -> bool:
    return pass_value(promise, evidence, excess) >= 1 / promise.beta


def outputs(case: Case) -> Told:
    promise, evidence = promised(case["promise"]), Evidence.fresh()
    told: Told = {"against": [], "alone": [], "doubt": [], "pass_value": []}
    for nc, fc, ns, fs, weight, control, excess in case["intervals"]:
        evidence = fold(promise, evidence, seen(nc, fc, ns, fs, weight, control))
        values = (against(promise, evidence), alone(evidence), doubt(evidence), pass_value(promise, evidence, excess))
        for name, value in zip(told, values, strict=True):
            told[name].append(value)
    return told | {"numbers": list(evidence.numbers())}


def reference_outputs(reference: SimpleNamespace, case: Case) -> Told:
    gate = reference.Gate(**case["promise"])
    told: Told = {"against": [], "alone": [], "doubt": [], "pass_value": []}
    for nc, fc, ns, fs, weight, control, excess in case["intervals"]:
        m, lonely, _ = gate.tick(nc, fc, ns, fs, weight, control, excess)
        ok = sum(w * s**excess for w, s in zip(gate.ok, reference.SHRINK, strict=True))
        okr = sum(w * a**excess for w, a in zip(gate.okr, reference.RATIO, strict=True))
        for name, value in zip(told, (m, lonely, gate.doubt, 0.5 * ok + 0.5 * okr), strict=True):
            told[name].append(value)
    return told | {"numbers": gate.state}


@st.composite
def promises(drawn: st.DrawFn) -> dict[str, float]:
    p0 = drawn(st.sampled_from([0.001, 0.01, 0.05, 0.3]))
    return {
        "p0": p0,
        "p_bad": p0 + drawn(st.sampled_from([0.001, 0.01, 0.1])),
        "delta": drawn(st.sampled_from([0.0, 0.001, 0.02])),
        "alpha": drawn(st.sampled_from([0.01, 0.05])),
        "beta": drawn(st.sampled_from([0.05, 0.2])),
        "alpha_env": drawn(st.sampled_from([0.05, 0.1])),
        "icc": drawn(st.sampled_from([0.0, 0.002, 0.01, 0.3])),
    }


def counts(most: int) -> st.SearchStrategy[Counts]:
    return st.integers(0, most).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


@st.composite
def steps(drawn: st.DrawFn) -> Step:
    (nc, fc), (ns, fs) = drawn(counts(200) | counts(3)), drawn(counts(2000) | counts(3) | st.just((0, 0)))
    weight = drawn(st.sampled_from([0, 1, 100, 100, 100, 110, 200, 500, 999, BAKE]))
    cn = drawn(st.integers(0, ns))
    return nc, fc, ns, fs, weight, drawn(st.sampled_from([None, (cn, min(cn, fs))]))


def intervals() -> st.SearchStrategy[Interval]:
    return steps().map(lambda step: seen(*step))


class TestReference:
    @pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in FROZEN])
    def test_frozen_outputs_are_met(self, case: Frozen) -> None:
        assert outputs(case) == {name: close(values) for name, values in case["told"].items()}

    @pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in FROZEN])
    def test_frozen_outputs_are_still_the_reference_s(self, reference: SimpleNamespace, case: Frozen) -> None:
        assert reference_outputs(reference, case) == {name: close(values) for name, values in case["told"].items()}

    @given(promises(), st.lists(st.tuples(steps(), st.sampled_from([0.0, 0.0, 0.5, 7.0])), max_size=30))
    def test_is_met_on_random_inputs(
        self, reference: SimpleNamespace, promise: dict[str, float], story: list[tuple[Step, float]]
    ) -> None:
        case: Case = {"promise": promise, "intervals": [(*step, excess) for step, excess in story]}
        told = reference_outputs(reference, case)
        for name, values in outputs(case).items():
            assert values == close(told[name]), name


def binomial(n: int, p: float) -> list[float]:
    return [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]


def e_values(evidence: Evidence) -> dict[str, float]:
    bad, rel, rel0 = evidence.judged.values()
    return {
        "bad": bad,
        "rel": rel,
        "rel0": rel0,
        "alone": alone(evidence),
        "ok": sum(evidence.ok),
        "okr": sum(evidence.okr),
    }


Outcomes: TypeAlias = dict[tuple[int, int], dict[str, float]]
"""All e-values after one more tick, by failed groups of the canary and of stable."""


def outcomes(
    promise: Promise, start: Evidence, canary: tuple[int, int], stable: tuple[int, int], weight: int = 100
) -> Outcomes:
    """Enumerate them; a side is (groups, size of each)."""
    (n, group), (m, other) = canary, stable
    return {
        (f, g): e_values(fold(promise, start, seen(n * group, f * group, m * other, g * other, weight)))
        for f in range(n + 1)
        for g in range(m + 1)
    }


def mean(told: Outcomes, name: str, p: float, q: float) -> float:
    """Take the mean of one of them where groups fail with probability p on the canary, q on stable."""
    n, m = max(told)
    canary, stable = binomial(n, p), binomial(m, q)
    return math.fsum(canary[f] * stable[g] * values[name] for (f, g), values in told.items())


def lived(history: History, promise: Promise) -> Evidence:
    return after(*(seen(*canary, *stable) for canary, stable in history), promise=promise)


histories = st.lists(st.tuples(counts(20), counts(60)), max_size=5)
sides = st.tuples(st.integers(1, 6), st.integers(1, 4))


class TestValidity:
    """No e-value grows on average while its null holds: from any history, in groups, on uneven sides."""

    @staticmethod
    def promise(p0: float, delta: float, *sides: tuple[int, int]) -> Promise:
        """Hold each side to a design effect of at least the size of its groups."""
        icc = max((size - 1) / max(1, k * size - 1) for k, size in sides)
        return Promise(p0=p0, p_bad=p0 + 0.05, delta=delta, icc=icc)

    @given(histories, sides, sides, st.sampled_from([0.01, 0.2]), st.sampled_from([0.0, 0.03]))
    def test_with_a_control(
        self, history: History, canary: tuple[int, int], stable: tuple[int, int], p0: float, delta: float
    ) -> None:
        promise = self.promise(p0, delta, canary, stable)
        start = lived(history, promise)
        assume(start.pending.spans == 0)
        before, told = e_values(start), outcomes(promise, start, canary, stable)
        for q in (0.01, 0.3):
            for name, null in (("bad", p0), ("rel", q + delta), ("rel0", q), ("ok", p0 + 0.05), ("okr", q + 0.05)):
                assert mean(told, name, null, q) <= before[name] * (1 + ROUNDING), name

    @given(histories, sides, st.sampled_from([0.01, 0.2]))
    def test_without_one(self, history: History, canary: tuple[int, int], p0: float) -> None:
        promise = self.promise(p0, 0.0, canary)
        start = lived(history, promise)
        assume(start.pending.spans == 0)
        told = outcomes(promise, start, canary, (0, 1), BAKE)
        assert mean(told, "alone", alone_limit(promise, start), 0) <= alone(start) * (1 + ROUNDING)

    @given(histories, sides, sides, st.sampled_from([0.0, 0.03]))
    def test_where_only_stable_is_compared_with(
        self, history: History, canary: tuple[int, int], stable: tuple[int, int], delta: float
    ) -> None:
        promise = replace(self.promise(0.01, delta, canary, stable), relative=True)
        start = lived(history, promise)
        assume(start.pending.spans == 0)
        before, told = e_values(start), outcomes(promise, start, canary, stable)
        for q in (0.01, 0.3, 0.6):
            for name, null in (("bad", q + delta), ("rel", q + delta), ("rel0", q + delta), ("okr", q + 0.05)):
                assert mean(told, name, null, q) <= before[name] * (1 + ROUNDING), name
        assert {values["ok"] for values in told.values()} == {sum(start.ok)}
        baking, limit = outcomes(promise, start, canary, (0, 1), BAKE), alone_limit(promise, start)
        assert mean(baking, "alone", limit, 0) <= alone(start) * (1 + ROUNDING)

    def test_is_lost_where_groups_are_taken_for_independent_requests(self) -> None:
        """The check above can fail: a design effect that is too small breaks it."""
        naive = Promise(p0=0.2, p_bad=0.25, delta=0.0, icc=0.0)
        assert mean(outcomes(naive, Evidence.fresh(), (6, 4), (6, 4)), "rel0", 0.2, 0.2) > 1.5


class TestPromise:
    def test_refuses_what_no_theorem_covers(self, wrong: dict[str, float], complaint: str) -> None:
        with pytest.raises(ValueError, match=complaint):
            promised({"p0": 0.01, "p_bad": 0.02, "delta": 0.001} | wrong)

    pytestmark = pytest.mark.parametrize(
        ("wrong", "complaint"),
        [
            pytest.param({"p0": 0.0}, "p0 < p_bad", id="never failing is no promise"),
            pytest.param({"p_bad": 0.01}, "p0 < p_bad", id="good and bad must differ"),
            pytest.param({"p_bad": 1.0}, "p0 < p_bad", id="always failing cannot be ruled out"),
            pytest.param({"p0": math.nan}, "p0 < p_bad", id="not a number"),
            pytest.param({"delta": -0.1}, "delta", id="a negative tolerance"),
            pytest.param({"icc": 1.1}, "icc", id="a correlation above one"),
            pytest.param({"alpha": 0.0}, "alpha", id="no risk at all"),
            pytest.param({"beta": 1.0}, "beta", id="certain failure"),
            pytest.param({"alpha_env": 2.0}, "alpha_env", id="more than certain"),
        ],
    )


class TestInterval:
    def test_keeps_out_what_would_poison_the_evidence(self, step: Step, complaint: str) -> None:
        with pytest.raises(ValueError, match=complaint):
            seen(*step)

    pytestmark = pytest.mark.parametrize(
        ("step", "complaint"),
        [
            pytest.param((math.nan, 0, 1, 0, 100, None), "cannot be counted", id="NaN requests"),
            pytest.param((1, math.nan, 1, 0, 100, None), "cannot be counted", id="NaN failures"),
            pytest.param((math.inf, 0, 1, 0, 100, None), "cannot be counted", id="infinitely many"),
            pytest.param((1, 0, 1, -1, 100, None), "cannot be counted", id="fewer than none"),
            pytest.param((1, 2, 1, 0, 100, None), "2 failures among 1 requests", id="more failures than requests"),
            pytest.param((1, 0, 1, 0, 100, (1, 2)), "cannot be counted", id="in the control too"),
            pytest.param((1, 0, 1, 0, -1, None), "weight", id="a weight below none"),
            pytest.param((1, 0, 1, 0, 1001, None), "weight", id="a weight above all"),
        ],
    )


class TestRollback:
    def test_comes_for_a_bad_release_and_not_for_a_good_one(self) -> None:
        rng, bad, good = random.Random(3), Evidence.fresh(), Evidence.fresh()
        for _ in range(60):
            bad = fold(PROMISE, bad, seen(100, draw(rng, 100, 0.05), 900, draw(rng, 900, 0.001)))
            good = fold(PROMISE, good, seen(100, draw(rng, 100, 0.001), 900, draw(rng, 900, 0.001)))
        assert against(PROMISE, bad) >= 1 / PROMISE.alpha > 1 > against(PROMISE, good)
        assert calm(doubt(good))
        assert not calm(doubt(bad))

    def test_comes_in_two_ticks_when_everything_fails_in_the_bake(self) -> None:
        start = after(*[seen(500, 1, 500, 1, 500)] * 30)
        once = after(seen(1000, 1000, 0, 0, BAKE), start=start)
        twice = after(seen(1000, 1000, 0, 0, BAKE), start=once)
        assert alone(once) < 1 / PROMISE.alpha <= alone(twice)
        assert against(PROMISE, twice) == against(PROMISE, start)

    @given(promises(), st.integers(1, 10**9), st.integers(0, 10**9), st.booleans(), st.floats(0, 1))
    def test_never_comes_of_one_tick(
        self, values: dict[str, float], n: int, m: int, baking: bool, share: float
    ) -> None:
        promise = promised(values)
        evidence = after(seen(n, n, m, m * share, BAKE if baking else 100), promise=promise)
        assert max(against(promise, evidence), alone(evidence)) < 1 / promise.alpha

    def test_is_held_back_while_stable_is_as_sick(self) -> None:
        """Both sides fail 5 % on each of 20 routes: the absolute evidence is overwhelming, no release is to blame."""
        rng, routes = random.Random(11), [Evidence.fresh()] * 20
        promise = Promise(p0=0.01, p_bad=0.02, delta=0.001, icc=0.002)
        for _ in range(60):
            routes = [fold(promise, r, seen(50, draw(rng, 50, 0.05), 450, draw(rng, 450, 0.05))) for r in routes]
            assert merge((against(promise, r) for r in routes), [1 / 20] * 20) < 1 / promise.alpha
        assert merge((r.judged.values()[0] for r in routes), [1 / 20] * 20) > 1e6

    def test_spares_a_hotfix_in_the_bake(self) -> None:
        """Stable failed half of its requests: 2 % is no reason to go back to it."""
        rng, start = random.Random(1), Evidence.fresh()
        for _ in range(30):
            start = fold(PROMISE, start, seen(500, draw(rng, 500, 0.02), 500, draw(rng, 500, 0.5), 500))
        unaware = Evidence.fresh()
        for _ in range(200):
            bake = seen(1000, draw(rng, 1000, 0.02), 0, 0, BAKE)
            start, unaware = fold(PROMISE, start, bake), fold(PROMISE, unaware, bake)
            assert alone(start) < 2
        assert alone(unaware) >= 1 / PROMISE.alpha

    def test_reaches_a_route_that_stable_never_had(self) -> None:
        told = [alone(after(*[seen(30, 30, 0, 0)] * k)) for k in range(1, 2 * WAIT + 1)]
        assert told[WAIT - 2] == 1 < told[WAIT - 1] < 100 <= told[-1]


class TestAloneLimit:
    def test_is_the_promise_where_stable_was_never_seen_or_kept_it(self) -> None:
        assert alone_limit(PROMISE, Evidence.fresh()) == PROMISE.p0
        assert alone_limit(PROMISE, after(*[seen(10, 0, 1000, 0)] * 50)) == PROMISE.p0

    def test_is_what_stable_may_have_had_where_that_is_worse(self) -> None:
        evidence = after(*[seen(10, 0, 1000, 30)] * 50)
        assert alone_limit(PROMISE, evidence) == ucb(*evidence.pool, PROMISE.beta) > 0.03

    def test_beside_stable_is_what_stable_may_have_had_and_a_little_more_however_bad(self) -> None:
        beside = replace(PROMISE, relative=True)
        evidence = after(*[seen(10, 0, 1000, 600)] * 20, promise=beside)
        assert alone_limit(beside, evidence) == ucb(*evidence.pool, beside.beta) + beside.delta > 0.6

    def test_beside_a_stable_that_was_never_seen_nothing_is_held_against_the_release(self) -> None:
        beside = replace(PROMISE, relative=True)
        assert alone_limit(beside, Evidence.fresh()) == 1

    def test_is_everything_where_a_control_is_part_of_the_promise(self) -> None:
        beside = replace(PROMISE, relative=True, controlled=True)
        evidence = after(*[seen(100, 0, 900, 5)] * 50, promise=beside)
        assert alone_limit(beside, evidence) == 1
        assert alone(after(*[seen(1000, 1000, 0, 0, BAKE)] * 20, start=evidence, promise=beside)) == 1
        assert alone(after(*[seen(100, 100, 0, 0, BAKE)] * 20, promise=beside)) == 1

    def test_is_never_more_than_half(self) -> None:
        assert alone_limit(PROMISE, after(*[seen(10, 0, 1000, 900)] * 20)) == 0.5


class TestPass:
    @given(promises(), st.integers(1, 10**9), st.integers(0, 10**9), st.floats(0, 1))
    def test_never_comes_of_one_tick(self, values: dict[str, float], n: int, m: int, share: float) -> None:
        promise = promised(values)
        assert not passes(promise, after(seen(n, 0, m, m * share), promise=promise))

    def test_can_come_of_two(self) -> None:
        assert passes(PROMISE, after(*[seen(10**7, 0, 9 * 10**7, 10**7)] * 2))

    def test_is_withheld_while_requests_are_unanswered(self) -> None:
        evidence = after(*[seen(100, 0, 900, 1)] * 20)
        assert passes(PROMISE, evidence)
        assert not passes(PROMISE, evidence, excess=40.0)
        assert pass_value(PROMISE, evidence, 1.0) == pytest.approx(
            0.5 * sum(w * s for w, s in zip(evidence.ok, (0, 0.1, 0.35, 0.7), strict=True))
            + 0.5 * sum(w * a for w, a in zip(evidence.okr, (0.02, 0.2, 0.5, 0.8, 0.92), strict=True))
        )

    def test_of_a_relative_promise_is_all_by_comparison(self) -> None:
        beside = replace(PROMISE, relative=True)
        evidence = after(*[seen(100, 0, 900, 1)] * 20, promise=beside)
        assert pass_value(beside, evidence) == sum(evidence.okr) > 1
        assert pass_value(beside, evidence, 1.0) < pass_value(beside, evidence)

    def test_compares_with_the_control_and_not_with_a_dead_stable_pod(self) -> None:
        rng, fooled, aware = random.Random(5), Evidence.fresh(), Evidence.fresh()
        for _ in range(60):
            f, g = draw(rng, 500, 0.04), draw(rng, 450, 0.001)
            fooled = fold(PROMISE, fooled, seen(500, f, 500, 50 + g, 500))
            aware = fold(PROMISE, aware, seen(500, f, 500, 50 + g, 500, (450, g)))
        assert passes(PROMISE, fooled)
        assert not passes(PROMISE, aware)

    def test_leaves_the_evidence_against_to_all_of_stable(self) -> None:
        few, same = after(seen(50, 1, 500, 20, 100, (30, 2))), after(seen(50, 1, 30, 2))
        assert few.okr == same.okr
        assert few.judged == after(seen(50, 1, 500, 20)).judged != same.judged


class TestTicks:
    def test_extend_until_both_sides_have_requests(self) -> None:
        waiting = after(seen(0, 0, 3, 0), seen(0, 0, 4, 1))
        assert waiting.judged == Evidence.fresh().judged
        assert after(seen(1, 1, 2, 0), start=waiting) == after(seen(1, 1, 9, 1))

    @pytest.mark.usefixtures("untraced")
    @given(st.lists(intervals(), max_size=12), st.integers(1, 30))
    def test_of_zeros_change_nothing(self, history: list[Interval], silence: int) -> None:
        start = after(*history)
        weight = history[-1].weight if history else 100
        assume(start.pending.spans == 0)
        quiet = after(*[seen(0, 0, 0, 0, weight)] * silence, start=start)
        assert (quiet.judged, quiet.lonely, quiet.ok, quiet.okr, quiet.pool) == (
            start.judged,
            start.lonely,
            start.ok,
            start.okr,
            start.pool,
        )
        assert after(seen(50, 2, 400, 1, weight), start=quiet) == after(seen(50, 2, 400, 1, weight), start=start)

    def test_of_zeros_are_not_calm(self) -> None:
        assert not calm(doubt(after(seen(0, 0, 0, 0), seen(0, 0, 100, 0))))
        assert calm(doubt(after(seen(10, 0, 100, 0))))

    @pytest.mark.parametrize(
        ("ticks", "relative"),
        [
            pytest.param([seen(20, 20, 80, 0, 200)], True, id="one interval, doubled: kept"),
            pytest.param([seen(50, 50, 50, 0, 500)], False, id="one interval, more than doubled"),
            pytest.param([seen(4, 4, 96, 0, 40)], False, id="one interval, more than halved"),
            pytest.param([seen(5, 5, 95, 0, 50)], True, id="one interval, halved: kept"),
            pytest.param([seen(0, 0, 90, 0, 200), seen(20, 20, 80, 0, 200)], False, id="two intervals, any change"),
            pytest.param([seen(0, 0, 90, 0, 100), seen(20, 20, 80, 0, 100)], True, id="two intervals, no change"),
            pytest.param([seen(0, 0, 0, 0, 500), seen(50, 50, 50, 0, 500)], True, id="a change in a silence before"),
        ],
    )
    def test_across_a_change_of_weight_compare_nothing(self, ticks: list[Interval], relative: bool) -> None:
        start = after(seen(10, 0, 90, 0, 100))
        end = after(*ticks, start=start)
        (bad, *others), (bad_before, *before) = end.judged.values(), start.judged.values()
        assert bad > bad_before
        assert all((now != was) is relative for now, was in zip(others, before, strict=True))
        assert (end.okr != start.okr) is relative

    @pytest.mark.usefixtures("untraced")
    @given(st.lists(intervals(), max_size=6), st.lists(intervals(), min_size=2, max_size=6))
    def test_of_several_weights_never_give_relative_evidence(
        self, history: list[Interval], tick: list[Interval]
    ) -> None:
        """Whatever the counts and weights: where intervals of different weights became one tick, okr stands still."""
        evidence = after(*history)
        for interval in tick:
            before, evidence = evidence, after(interval, start=evidence)
            pending = before.pending.add(interval)
            if pending.spans > 1 and pending.low != pending.high:
                assert evidence.okr == before.okr
                assert evidence.judged.values()[1:] == close(before.judged.values()[1:])

    def test_with_weight_zero_leave_no_trace(self) -> None:
        start = after(seen(100, 0, 900, 1, 100))
        gone = after(*[seen(0, 0, 1000, 1, 0)] * 12, start=start)
        back, plain = (after(seen(100, 10, 900, 90, 100), start=e) for e in (gone, start))
        assert gone.pool == start.pool
        assert back.judged.values()[0] == plain.judged.values()[0]
        assert back.judged.values()[1:] == close(start.judged.values()[1:])


class TestCheckpoint:
    @pytest.mark.usefixtures("untraced")
    @given(promises(), st.lists(intervals(), max_size=20), intervals())
    def test_restores_everything(self, values: dict[str, float], history: list[Interval], then: Interval) -> None:
        promise = promised(values)
        evidence = after(*history, promise=promise)
        numbers = json.loads(json.dumps(evidence.numbers()))
        assert len(numbers) == NUMBERS
        assert Evidence.from_numbers(numbers) == evidence
        assert Evidence.from_numbers([int(x) if x == int(x) else x for x in numbers]).numbers() == evidence.numbers()
        assert after(then, promise=promise, start=Evidence.from_numbers(numbers)) == after(
            then, promise=promise, start=evidence
        )

    @pytest.mark.parametrize(
        ("place", "number", "complaint"),
        [
            pytest.param(0, math.nan, "number 0 of the evidence is nan", id="not a number"),
            pytest.param(5, -1e-9, "at least 0", id="negative capital"),
            pytest.param(30, math.inf, "finite", id="infinite"),
            pytest.param(46, -2, "at least -1", id="a weight below none yet"),
            pytest.param(1, 2.5, "whole", id="half a bet"),
            pytest.param(45, 0.5, "whole", id="half an interval"),
        ],
    )
    def test_refuses_what_no_fold_can_have_left(self, place: int, number: float, complaint: str) -> None:
        numbers = list(Evidence.fresh().numbers())
        numbers[place] = number
        with pytest.raises(ValueError, match=complaint):
            Evidence.from_numbers(numbers)

    @pytest.mark.parametrize("length", [0, 47, 49])
    def test_refuses_another_length(self, length: int) -> None:
        with pytest.raises(ValueError, match=f"48 numbers, not {length}"):
            Evidence.from_numbers([0.0] * length)
