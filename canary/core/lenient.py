"""JSON read back leniently: what is not of the wanted type is as good as absent.

For records that an older program or a hand may have written, and for what others put into objects of the cluster. What
a user writes into a Canary is read strictly, by `fields`.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar

from canary.core.formats import weight as read_weight
from canary.core.spec import Weight

Member = TypeVar("Member", bound=StrEnum)

MOST = 1e12  # seconds, requests or generations: more is no count of ours, and no `timedelta` holds it


def as_mapping(value: object) -> Mapping[str, object]:
    """Read an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def at(value: object, *keys: str) -> Mapping[str, object]:
    """Walk into an object; what is not there is empty."""
    for key in keys:
        value = as_mapping(value).get(key)
    return as_mapping(value)


def as_mappings(value: object) -> list[Mapping[str, object]]:
    """Read the objects of a list; what else is in it is left out."""
    return [item for item in as_array(value) if isinstance(item, Mapping)]


def as_array(value: object) -> list[object]:
    """Read a list, else an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: object) -> str:
    """Read a text, else an empty one."""
    return value if isinstance(value, str) else ""


def as_int(value: object, default: int = 0) -> int:
    """Read a whole number, else `default`."""
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > MOST:
        return default
    return value


def as_float(value: object) -> float:
    """Read a finite number, else 0."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < MOST:
        return 0.0
    return float(value)


def as_seconds(value: object) -> timedelta:
    """Read a number of seconds, else none."""
    return timedelta(seconds=max(0.0, as_float(value)))


def as_weight(value: object) -> Weight:
    """Read a weight as `formats` writes it, else 0."""
    return read_weight(value) or 0


def as_member(kind: type[Member], value: object, default: Member) -> Member:
    """Read a member of an enumeration, else `default`."""
    return next((member for member in kind if member == value), default)
