"""From a request's body to an object of the kind asked for: kind check, pruning, types, defaults of the schema.

Called by `objects` for every body it is given. Fields that the schema does not know are pruned, warned of or refused
with 400, as `fieldValidation` says; what else the schema of a custom kind forbids is for `checks`.
"""

import json
import re

from canary.lab.apiserver import events, rules, schema
from canary.lab.apiserver.empties import drop_empties
from canary.lab.apiserver.models import shape_of, shape_of_metadata
from canary.lab.apiserver.refusal import bad_request
from canary.lab.apiserver.resources import Resource
from canary.lab.apiserver.tree import Object, branch, copied, text

_EMPTY_IS_ABSENT = ("labels", "annotations", "finalizers", "ownerReferences")
_TYPED = re.compile(r".*must be of type (\S+): \"(\w+)\"")


def decoded(resource: Resource, body: Object, validation: str, warnings: list[str]) -> Object:
    """Return the body as an object of this resource, a copy."""
    obj = copied(body)
    _check_kind(resource, obj)
    unknown = _take_out_unknown(resource, obj)
    if unknown and validation == "Strict":
        raise bad_request(_unreadable(resource, "strict decoding error: " + ", ".join(unknown)))
    if validation == "Warn":
        warnings.extend(unknown)
    if resource.plural == "customresourcedefinitions" and rules.has_rules(obj) and not rules.is_able():
        warnings.append(rules.UNEVALUATED)
    if resource.custom:
        schema.put_defaults(_schema(resource), obj)
    else:
        drop_empties(shape_of(resource), obj)
        _check_types(resource, obj)
    meta = branch(obj, "metadata")
    obj["metadata"] = {name: value for name, value in meta.items() if value or name not in _EMPTY_IS_ABSENT}
    return events.as_involved(obj) if resource.stored_as == "events" else obj


def _schema(resource: Resource) -> Object:
    return (resource.schema or {}) if resource.custom else shape_of(resource)


def _check_kind(resource: Resource, obj: Object) -> None:
    kind, version = text(obj, "kind"), text(obj, "apiVersion")
    if resource.custom and not kind:
        raise bad_request(f"Object 'Kind' is missing in '{json.dumps(obj)}'")
    if kind not in {"", resource.kind} or version not in {"", resource.api_version}:
        group, _, short = version.rpartition("/")
        if (group, kind) == (resource.group, resource.kind):
            expected = resource.api_version
            message = f"the API version in the data ({version}) does not match the expected API version ({expected})"
            raise bad_request(message)
        raise bad_request(f'{kind} in version "{short}" cannot be handled as a {resource.kind}: unknown conversion')
    obj |= {"kind": resource.kind, "apiVersion": resource.api_version}
    if not isinstance(obj.setdefault("metadata", {}), dict):
        raise bad_request("metadata must be an object")


def _take_out_unknown(resource: Resource, obj: Object) -> list[str]:
    unknown = [*schema.unknown_fields(_schema(resource), obj)]
    unknown += schema.unknown_fields(shape_of_metadata(), obj["metadata"], "metadata")
    return [f'unknown field "{path}"' for path in unknown]


def _check_types(resource: Resource, obj: Object) -> None:
    wrong = next(schema.violations(shape_of(resource), obj), None)
    if wrong is None:
        return
    found = _TYPED.match(wrong.message)
    wanted, given = (found[1], found[2]) if found else ("", "")
    said = f"json: cannot unmarshal {given} into Go struct field {wrong.field} of type {wanted}"
    raise bad_request(_unreadable(resource, said))


def _unreadable(resource: Resource, why: str) -> str:
    if resource.custom:
        return why
    return f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {why}'
