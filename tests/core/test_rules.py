"""Which of two things that happen at once is followed: the order of the chains."""

from dataclasses import replace
from datetime import timedelta
from typing import TypeAlias

import pytest

from canary.core.snapshot import Snapshot, Wiring
from canary.core.status import Phase, Reason
from tests.build import (
    BAD,
    DOWN,
    MINUTE,
    NO,
    NOW,
    YES,
    Answered,
    a_book,
    a_snapshot,
    a_split,
    a_status,
    canary,
    released,
    stable,
    tick,
    with_hook,
)

Row: TypeAlias = tuple[Snapshot, Answered, Reason]
LATE = timedelta(minutes=40)


def failing(phase: Phase, weight: int, **spec: object) -> Snapshot:
    status = a_status(phase, weight)
    return a_snapshot(replace(status, book=a_book(*BAD)), spec=spec)


ABORT = {"abort": "web-c2-1"}
FIRST_OF_TWO = [
    pytest.param(
        replace(failing(Phase.PROGRESSING, 300, **ABORT), deleted_at=NOW), {}, Reason.DELETED, id="deleted, aborted"
    ),
    pytest.param(
        replace(failing(Phase.PROGRESSING, 300, **ABORT), wiring=Wiring(rival="old")),
        {},
        Reason.CONFLICT,
        id="rival, aborted",
    ),
    pytest.param(failing(Phase.PROGRESSING, 300, **ABORT), {}, Reason.ABORTED, id="aborted, failing"),
    pytest.param(failing(Phase.BAKING, 1000, paused=True), {}, Reason.SUCCESS_RATE, id="failing, paused"),
    pytest.param(a_snapshot(spec={"paused": True, **ABORT}), {}, Reason.ABORTED, id="aborted, paused"),
    pytest.param(
        replace(failing(Phase.PROGRESSING, 300), canary=canary("c3")),
        {},
        Reason.SUCCESS_RATE,
        id="failing, superseded: the old one is condemned",
    ),
    pytest.param(
        replace(a_snapshot(a_status(Phase.PROGRESSING, 300, spent=LATE)), canary=canary("c3")),
        {},
        Reason.NEW_REVISION,
        id="superseded, overdue",
    ),
    pytest.param(
        a_snapshot(a_status(Phase.PROGRESSING, 300, spent=LATE)),
        {"reading": DOWN},
        Reason.STEP_TIMEOUT,
        id="overdue, Prometheus down: the deadline is the user's",
    ),
    pytest.param(
        replace(a_snapshot(a_status(Phase.PROGRESSING, 300, spent=LATE)), split=a_split(300, service="shop")),
        {},
        Reason.STEP_TIMEOUT,
        id="overdue, the split taken",
    ),
    pytest.param(
        replace(a_snapshot(a_status(Phase.PROGRESSING, 300)), canary=canary(ready=0), stable=stable(ready=2)),
        {},
        Reason.CAPACITY_WITHDRAWN,
        id="pods lost, stable not well",
    ),
    pytest.param(
        replace(a_snapshot(a_status(Phase.PROGRESSING, 300)), canary=None),
        {},
        Reason.CAPACITY_WITHDRAWN,
        id="pods lost with their Deployment",
    ),
    pytest.param(
        replace(a_snapshot(), stable=stable(ready=2)), {"reading": DOWN}, Reason.STABLE_NOT_READY, id="stable, outage"
    ),
    pytest.param(a_snapshot(spec={"paused": True}), {"reading": DOWN}, Reason.METRICS_UNREACHABLE, id="outage, paused"),
    pytest.param(
        a_snapshot(spec={"paused": True, "gates": with_hook("boss", "confirm-step")}),
        {"hooks": {"boss": NO}},
        Reason.PAUSED,
        id="paused, unconfirmed",
    ),
    pytest.param(
        a_snapshot(
            a_status(Phase.BAKING, 1000, baked=5 * MINUTE), spec={"paused": True, "promotion": {"approval": "Manual"}}
        ),
        {},
        Reason.AWAITING_APPROVAL,
        id="unapproved, paused",
    ),
    pytest.param(
        replace(a_snapshot(a_status(Phase.PROMOTING, 1000, spent=LATE)), stable=released()),
        {},
        Reason.FINALISING,
        id="stable is ready, overdue",
    ),
    pytest.param(
        replace(failing(Phase.PROMOTING, 1000), stable=released()),
        {},
        Reason.SUCCESS_RATE,
        id="failing, stable is ready",
    ),
    pytest.param(
        a_snapshot(a_status(Phase.BAKING, 1000, baked=5 * MINUTE), spec={"gates": with_hook("veto", "rollback")}),
        {"hooks": {"veto": YES}},
        Reason.WEBHOOK_VETO,
        id="vetoed, ripe",
    ),
]


@pytest.mark.parametrize(("seen", "given", "reason"), FIRST_OF_TWO)
def test_the_first_of_two_is_followed(seen: Snapshot, given: Answered, reason: Reason) -> None:
    assert tick(seen, **given).status.reason is reason


def test_an_outage_alone_never_rolls_back() -> None:
    seen = a_snapshot(a_status(Phase.PROGRESSING, 300, spent=timedelta(minutes=29)))
    decided = tick(seen, reading=DOWN)
    assert (decided.status.phase, decided.status.weight) == (Phase.PROGRESSING, 300)
    assert decided.effects == ()


@pytest.mark.parametrize("answer", [pytest.param(NO, id="no"), pytest.param(DOWN, id="no answer")])
def test_a_veto_that_does_not_ask_for_it_rolls_nothing_back(answer: object) -> None:
    seen = a_snapshot(a_status(Phase.BAKING, 1000), spec={"gates": with_hook("veto", "rollback")})
    assert tick(seen, hooks={"veto": answer}).status.phase is Phase.BAKING  # type: ignore[dict-item] # a table's column
