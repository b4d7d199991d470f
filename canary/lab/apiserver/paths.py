"""From the path of a URL to what it names. Asked by `http` for every request."""

from canary.lab.apiserver.objects import Target
from canary.lab.apiserver.resources import Registry


def target_of(path: str, registry: Registry) -> Target | None:
    """Find the collection, object or subresource that a path names; None when nothing is served there."""
    group, version, rest = _split(path)
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2 and rest[2:] != ["status"]:  # noqa: PLR2004 - kind, name, more
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource, *more = (*rest, "", "", "")
    resource = registry.find(group, version, plural)
    if resource is None or any(more) or (subresource and subresource not in resource.subresources):
        return None
    if bool(namespace) > resource.namespaced or (name and resource.namespaced and not namespace):
        return None
    return Target(resource, namespace, name, subresource)


def unwatched(path: str) -> str:
    """Give the path of what `/api/v1/watch/…` watches; any other path is its own."""
    prefix = "/api/v1/watch/"
    return f"/api/v1/{path.removeprefix(prefix)}" if path.startswith(prefix) else path


def is_in_group(path: str, registry: Registry) -> bool:
    """Whether the group and version of a path are served, if not what follows."""
    group, version, _ = _split(path)
    return version in registry.versions(group)


def _split(path: str) -> tuple[str, str, list[str]]:
    match path.strip("/").split("/"):
        case ["api", version, *rest]:
            return "", version, rest
        case ["apis", group, version, *rest]:
            return group, version, rest
        case _:
            return "", "", []
