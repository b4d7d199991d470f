"""Pods are told apart: the worst is named, and stable is compared with without its worst."""

import pytest

from canary.core import eprocess
from canary.core.book import Book, compare_anew, fold, keep
from canary.core.counts import Counts, Version, What
from canary.core.gates import gates
from canary.core.pods import MOST_PODS, control
from canary.core.promises import describe
from tests.build import JUDGED, a_book, a_spec
from tests.load import BOUNDS

(GATE,) = gates(a_spec(), ())
CLEAN = {f"s1-{number}": (300.0, 0.0) for number in range(3)}
ONE_DEAD = {**CLEAN, "s1-1": (300.0, 300.0)}


def interval(stable: dict[str, tuple[float, float]], canary: dict[str, tuple[float, float]] | None = None) -> Counts:
    """Count an interval pod by pod."""
    made = Counts()
    for version, pods in ((Version.STABLE, stable), (Version.CANARY, canary or {"c2-0": (100.0, 0.0)})):
        for pod, (requests, failures) in pods.items():
            for sums in (made, made.pods[version, pod]):
                sums.sums[version, "", What.ANSWERED] += requests
                sums.sums[version, "", What.FAILED] += failures
    return made


def left(*past: dict[str, tuple[float, float]], now: dict[str, tuple[float, float]] = CLEAN) -> set[str] | None:
    """Name the pods that a release is compared with after such a past; None: all."""
    counts = interval(now)
    kept = control(a_book(*(interval(stable) for stable in past)).pods, GATE, counts)
    names = {pod for (version, pod), its in counts.pods.items() if kept is not None and any(its is k for k in kept)}
    return None if kept is None else names


class TestControl:
    @pytest.mark.parametrize(
        ("past", "now", "names"),
        [
            pytest.param([ONE_DEAD], CLEAN, {"s1-0", "s1-2"}, id="without the worst"),
            pytest.param([], ONE_DEAD, None, id="by its past, not by what is compared now"),
            pytest.param([CLEAN], ONE_DEAD, None, id="nobody failed"),
            pytest.param([dict.fromkeys(CLEAN, (100.0, 1.0))], CLEAN, None, id="all alike"),
            pytest.param([ONE_DEAD], {"s1-0": (9.0, 0.0), "s1-1": (9.0, 0.0)}, None, id="two pods are both needed"),
            pytest.param([ONE_DEAD], {**CLEAN, "s1-1": (0.0, 0.0)}, None, id="two that serve"),
            pytest.param(
                [{"gone": (10.0, 10.0), "s1-0": (10.0, 1.0)}], CLEAN, None, id="the worst is gone, the rest is well"
            ),
        ],
    )
    def test_is_stable_without_its_worst_pod(
        self, past: list[dict[str, tuple[float, float]]], now: dict[str, tuple[float, float]], names: set[str] | None
    ) -> None:
        assert left(*past, now=now) == names

    def test_one_dead_pod_of_stable_makes_no_bad_release_look_good(self) -> None:
        bad = {"c2-0": (100.0, 20.0)}

        def passing(stable: dict[str, tuple[float, float]]) -> float:
            return eprocess.pass_value(GATE.promise, a_book(*(interval(stable, bad) for _ in range(20))).of(JUDGED))

        dead = {**CLEAN, "s1-1": (300.0, 270.0)}
        together = {"s1": (900.0, 270.0)}
        assert passing(together) >= 1 / GATE.promise.beta
        assert passing(dead) < 1

    def test_cuts_latency_like_the_gate_that_passes(self) -> None:
        spec = a_spec(gates={"latency": {"p99": "450ms"}})
        (gate,) = gates(spec, BOUNDS)
        assert gate.split
        book = Book()
        for _ in range(2):
            counts = Counts()
            for pod, slow in (("s1-0", 0.0), ("s1-1", 90.0), ("s1-2", 0.0)):
                for sums in (counts, counts.pods[Version.STABLE, pod]):
                    sums.sums[Version.STABLE, "", What.TIMED] += 100.0
                    for bound in (400.0, 500.0):
                        sums.fast[Version.STABLE, "", bound] += 100.0 - slow
            book = fold(book, (gate,), counts, 100)
        assert book.of(gate.pass_name).pending.counts[2:] == (600.0, 180.0, 500.0, 90.0)


class TestNaming:
    @pytest.mark.parametrize(
        ("stable", "canary", "told"),
        [
            pytest.param(CLEAN, {"c2-0": (10, 9), "c2-1": (10, 1)}, ["pod c2-0 has 9 of the 10 failures"], id="canary"),
            pytest.param(CLEAN, {"c2-0": (10, 5), "c2-1": (10, 5)}, [], id="both have some"),
            pytest.param(CLEAN, {"c2-0": (10, 9)}, [], id="there is but one"),
            pytest.param(CLEAN, {"c2-0": (10, 4), "c2-1": (10, 0)}, [], id="too few to tell"),
            pytest.param(ONE_DEAD, {"c2-0": (10, 9)}, ["stable's pod s1-1 has 300 of the 300 failures"], id="stable"),
        ],
    )
    def test_the_pod_with_most_of_the_failures_of_a_side(
        self, stable: dict[str, tuple[float, float]], canary: dict[str, tuple[float, float]], told: list[str]
    ) -> None:
        named = describe(GATE, a_book(interval(stable, canary))).split(", ")
        assert [part for part in named if " has " in part] == told

    def test_of_a_name_without_end_floods_no_message(self) -> None:
        told = describe(GATE, a_book(interval(CLEAN, {"ü" * 10_000: (100, 100), "c2-0": (10, 0)})))
        assert "pod üüü" in told
        assert len(told) < 600

    def test_only_so_many_are_told_apart(self) -> None:
        many = interval(CLEAN, {f"c2-{number}": (1.0, 0.0) for number in range(MOST_PODS + 5)})
        book = a_book(many, many)
        assert set(book.pods[JUDGED, Version.CANARY].values()) == {(2.0, 0.0)}
        assert len(book.pods[JUDGED, Version.CANARY]) == MOST_PODS


def test_another_stable_has_other_pods_and_a_gate_that_is_gone_has_none() -> None:
    book = a_book(interval(ONE_DEAD))
    assert set(compare_anew(book).pods) == {(JUDGED, Version.CANARY)}
    assert keep(book, ()).pods == {}
