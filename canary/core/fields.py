"""A JSON object read field by field, with every problem noted where it was found.

Used by `manifest`. A reader always returns a value of the right type, a harmless one after a problem, so
that the caller goes on and finds the other problems too; it must not use what it read while `problems` is not empty.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Final, TypeVar

from canary.core import formats
from canary.core.discretion import discreet
from canary.errors import Problem

Choice = TypeVar("Choice", bound=StrEnum)

NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LONGEST_NAME: Final = 253
LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
LONGEST_LABEL: Final = 63
LONGEST_TEXT: Final = 300  # the id of a rollout holds the longest name of a Canary and a little more
MOST_BOUND: Final = 1e15
MOST: Final = 2**31 - 1  # what Kubernetes counts with


def valid_name(text: str) -> bool:
    """Tell whether an object may be called so."""
    return len(text) <= LONGEST_NAME and NAME.fullmatch(text) is not None


def repeats(names: Iterable[str]) -> bool:
    """Tell whether a name occurs twice; an empty one was refused already."""
    known = [name for name in names if name]
    return len(set(known)) < len(known)


class Fields:
    """One JSON object at `path`; sub-objects share the list of problems."""

    def __init__(self, value: object, path: str, problems: list[Problem] | None = None) -> None:
        self.problems: list[Problem] = [] if problems is None else problems
        self._path = path
        self._read: set[str] = set()
        self._sections: dict[str, Fields] = {}
        self._values: Mapping[str, object] = {}
        if isinstance(value, Mapping):
            self._values = value
        elif value is not None:
            self.problems.append(Problem(path, value, "an object"))
            self.problems = []  # said once: what would be missing inside it is no news

    def refuse(self, key: str, allowed: str) -> None:
        """Note that the value at `key` (the whole object, if empty) is not what is allowed."""
        value = self._values.get(key) if key else dict(self._values)
        self.problems.append(Problem(self._at(key), discreet(value, key), allowed))

    def has(self, key: str) -> bool:
        """Tell whether the field is set; null counts as unset, as for the API server."""
        return self._take(key) is not None

    def section(self, key: str) -> "Fields":
        """Read a sub-object; an unset one is empty."""
        self._read.add(key)
        if key not in self._sections:
            self._sections[key] = Fields(self._values.get(key), self._at(key), self.problems)
        return self._sections[key]

    def sections(self, key: str) -> list["Fields"]:
        """Read a list of objects."""
        return [Fields(item, f"{self._at(key)}[{i}]", self.problems) for i, item in enumerate(self.array(key, []))]

    def array(self, key: str, default: Sequence[object]) -> Sequence[object]:
        """Read a list."""
        value = self._take(key)
        if value is None:
            return default
        if not isinstance(value, list):
            self.refuse(key, "a list")
            return default
        return value

    def text(self, key: str, default: str, *, most: int = LONGEST_TEXT) -> str:
        """Read a string of limited length."""
        value = self._take(key)
        if value is None:
            return default
        if not isinstance(value, str) or len(value) > most:
            self.refuse(key, f"a text of at most {most} characters")
            return default
        return value

    def name(self, key: str, default: str = "") -> str:
        """Read the name of a Kubernetes object; required when there is no default."""
        value = self._take(key)
        if value is None and default:
            return default
        if not isinstance(value, str) or not valid_name(value):
            self.refuse(
                key, f"the name of an object: lower case, digits, '-' and '.', at most {LONGEST_NAME} characters"
            )
            return default
        return value

    def label(self, key: str) -> str:
        """Read a required name of the narrower kind that Services have."""
        value = self._take(key)
        if not isinstance(value, str) or len(value) > LONGEST_LABEL or not LABEL.fullmatch(value):
            self.refuse(key, f"a name of lower case, digits and '-', at most {LONGEST_LABEL} characters")
            return ""
        return value

    def flag(self, key: str) -> bool:
        """Read a boolean that is false when unset."""
        value = self._take(key)
        if value is not None and not isinstance(value, bool):
            self.refuse(key, "true or false")
        return value is True

    def count(self, key: str, *, least: int = 0, most: int = MOST, what: str = "") -> int | None:
        """Read a whole number in a range, or nothing."""
        value = self._take(key)
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and least <= value <= most):
            return value
        self.refuse(key, f"a whole number from {least} to {most}{what}")
        return None

    def number(self, key: str, default: float, *, most: float, least: float = 0.0, what: str = "") -> float:
        """Read a number above 0, or of at least `least`."""
        value = self._take(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not (0 < value <= most and value >= least):
            bounds = f"from {least:g} to {most:g}" if least else f"above 0, at most {most:g}"
            self.refuse(key, f"a number {bounds}{what}")
            return default
        return float(value)

    def bound(self, key: str) -> float | None:
        """Read one end of a range, or nothing."""
        value = self._take(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MOST_BOUND:
            self.refuse(key, f"a number from {-MOST_BOUND:g} to {MOST_BOUND:g}")
            return None
        return float(value)

    def choice(self, key: str, default: Choice) -> Choice:
        """Read one of an enumeration's texts."""
        value = self._take(key)
        kind = type(default)
        if value is None:
            return default
        if not isinstance(value, str) or value not in tuple(kind):
            self.refuse(key, "one of " + ", ".join(kind))
            return default
        return kind(value)

    def duration(self, key: str, default: str | None, *, least: timedelta) -> timedelta:
        """Read a duration of at least `least`, which a default gives way to; required when there is no default."""
        value = self._take(key)
        if value is None and default is not None:
            return max(formats.duration(default) or least, least)
        time = formats.duration(value)
        if time is None or time < least:
            self.refuse(key, f'a duration like "90s" or "1h30m" of at least {formats.show_duration(least)}')
            return least
        return time

    def percent(self, key: str, default: str | None, *, least: float, most: float) -> float:
        """Read a percentage as a fraction; required when there is no default."""
        value = self._take(key)
        share = formats.percent(default if value is None else value)
        if share is None or not least <= share <= most:
            bounds = f"{formats.show_bound(least)} to {formats.show_bound(most)}"
            self.refuse(key, f'a percentage like "99.5%" from {bounds}')
            return least
        return share

    def points(self, key: str, default: float) -> float:
        """Read percentage points, from 0 to 50, as a fraction."""
        value = self._take(key)
        share = default if value is None else formats.points(value)
        if share is None or share > 0.5:  # noqa: PLR2004 - half of all requests
            self.refuse(key, 'percentage points like "0.1pp" from 0pp to 50pp')
            return default
        return share

    def finish(self) -> None:
        """Refuse fields that nobody read: a misspelt gate would otherwise guard nothing."""
        for key in self._values:
            if key not in self._read:
                known = ", ".join(sorted(self._read))
                self.refuse(key, f"a known field; known here: {known}")

    def _take(self, key: str) -> object:
        self._read.add(key)
        return self._values.get(key)

    def _at(self, key: str) -> str:
        return f"{self._path}.{key}".strip(".")
