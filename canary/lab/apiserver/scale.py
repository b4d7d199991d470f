"""The `scale` subresource of Deployments and ReplicaSets (autoscaling/v1)."""

from canary.lab.apiserver.refusal import bad_request
from canary.lab.apiserver.selectors import selector_text
from canary.lab.apiserver.tree import Object, branch, count, reached

_IDENTITY = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(obj: Object) -> Object:
    """Show an object as a Scale."""
    meta = branch(obj, "metadata")
    wanted = count(obj, "spec", "replicas")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: meta[name] for name in _IDENTITY if name in meta},
        "spec": {"replicas": wanted} if wanted else {},
        "status": {
            "replicas": count(obj, "status", "replicas"),
            "selector": selector_text(branch(obj, "spec", "selector")),
        },
    }


def scaled(obj: Object, scale: Object) -> Object:
    """Return the object with the replicas of a Scale."""
    wanted = reached(scale, "spec", "replicas") or 0
    if scale.get("kind") not in {None, "Scale"} or not isinstance(wanted, int):
        raise bad_request("the body of the request is not a Scale")
    meta = {**branch(obj, "metadata")}
    meta |= {name: value for name, value in branch(scale, "metadata").items() if name in {"resourceVersion", "uid"}}
    return {**obj, "metadata": meta, "spec": {**branch(obj, "spec"), "replicas": wanted}}
