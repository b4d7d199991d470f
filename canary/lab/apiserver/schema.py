"""Structural schemas, as CustomResourceDefinitions carry them: pruning, defaults and validation.

`decoding` calls it with the schema of the version that a request is made in. Messages are those of kube-apiserver.
"""

import math
import re
from collections.abc import Callable, Iterator

from canary.lab.apiserver.refusal import Cause
from canary.lab.apiserver.tree import Object, branch, copied, rows, text, texts

_ROOT = {"apiVersion", "kind", "metadata"}
_KEEP, _INT_OR_STRING = "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"
_EMBEDDED = "x-kubernetes-embedded-resource"


def unknown_fields(schema: Object, node: object, path: str = "", *, root: bool = True) -> Iterator[str]:
    """Take out, in place, what the schema does not know, and name it."""
    if isinstance(node, list):
        for at, row in enumerate(node):
            yield from unknown_fields(branch(schema, "items"), row, f"{path}[{at}]", root=False)
    if not isinstance(node, dict):
        return
    known, others = branch(schema, "properties"), schema.get("additionalProperties")
    for name in list(node):
        place = f"{path}.{name}" if path else name
        if (root or schema.get(_EMBEDDED)) and name in _ROOT:
            continue
        if name in known:
            yield from unknown_fields(branch(known, name), node[name], place, root=False)
        elif isinstance(others, dict):
            yield from unknown_fields(others, node[name], place, root=False)
        elif not others and not schema.get(_KEEP):
            del node[name]
            yield place


def put_defaults(schema: Object, node: object) -> None:
    """Fill in what is absent and has a default, in place."""
    if isinstance(node, list):
        for row in node:
            put_defaults(branch(schema, "items"), row)
    if not isinstance(node, dict):
        return
    others = schema.get("additionalProperties")
    for name, below in branch(schema, "properties").items():
        rule = branch({"": below}, "")
        if "default" in rule and (name not in node or (node[name] is None and not rule.get("nullable"))):
            node[name] = copied(rule)["default"]
        if name in node:
            put_defaults(rule, node[name])
    if isinstance(others, dict):
        for name in set(node) - set(branch(schema, "properties")):
            put_defaults(others, node[name])


def violations(schema: Object, node: object, path: str = "") -> Iterator[Cause]:
    """Say what in a value the schema forbids."""
    if node is None and (schema.get("nullable") or not path):
        return
    wrong = _type_problem(schema, node, path)
    if wrong:
        yield wrong
        return
    yield from _value_problems(schema, node, path)
    yield from _alternatives(schema, node, path)
    if isinstance(node, dict):
        yield from _inside_mapping(schema, node, path)
    elif isinstance(node, list):
        for at, row in enumerate(node):
            yield from violations(branch(schema, "items"), row, f"{path}[{at}]")
        yield from _doubles(schema, node, path)


def _inside_mapping(schema: Object, node: Object, path: str) -> Iterator[Cause]:
    known, others = branch(schema, "properties"), schema.get("additionalProperties")
    for name in texts(schema, "required"):
        if name not in node:
            yield Cause("FieldValueRequired", _under(path, name), "Required value")
    for name, below in node.items():
        rule = branch(known, name) if name in known else others
        if isinstance(rule, dict) and not (not path and name in _ROOT):
            yield from violations(rule, below, _under(path, name))


def _under(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def kind_of(node: object) -> str:
    """Name a value's JSON type as kube-apiserver does in its messages."""
    if node is None:
        return "null"
    names: dict[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
    return names.get(type(node), "object")


def _type_problem(schema: Object, node: object, path: str) -> Cause | None:
    wanted, given = text(schema, "type"), kind_of(node)
    if schema.get(_INT_OR_STRING):
        wanted, fits = "integer,string", given in {"integer", "string"}
    elif not wanted:
        return None
    elif wanted == "integer":
        fits = given == "integer" or (isinstance(node, float) and node.is_integer())
    else:
        fits = given == wanted or (wanted == "number" and given == "integer")
    if fits:
        return None
    where = f"{path} in body " if path else ""
    return Cause(
        "FieldValueTypeInvalid",
        path or "<nil>",
        f'Invalid value: "{given}": {where}must be of type {wanted}: "{given}"',
    )


def _value_problems(schema: Object, node: object, path: str) -> Iterator[Cause]:
    if "enum" in schema and node not in (allowed := _list(schema, "enum")):
        supported = ", ".join(f'"{each}"' for each in allowed)
        message = f"Unsupported value: {_shown(node)}: supported values: {supported}"
        yield Cause("FieldValueNotSupported", path, message)
    for name, test in _LIMITS.items():
        limit = schema.get(name)
        if limit is not None and (complaint := test(node, limit)):
            reason, words = complaint
            yield Cause(reason, path, words.replace("{path}", path).replace("{value}", _shown(node)))


def _list(schema: Object, name: str) -> list[object]:
    found = schema.get(name)
    return found if isinstance(found, list) else []


def _shown(node: object) -> str:
    if isinstance(node, str):
        return f'"{node}"'
    if isinstance(node, bool):
        return str(node).lower()
    return f'"{kind_of(node)}"' if isinstance(node, dict | list) or node is None else str(node)


_Complaint = tuple[str, str] | None
_INVALID = "Invalid value: {value}: {path} in body "


def _minimum(node: object, limit: object) -> _Complaint:
    if not _number(node) or not _number(limit) or node >= limit:  # type: ignore[operator]  # both are numbers
        return None
    return "FieldValueInvalid", f"{_INVALID}should be greater than or equal to {limit}"


def _maximum(node: object, limit: object) -> _Complaint:
    if not _number(node) or not _number(limit) or node <= limit:  # type: ignore[operator]  # both are numbers
        return None
    return "FieldValueInvalid", f"{_INVALID}should be less than or equal to {limit}"


def _number(node: object) -> bool:
    return isinstance(node, int | float) and not isinstance(node, bool) and not math.isnan(node)


def _pattern(node: object, pattern: object) -> _Complaint:
    if not isinstance(node, str) or not isinstance(pattern, str) or re.search(pattern, node):
        return None
    return "FieldValueInvalid", f"{_INVALID}should match '{pattern}'"


def _at_least(what: type, words: str) -> Callable[[object, object], _Complaint]:
    def test(node: object, limit: object) -> _Complaint:
        if not isinstance(node, what) or not isinstance(limit, int) or _size(node) >= limit:
            return None
        return "FieldValueInvalid", f"{_INVALID}should {words.format(limit=limit)}"

    return test


def _at_most(what: type, reason: str, words: str) -> Callable[[object, object], _Complaint]:
    def test(node: object, limit: object) -> _Complaint:
        if not isinstance(node, what) or not isinstance(limit, int) or (size := _size(node)) <= limit:
            return None
        return reason, words.format(size=size, limit=limit)

    return test


def _size(node: object) -> int:
    return len(node) if isinstance(node, str | list | dict) else 0


_LIMITS: dict[str, Callable[[object, object], _Complaint]] = {
    "minimum": _minimum,
    "maximum": _maximum,
    "pattern": _pattern,
    "minLength": _at_least(str, "be at least {limit} chars long"),
    "maxLength": _at_most(str, "FieldValueTooLong", "Too long: may not be more than {limit} bytes"),
    "minItems": _at_least(list, "have at least {limit} items"),
    "maxItems": _at_most(list, "FieldValueTooMany", "Too many: {size}: must have at most {limit} items"),
    "minProperties": _at_least(dict, "have at least {limit} properties"),
    "maxProperties": _at_most(dict, "FieldValueTooMany", "Too many: {size}: must have at most {limit} items"),
}


def _alternatives(schema: Object, node: object, path: str) -> Iterator[Cause]:
    for each in rows(schema, "allOf"):
        yield from violations(each, node, path)
    for name, fits, rule in (
        ("anyOf", lambda n: n >= 1, "must validate at least one schema (anyOf)"),
        ("oneOf", lambda n: n == 1, "must validate one and only one schema (oneOf)"),
    ):
        found = [not any(violations(each, node, path)) for each in rows(schema, name)]
        if found and not fits(sum(found)):
            yield Cause("FieldValueInvalid", path, f'Invalid value: {_shown(node)}: "{path}" {rule}')
    if isinstance(schema.get("not"), dict) and not any(violations(branch(schema, "not"), node, path)):
        yield Cause(
            "FieldValueInvalid", path, f'Invalid value: {_shown(node)}: "{path}" must not validate the schema (not)'
        )


def _doubles(schema: Object, node: list[object], path: str) -> Iterator[Cause]:
    keys, kind = texts(schema, "x-kubernetes-list-map-keys"), schema.get("x-kubernetes-list-type")
    met: list[object] = []
    for at, row in enumerate(node):
        mark = [row.get(key) for key in keys] if kind == "map" and isinstance(row, dict) else row
        if kind in {"map", "set"} and mark in met:
            yield Cause("FieldValueDuplicate", f"{path}[{at}]", f"Duplicate value: {_shown(row)}")
        met.append(mark)
