"""Structural schemas, as CustomResourceDefinitions carry them: pruning, defaults and validation.

`decoding` prunes and fills in with the schema of the version that a request is made in, `checks` validates with it.
Messages are those of kube-apiserver. `x-kubernetes-validations` are for `rules`.
"""

from collections.abc import Iterator

from canary.lab.apiserver.limits import beyond, kind_of, shown
from canary.lab.apiserver.refusal import Cause
from canary.lab.apiserver.tree import Object, branch, copied, rows, text, texts

_ROOT = frozenset({"apiVersion", "kind", "metadata"})
_KEEP, _INT_OR_STRING = "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"
_EMBEDDED = "x-kubernetes-embedded-resource"
ABSENT: object = object()


def unknown_fields(schema: Object, node: object, path: str = "") -> Iterator[str]:
    """Take out, in place, what the schema does not know, and name it."""
    if isinstance(node, list):
        for at, row in enumerate(node):
            yield from unknown_fields(branch(schema, "items"), row, f"{path}[{at}]")
    if not isinstance(node, dict):
        return
    for name in list(node):
        if (not path or schema.get(_EMBEDDED)) and name in _ROOT:
            continue
        rule = rule_of(schema, name)
        if rule is not None:
            yield from unknown_fields(rule, node[name], under(path, name))
        elif not schema.get(_KEEP) and schema.get("additionalProperties") is not True:
            del node[name]
            yield under(path, name)


def put_defaults(schema: Object, node: object) -> None:
    """Drop nulls that may not be, fill in what is absent and has a default, in place."""
    if isinstance(node, list):
        for row in node:
            put_defaults(branch(schema, "items"), row)
    if not isinstance(node, dict):
        return
    for name in list(node):
        rule = rule_of(schema, name)
        if rule is not None and node[name] is None and not rule.get("nullable"):
            del node[name]
    for name in branch(schema, "properties"):
        rule = branch(schema, "properties", name)
        if "default" in rule and name not in node:
            node[name] = copied(rule)["default"]
    for name, below in node.items():
        put_defaults(rule_of(schema, name) or {}, below)


def violations(schema: Object, node: object, old: object = ABSENT, path: str = "") -> Iterator[Cause]:
    """Say what in a value the schema forbids; what has not changed since `old` is let pass, as upstream does."""
    if node == old or (node is None and schema.get("nullable")):
        return
    if wrong := _type_problem(schema, node, path):
        yield wrong
        return
    yield from beyond(schema, node, path)
    yield from _alternatives(schema, node, path)
    if isinstance(node, dict):
        yield from _inside_mapping(schema, node, old, path)
    elif isinstance(node, list):
        yield from _inside_list(schema, node, old, path)


def under(path: str, name: str) -> str:
    """Go one step down a path."""
    return f"{path}.{name}" if path else name


def counterparts(schema: Object, node: list[object], old: object) -> list[object]:
    """Return for each item of a list what it was before: known only where the list is keyed."""
    keys = texts(schema, "x-kubernetes-list-map-keys")
    if schema.get("x-kubernetes-list-type") != "map" or not isinstance(old, list):
        return [ABSENT] * len(node)
    before = {_mark(row, keys): row for row in old}
    return [before.get(_mark(row, keys), ABSENT) for row in node]


def _mark(row: object, keys: list[str]) -> str:
    return repr([row.get(key) for key in keys] if isinstance(row, dict) else row)


def rule_of(schema: Object, name: str) -> Object | None:
    """Return what a schema says of a field of a mapping; None when it does not know it."""
    known = branch(schema, "properties")
    if name in known:
        return branch(known, name)
    others = schema.get("additionalProperties")
    return others if isinstance(others, dict) else None


def _inside_mapping(schema: Object, node: Object, old: object, path: str) -> Iterator[Cause]:
    for name in texts(schema, "required"):
        if name not in node:
            yield Cause("FieldValueRequired", under(path, name), "Required value")
    for name, below in node.items():
        rule = rule_of(schema, name)
        if rule is not None and (path or name not in _ROOT):
            before = old.get(name, ABSENT) if isinstance(old, dict) else ABSENT
            yield from violations(rule, below, before, under(path, name))


def _inside_list(schema: Object, node: list[object], old: object, path: str) -> Iterator[Cause]:
    befores = counterparts(schema, node, old)
    for at, (row, before) in enumerate(zip(node, befores, strict=True)):
        yield from violations(branch(schema, "items"), row, before, f"{path}[{at}]")
    keys, kind = texts(schema, "x-kubernetes-list-map-keys"), schema.get("x-kubernetes-list-type")
    met: set[str] = set()
    for at, row in enumerate(node):
        mark = _mark(row, keys) if kind == "map" else repr(row)
        if kind in {"map", "set"} and mark in met:
            yield Cause("FieldValueDuplicate", f"{path}[{at}]", f"Duplicate value: {shown(row)}")
        met.add(mark)


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
    message = f'Invalid value: "{given}": {where}must be of type {wanted}: "{given}"'
    return Cause("FieldValueTypeInvalid", path or "<nil>", message)


def _alternatives(schema: Object, node: object, path: str) -> Iterator[Cause]:
    for each in rows(schema, "allOf"):
        yield from violations(each, node, path=path)
    fitting = {name: [not any(violations(each, node, path=path)) for each in rows(schema, name)] for name in _CHOICES}
    for name, fits in fitting.items():
        if fits and not (any(fits) if name == "anyOf" else sum(fits) == 1):
            yield Cause("FieldValueInvalid", path, f'Invalid value: {shown(node)}: "{path}" {_CHOICES[name]}')
    if isinstance(schema.get("not"), dict) and not any(violations(branch(schema, "not"), node, path=path)):
        message = f'Invalid value: {shown(node)}: "{path}" must not validate the schema (not)'
        yield Cause("FieldValueInvalid", path, message)


_CHOICES = {
    "anyOf": "must validate at least one schema (anyOf)",
    "oneOf": "must validate one and only one schema (oneOf)",
}
