"""Label and field selectors, as queries and as the `selector` of Deployments and ReplicaSets."""

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from canary.lab.apiserver.refusal import bad_request
from canary.lab.apiserver.tree import Object, branch, reached, rows, text, texts

Predicate: TypeAlias = Callable[[Object], bool]
LabelTest: TypeAlias = Callable[[Mapping[str, object]], bool]

_PART = re.compile(r",(?![^()]*\))")
_SET = re.compile(r"^(\S+)\s+(in|notin)\s*\(([^)]*)\)$")
_EQUAL = re.compile(r"^([^=!\s]+)\s*(==|=|!=)\s*(\S*)$")
_NAME = re.compile(r"^[A-Za-z0-9][-A-Za-z0-9_./]*$")
_ANY_FIELDS = ("metadata.name", "metadata.namespace")
_FIELDS = {
    "pods": ("spec.nodeName", "status.phase", "status.podIP", "spec.restartPolicy", "spec.serviceAccountName"),
    "namespaces": ("status.phase",),
    "replicasets.apps": ("status.replicas",),
    "services": ("spec.type", "spec.clusterIP"),
    "secrets": ("type",),
    "events": (
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
        "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath",
        "regarding.kind", "regarding.namespace", "regarding.name", "regarding.uid",
        "reason", "reportingComponent", "source", "type",
    ),
}  # fmt: skip


def by_query(labels: str, fields: str, kind: str) -> Predicate | None:
    """Read the two selectors of a list or a watch; None when both are empty."""
    tests = [_label_test(part.strip()) for part in _PART.split(labels) if part.strip()]
    wanted = [_field_test(part.strip(), kind) for part in fields.split(",") if part.strip()]
    if not tests and not wanted:
        return None

    def matches(obj: Object) -> bool:
        own = branch(obj, "metadata", "labels")
        return all(test(own) for test in tests) and all(test(obj) for test in wanted)

    return matches


def by_selector(selector: Mapping[str, object]) -> LabelTest:
    """Read a `LabelSelector`; an empty one matches everything."""
    tests = [_in(name, {str(value)}) for name, value in branch(selector, "matchLabels").items()]
    for row in rows(selector, "matchExpressions"):
        name, values = text(row, "key"), set(texts(row, "values"))
        match text(row, "operator"):
            case "In":
                tests.append(_in(name, values))
            case "NotIn":
                tests.append(_not(_in(name, values)))
            case "Exists":
                tests.append(_has(name))
            case _:
                tests.append(_not(_has(name)))
    return lambda labels: all(test(labels) for test in tests)


def selector_text(selector: Mapping[str, object]) -> str:
    """Print a `LabelSelector` as a query (`status.selector` of a Scale)."""
    parts = [f"{name}={value}" for name, value in branch(selector, "matchLabels").items()]
    for row in rows(selector, "matchExpressions"):
        name, values, operator = text(row, "key"), ",".join(texts(row, "values")), text(row, "operator")
        forms = {"In": f"{name} in ({values})", "NotIn": f"{name} notin ({values})", "Exists": name}
        parts.append(forms.get(operator, f"!{name}"))
    return ",".join(sorted(parts))


def _label_test(part: str) -> LabelTest:
    if found := _SET.match(part):
        test = _in(found[1], {value.strip() for value in found[3].split(",")})
        return test if found[2] == "in" else _not(test)
    if found := _EQUAL.match(part):
        test = _in(found[1], {found[3]})
        return _not(test) if found[2] == "!=" else test
    if _NAME.match(part):
        return _has(part)
    if part.startswith("!") and _NAME.match(part[1:]):
        return _not(_has(part[1:]))
    raise bad_request(f'unable to parse requirement: found "{part}", expected: !, identifier, or a set')


def _in(name: str, values: set[str]) -> LabelTest:
    return lambda labels: labels.get(name) in values


def _has(name: str) -> LabelTest:
    return lambda labels: name in labels


def _not(test: LabelTest) -> LabelTest:
    return lambda labels: not test(labels)


def _field_test(part: str, kind: str) -> Predicate:
    found = _EQUAL.match(part)
    if found is None:
        raise bad_request(f'invalid selector: "{part}"; can\'t understand "{part}"')
    name, equal, value = found[1], found[2] != "!=", found[3]
    if name not in (*_ANY_FIELDS, *_FIELDS.get(kind, ())):
        raise bad_request(f'"{name}" is not a known field selector: only "metadata.name", "metadata.namespace"')
    if (kind, name) == ("events", "source"):
        return lambda obj: ((text(obj, "source", "component") or text(obj, "reportingComponent")) == value) is equal
    path = name.replace("regarding.", "involvedObject.").split(".")
    return lambda obj: (str(reached(obj, *path) or "") == value) is equal
