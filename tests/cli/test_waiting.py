"""When waiting is over: every state of a rollout, by a table."""

import pytest

from canary.cli.looks import Look
from canary.cli.waiting import EXIT_CODES, Ending, ending_of, parse_id, rollout_of, unstarted
from canary.core.snapshot import Key
from canary.core.status import CanaryStatus, Outcome, Phase, Reason
from tests.cli.town import a_past, a_rollout, a_running, an_idle


def a_look(status: CanaryStatus, present: str = "new", **spec: object) -> Look:
    return Look(key=Key("shop", "web"), spec=spec, status=status, present=present)


OTHER = a_rollout("other", 2)
PROMOTED, BACK = a_past("new", 1), a_past("new", 1, Outcome.ROLLED_BACK)


@pytest.mark.parametrize(
    ("look", "rollout"),
    [
        pytest.param(a_look(a_running(), present=""), None, id="the Deployment's controller has not seen the template"),
        pytest.param(a_look(CanaryStatus()), None, id="no controller has seen the Canary"),
        pytest.param(a_look(a_running()), "web-new-1", id="its rollout runs"),
        pytest.param(a_look(an_idle()), None, id="the last conditions stand, its rollout has not begun"),
        pytest.param(a_look(an_idle(a_past("old", 3))), None, id="another revision was promoted"),
        pytest.param(a_look(a_running(OTHER)), None, id="another revision's runs"),
        pytest.param(
            a_look(a_running(OTHER, promoted="new")), None, id="it is what stable runs, but another's still runs"
        ),
        pytest.param(
            a_look(a_running(OTHER, history=(BACK,))), None, id="it was rolled back, but another's still runs"
        ),
        pytest.param(a_look(an_idle(PROMOTED, promoted="new")), "web-new-1", id="promoted"),
        pytest.param(a_look(an_idle(promoted="new")), "", id="the baseline"),
        pytest.param(a_look(an_idle(BACK, promoted="new")), "", id="rolled back once, the baseline since"),
        pytest.param(a_look(an_idle(BACK)), "web-new-1", id="rolled back"),
        pytest.param(a_look(an_idle(BACK), retry="web-new-1"), None, id="rolled back, retry asked for"),
        pytest.param(
            a_look(an_idle(BACK, retried="web-new-1"), retry="web-new-1"), "web-new-1", id="rolled back, retry answered"
        ),
        pytest.param(a_look(an_idle(a_past("new", 1, Outcome.SUPERSEDED))), None, id="superseded condemns nothing"),
        pytest.param(
            a_look(an_idle(BACK, a_past("new", 2, Outcome.SUPERSEDED))), None, id="superseded after it was rolled back"
        ),
    ],
)
def test_the_rollout_of_the_present_template(look: Look, rollout: str | None) -> None:
    assert rollout_of(look) == rollout


MANUAL = {"approval": "Manual"}


@pytest.mark.parametrize(
    ("look", "ending", "until_approval"),
    [
        pytest.param(a_look(a_running()), None, None, id="runs"),
        pytest.param(a_look(an_idle(PROMOTED)), Ending.PROMOTED, Ending.PROMOTED, id="promoted"),
        pytest.param(a_look(an_idle(BACK)), Ending.ROLLED_BACK, Ending.ROLLED_BACK, id="rolled back"),
        pytest.param(
            a_look(a_running(OTHER, history=(a_past("new", 1, Outcome.SUPERSEDED),))),
            Ending.SUPERSEDED,
            Ending.SUPERSEDED,
            id="superseded by the one that runs",
        ),
        pytest.param(a_look(a_running(OTHER)), Ending.NOT_FOUND, Ending.NOT_FOUND, id="another one, and no memory"),
        pytest.param(a_look(an_idle(a_past("old", 1))), Ending.NOT_FOUND, Ending.NOT_FOUND, id="never was"),
        pytest.param(a_look(CanaryStatus()), Ending.NOT_FOUND, Ending.NOT_FOUND, id="no status"),
        pytest.param(
            a_look(a_running(reason=Reason.OVERDUE)), Ending.OVERDUE, Ending.OVERDUE, id="inconclusive at the deadline"
        ),
        pytest.param(
            a_look(a_running(a_rollout(overdue=True), reason=Reason.PAUSED), paused=True),
            Ending.OVERDUE,
            Ending.OVERDUE,
            id="overdue and paused",
        ),
        pytest.param(
            a_look(a_running(a_rollout(overdue=True), phase=Phase.PROMOTING)),
            None,
            None,
            id="stable comes late to a promotion from outside",
        ),
        pytest.param(a_look(a_running(phase=Phase.ROLLING_BACK)), None, None, id="on its way back"),
        pytest.param(a_look(a_running(), paused=True), None, Ending.STOPPED, id="paused"),
        pytest.param(
            a_look(a_running(phase=Phase.FINALISING), paused=True), None, None, id="paused too late to stop it"
        ),
        pytest.param(
            a_look(a_running(phase=Phase.BAKING, reason=Reason.AWAITING_APPROVAL), promotion=MANUAL),
            None,
            Ending.STOPPED,
            id="awaits approval",
        ),
    ],
)
def test_the_ending(look: Look, ending: Ending | None, until_approval: Ending | None) -> None:
    assert ending_of(look, "web-new-1", until_approval=False) is ending
    assert ending_of(look, "web-new-1", until_approval=True) is until_approval


def test_the_baseline_counts_as_promoted() -> None:
    assert ending_of(a_look(an_idle(promoted="new")), "", until_approval=False) is Ending.PROMOTED


@pytest.mark.parametrize(
    ("look", "stopped"),
    [
        pytest.param(a_look(an_idle(), paused=True), True, id="paused before the start"),
        pytest.param(a_look(an_idle()), False, id="about to start"),
        pytest.param(a_look(an_idle(), present="", paused=True), False, id="not known which revision"),
        pytest.param(a_look(CanaryStatus(), paused=True), False, id="not adopted"),
        pytest.param(a_look(a_running(OTHER), paused=True), False, id="another one runs"),
    ],
)
def test_a_paused_start_ends_the_waiting_only_for_those_who_ask(look: Look, stopped: bool) -> None:
    assert unstarted(look, until_approval=True) is (Ending.STOPPED if stopped else None)
    assert unstarted(look, until_approval=False) is None


def test_the_exit_codes_are_the_documented_ones() -> None:
    assert {ending.value: code for ending, code in EXIT_CODES.items()} == {
        "Promoted": 0,
        "RolledBack": 10,
        "Overdue": 11,
        "Stopped": 12,
        "TimedOut": 13,
        "Superseded": 14,
        "NotFound": 15,
    }
    assert set(EXIT_CODES) == set(Ending)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        pytest.param("web-6c5d4-12", ("web", "6c5d4", 12), id="plain"),
        pytest.param("web-agent-6c5d4-1", ("web-agent", "6c5d4", 1), id="a name with a dash"),
        pytest.param("web", None, id="a name"),
        pytest.param("web-2", None, id="a name with a number"),
        pytest.param("web-6c5d4-x", None, id="no number"),
        pytest.param("web-6c5d4-", None, id="nothing for a number"),
        pytest.param("web-6c5d4-²", None, id="a digit of another kind"),
        pytest.param("-6c5d4-1", None, id="no name"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_an_id_is_taken_apart(text: str, parts: tuple[str, str, int] | None) -> None:
    assert parse_id(text) == parts
