"""The limits of single values in a schema: choices, bounds, lengths, patterns. Asked by `schema`."""

import re
from collections.abc import Callable, Iterator
from typing import TypeAlias

from canary.lab.apiserver.refusal import Cause
from canary.lab.apiserver.stamps import parsed_time
from canary.lab.apiserver.tree import Object

_Complaint: TypeAlias = tuple[str, str] | None  # reason, and message without the value
_Limit: TypeAlias = Callable[[object, object, str], _Complaint]

_KINDS: dict[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}


def kind_of(node: object) -> str:
    """Name a value's JSON type as kube-apiserver does in its messages."""
    return "null" if node is None else _KINDS.get(type(node), "object")


def shown(node: object) -> str:
    """Print a value as kube-apiserver does in its messages."""
    if isinstance(node, str):
        return f'"{node}"'
    if isinstance(node, bool):
        return str(node).lower()
    return f'"{kind_of(node)}"' if isinstance(node, dict | list) or node is None else str(node)


def beyond(schema: Object, node: object, path: str) -> Iterator[Cause]:
    """Say which limits of a schema a value does not keep."""
    for name, test in _LIMITS.items():
        if name in schema and (complaint := test(node, schema[name], path)):
            yield Cause(complaint[0], path, complaint[1])


def _choice(node: object, allowed: object, _path: str) -> _Complaint:
    if not isinstance(allowed, list) or node in allowed:
        return None
    supported = ", ".join(f'"{each}"' for each in allowed)
    return "FieldValueNotSupported", f"Unsupported value: {shown(node)}: supported values: {supported}"


def _invalid(node: object, path: str, rule: str) -> _Complaint:
    return "FieldValueInvalid", f"Invalid value: {shown(node)}: {path} in body should {rule}"


def _number(node: object) -> float | None:
    return node if isinstance(node, int | float) and not isinstance(node, bool) else None


def _minimum(node: object, limit: object, path: str) -> _Complaint:
    given, least = _number(node), _number(limit)
    if given is None or least is None or given >= least:
        return None
    return _invalid(node, path, f"be greater than or equal to {limit}")


def _maximum(node: object, limit: object, path: str) -> _Complaint:
    given, most = _number(node), _number(limit)
    if given is None or most is None or given <= most:
        return None
    return _invalid(node, path, f"be less than or equal to {limit}")


def _pattern(node: object, pattern: object, path: str) -> _Complaint:
    if not isinstance(node, str) or not isinstance(pattern, str) or re.search(pattern, node):
        return None
    return _invalid(node, path, f"match '{pattern}'")


def _format(node: object, name: object, path: str) -> _Complaint:
    # Of all formats only that of times, which controllers depend on.
    if name != "date-time" or not isinstance(node, str) or parsed_time(node):
        return None
    return "FieldValueInvalid", f'Invalid value: {shown(node)}: {path} in body must be of type date-time: "{node}"'


def _at_least(what: type, words: str) -> _Limit:
    def test(node: object, limit: object, path: str) -> _Complaint:
        if not isinstance(node, what) or not isinstance(limit, int) or _size(node) >= limit:
            return None
        return _invalid(
            node, path, f"have at least {limit} {words}" if words != "chars" else f"be at least {limit} chars long"
        )

    return test


def _at_most(what: type, reason: str, words: str) -> _Limit:
    def test(node: object, limit: object, _path: str) -> _Complaint:
        if not isinstance(node, what) or not isinstance(limit, int) or _size(node) <= limit:
            return None
        return reason, words.format(size=_size(node), limit=limit)

    return test


def _size(node: object) -> int:
    return len(node) if isinstance(node, str | list | dict) else 0


_MANY = "Too many: {size}: must have at most {limit} items"
_LIMITS: dict[str, _Limit] = {
    "enum": _choice,
    "minimum": _minimum,
    "maximum": _maximum,
    "pattern": _pattern,
    "format": _format,
    "minLength": _at_least(str, "chars"),
    "maxLength": _at_most(str, "FieldValueTooLong", "Too long: may not be more than {limit} bytes"),
    "minItems": _at_least(list, "items"),
    "maxItems": _at_most(list, "FieldValueTooMany", _MANY),
    "minProperties": _at_least(dict, "properties"),
    "maxProperties": _at_most(dict, "FieldValueTooMany", _MANY),
}
