"""The cluster as the server's own controllers see it: objects by kind, owners, and writes under their own name.

`controllers` hands one to every reconciler. Reads are shared objects of the store; writes are new trees.
"""

from canary.lab.apiserver.objects import Caller, Objects, Target
from canary.lab.apiserver.resources import Resource
from canary.lab.apiserver.stamps import random_suffix, time_text
from canary.lab.apiserver.store import Key
from canary.lab.apiserver.tree import Object, branch, rows, text

_BY = Caller(manager="kube-controller-manager", trusted=True)


class Cluster:
    """What a reconciler may do."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self.registry = objects.registry
        self.store = objects.store

    def get(self, key: Key) -> Object | None:
        """Return an object if it is there."""
        return self.store.get(key)

    def owned(self, kind: str, owner: Object) -> list[Object]:
        """Return the objects of a kind that this one controls."""
        uid, namespace = text(owner, "metadata", "uid"), text(owner, "metadata", "namespace")
        return [each for each in self.store.select(kind, namespace) if text(controller_of(each), "uid") == uid]

    def create(self, kind: str, namespace: str, body: Object) -> Object:
        """Create an object."""
        return self._objects.create(Target(self._resource(kind), namespace), body, _BY)

    def update(self, kind: str, new: Object) -> Object:
        """Write an object that was made from a stored one."""
        return self._objects.write(self._target(kind, new), new, _BY)

    def update_status(self, kind: str, obj: Object, status: Object) -> Object:
        """Write the status of an object."""
        target = self._target(kind, obj)
        status_of = Target(target.resource, target.namespace, target.name, "status")
        return self._objects.write(status_of, {**obj, "status": status}, _BY)

    def tell(self, about: Object, reason: str, message: str, component: str) -> None:
        """Write an Event about an object."""
        meta, now = branch(about, "metadata"), time_text()
        name, namespace = text(meta, "name"), text(meta, "namespace")
        involved = {"apiVersion": about["apiVersion"], "kind": about["kind"], "name": name, "namespace": namespace}
        involved |= {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
        body: Object = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{name}.{random_suffix(16)}"},
            "involvedObject": involved,
        }
        body |= {"reason": reason, "message": message, "type": "Normal", "count": 1, "source": {"component": component}}
        body |= {"firstTimestamp": now, "lastTimestamp": now, "reportingComponent": component}
        self.create("events", namespace, body)

    def delete(self, key: Key) -> None:
        """Delete an object if it is still there, in the background."""
        if self.get(key) and (resource := self.registry.stored(key.kind)):
            self._objects.delete(Target(resource, key.namespace, key.name), {}, _BY)

    def everything(self) -> list[tuple[Key, Object]]:
        """Return all objects there are."""
        return self.store.everything()

    def _resource(self, kind: str) -> Resource:
        resource = self.registry.stored(kind)
        if resource is None:
            raise LookupError(kind)
        return resource

    def _target(self, kind: str, obj: Object) -> Target:
        meta = branch(obj, "metadata")
        return Target(self._resource(kind), text(meta, "namespace"), text(meta, "name"))


def controller_of(obj: Object) -> Object:
    """Return the ownerReference of an object's controller, empty when it has none."""
    return next((each for each in rows(obj, "metadata", "ownerReferences") if each.get("controller")), {})


def owner_reference(owner: Object) -> Object:
    """Refer to an object as the controller of another."""
    meta = branch(owner, "metadata")
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
