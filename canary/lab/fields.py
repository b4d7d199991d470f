"""Typed looks into plain Kubernetes objects, for the lab.

An absent or mistyped field reads as empty: objects come from an API server that has checked them, and a lab that
falls over an odd pod would hide what the controller does with it.
"""

from collections.abc import Mapping

from canary.adapters.api import Json


def look(obj: Mapping[str, object], *path: str) -> object:
    """Return what stands at `path`, None where the way breaks off."""
    found: object = obj
    for name in path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def text(obj: Mapping[str, object], *path: str) -> str:
    """Return the string at `path`, else ""."""
    found = look(obj, *path)
    return found if isinstance(found, str) else ""


def table(obj: Mapping[str, object], *path: str) -> Json:
    """Return the object at `path`, else an empty one."""
    found = look(obj, *path)
    return found if isinstance(found, dict) else {}


def rows(obj: Mapping[str, object], *path: str) -> list[Json]:
    """Return the objects listed at `path`."""
    found = look(obj, *path)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def strings(obj: Mapping[str, object], *path: str) -> dict[str, str]:
    """Return the map of strings at `path`, such as labels."""
    return {name: value for name, value in table(obj, *path).items() if isinstance(value, str)}


def number(obj: Mapping[str, object], *path: str, default: float) -> float:
    """Return the number at `path`, else `default`."""
    found = look(obj, *path)
    return default if isinstance(found, bool) or not isinstance(found, int | float) else found
