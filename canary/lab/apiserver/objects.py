"""The verbs: create, get, list, replace, patch, delete, scale and bind, by the API's rules.

`http` calls it for clients and `controllers` for themselves. Nothing here waits: a request is one step of the event
loop, so the check of a resourceVersion and the write after it cannot be separated.
"""

import json
from dataclasses import dataclass, field

from canary.lab.apiserver import deletion, events, managed, metadata, patch, scale
from canary.lab.apiserver.checks import problems
from canary.lab.apiserver.decoding import decoded
from canary.lab.apiserver.defaults import fill
from canary.lab.apiserver.refusal import (
    Cause,
    Refused,
    already_exists,
    bad_request,
    conflict,
    invalid,
    not_found,
    unpatchable,
    unsupported,
    unversioned,
)
from canary.lab.apiserver.resources import Registry, Resource
from canary.lab.apiserver.stamps import time_text
from canary.lab.apiserver.store import Key, Store
from canary.lab.apiserver.tree import Object, branch, copied, rows, text, without


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is about."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> Key:
        """Where the store keeps it."""
        return Key(self.resource.store_kind, self.namespace, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, and how."""

    manager: str
    field_validation: str = "Warn"
    dry_run: bool = False
    trusted: bool = False  # the server itself: what it writes needs no decoding
    warnings: list[str] = field(default_factory=list)


class Objects:
    """The state of the cluster, behind the API's rules."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self.store, self.registry = store, registry

    def get(self, target: Target) -> Object:
        """Return one object, or its scale, in the version asked for."""
        found = self._stored(target)
        return scale.scale_of(found) if target.subresource == "scale" else seen(target.resource, found)

    def create(self, target: Target, body: Object, by: Caller) -> Object:
        """Store a new object."""
        resource = target.resource
        obj = copied(body) if by.trusted else decoded(resource, body, by.field_validation, by.warnings)
        metadata.born(resource, obj, target.namespace)
        self._open_namespace(target, text(obj, "metadata", "name"))
        if resource.has_status:
            obj.pop("status", None)
        fill(resource, obj, None, self.store)
        self._check(resource, obj, None, "")
        place = Target(resource, target.namespace, text(obj, "metadata", "name"))
        if self.store.get(place.key):
            raise already_exists(resource, place.name)
        managed.record(None, obj, by.manager, "")
        return seen(resource, self._put(place, obj, by))

    def replace(self, target: Target, body: Object, by: Caller) -> Object:
        """Write an object, its status or its scale anew."""
        resource = target.resource
        old = self.store.get(target.key)
        if old is None and resource.put_creates and not target.subresource:
            if uid := text(body, "metadata", "uid"):
                why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: "
                raise conflict(resource, target.name, why)
            return self.create(target, {**body, "metadata": without(branch(body, "metadata"), "resourceVersion")}, by)
        old = self._stored(target)
        if target.subresource == "scale":
            return scale.scale_of(self._rewrite(target, scale.scaled(old, body), old, by))
        new = decoded(resource, body, by.field_validation, by.warnings)
        return seen(resource, self._rewrite(target, new, old, by))

    def patch(self, target: Target, change: object, content_type: str, by: Caller) -> Object:
        """Change an object, its status or its scale."""
        resource = target.resource
        if content_type not in patch.TYPES or (content_type == patch.STRATEGIC and resource.custom):
            raise unsupported()
        before = self.get(target)
        after = patch.patched(before, change, content_type)
        if not after.get("kind") or not after.get("apiVersion"):
            after = {**after, "kind": before["kind"], "apiVersion": before["apiVersion"]}
        try:
            return self.replace(target, after, by)
        except Refused as refused:
            _, mark, why = refused.message.partition(": ")
            if "cannot unmarshal" not in why and "strict decoding error" not in refused.message:
                raise
            why = why if mark and not refused.message.startswith("strict") else refused.message
            raise unpatchable(json.dumps(after, separators=(",", ":")), why) from refused

    def delete(self, target: Target, options: Object, by: Caller) -> tuple[Object, bool]:
        """Delete an object or begin to; say whether it is gone."""
        old = self._stored(target)
        self._preconditions(target, old, branch(options, "preconditions"))
        doomed = deletion.doomed(target.resource, old, options)
        if doomed is None:
            return (old if by.dry_run else self.store.remove(target.key)), True
        return self._put(target, doomed, by) if doomed != old else old, False

    def bind(self, target: Target, body: Object) -> Object:
        """Give a pod its node."""
        old, node = self._stored(target), text(body, "target", "name")
        if not node:
            raise invalid(target.resource, target.name, [Cause("FieldValueRequired", "target.name", "Required value")])
        if bound := text(old, "spec", "nodeName"):
            why = f'pod {target.name} is already assigned to node "{bound}"'
            raise conflict(_POD_BINDING, target.name, why)
        pod = copied(old)
        pod["spec"] = {**branch(pod, "spec"), "nodeName": node}
        scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": time_text()}
        others = [row for row in rows(pod, "status", "conditions") if row.get("type") != "PodScheduled"]
        pod["status"] = {**branch(pod, "status"), "conditions": [*others, scheduled]}
        self.store.put(target.key, pod)
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}

    def write(self, target: Target, new: Object, by: Caller) -> Object:
        """Write what a controller of the server's own has made, past decoding."""
        return self._rewrite(target, new, self._stored(target), by)

    def _rewrite(self, target: Target, new: Object, old: Object, by: Caller) -> Object:
        resource = target.resource
        self._same_object(target, new, old)
        new = _isolated(target, new, old)
        fill(resource, new, old, self.store)
        metadata.changed(resource, new, old, counts=target.subresource != "status")
        self._check(resource, new, old, target.subresource)
        if without(new, "metadata") == without(old, "metadata") and _meta(new) == _meta(old):
            return old
        managed.record(old, new, by.manager, target.subresource)
        if deletion.over(new):
            if not by.dry_run:
                self.store.remove(target.key)
            return new
        return self._put(target, new, by)

    def _put(self, target: Target, obj: Object, by: Caller) -> Object:
        stored = {**obj, "apiVersion": _stored_version(target.resource)}
        return stored if by.dry_run else self.store.put(target.key, stored)

    def _stored(self, target: Target) -> Object:
        found = self.store.get(target.key)
        if found is None:
            raise not_found(target.resource, target.name)
        return found

    def _check(self, resource: Resource, obj: Object, old: Object | None, subresource: str) -> None:
        if causes := metadata.problems(obj, old) + problems(resource, obj, old, subresource):
            raise invalid(resource, text(obj, "metadata", "name"), causes)

    def _open_namespace(self, target: Target, name: str) -> None:
        if not target.namespace:
            return
        namespace = self.store.get(Key("namespaces", "", target.namespace))
        if namespace is None:
            raise not_found(_NAMESPACES, target.namespace)
        if text(namespace, "metadata", "deletionTimestamp"):
            raise deletion.closing(target.resource, name, target.namespace)

    def _same_object(self, target: Target, new: Object, old: Object) -> None:
        meta = branch(new, "metadata")
        if text(meta, "name") not in {"", target.name}:
            sent, url = text(meta, "name"), target.name
            raise bad_request(f"the name of the object ({sent}) does not match the name on the URL ({url})")
        metadata.check_namespace(meta, target.namespace)
        self._preconditions(target, old, {"uid": meta.get("uid"), "resourceVersion": meta.get("resourceVersion")})
        if target.resource.custom and not text(meta, "resourceVersion"):
            raise unversioned(target.resource, target.name)

    def _preconditions(self, target: Target, old: Object, wanted: Object) -> None:
        uid, version = text(wanted, "uid"), text(wanted, "resourceVersion")
        if uid and uid != text(old, "metadata", "uid"):
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {text(old, 'metadata', 'uid')}"
            raise conflict(target.resource, target.name, why)
        if version and version != text(old, "metadata", "resourceVersion"):
            raise conflict(target.resource, target.name)


def seen(resource: Resource, stored: Object) -> Object:
    """Return a stored object as a version of its kind shows it."""
    if resource.stored_as == "events":
        return events.as_regarding(stored)
    return (
        stored if stored.get("apiVersion") == resource.api_version else {**stored, "apiVersion": resource.api_version}
    )


def _isolated(target: Target, new: Object, old: Object) -> Object:
    """Keep what the subresource may not touch."""
    if target.subresource == "status":
        # Built-in kinds let metadata through here: the Deployment controller writes its revision with the status.
        kept = old if target.resource.custom else new
        return {**old, "status": new.get("status"), "metadata": branch(kept, "metadata")}
    if target.resource.has_status:
        return {**without(new, "status"), **({"status": old["status"]} if "status" in old else {})}
    return dict(new)


def _meta(obj: Object) -> Object:
    return without(branch(obj, "metadata"), "managedFields")


def _stored_version(resource: Resource) -> str:
    version = resource.stored_version or resource.version
    if resource.stored_as == "events":
        return "v1"
    return f"{resource.group}/{version}" if resource.group else version


_POD_BINDING = Resource(plural="pods/binding", kind="Pod")
_NAMESPACES = Resource(plural="namespaces", kind="Namespace")
