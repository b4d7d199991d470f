"""What the demo tells of the controller's log."""

import pytest

from canary.cli.story import CELLS, Harm, Result, Tick, bar, harm_of, trouble

GATE = {"verdict": "Fail", "against": 538.2, "passing": 0.112, "canary": [7, 117], "stable": [0, 1360]}
EVENT: dict[str, object] = {
    "event": "tick.decided",
    "canary": "yamtam/web",
    "rollout": "web-new-1",
    "phase": "Progressing",
    "weight": 100,
    "reason": "Gathering",
    "message": "At 100m: waiting.",
    "gates": {"POST /api/task: success rate": GATE},
}


def a_tick(**fields: object) -> Tick:
    tick = Tick.heard({**EVENT, **fields})
    assert tick is not None
    return tick


def a_result(*, failed: int = 7, route: str = "POST /api/task") -> Result:
    return Result(
        canary="web",
        revision="new",
        outcome="RolledBack",
        reason="SuccessRate",
        route=route,
        seconds=13.64,
        peak=100,
        harm=Harm(requests=155, failed=failed),
    )


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"event": "effect.performed"}, id="another event"),
        pytest.param({"rollout": None}, id="no rollout"),
        pytest.param({"weight": "100m"}, id="another version's weight"),
    ],
)
def test_other_lines_are_passed_over(fields: dict[str, object]) -> None:
    assert Tick.heard({**EVENT, **fields}) is None


def test_a_tick_is_one_line_and_one_row_for_each_gate() -> None:
    tick = a_tick()
    assert tick.line(12.4) == "   12 s   100m  Gathering: At 100m: waiting."
    assert tick.gate_rows() == [["POST /api/task: success rate", "Fail", "7 of 117", "0 of 1360", "538:1", "0.112:1"]]
    assert "".join(tick.gate_lines()) == (
        f"{'':16}POST /api/task: success rate: Fail;"
        f" canary 7 of 117 failed, stable 0 of 1360; odds 538:1 against, 0.112:1 for"
    )


def test_a_tick_without_evidence_has_no_gates() -> None:
    assert a_tick(gates=None).gate_rows() == []
    assert a_tick(gates={"service: p99 latency": {}}).gate_rows() == [
        ["service: p99 latency", "None", "-", "-", "-", "-"]
    ]


@pytest.mark.parametrize(
    ("fields", "news"),
    [
        pytest.param({}, False, id="nothing new"),
        pytest.param({"message": "At 100m: still waiting."}, False, id="other numbers"),
        pytest.param({"reason": "NoData"}, True, id="another reason"),
        pytest.param({"weight": 200}, True, id="another weight"),
        pytest.param({"phase": "Baking"}, True, id="another phase"),
        pytest.param({"rollout": "web-new-2"}, True, id="another rollout"),
    ],
)
def test_news(fields: dict[str, object], news: bool) -> None:
    assert a_tick(**fields).follows(a_tick()) is news
    assert a_tick().follows(None)


@pytest.mark.parametrize(
    ("event", "told"),
    [
        pytest.param({"level": "info", "event": "tick.decided"}, "", id="no trouble"),
        pytest.param(
            {"level": "warning", "event": "tick.failed", "error": "no answer"},
            "the controller says: tick.failed: no answer",
            id="an error",
        ),
        pytest.param(
            {"level": "error", "event": "tick.crashed", "exception": "Traceback:\n  x\nKeyError: 'y'"},
            "the controller says: tick.crashed: KeyError: 'y'",
            id="a bug",
        ),
        pytest.param({"level": "error", "event": "lease.lost"}, "the controller says: lease.lost", id="no details"),
    ],
)
def test_trouble(event: dict[str, object], told: str) -> None:
    assert trouble(event) == told


@pytest.mark.parametrize(
    ("weight", "full"),
    [pytest.param(0, 0, id="none"), pytest.param(250, 10, id="a quarter"), pytest.param(1000, 40, id="all")],
)
def test_the_bar_is_the_weight(weight: int, full: int) -> None:
    drawn = bar(weight)
    assert (drawn.count("█"), drawn.count("█") + drawn.count("░")) == (full, CELLS)
    assert drawn.endswith(f" {weight}m")


def test_a_result_is_the_documented_document() -> None:
    assert a_result().as_json() == {
        "canary": "web",
        "revision": "new",
        "outcome": "RolledBack",
        "reason": "SuccessRate",
        "route": "POST /api/task",
        "seconds": 13.6,
        "peakWeight": 100,
        "failedRequests": 7,
        "requests": 155,
    }


def test_a_result_is_a_row() -> None:
    assert a_result(route="").row("bad") == ["bad", "RolledBack", "SuccessRate", "-", "14", "100m", "7 of 155"]


def test_harm_is_said_as_users_count_it() -> None:
    assert a_result().harm.sentence() == "users sent 155 requests to this release, 7 of them failed (4.52%)"
    assert Harm(requests=0, failed=0).sentence() == "users sent 0 requests to this release, 0 of them failed"
    assert harm_of([a_result(), a_result(failed=0)]) == "7 user requests failed because of the canary."
    assert harm_of([a_result(failed=1)]) == "1 user request failed because of the canary."
