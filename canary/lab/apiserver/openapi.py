"""The OpenAPI v3 documents: small ones, with the schema of each kind, and of its paths what kubectl reads.

Asked by `discovery`. Schemas of custom kinds are those of their definitions; built-in kinds are said to be objects.
"""

from canary.lab.apiserver.resources import Registry, Resource
from canary.lab.apiserver.tree import Object

VERSION = "v1.36.0-embedded"


def document(place: list[str], registry: Registry) -> Object | None:
    """Return the index, or the document of one group and version; None where there is none."""
    match place:
        case []:
            return {"paths": {name: {"serverRelativeURL": f"/openapi/v3/{name}"} for name in _all(registry)}}
        case ["api", "v1"]:
            return _of("", "v1", registry)
        case ["apis", group, version] if version in registry.versions(group):
            return _of(group, version, registry)
        case _:
            return None


def _all(registry: Registry) -> list[str]:
    return ["api/v1", *(f"apis/{group}/{each}" for group in registry.groups() for each in registry.versions(group))]


def _of(group: str, version: str, registry: Registry) -> Object:
    schemas: Object = {}
    paths: Object = {}
    for resource in registry:
        if (resource.group, resource.version) == (group, version):
            schemas[_schema_name(resource)] = _schema(resource)
            paths |= _paths(resource)
    info = {"title": "Kubernetes", "version": VERSION}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


def _schema_name(resource: Resource) -> str:
    prefix = (
        ".".join(reversed(resource.group.split(".")))
        if resource.custom
        else "io.k8s.api." + (resource.group.split(".")[0] or "core")
    )
    return f"{prefix}.{resource.version}.{resource.kind}"


def _gvk(resource: Resource) -> Object:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _schema(resource: Resource) -> Object:
    own = resource.schema or {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {**own, "x-kubernetes-group-version-kind": [_gvk(resource)]}


def _paths(resource: Resource) -> Object:
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    place = "/namespaces/{namespace}" if resource.namespaced else ""
    names = ("dryRun", "fieldManager", "fieldValidation")
    parameters = [{"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}} for name in names]
    about = {"x-kubernetes-group-version-kind": _gvk(resource), "parameters": parameters, "responses": {}}
    many, one = f"{root}{place}/{resource.plural}", f"{root}{place}/{resource.plural}/{{name}}"
    actions: Object = {"x-kubernetes-action": "post", **about}
    return {many: {"post": actions}, one: {"patch": {**about, "x-kubernetes-action": "patch"}}}
