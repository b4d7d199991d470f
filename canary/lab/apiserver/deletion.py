"""How an object goes: at once, after its grace period, or when its last finalizer has been taken off."""

from datetime import timedelta

from canary.lab.apiserver.refusal import Refused, qualified
from canary.lab.apiserver.resources import Resource
from canary.lab.apiserver.stamps import time_text
from canary.lab.apiserver.tree import Object, branch, count, reached, text, texts

_PROPAGATION = {"Orphan": "orphan", "Foreground": "foregroundDeletion"}


def doomed(resource: Resource, old: Object, options: Object) -> Object | None:
    """Return the object as it waits for its end, or None when it may go at once."""
    meta = dict(branch(old, "metadata"))
    finalizers = [name for name in texts(meta, "finalizers") if name not in _PROPAGATION.values()]
    if wish := _PROPAGATION.get(text(options, "propagationPolicy")):
        finalizers.append(wish)
    elif text(meta, "deletionTimestamp"):
        finalizers = texts(meta, "finalizers")
    grace = _grace(resource, old, options)
    if not finalizers and not grace and not reached(old, "spec", "finalizers"):
        return None
    if finalizers:
        meta["finalizers"] = finalizers
    ends = time_text(timedelta(seconds=grace))
    if not text(meta, "deletionTimestamp"):
        meta |= {"deletionTimestamp": ends, "deletionGracePeriodSeconds": grace}
        if "generation" in meta:
            meta["generation"] = count(meta, "generation") + 1
    elif grace < count(meta, "deletionGracePeriodSeconds"):
        meta |= {"deletionTimestamp": ends, "deletionGracePeriodSeconds": grace}
    if resource.plural == "namespaces":
        old = {**old, "status": {**branch(old, "status"), "phase": "Terminating"}}
        meta.pop("deletionGracePeriodSeconds", None)
    return {**old, "metadata": meta}


def over(obj: Object) -> bool:
    """Whether an object that was to go has nothing left to wait for."""
    meta = branch(obj, "metadata")
    waits = meta.get("finalizers") or reached(obj, "spec", "finalizers") or meta.get("deletionGracePeriodSeconds")
    return bool(text(meta, "deletionTimestamp")) and not waits


def closing(resource: Resource, name: str, namespace: str) -> Refused:
    """403: nothing new in a namespace that is being deleted."""
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    cause: Object = {"reason": "NamespaceTerminating", "field": "metadata.namespace"}
    cause["message"] = f"namespace {namespace} is being terminated"
    details: Object = {"name": name, "kind": resource.plural, "causes": [cause]}
    if resource.group:
        details["group"] = resource.group
    return Refused(403, "Forbidden", f'{qualified(resource)} "{name}" is forbidden: {why}', details)


def _grace(resource: Resource, old: Object, options: Object) -> int:
    """Only pods are given time, and only those that a node may be running."""
    if resource.plural != "pods" or resource.group or text(old, "status", "phase") in {"Succeeded", "Failed"}:
        return 0
    if not text(old, "spec", "nodeName"):
        return 0
    own = count(old, "spec", "terminationGracePeriodSeconds", default=30)
    return count(options, "gracePeriodSeconds", default=own)
