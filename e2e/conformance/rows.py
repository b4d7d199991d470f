"""The conformance table as data: scenarios of rows, read from `table/*.yaml`.

`test_conformance` runs them. A row is one request and what must be answered:

    say: a sentence                          POST: /api/v1/namespaces     (the method is the key of the path)
    type: a content type                     headers: {Accept: …}         body: {…} (or a text: sent as it is)
    file: in place of a body, a manifest of this repository
    is: 201                                  answer: what must be in it   absent: [status.phase]
    within: seconds until it must be so      keep: {rv: metadata.resourceVersion}, for ${rv} in later rows
    events: of a watch, in their order       meanwhile: rows to run while the watch is open
    seconds: of this watch                   where: embedded or real, with the reason in `because`

Answers are compared as subsets; a list must have as many items. In place of a value stand <any>, <uid>, <time>,
<number>, <like REGEX>, <not VALUE>, <absent>, and as the only item of a list {<some>: [items that must be in it]}.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import cast

import yaml

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
TABLE = Path(__file__).parent / "table"
_ROOT = Path(__file__).parents[2]

_FORMS = {
    "<any>": r".+",
    "<uid>": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "<time>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "<number>": r"\d+",
}
_FIELDS = {"say", "type", "headers", "body", "is", "answer", "absent", "within", "keep", "events", "meanwhile",
           "seconds", "where", "because", "file"}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Row:
    """One request and its answer."""

    say: str
    method: str
    path: str
    code: int
    type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    answer: object = None
    absent: tuple[str, ...] = ()
    within: float = 0.0
    keep: Mapping[str, str] = field(default_factory=dict)
    events: list[object] | None = None
    meanwhile: tuple["Row", ...] = ()
    seconds: float = 1.0
    where: str = ""


@dataclass(frozen=True)
class Scenario:
    """Rows that share a namespace and what they have kept."""

    title: str
    rows: tuple[Row, ...]


@cache
def scenarios() -> tuple[Scenario, ...]:
    """Read the whole table."""
    return tuple(scenario for file in sorted(TABLE.glob("*.yaml")) for scenario in _read(file))


def all_rows() -> Iterator[Row]:
    """Go through the rows of all scenarios, those that run during a watch too."""
    for scenario in scenarios():
        for row in scenario.rows:
            yield row
            yield from row.meanwhile


def _read(file: Path) -> Iterator[Scenario]:
    for title, rows in yaml.safe_load(file.read_text()).items():
        if not title.startswith("_"):  # those only hold anchors
            yield Scenario(f"{file.stem}: {title}", tuple(_row(row) for row in rows))


def _row(given: Mapping[str, object]) -> Row:
    method = next(name for name in METHODS if name in given)
    if unknown := set(given) - _FIELDS - {method}:
        raise ValueError(f"{given['say']}: unknown {unknown}")
    known = {name: value for name, value in given.items() if name not in {method, "is", "because"}}
    if "file" in known:
        known["body"] = yaml.safe_load((_ROOT / str(known.pop("file"))).read_text())
    known["meanwhile"] = tuple(_row(row) for row in cast("list[Mapping[str, object]]", given.get("meanwhile", [])))
    known["absent"] = tuple(cast("list[str]", given.get("absent", [])))
    return Row(method=method, path=str(given[method]), code=cast("int", given["is"]), **known)  # type: ignore[arg-type]


def filled(node: object, names: Mapping[str, str]) -> object:
    """Put kept values in place of ${name}, all the way down."""
    if isinstance(node, str):
        return re.sub(r"\$\{(\w+)\}", lambda found: names[found[1]], node)
    if isinstance(node, dict):
        return {filled(name, names): filled(below, names) for name, below in node.items()}
    return [filled(below, names) for below in node] if isinstance(node, list) else node


def at(node: object, path: str) -> object:
    """Walk down a dotted path through mappings and lists; None where it ends."""
    for step in path.split("."):
        if isinstance(node, list) and step.isdecimal() and int(step) < len(node):
            node = node[int(step)]
        elif isinstance(node, dict):
            node = node.get(step)
        else:
            return None
    return node


def differences(wanted: object, given: object, path: str = "") -> Iterator[str]:
    """Say where an answer is not as the table wants it."""
    if isinstance(wanted, dict):
        if not isinstance(given, dict):
            yield f"{path}: {given!r} is no mapping"
            return
        for name, below in wanted.items():
            if below == "<absent>":
                if name in given:
                    yield f"{path}.{name}: {given[name]!r} should not be there"
            elif name not in given:
                yield f"{path}.{name}: missing, wanted {below!r}"
            else:
                yield from differences(below, given[name], f"{path}.{name}")
    elif isinstance(wanted, list):
        yield from _list_differences(wanted, given, path)
    elif not _fits(wanted, given):
        yield f"{path}: {given!r}, wanted {wanted!r}"


def _list_differences(wanted: list[object], given: object, path: str) -> Iterator[str]:
    if not isinstance(given, list):
        yield f"{path}: {given!r} is no list"
    elif wanted and isinstance(wanted[0], dict) and "<some>" in wanted[0]:
        for row in wanted[0]["<some>"]:
            if all(any(differences(row, each)) for each in given):
                yield f"{path}: nothing like {row!r} in {given!r}"
    elif len(wanted) != len(given):
        yield f"{path}: {len(given)} items, wanted {len(wanted)}: {given!r}"
    else:
        for place, (one, other) in enumerate(zip(wanted, given, strict=True)):
            yield from differences(one, other, f"{path}[{place}]")


def _fits(wanted: object, given: object) -> bool:
    if isinstance(wanted, str) and isinstance(given, str):
        if wanted in _FORMS:
            return re.fullmatch(_FORMS[wanted], given, re.DOTALL) is not None
        if wanted.startswith("<like "):
            return re.fullmatch(wanted[len("<like ") : -1], given, re.DOTALL) is not None
        if wanted.startswith("<not "):
            return given != wanted[len("<not ") : -1]
    if wanted == "<any>":
        return given is not None
    return type(wanted) is type(given) and wanted == given
