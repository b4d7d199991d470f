"""`x-kubernetes-validations`: the CEL rules of a schema, evaluated by `cel-python` where that is installed.

`checks` calls it once an object fits its schema otherwise. Without the library no rule is evaluated, and the server
says so in its answer to a CustomResourceDefinition that has some: a manifest may then pass here and not elsewhere.
"""

import importlib
import importlib.util
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Protocol, cast
from urllib.parse import urlsplit

from canary.lab.apiserver.limits import shown
from canary.lab.apiserver.refusal import Cause
from canary.lab.apiserver.schema import ABSENT, counterparts, under
from canary.lab.apiserver.tree import Object, branch, rows, text

_RULES = "x-kubernetes-validations"
UNEVALUATED = "x-kubernetes-validations are not evaluated here: install cel-python"


class Program(Protocol):
    """A compiled rule."""

    def evaluate(self, context: Mapping[str, object]) -> object:
        """Return the rule's value; raises when it has none."""


def is_able() -> bool:
    """Whether rules are evaluated at all."""
    return importlib.util.find_spec("celpy") is not None


def has_rules(schema: object) -> bool:
    """Whether a schema has rules anywhere."""
    if isinstance(schema, dict):
        return _RULES in schema or any(map(has_rules, schema.values()))
    return isinstance(schema, list) and any(map(has_rules, schema))


def broken(schema: Object, node: object, old: object = ABSENT, path: str = "") -> Iterator[Cause]:
    """Say which rules a value breaks; those about parts that have not changed since `old` are let pass."""
    if node is None or node == old:
        return
    for rule in rows(schema, _RULES):
        if complaint := _complaint(rule, node, old):
            yield Cause(text(rule, "reason") or "FieldValueInvalid", path + text(rule, "fieldPath"), complaint)
    if isinstance(node, dict):
        others = schema.get("additionalProperties")
        for name, below in node.items():
            known = branch(schema, "properties", name) or (others if isinstance(others, dict) else {})
            before = old.get(name, ABSENT) if isinstance(old, dict) else ABSENT
            yield from broken(known, below, before, under(path, name))
    elif isinstance(node, list):
        for at, (row, before) in enumerate(zip(node, counterparts(schema, node, old), strict=True)):
            yield from broken(branch(schema, "items"), row, before, f"{path}[{at}]")


def _complaint(rule: Object, node: object, old: object) -> str | None:
    source = text(rule, "rule")
    if re.search(r"\boldSelf\b", source) and old is ABSENT and not rule.get("optionalOldSelf"):
        return None
    celpy = importlib.import_module("celpy")

    context = {"self": celpy.json_to_cel(node)} | ({} if old is ABSENT else {"oldSelf": celpy.json_to_cel(old)})
    value = "Invalid value" if isinstance(node, dict | list) else f"Invalid value: {shown(node)}"
    try:
        if _compiled(source).evaluate(context):
            return None
        written = text(rule, "messageExpression")
        message = str(_compiled(written).evaluate(context)) if written else text(rule, "message")
    except celpy.CELEvalError as error:
        return f"{value}: rule evaluation error: {error.args[0]}"
    return f"{value}: {message or f'failed rule: {source.strip()}'}"


@cache
def _compiled(source: str) -> Program:
    celpy = importlib.import_module("celpy")

    environment = celpy.Environment()
    return cast("Program", environment.program(environment.compile(source), functions=_functions()))


def _functions() -> dict[str, Callable[..., object]]:
    """Return the functions that Kubernetes adds to the language, as far as rules of our kinds use them."""
    of = importlib.import_module("celpy.celtypes")

    def is_url(given: str) -> object:
        parts = urlsplit(given)
        return of.BoolType(bool(parts.scheme) and bool(parts.netloc or parts.path))

    return {
        "isSorted": lambda given: of.BoolType(all(one <= other for one, other in pairwise(given))),
        "sum": lambda given: sum(given[1:], given[0]) if given else of.IntType(0),
        "min": min,
        "max": max,
        "replace": lambda given, old, new: of.StringType(given.replace(old, new)),
        "split": lambda given, by: of.ListType([of.StringType(each) for each in given.split(by)]),
        "join": lambda given, by="": of.StringType(by.join(given)),
        "substring": lambda given, start, end=None: of.StringType(given[start:end]),
        "indexOf": lambda given, part: of.IntType(given.find(part)),
        "lowerAscii": lambda given: of.StringType(given.lower()),
        "upperAscii": lambda given: of.StringType(given.upper()),
        "trim": lambda given: of.StringType(given.strip()),
        "isURL": is_url,
        "url": of.StringType,
        "getScheme": lambda given: of.StringType(urlsplit(given).scheme),
        "getHost": lambda given: of.StringType(urlsplit(given).netloc.rpartition("@")[2]),
        "getHostname": lambda given: of.StringType(urlsplit(given).hostname or ""),
        "getPort": lambda given: of.StringType(urlsplit(given).port or ""),
    }
