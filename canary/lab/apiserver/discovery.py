"""What is served, told to clients: health, `/version`, `/api` and `/apis`. `http` asks here first."""

from canary.lab.apiserver import openapi
from canary.lab.apiserver.resources import Registry, Resource
from canary.lab.apiserver.tree import Object

VERSION: Object = {
    "major": "1",
    "minor": "36",
    "gitVersion": openapi.VERSION,
    "gitCommit": "",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "",
}


def answer(path: str, registry: Registry) -> Object | str | None:
    """Answer a request about the server itself; None when it is about objects or nothing."""
    match path.strip("/").split("/"):
        case ["readyz" | "livez" | "healthz", *_]:
            return "ok"
        case ["version"]:
            return VERSION
        case ["openapi", "v3", *place]:
            return openapi.document(place, registry)
        case place:
            return _discovered(place, registry)


def _discovered(place: list[str], registry: Registry) -> Object | None:
    match place:
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["api", "v1"]:
            return _resources("", "v1", registry)
        case ["apis"]:
            groups = [_group(name, registry) for name in registry.groups()]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        case ["apis", group] if registry.versions(group):
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, registry)}
        case ["apis", group, version] if version in registry.versions(group):
            return _resources(group, version, registry)
        case _:
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
