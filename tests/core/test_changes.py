"""What someone changes in mid-rollout: which evidence starts over, and what people are told."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from canary.core import eprocess
from canary.core.decision import Decision
from canary.core.eprocess import Evidence
from canary.core.gates import Metric, gates
from canary.core.snapshot import Snapshot
from canary.core.status import Phase, Reason
from tests.build import (
    JUDGED,
    SUSPECT,
    a_book,
    a_raw_spec,
    a_snapshot,
    a_spec,
    a_status,
    a_template,
    canary,
    counts,
    released,
    stable,
    tick,
)
from tests.load import SCRAPED, a_reading

SLOW = "service: p99 latency"
BEFORE: Mapping[str, object] = {"successRate": {"min": "99%"}, "latency": {"p99": "300ms"}}
STILL = a_reading({}, at=SCRAPED + 10)
"""A reading that adds nothing, so that evidence is what it was."""


def edited(**spec: object) -> Snapshot:
    """Look at a rollout that has followed BEFORE, and whose spec is another one now."""
    fast = counts((500, 0), (4500, 4), metric=Metric.LATENCY)
    book = a_book(*(fast,) * 8, of=gates(a_spec(gates=BEFORE), (300.0,)), bounds=(300.0,))
    status = a_status(Phase.PROGRESSING, 300)
    assert status.rollout is not None
    followed = replace(status.rollout, spec=a_raw_spec(gates=BEFORE))
    return a_snapshot(replace(status, rollout=followed, book=book), spec={"gates": BEFORE, **spec})


def kept(decided: Decision, name: str) -> bool:
    """Tell whether a gate still knows what it knew."""
    return decided.status.book.of(name).ok == edited().status.book.of(name).ok


def told(decided: Decision, reason: Reason) -> list[str]:
    return [notice.message for notice in decided.notices if notice.reason is reason]


class TestTheSpec:
    def test_unchanged_keeps_everything(self) -> None:
        decided = tick(edited(), reading=STILL)
        assert kept(decided, JUDGED)
        assert kept(decided, SLOW)
        assert told(decided, Reason.SPEC_CHANGED) == []

    @pytest.mark.parametrize(
        ("spec", "kept_rate", "kept_latency"),
        [
            pytest.param({"gates": {**BEFORE, "successRate": {"min": "98%"}}}, False, True, id="a rate"),
            pytest.param({"gates": {**BEFORE, "latency": {"p99": "400ms"}}}, True, False, id="a limit"),
            pytest.param(
                {"gates": {**BEFORE, "latency": {"p99": "300ms", "failures": "Slow"}}}, True, False, id="what is slow"
            ),
            pytest.param({"evidence": {"falseRollback": "2%"}}, False, False, id="a risk, which is everyone's"),
            pytest.param({"dwell": "1m", "steps": ["300m", "1000m"]}, True, True, id="the pace"),
        ],
    )
    def test_changed_starts_over_what_promises_something_else(
        self, spec: dict[str, object], *, kept_rate: bool, kept_latency: bool
    ) -> None:
        decided = tick(edited(**spec), reading=STILL)
        assert (kept(decided, JUDGED), kept(decided, SLOW)) == (kept_rate, kept_latency)
        over = [name for name, k in ((JUDGED, kept_rate), (SLOW, kept_latency)) if not k]
        (message,) = told(decided, Reason.SPEC_CHANGED)
        assert message.endswith(f"evidence starts over for: {', '.join(over) or 'nothing'}.")

    @pytest.mark.parametrize(
        ("latency", "counted"),
        [
            pytest.param({"p99": "400ms"}, 0, id="a limit"),
            pytest.param({"p99": "300ms", "failures": "Slow"}, 0, id="what is slow"),
            pytest.param({"p99": "300ms"}, 4000, id="only a risk"),
        ],
    )
    def test_changed_counts_anew_what_it_counts_otherwise(self, latency: dict[str, str], counted: float) -> None:
        seen = edited(gates={**BEFORE, "latency": latency}, evidence={"falseRollback": "2%"})
        assert tick(seen, reading=STILL).status.book.tallies[SLOW].canary_requests == counted

    def test_is_followed_from_then_on(self) -> None:
        decided = tick(edited(dwell="1m"), reading=STILL)
        assert decided.status.rollout is not None
        assert decided.status.rollout.spec["dwell"] == "1m"
        assert decided.save

    @pytest.mark.parametrize("order", [{"paused": True}, {"approve": "web-c2-1"}, {"retry": "web-c1-0"}])
    def test_an_order_is_no_change_of_it(self, order: dict[str, object]) -> None:
        decided = tick(edited(**order), reading=STILL)
        assert told(decided, Reason.SPEC_CHANGED) == []
        assert kept(decided, JUDGED)

    def test_a_gate_that_is_gone_leaves_nothing_behind(self) -> None:
        decided = tick(edited(gates={"successRate": {"min": "99%"}}), reading=STILL)
        assert set(decided.status.book.evidence) == {JUDGED}
        assert set(decided.status.book.tallies) == {JUDGED}

    def test_a_spec_of_another_version_starts_everything_over(self) -> None:
        seen = edited()
        assert seen.status.rollout is not None
        rollout = replace(seen.status.rollout, spec={"novel": True})
        decided = tick(replace(seen, status=replace(seen.status, rollout=rollout)), reading=STILL)
        assert not kept(decided, JUDGED)
        assert not kept(decided, SLOW)

    @pytest.mark.parametrize(
        ("steps", "weight"),
        [
            pytest.param(["100m", "1000m"], 300, id="to fewer: 1000m still wants PASS"),
            pytest.param(["100m", "350m", "700m", "1000m"], 350, id="to others: the next one above"),
        ],
    )
    def test_new_steps_raise_nothing_by_themselves(self, steps: list[str], weight: int) -> None:
        seen = a_snapshot(a_status(Phase.PROGRESSING, 300), spec={"steps": steps})
        assert tick(seen).status.weight == weight


class TestStable:
    def changed(self, **seen: object) -> Decision:
        status = a_status(Phase.PROGRESSING, 300)
        looked = a_snapshot(replace(status, book=a_book(*SUSPECT)), stable=stable("s9"))
        return tick(replace(looked, **seen), reading=STILL)  # type: ignore[arg-type] # a table's own columns

    def test_changed_by_someone_is_the_new_baseline(self) -> None:
        decided = self.changed()
        assert decided.status.rollout is not None
        assert decided.status.rollout.baseline == "s9"
        (message,) = told(decided, Reason.STABLE_CHANGED)
        assert "from s1 to s9" in message

    def test_changed_starts_comparisons_over_and_keeps_what_needs_none(self) -> None:
        before = a_book(*SUSPECT).of(JUDGED)
        after = self.changed().status.book.of(JUDGED)
        bad, rel, rel0 = after.judged.values()
        assert bad == pytest.approx(before.judged.values()[0])
        assert [rel, rel0] == pytest.approx([1, 1])
        assert after.okr == Evidence.fresh().okr
        assert (after.ok, after.lonely) == (before.ok, before.lonely)
        assert eprocess.against(gates(a_spec(), ())[0].promise, after) < eprocess.against(
            gates(a_spec(), ())[0].promise, before
        )

    def test_given_the_release_early_is_compared_with_itself(self) -> None:
        both = canary(templates={"c2": a_template("c2", app="web-canary")})
        (message,) = told(self.changed(stable=released(), canary=both), Reason.STABLE_CHANGED)
        assert "to the release that is still analysed" in message

    @pytest.mark.parametrize(
        "on_stable", [pytest.param(stable(""), id="not yet seen"), pytest.param(None, id="not there")]
    )
    def test_unknown_is_no_change(self, on_stable: object) -> None:
        assert told(self.changed(stable=on_stable), Reason.STABLE_CHANGED) == []

    def test_changed_by_our_own_promotion_is_none(self) -> None:
        decided = tick(a_snapshot(a_status(Phase.PROMOTING, 1000), stable=released()))
        assert decided.status.rollout is not None
        assert decided.status.rollout.baseline == "s1"
        assert told(decided, Reason.STABLE_CHANGED) == []
