"""From a request's body to an object of the kind asked for: kind check, pruning, defaults of the schema.

Called by `objects` for every body it is given. Fields that the schema does not know are pruned, warned of or refused
with 400, as `fieldValidation` says; what else the schema forbids is for `checks`.
"""

from canary.lab.apiserver import events, schema
from canary.lab.apiserver.refusal import bad_request
from canary.lab.apiserver.resources import Resource
from canary.lab.apiserver.tree import Object, copied, text


def decoded(resource: Resource, body: Object, validation: str, warnings: list[str]) -> Object:
    """Return the body as an object of this resource, a copy."""
    obj = copied(body)
    _check_kind(resource, obj)
    if resource.stored_as == "events":
        obj = events.as_involved(obj)
    if resource.schema is not None:
        _shape(resource, obj, validation, warnings)
    obj["apiVersion"] = obj.get("apiVersion") or resource.api_version
    return obj


def _check_kind(resource: Resource, obj: Object) -> None:
    kind, version = text(obj, "kind"), text(obj, "apiVersion")
    if resource.custom and not kind:
        raise bad_request(f"Object 'Kind' is missing in '{obj}'")
    if kind not in {"", resource.kind} or version not in {"", resource.api_version}:
        group, _, short = version.rpartition("/")
        wrong = f"{kind} in version {short!r} cannot be handled as a {resource.kind}".replace("'", '"')
        if (group, kind) == (resource.group, resource.kind):
            sent, url = version, resource.api_version
            raise bad_request(f"the API version in the data ({sent}) does not match the expected API version ({url})")
        raise bad_request(wrong)
    obj |= {"kind": resource.kind, "apiVersion": resource.api_version}
    if not isinstance(obj.get("metadata", {}), dict):
        raise bad_request("metadata must be an object")


def _shape(resource: Resource, obj: Object, validation: str, warnings: list[str]) -> None:
    rules = resource.schema or {}
    unknown = [f'unknown field "{path}"' for path in schema.unknown_fields(rules, obj)]
    if unknown and validation == "Strict":
        raise bad_request("strict decoding error: " + ", ".join(unknown))
    if validation == "Warn":
        warnings.extend(unknown)
    schema.put_defaults(rules, obj)
