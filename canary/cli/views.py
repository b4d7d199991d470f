"""Canary objects as rows, sentences and documents, for `canary status` and the demo. Pure.

The status is read as the record that it is, not through the controller's types: gates and numbers are there for people
only, and another version may have written them.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

Json: TypeAlias = Mapping[str, object]

COLUMNS: Final = ("NAME", "PHASE", "WEIGHT", "REVISION", "REASON", "MESSAGE")
GATES: Final = ("GATE", "VERDICT", "CANARY FAILED", "STABLE FAILED", "ODDS AGAINST", "ODDS FOR", "PROMISE")
QUERIES: Final = ("QUERY", "VERDICT", "PROMISE", "SAYS")
HISTORY: Final = ("ROLLOUT", "OUTCOME", "REASON", "PEAK", "SECONDS", "REQUESTS", "FAILED", "STARTED", "MESSAGE")
MOST_EXPECTED: Final = 5  # gates whose forecast is shown
MILLION: Final = 1e6
BULKY: Final = ("evidence", "savedAt")  # the controller's own memory


def row(obj: Json, *, namespaced: bool = False) -> list[str]:
    """Sum a Canary up in the cells of COLUMNS."""
    status, (namespace, name) = part(obj, "status"), place(obj)
    cells = [text(status, key) for key in ("phase", "weight", "reason", "message")]
    phase, weight, reason, message = cells
    revision = text(part(status, "rollout"), "revision") or text(status, "promoted")
    where = [namespace] if namespaced else []
    return [
        *where,
        name,
        phase or "-",
        weight or "-",
        revision or "-",
        reason or "-",
        message or "not seen by a controller yet",
    ]


def headline(obj: Json) -> list[str]:
    """Say in a few lines how a Canary stands."""
    status, (namespace, name) = part(obj, "status"), place(obj)
    rollout, ready = part(status, "rollout"), _condition(status, "Ready")
    lines = [f"{namespace}/{name}: {text(status, 'phase') or 'not seen by a controller yet'}"]
    if running(status):
        lines.append(
            f"rollout {text(rollout, 'id')} at {text(rollout, 'weight')}, since {_short(rollout.get('startedAt'))}"
        )
        lines += _expected(status)
    if text(status, "message"):
        lines.append(f"{text(status, 'reason')}: {text(status, 'message')}")
    if text(rollout, "heldSince"):
        lines.append(f"held since {_short(rollout.get('heldSince'))}")
    if ready and ready.get("status") != "True":
        lines.append(f"not ready: {text(ready, 'reason')}: {text(ready, 'message')}")
    told = {text(gate, "name"): text(gate, "counting") for gate in rows(status, "gates")}
    lines += [f"{name}: {counting}" for name, counting in told.items() if counting]
    if part(obj, "spec").get("paused") is True:
        lines.append("paused by spec.paused")
    return lines


def gates(obj: Json) -> list[list[str]]:
    """List the gates of the rollout that runs, in the cells of GATES."""
    return [
        [
            text(gate, "name"),
            text(gate, "verdict") + (" (watched)" if gate.get("required") is False else ""),
            text(gate, "canary"),
            text(gate, "stable"),
            odds(gate.get("oddsAgainst")),
            odds(gate.get("oddsFor")),
            text(gate, "promise"),
        ]
        for gate in rows(part(obj, "status"), "gates")
    ]


def _expected(status: Json) -> list[str]:
    """Word the forecast for those gates that are waited for; what is only watched is said in its row."""
    awaited = [gate for gate in rows(status, "gates") if gate.get("required") is not False and text(gate, "expected")]
    return [f"expected, {text(gate, 'name')}: {text(gate, 'expected')}" for gate in awaited[:MOST_EXPECTED]]


def queries(obj: Json) -> list[list[str]]:
    """List the user's queries of the rollout that runs, in the cells of QUERIES."""
    keys = ("name", "verdict", "promise", "message")
    return [[text(query, key) for key in keys] for query in rows(part(obj, "status"), "queries")]


def history(obj: Json) -> list[list[str]]:
    """List the finished rollouts, the latest first, in the cells of HISTORY."""
    return [
        [
            text(past, "id"),
            text(past, "outcome"),
            text(past, "reason"),
            text(past, "peak"),
            _count(past.get("seconds")),
            _count(past.get("requests")),
            _count(past.get("failures")),
            _short(past.get("startedAt")),
            text(past, "message"),
        ]
        for past in reversed(rows(part(obj, "status"), "history"))
    ]


def document(obj: Json) -> dict[str, object]:
    """Keep what a program wants of a Canary."""
    (namespace, name), status = place(obj), part(obj, "status")
    rollout = {key: value for key, value in part(status, "rollout").items() if key != "spec"}
    kept = {key: value for key, value in status.items() if key not in BULKY}
    if rollout:
        kept["rollout"] = rollout
    return {"namespace": namespace, "name": name, **kept}


def running(status: Json) -> bool:
    """Tell whether a rollout runs: only then are there gates."""
    return text(status, "phase") in ("Progressing", "Baking", "Promoting", "Finalising", "RollingBack")


def odds(value: object) -> str:
    """Word the odds; beyond a million they are all the same to people."""
    if not isinstance(value, int | float):
        return "-"
    return f"{value:.3g}:1" if value < MILLION else "over 1e6:1"


def place(obj: Json) -> tuple[str, str]:
    """Name an object: its namespace, its name."""
    meta = part(obj, "metadata")
    return text(meta, "namespace"), text(meta, "name")


def part(obj: Json, key: str) -> Json:
    """Read an object inside another; what is not there is empty."""
    found = obj.get(key)
    return found if isinstance(found, Mapping) else {}


def text(obj: Json, key: str) -> str:
    """Read a text; what is not there is empty."""
    found = obj.get(key)
    return found if isinstance(found, str) else ""


def rows(obj: Json, key: str) -> Sequence[Json]:
    """Read a list of objects."""
    found = obj.get(key)
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []


def _condition(status: Json, kind: str) -> Json:
    return next((c for c in rows(status, "conditions") if c.get("type") == kind), {})


def _short(time: object) -> str:
    """Leave the microseconds of a time out."""
    return f"{time.partition('.')[0].removesuffix('Z')}Z" if isinstance(time, str) and time else "-"


def _count(value: object) -> str:
    return f"{value:.0f}" if isinstance(value, int | float) else "-"
