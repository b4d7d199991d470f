"""Which webhooks are asked when, and what they are told."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from canary.core.decide import questions
from canary.core.questions import CallGate
from canary.core.snapshot import Snapshot
from canary.core.status import Phase
from tests.build import GOOD, MINUTE, SUSPECT, a_book, a_hook, a_snapshot, a_status

KINDS = ("confirm-start", "confirm-step", "confirm-promotion", "rollback", "notify")
HOOKS = {"successRate": {"min": "99%"}, "webhooks": [a_hook(kind, kind) for kind in KINDS]}
SECONDS = timedelta(seconds=1)


def asked(seen: Snapshot) -> list[str]:
    return [question.webhook.name for question in questions(seen) if isinstance(question, CallGate)]


def look(phase: Phase, weight: int, *, spec: Mapping[str, object] | None = None, **rollout: object) -> Snapshot:
    status = a_status(phase, weight, **rollout)  # type: ignore[arg-type] # a table's own columns
    return a_snapshot(status, spec={"gates": HOOKS, **(spec or {})})


def judged(seen: Snapshot, *intervals: object) -> Snapshot:
    return replace(seen, status=replace(seen.status, book=a_book(*intervals, answered=200.0)))  # type: ignore[arg-type] # columns


MANUAL = {"promotion": {"approval": "Manual"}}
PROMOTE = {"onInconclusive": "Promote"}


@pytest.mark.parametrize(
    ("seen", "hooks"),
    [
        pytest.param(look(Phase.IDLE, 0), [], id="idle"),
        pytest.param(look(Phase.PROGRESSING, 0), ["confirm-start", "rollback"], id="before the first weight"),
        pytest.param(look(Phase.PROGRESSING, 100), ["confirm-step", "rollback"], id="ripe"),
        pytest.param(look(Phase.PROGRESSING, 100, dwelt=10 * SECONDS), ["rollback"], id="not dwelt"),
        pytest.param(look(Phase.PROGRESSING, 100, dwelt=20 * SECONDS), ["confirm-step", "rollback"], id="dwelt by now"),
        pytest.param(judged(look(Phase.PROGRESSING, 100), *SUSPECT), ["rollback"], id="not calm"),
        pytest.param(look(Phase.PROGRESSING, 500), ["rollback"], id="without PASS"),
        pytest.param(judged(look(Phase.PROGRESSING, 500), *GOOD), ["confirm-step", "rollback"], id="with PASS"),
        pytest.param(
            look(Phase.PROGRESSING, 500, spent=30 * MINUTE, spec=PROMOTE),
            ["confirm-step", "rollback"],
            id="at a deadline that promotes",
        ),
        pytest.param(look(Phase.PROGRESSING, 500, spent=30 * MINUTE), ["rollback"], id="at one that does not"),
        pytest.param(look(Phase.BAKING, 1000, baked=MINUTE), ["rollback"], id="baking"),
        pytest.param(look(Phase.BAKING, 1000, baked=5 * MINUTE), ["confirm-promotion", "rollback"], id="baked"),
        pytest.param(look(Phase.BAKING, 1000, baked=5 * MINUTE, spec=MANUAL), ["rollback"], id="baked, unapproved"),
        pytest.param(
            look(Phase.BAKING, 1000, baked=5 * MINUTE, spec={**MANUAL, "approve": "web-c2-1"}),
            ["confirm-promotion", "rollback"],
            id="baked and approved",
        ),
        pytest.param(
            look(Phase.BAKING, 1000, spent=36 * MINUTE, spec=PROMOTE),
            ["confirm-promotion", "rollback"],
            id="the bake's deadline, where it promotes",
        ),
        pytest.param(look(Phase.PROMOTING, 1000), ["rollback"], id="promoting"),
        pytest.param(look(Phase.FINALISING, 0), [], id="finalising"),
        pytest.param(look(Phase.ROLLING_BACK, 0), [], id="rolling back"),
        pytest.param(replace(look(Phase.PROGRESSING, 100), elapsed=SECONDS), [], id="between two readings"),
    ],
)
def test_asks(seen: Snapshot, hooks: list[str]) -> None:
    assert asked(seen) == hooks


def test_tells_what_is_asked_about() -> None:
    (call,) = (q for q in questions(look(Phase.PROGRESSING, 500)) if isinstance(q, CallGate))
    assert json.loads(call.body) == {
        "canary": "web",
        "namespace": "shop",
        "rollout": "web-c2-1",
        "revision": "c2",
        "phase": "Progressing",
        "weight": 500,
        "webhook": "rollback",
        "type": "rollback",
    }
