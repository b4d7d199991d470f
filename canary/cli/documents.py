"""The YAML files that `canary check` reads, taken apart into objects.

What cannot be read is a fault like any other, so that the other files are still checked.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import yaml

from canary.errors import Problem, clip, veiled

STDIN: Final = Path("-")
MOST: Final = 100_000  # values in one document; a Canary has hundreds


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One object: the file it is in, its number there from 1 on, and what it says."""

    file: str
    number: int
    obj: Mapping[str, object]

    @property
    def kind(self) -> str:
        """What it is, "" if it does not say."""
        return _text(self.obj, "kind")

    @property
    def name(self) -> str:
        """What it is called."""
        return _text(_section(self.obj, "metadata"), "name")

    @property
    def namespace(self) -> str:
        """Where it goes; "" is wherever kubectl would put it."""
        return _text(_section(self.obj, "metadata"), "namespace")

    def spec(self, *path: str) -> Mapping[str, object]:
        """Read its spec, or an object inside it; what is not there is empty."""
        found = _section(self.obj, "spec")
        for key in path:
            found = _section(found, key)
        return found

    def rows(self, key: str) -> list[Mapping[str, object]]:
        """Read a list of objects in its spec."""
        found = self.spec().get(key)
        return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A problem and the document it is in; `name` is the object's, where it has one."""

    file: str
    document: int
    name: str
    problem: Problem

    @property
    def words(self) -> str:
        """Say what is wrong; a problem of the file as a whole has no field."""
        problem = self.problem
        return str(problem) if problem.field else f"{clip(veiled(repr(problem.value)))} is not {problem.allowed}"

    @classmethod
    def of(cls, document: Document, problem: Problem) -> "Fault":
        """Place a problem in a document."""
        return cls(file=document.file, document=document.number, name=document.name, problem=problem)


def read(files: Sequence[Path]) -> tuple[list[Document], list[Fault]]:
    """Read every object of every file; lists are taken apart."""
    documents: list[Document] = []
    faults: list[Fault] = []
    for file in files:
        number = 0
        try:
            for number, parsed in enumerate(_parsed(file), 1):
                documents += _objects(str(file), number, parsed, faults)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "not UTF-8"
            faults.append(_unreadable(file, 0, file.name, f"a file that can be read: {reason}"))
        except yaml.YAMLError as error:
            faults.append(_unreadable(file, number + 1, _where(error), "YAML"))
        except (ValueError, RecursionError) as error:  # a thirteenth month, thousands of digits or of brackets
            faults.append(_unreadable(file, number + 1, str(error), "YAML"))
    return documents, faults


def _parsed(file: Path) -> Iterator[object]:
    with click.open_file(str(file), encoding="utf-8") as stream:
        yield from yaml.safe_load_all(stream)


def _objects(file: str, number: int, parsed: object, faults: list[Fault]) -> Iterator[Document]:
    if parsed is None:
        return
    if _size(parsed, {}) > MOST:
        faults.append(_unreadable(Path(file), number, "what its aliases unfold to", f"at most {MOST} values"))
        return
    if not isinstance(parsed, Mapping):
        faults.append(_unreadable(Path(file), number, parsed, "an object"))
        return
    items = parsed.get("items")
    if parsed.get("kind") == "List" and isinstance(items, list):
        for item in items:
            yield from _objects(file, number, item, faults)
        return
    yield Document(file=file, number=number, obj=parsed)


def _size(value: object, known: dict[int, int]) -> int:
    """Count the values in a document, the aliased ones each time."""
    if not isinstance(value, Mapping | list | tuple | set):
        return 1
    if id(value) not in known:
        known[id(value)] = MOST  # what holds itself has no end
        inner = value.values() if isinstance(value, Mapping) else value
        known[id(value)] = 1 + sum([_size(one, known) for one in inner])
    return known[id(value)]


def _unreadable(file: Path, number: int, value: object, allowed: str) -> Fault:
    return Fault(file=str(file), document=number, name="", problem=Problem("", value, allowed))


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or "cannot be parsed"
    return f"{said}, line {mark.line + 1} column {mark.column + 1}" if isinstance(mark, yaml.Mark) else str(said)


def _section(obj: Mapping[str, object], key: str) -> Mapping[str, object]:
    found = obj.get(key)
    return found if isinstance(found, Mapping) else {}


def _text(obj: Mapping[str, object], key: str) -> str:
    found = obj.get(key)
    return found if isinstance(found, str) else ""
