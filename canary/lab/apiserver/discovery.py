"""What is served, told to clients: `/version`, `/api`, `/apis` and the OpenAPI documents.

`http` asks here first. The OpenAPI documents are small: the schema of each kind, and of its paths what kubectl reads.
"""

from canary.lab.apiserver.resources import Registry, Resource
from canary.lab.apiserver.tree import Object

VERSION: Object = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0-embedded",
    "gitCommit": "",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "",
}


def answer(path: str, _accept: str, registry: Registry) -> Object | str | None:
    """Answer a request about the server itself; None when it is about objects or nothing."""
    match path.strip("/").split("/"):
        case ["readyz" | "livez" | "healthz", *_]:
            return "ok"
        case ["version"]:
            return VERSION
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["apis"]:
            groups = [_group(name, registry) for name in registry.groups()]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        case ["apis", group] if registry.versions(group):
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, registry)}
        case ["api", "v1"]:
            return _resources("", "v1", registry)
        case ["apis", group, version] if version in registry.versions(group):
            return _resources(group, version, registry)
        case ["openapi", "v3"]:
            return {"paths": {name: {"serverRelativeURL": f"/openapi/v3/{name}"} for name in _documents(registry)}}
        case ["openapi", "v3", "api", "v1"]:
            return _document("", "v1", registry)
        case ["openapi", "v3", "apis", group, version] if version in registry.versions(group):
            return _document(group, version, registry)
    return None


def _group(name: str, registry: Registry) -> Object:
    versions = [{"groupVersion": f"{name}/{version}", "version": version} for version in registry.versions(name)]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def _resources(group: str, version: str, registry: Registry) -> Object:
    rows: list[Object] = []
    for resource in registry:
        if (resource.group, resource.version) == (group, version):
            rows.append(_row(resource))
            rows += [_sub_row(resource, name) for name in sorted(resource.subresources)]
    api_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": rows}


_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def _row(resource: Resource) -> Object:
    row: Object = {"name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced}
    row |= {"kind": resource.kind, "verbs": _VERBS}
    if resource.short_names:
        row["shortNames"] = list(resource.short_names)
    if resource.categories:
        row["categories"] = list(resource.categories)
    return row


def _sub_row(resource: Resource, name: str) -> Object:
    row: Object = {"name": f"{resource.plural}/{name}", "singularName": "", "namespaced": resource.namespaced}
    match name:
        case "scale":
            row |= {"group": "autoscaling", "version": "v1", "kind": "Scale", "verbs": ["get", "patch", "update"]}
        case "binding":
            row |= {"kind": "Binding", "verbs": ["create"]}
        case _:
            row |= {"kind": resource.kind, "verbs": ["get", "patch", "update"]}
    return row


def _documents(registry: Registry) -> list[str]:
    return ["api/v1", *(f"apis/{group}/{each}" for group in registry.groups() for each in registry.versions(group))]


def _document(group: str, version: str, registry: Registry) -> Object:
    schemas: Object = {}
    paths: Object = {}
    for resource in registry:
        if (resource.group, resource.version) == (group, version):
            schemas[_schema_name(resource)] = _schema(resource)
            paths |= _paths(resource)
    info = {"title": "Kubernetes", "version": VERSION["gitVersion"]}
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
