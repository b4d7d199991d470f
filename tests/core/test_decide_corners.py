"""Corners that a calm world has no way into: halves of objects, orders in odd moments, records of other versions."""

from dataclasses import replace
from datetime import timedelta

import pytest

from canary.core import decide as deciding
from canary.core import starting
from canary.core.book import Manner
from canary.core.decide import decide, questions
from canary.core.decision import Scale, SetWeights
from canary.core.facts import Facts
from canary.core.gatecalls import gate_calls
from canary.core.guards import canary_trouble, stable_trouble
from canary.core.handover import stable_carries
from canary.core.lenient import as_float
from canary.core.obstacles import hold_not_ours
from canary.core.questions import GateReply
from canary.core.record import parse_status, render_status
from canary.core.snapshot import Snapshot, Wiring
from canary.core.status import CanaryStatus, Outcome, Phase, Reason
from canary.core.unanswered import OpenRequests
from canary.errors import Problem
from tests.build import (
    CALM,
    JUDGED,
    MINUTE,
    NOW,
    a_book,
    a_hook,
    a_past,
    a_snapshot,
    a_split,
    a_status,
    canary,
    released,
    stable,
    tick,
)

PROBLEM = Problem("spec.steps", [], "a list")


def facts(seen: Snapshot) -> Facts:
    return Facts(seen=seen, status=seen.status, counters=None)


def test_only_an_active_phase_has_a_rollout() -> None:
    idle = a_snapshot(a_status(Phase.IDLE, 0))
    with pytest.raises(AssertionError, match="Idle without a rollout"):
        _ = facts(idle).rollout
    assert list(gate_calls(idle)) == []


def test_a_workload_that_is_not_there_is_in_trouble() -> None:
    assert "does not exist" in stable_trouble(None)
    assert "does not exist" in canary_trouble(None, "c2", 1, 100)
    assert not stable_carries(facts(a_snapshot(a_status(Phase.PROMOTING, 1000), stable=None)))
    assert hold_not_ours(facts(a_snapshot(split=None))).status.reason is Reason.NOT_OURS


def test_what_is_no_number_is_zero() -> None:
    assert [as_float(value) for value in ("x", None, True, float("inf"), 2)] == [0, 0, 0, 0, 2]


def test_an_answer_of_another_kind_is_no_reading() -> None:
    seen = a_snapshot()
    decision = decide(seen, dict.fromkeys(questions(seen), GateReply(yes=True, detail="200")))
    assert decision.status.reason is Reason.METRICS_UNREACHABLE


def test_an_illegal_move_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding, "MOVES", dict.fromkeys(Phase, frozenset()))
    with pytest.raises(AssertionError, match="Idle may not move to Progressing"):
        tick(a_snapshot(a_status(Phase.IDLE, 0), canary=canary("c2")))


def test_a_rollout_of_which_not_even_the_wiring_can_be_read_is_left_as_it_is() -> None:
    status = a_status(Phase.PROGRESSING, 100)
    assert status.rollout is not None
    rollout = replace(status.rollout, spec={**status.rollout.spec, "stable": ["2x"]})
    seen = a_snapshot(replace(status, rollout=rollout), problems=(PROBLEM,))
    decision = tick(replace(seen, status=replace(seen.status, rollout=rollout)))
    assert (decision.status.weight, decision.status.phase) == (100, Phase.PROGRESSING)
    assert any(c.type == "Ready" and not c.status for c in decision.status.conditions)


def test_a_deleted_canary_whose_split_is_gone_makes_none() -> None:
    seen = a_snapshot(a_status(Phase.IDLE, 0), split=None, deleted_at=NOW - MINUTE)
    assert not any(isinstance(effect, SetWeights) for effect in tick(seen).effects)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.IDLE])
def test_a_controller_that_leaves_returns_traffic_and_the_rollout_goes_on_where_it_was(phase: Phase) -> None:
    seen = a_snapshot(a_status(phase, 100), split=a_split(100), deleted_at=NOW, guarded=True)
    decision = tick(replace(seen, leaving=True))
    assert (decision.status.phase, decision.status.weight) == (phase, 0)
    assert (decision.status.reason, decision.status.rollout is None) == (Reason.LEAVING, False)
    assert decision.status.message == "The controller leaves: traffic returns to web-stable."


def test_stable_keeps_a_release_whose_predecessor_is_gone_and_that_is_said() -> None:
    held = released()
    without = replace(held, templates={held.revision: held.template})
    status = a_status(Phase.ROLLING_BACK, 0, copying=True, found_replicas=4)
    scaling = tick(a_snapshot(status, stable=without, canary=canary(desired=5)))
    assert [type(effect) for effect in scaling.effects] == [Scale]
    decision = tick(a_snapshot(status, stable=without, canary=canary(desired=4)))
    assert "ReplicaSet of its former revision s1 is gone" in decision.status.message


def test_the_route_of_a_fault_is_recorded() -> None:
    status = a_status(Phase.ROLLING_BACK, 0)
    assert status.rollout is not None
    routed = replace(status, rollout=replace(status.rollout, fault_route="GET /"))
    assert parse_status(render_status(routed)).rollout == routed.rollout


class TestStarting:
    def test_first_sight_waits_for_a_revision(self) -> None:
        decision = tick(a_snapshot(CanaryStatus(), canary=canary("")))
        assert "Waiting for the Deployment controller" in decision.status.message
        assert not decision.status.promoted

    def test_a_start_waits_for_stables_revision(self) -> None:
        decision = tick(a_snapshot(a_status(Phase.IDLE, 0), canary=canary("c2"), stable=stable("")))
        assert (decision.status.phase, "stable's template" in decision.status.message) == (Phase.IDLE, True)

    def test_nothing_begins_without_its_deployments(self) -> None:
        seen = a_snapshot(a_status(Phase.IDLE, 0), stable=None)
        with pytest.raises(AssertionError, match="cannot begin"):
            starting.begun(facts(seen), seen.status, 1)

    @pytest.mark.parametrize(
        ("spec", "on_stable", "phase", "retried"),
        [
            pytest.param({"retry": "web-c0-1"}, stable(), Phase.PROGRESSING, "web-c0-1", id="granted"),
            pytest.param({"retry": "web-c0-1", "paused": True}, stable(), Phase.IDLE, "", id="kept while paused"),
            pytest.param({"retry": "web-c0-1"}, stable(""), Phase.IDLE, "", id="kept while stable is not seen"),
            pytest.param({"retry": "web-c9-1"}, stable(), Phase.IDLE, "web-c9-1", id="refused"),
        ],
    )
    def test_a_retry(self, spec: dict[str, object], on_stable: object, phase: Phase, retried: str) -> None:
        status = replace(a_status(Phase.IDLE, 0), history=(a_past("c0"),))
        decision = tick(a_snapshot(status, spec=spec, stable=on_stable, canary=canary("c0")))  # type: ignore[arg-type]
        assert (decision.status.phase, decision.status.retried) == (phase, retried)

    def test_a_refused_retry_may_be_asked_for_again(self) -> None:
        status = replace(a_status(Phase.IDLE, 0), retried="web-c9-1")
        assert not tick(a_snapshot(status)).status.retried


class TestWords:
    def test_counting_at_the_servers_is_said(self) -> None:
        manner = Manner(client=False, bounds=frozenset(), routes=False)
        status = a_status(Phase.PROGRESSING, 100, dwelt=timedelta())
        seen = a_snapshot(replace(status, book=replace(status.book, manner=manner, waited=0.0)), elapsed=timedelta())
        assert "counted at the servers" in tick(seen).status.message

    def test_streams_are_said(self) -> None:
        status = a_status(Phase.PROGRESSING, 100, dwelt=timedelta())
        streams = OpenRequests(open_time=90.0, requests=10)
        seen = a_snapshot(replace(status, book=replace(status.book, open={"": streams})), elapsed=timedelta())
        assert "stable keeps its requests open for 90 s" in tick(seen).status.message


LONG = {"onInconclusive": "Promote", "stepTimeout": "10m", "steps": ["100m", "500m", "1000m"]}


@pytest.mark.parametrize(
    ("seen", "reason", "told"),
    [
        pytest.param(
            {"canary": canary(desired=1)}, Reason.CANARY_NOT_READY, "not ready", id="the next step's pods lack"
        ),
        pytest.param(
            {"split": a_split(0, editor="x")}, Reason.OVERDUE, "split is not as intended", id="the split is off"
        ),
        pytest.param({"stable": stable(ready=1)}, Reason.OVERDUE, "1 of stable's 4", id="stable is not ready"),
        pytest.param(
            {"wiring": Wiring(missing_services=("web",))}, Reason.OVERDUE, "Service 'web'", id="a Service is missing"
        ),
    ],
)
def test_promote_at_the_deadline_does_without_evidence_only(seen: dict[str, object], reason: Reason, told: str) -> None:
    status = a_status(Phase.PROGRESSING, 100, spent=30 * MINUTE, dwelt=-MINUTE)
    decision = tick(a_snapshot(status, spec=LONG, **seen))  # type: ignore[arg-type] # a table's own columns
    assert (decision.status.reason, told in decision.status.message) == (reason, True), decision.status.message


def test_promote_at_the_deadline_still_asks_whom_it_had_to_ask() -> None:
    hooked = {**LONG, "gates": {"successRate": {"min": "99%"}, "webhooks": [a_hook("ops", "confirm-step")]}}
    decision = tick(a_snapshot(a_status(Phase.PROGRESSING, 100, spent=30 * MINUTE), spec=hooked))
    assert "webhook 'ops'" in decision.status.message
    approving = {**LONG, "promotion": {"approval": "Manual"}}
    decision = tick(a_snapshot(a_status(Phase.BAKING, 1000, spent=60 * MINUTE), spec=approving))
    assert "spec.approve must name web-c2-1" in decision.status.message


def test_an_overdue_step_stays_inconclusive_until_it_is_left() -> None:
    status = a_status(Phase.PROGRESSING, 100, overdue=True, dwelt=timedelta())
    decision = tick(a_snapshot(replace(status, book=a_book(*CALM)), elapsed=timedelta()))
    assert decision.status.reason is Reason.OVERDUE
    assert JUDGED in (decision.judgement.verdicts if decision.judgement else {})
    assert Outcome.PROMOTED not in {past.outcome for past in decision.status.history}
