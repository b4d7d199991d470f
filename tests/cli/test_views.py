"""Canary objects in words: whatever a status holds, it is shown, and what it lacks is no error."""

import pytest

from canary.cli.views import Json, document, gates, headline, history, odds, queries, row

CANARY: Json = {"metadata": {"namespace": "shop", "name": "web"}, "spec": {}}


def with_status(**status: object) -> Json:
    return {**CANARY, "status": status}


@pytest.mark.parametrize(
    ("obj", "lines"),
    [
        pytest.param(CANARY, ["shop/web: not seen by a controller yet"], id="never seen"),
        pytest.param(
            with_status(phase="Idle", reason="Adopted", message="Adopted."),
            ["shop/web: Idle", "Adopted: Adopted."],
            id="idle",
        ),
        pytest.param(
            with_status(
                phase="Baking",
                reason="NoData",
                message="Held.",
                rollout={
                    "id": "web-a-1",
                    "weight": "1000m",
                    "startedAt": "2026-03-01T12:00:00.5Z",
                    "heldSince": "2026-03-01T12:01:00Z",
                },
            ),
            [
                "shop/web: Baking",
                "rollout web-a-1 at 1000m, since 2026-03-01T12:00:00Z",
                "NoData: Held.",
                "held since 2026-03-01T12:01:00Z",
            ],
            id="held",
        ),
        pytest.param(
            with_status(
                phase="Idle",
                conditions=[{"type": "Ready", "status": "False", "reason": "Conflict", "message": "web-old is older."}],
            ),
            ["shop/web: Idle", "not ready: Conflict: web-old is older."],
            id="not ready",
        ),
        pytest.param(
            with_status(phase="Baking", gates=[{"name": "GET /", "counting": "it fails in bursts"}, {"name": "PUT /"}]),
            ["shop/web: Baking", "rollout  at , since -", "GET /: it fails in bursts"],
            id="bursts",
        ),
        pytest.param(
            {**with_status(phase="Idle"), "spec": {"paused": True}},
            ["shop/web: Idle", "paused by spec.paused"],
            id="paused",
        ),
    ],
)
def test_a_headline(obj: Json, lines: list[str]) -> None:
    assert headline(obj) == lines


def test_what_to_expect_is_shown_while_a_rollout_runs_and_what_is_only_watched_in_its_row() -> None:
    awaited = {"name": "service: success rate", "verdict": "Hold", "required": True, "expected": "PASS in about 2m"}
    watched = {"name": "GET /: success rate", "verdict": "Hold", "required": False, "expected": "too quiet"}
    old = {"name": "POST /: success rate", "verdict": "Hold"}
    obj = with_status(phase="Progressing", gates=[awaited, watched, old, *[awaited] * 9])
    assert headline(obj)[2:] == ["expected, service: success rate: PASS in about 2m"] * 5
    assert [cells[1] for cells in gates(obj)[:3]] == ["Hold", "Hold (watched)", "Hold"]
    assert headline({**obj, "status": {**obj["status"], "phase": "Idle"}}) == ["shop/web: Idle"]  # type: ignore[dict-item] # a status


@pytest.mark.parametrize(
    "status",
    [
        pytest.param("text", id="text"),
        pytest.param({"rollout": [], "gates": {}, "history": "none", "conditions": [1]}, id="other types"),
        pytest.param({"gates": [{}], "history": [{"seconds": "long"}], "phase": 3}, id="empty rows"),
    ],
)
def test_a_status_that_another_version_wrote_is_shown_as_far_as_it_goes(status: object) -> None:
    obj = {**CANARY, "status": status}
    assert row(obj)[0] == "web"
    assert row(obj, namespaced=True)[:2] == ["shop", "web"]
    assert headline(obj)[0].startswith("shop/web: ")
    assert document(obj)["name"] == "web"
    assert len(gates(obj)) <= 1
    assert len(history(obj)) <= 1


def test_queries_are_listed_with_what_they_say() -> None:
    said = {"name": "depth", "verdict": "Hold", "value": 7.0, "promise": "at most 5", "message": "it is 7"}
    assert queries(with_status(queries=[said])) == [["depth", "Hold", "at most 5", "it is 7"]]


def test_the_latest_rollout_comes_first() -> None:
    obj = with_status(history=[{"id": "web-a-1", "seconds": 12.4}, {"id": "web-b-2", "seconds": 90}])
    assert [(cells[0], cells[4]) for cells in history(obj)] == [("web-b-2", "90"), ("web-a-1", "12")]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(12.54, "12.5:1", id="odds"),
        pytest.param(0.0123, "0.0123:1", id="small"),
        pytest.param(3.5e13, "over 1e6:1", id="beyond caring"),
        pytest.param(None, "-", id="none"),
    ],
)
def test_odds(value: object, text: str) -> None:
    assert odds(value) == text
