"""What an order sets, when it is done already, and when it is refused."""

import re

import pytest

from canary.cli import controls
from canary.cli.controls import Order, Refused
from canary.cli.looks import Look
from canary.core.status import Outcome, Phase, Reason
from tests.cli.test_waiting import MANUAL, a_look
from tests.cli.town import a_past, a_rollout, a_running, an_idle

RUNS, IDLE = a_look(a_running()), a_look(an_idle())
BACK = a_past("new", 1, Outcome.ROLLED_BACK)
AWAITS = a_look(a_running(phase=Phase.BAKING, reason=Reason.AWAITING_APPROVAL), promotion=MANUAL)


def in_phase(phase: Phase, **spec: object) -> Look:
    return Look(key=RUNS.key, spec=spec, status=a_running(phase=phase), present="new")


@pytest.mark.parametrize(
    ("order", "look", "rollout", "fields", "told"),
    [
        pytest.param("pause", RUNS, "", {"paused": True}, "web-new-1 stays where it is", id="pause"),
        pytest.param("pause", IDLE, "", {"paused": True}, "is paused", id="pause before a start"),
        pytest.param("pause", RUNS, "web-new-1", {"paused": True}, "stays", id="pause by id"),
        pytest.param("pause", a_look(a_running(), paused=True), "", {}, "already", id="pause twice"),
        pytest.param(
            "pause",
            in_phase(Phase.PROMOTING),
            "",
            {"paused": True},
            "is Promoting and runs to its end",
            id="pause late",
        ),
        pytest.param("resume", a_look(a_running(), paused=True), "", {"paused": False}, "goes on", id="resume"),
        pytest.param("resume", RUNS, "", {}, "is not paused", id="resume what runs"),
        pytest.param("abort", RUNS, "", {"abort": "web-new-1"}, "is to be rolled back", id="abort"),
        pytest.param("abort", RUNS, "web-new-1", {"abort": "web-new-1"}, "is to be", id="abort by id"),
        pytest.param("abort", in_phase(Phase.PROMOTING), "", {"abort": "web-new-1"}, "is to be", id="abort promoting"),
        pytest.param("abort", in_phase(Phase.ROLLING_BACK), "", {}, "is being rolled back", id="abort on its way back"),
        pytest.param("abort", a_look(an_idle(BACK)), "web-new-1", {}, "was rolled back already", id="abort twice"),
        pytest.param("retry", a_look(an_idle(BACK)), "", {"retry": "web-new-1"}, "is to be run again", id="retry"),
        pytest.param("retry", a_look(an_idle(BACK)), "web-new-1", {"retry": "web-new-1"}, "again", id="retry by id"),
        pytest.param("retry", a_look(an_idle(BACK), retry="web-new-1"), "", {}, "asked for already", id="retry twice"),
        pytest.param("approve", AWAITS, "", {"approve": "web-new-1"}, "is approved", id="approve"),
        pytest.param(
            "approve",
            a_look(a_running(), promotion=MANUAL),
            "web-new-1",
            {"approve": "web-new-1"},
            "",
            id="approve unseen, by id",
        ),
        pytest.param(
            "approve",
            a_look(a_running(phase=Phase.BAKING), approve="web-new-1", promotion=MANUAL),
            "",
            {},
            "approved already",
            id="approve twice",
        ),
    ],
)
def test_an_order(order: str, look: Look, rollout: str, fields: dict[str, object], told: str) -> None:
    given = getattr(controls, order)(look, rollout)
    assert isinstance(given, Order)
    assert given.fields == fields
    assert told in given.message


@pytest.mark.parametrize(
    ("order", "look", "rollout", "told"),
    [
        pytest.param("pause", RUNS, "web-x-9", "web-x-9 does not run; web-new-1 does", id="pause another"),
        pytest.param("resume", IDLE, "web-x-9", "web-x-9 does not run; nothing does", id="resume what is over"),
        pytest.param("abort", IDLE, "", "there is nothing to abort", id="abort nothing"),
        pytest.param(
            "abort",
            a_look(an_idle(a_past("new", 1))),
            "",
            "the last one, web-new-1, ended Promoted",
            id="abort what was promoted",
        ),
        pytest.param("abort", RUNS, "web-x-9", "web-new-1 does", id="abort another"),
        pytest.param("abort", in_phase(Phase.FINALISING), "", "beyond an abort", id="abort too late"),
        pytest.param("retry", RUNS, "", "web-new-1 runs; wait for its end", id="retry while one runs"),
        pytest.param("retry", IDLE, "", "rolled back were: none", id="retry nothing"),
        pytest.param(
            "retry", a_look(an_idle(a_past("new", 1))), "web-new-1", "web-new-1 of web was", id="retry a promoted one"
        ),
        pytest.param(
            "retry", a_look(an_idle(BACK)), "web-x-9", "rolled back were: web-new-1", id="retry an unknown one"
        ),
        pytest.param(
            "retry", a_look(an_idle(BACK), present="newer"), "", "carries newer, not new", id="retry what is not there"
        ),
        pytest.param(
            "retry", a_look(an_idle(BACK), present=""), "", "has not seen yet, not new", id="retry in mid-push"
        ),
        pytest.param(
            "retry",
            a_look(an_idle(BACK, retried="web-new-1"), retry="web-new-1"),
            "",
            "was answered before",
            id="retry once more by the same name",
        ),
        pytest.param("approve", IDLE, "", "there is nothing to approve", id="approve nothing"),
        pytest.param("approve", RUNS, "", "is Automatic: web-new-1 needs no approval", id="approve unasked"),
        pytest.param("approve", a_look(a_running(), promotion=MANUAL), "", "--rollout web-new-1", id="approve unseen"),
        pytest.param("approve", AWAITS, "web-x-9", "web-new-1 does", id="approve another"),
        pytest.param(
            "approve", in_phase(Phase.PROMOTING, promotion=MANUAL), "", "comes too late", id="approve too late"
        ),
    ],
)
def test_a_refusal_says_why(order: str, look: Look, rollout: str, told: str) -> None:
    with pytest.raises(Refused, match=re.escape(told)):
        getattr(controls, order)(look, rollout)


def test_the_latest_that_was_rolled_back_is_retried() -> None:
    look = a_look(an_idle(BACK, a_past("old", 2), a_past("new", 3, Outcome.ROLLED_BACK)))
    assert controls.retry(look, "").fields == {"retry": "web-new-3"}


def test_an_order_names_the_rollout_that_runs_and_not_the_last_one() -> None:
    look = a_look(a_running(a_rollout("newer", 2), history=(BACK,)))
    assert controls.abort(look, "").fields == {"abort": "web-newer-2"}
