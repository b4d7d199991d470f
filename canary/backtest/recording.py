"""The lines of a recording: what a pod answered on one route in one interval. JSON text in, rows out, and back.

A line that is none is refused whole, with its field, its value and what is allowed.
"""

import json
import math
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from canary.core.counters import MOST
from canary.core.counts import Version
from canary.errors import InvalidSpec, Problem

FIELDS: Final = ("episode", "t", "side", "route", "pod", "requests", "failures", "over", "clientErrors")
WANTED: Final = "one of: " + ", ".join(FIELDS)
COUNT: Final = f"a count of at least 0, below {MOST:.0f}"
SIDES: Final = {str(side): side for side in Version}

Over: TypeAlias = tuple[tuple[float, float], ...]
"""Seconds, ascending, and how many of the requests that did not fail took longer. Empty where that is not known."""


class Row(NamedTuple):
    """The increments of one interval that ended at `t` (seconds). Route "" is the service."""

    episode: str
    t: float
    side: Version
    route: str
    pod: str
    requests: float
    failures: float
    over: Over
    refused: float = 0.0
    """Answered with a 4xx, which is no failure."""


def parse(text: str) -> Row:
    """Read a line. Raises InvalidSpec with the first thing that is wrong with it."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        line = None
    if not isinstance(line, dict):
        raise _refused("line", text.strip(), "a JSON object")
    for name in line:
        if name not in FIELDS:
            raise _refused(str(name), line[name], WANTED)
    requests, failures = _count(line, "requests"), _count(line, "failures")
    if failures > requests:
        raise _refused("failures", failures, f"a count of at most the requests, {requests:g}")
    side = line.get("side")
    version = SIDES.get(side) if isinstance(side, str) else None
    if version is None:
        raise _refused("side", side, " or ".join(SIDES))
    return Row(
        _episode(line.get("episode")),
        _number(line.get("t"), "t", "a time in seconds"),
        version,
        _text(line, "route"),
        _text(line, "pod"),
        requests,
        failures,
        _over(line.get("over"), requests),
        _refused_of(line, requests - failures),
    )


def render(row: Row) -> str:
    """Write a line that `parse` reads back."""
    over = {f"{seconds:g}": _whole(count) for seconds, count in row.over}
    values = (
        row.episode,
        _whole(row.t),
        row.side,
        row.route,
        row.pod,
        _whole(row.requests),
        _whole(row.failures),
        over,
        _whole(row.refused),
    )
    return json.dumps(dict(zip(FIELDS, values, strict=True)), ensure_ascii=False)


def bounds(rows: Iterable[Row]) -> tuple[float, ...]:
    """Give the bucket bounds in milliseconds that the rows are cut at; the first rows that know of any decide."""
    return next((tuple(seconds * 1000 for seconds, _ in row.over) for row in rows if row.over), ())


def _episode(value: object) -> str:
    if isinstance(value, str) and value:
        return sys.intern(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise _refused("episode", value, "a name or a whole number")


def _text(line: Mapping[str, object], name: str) -> str:
    value = line.get(name, "")
    if not isinstance(value, str):
        raise _refused(name, value, "a text")
    return sys.intern(value)


def _count(line: Mapping[str, object], name: str, shown: str = "") -> float:
    value = _number(line.get(name), shown or name, COUNT)
    if not 0 <= value < MOST:
        raise _refused(shown or name, value, COUNT)
    return value


def _refused_of(line: Mapping[str, object], good: float) -> float:
    refused = _count(line, "clientErrors") if line.get("clientErrors") is not None else 0.0
    if refused > good:
        raise _refused("clientErrors", refused, f"a count of at most the requests that did not fail, {good:g}")
    return refused


def _number(value: object, name: str, allowed: str) -> float:
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is int and abs(value) < MOST:
        return float(value)
    raise _refused(name, value, allowed)


def _over(value: object, requests: float) -> Over:
    if value is None or value == {}:
        return ()
    if not isinstance(value, dict):
        raise _refused("over", value, 'counts by seconds, such as {"0.5": 3}')
    found = []
    for text in value:
        seconds = _seconds(text)
        if seconds is None:
            raise _refused("over", text, "a time in seconds above 0")
        count = _count(value, text, f"over.{text}")
        if count > requests:
            raise _refused(f"over.{text}", count, f"a count of at most the requests, {requests:g}")
        found.append((seconds, count))
    return tuple(sorted(found))


@lru_cache(maxsize=1024)
def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 < seconds < MOST else None


def _whole(value: float) -> float:
    """Write what is whole without a point."""
    return int(value) if value.is_integer() else value


def _refused(name: str, value: object, allowed: str) -> InvalidSpec:
    return InvalidSpec([Problem(name, value, allowed)])
