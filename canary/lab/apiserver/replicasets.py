"""ReplicaSets: as many pods of a template as wanted. A reconciler of `controllers`."""

from datetime import UTC, datetime

from canary.lab.apiserver.cluster import Cluster, owner_reference
from canary.lab.apiserver.stamps import parsed_time
from canary.lab.apiserver.store import Key
from canary.lab.apiserver.tree import Object, branch, copied, count, rows, text

_KIND, _PODS = "replicasets.apps", "pods"
_COMPONENT = "replicaset-controller"
_BURST = 500


def reconcile(cluster: Cluster, key: Key) -> float | None:
    """Create or delete pods and write the status; return the seconds after which to look again."""
    owner = cluster.get(key)
    if owner is None:
        return None
    active = [pod for pod in cluster.owned(_PODS, owner) if _is_active(pod)]
    if not text(owner, "metadata", "deletionTimestamp"):
        missing = count(owner, "spec", "replicas") - len(active)
        active += [_made(cluster, owner) for _ in range(min(missing, _BURST))]
        if missing < 0:
            for pod in sorted(active, key=_worth)[:-missing]:
                _drop(cluster, owner, pod)
                active.remove(pod)
    waits = [_available_in(owner, pod) for pod in active if is_ready(pod)]
    leaving = sum(bool(text(pod, "metadata", "deletionTimestamp")) for pod in cluster.owned(_PODS, owner))
    cluster.update_status(_KIND, owner, _status(owner, active, sum(wait <= 0 for wait in waits), leaving))
    return min((wait for wait in waits if wait > 0), default=None)


def is_ready(pod: Object) -> bool:
    """Whether a pod says it is ready."""
    return text(_ready_condition(pod), "status") == "True"


def _ready_condition(pod: Object) -> Object:
    return next((row for row in rows(pod, "status", "conditions") if row.get("type") == "Ready"), {})


def _is_active(pod: Object) -> bool:
    return not text(pod, "metadata", "deletionTimestamp") and not _is_finished(pod)


def _is_finished(pod: Object) -> bool:
    return text(pod, "status", "phase") in {"Succeeded", "Failed"}


def _available_in(owner: Object, pod: Object) -> float:
    since = parsed_time(text(_ready_condition(pod), "lastTransitionTime"))
    least = count(owner, "spec", "minReadySeconds")
    if not least or since is None:
        return 0.0
    return least - (datetime.now(UTC) - since).total_seconds()


def _worth(pod: Object) -> tuple[bool, bool, bool, str]:
    """Order pods by what is lost with them, the least first: unassigned, not running, not ready, young."""
    born = text(pod, "metadata", "creationTimestamp")
    age = "".join(chr(0x10FFFF - ord(letter)) for letter in born)  # the younger the smaller
    return bool(text(pod, "spec", "nodeName")), text(pod, "status", "phase") == "Running", is_ready(pod), age


def _made(cluster: Cluster, owner: Object) -> Object:
    pod = cluster.create(_PODS, text(owner, "metadata", "namespace"), _pod(owner))
    cluster.tell(owner, "SuccessfulCreate", f"Created pod: {text(pod, 'metadata', 'name')}", _COMPONENT)
    return pod


def _drop(cluster: Cluster, owner: Object, pod: Object) -> None:
    name = text(pod, "metadata", "name")
    cluster.delete(Key(_PODS, text(pod, "metadata", "namespace"), name))
    cluster.tell(owner, "SuccessfulDelete", f"Deleted pod: {name}", _COMPONENT)


def _pod(owner: Object) -> Object:
    template = copied(branch(owner, "spec", "template"))
    meta = {name: value for name, value in branch(template, "metadata").items() if name != "creationTimestamp"}
    meta |= {"generateName": f"{text(owner, 'metadata', 'name')}-", "ownerReferences": [owner_reference(owner)]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}


def _status(owner: Object, active: list[Object], available: int, leaving: int) -> Object:
    wanted = branch(owner, "spec", "template", "metadata", "labels").items()
    counts = {
        "fullyLabeledReplicas": sum(wanted <= branch(pod, "metadata", "labels").items() for pod in active),
        "readyReplicas": sum(is_ready(pod) for pod in active),
        "availableReplicas": available,
    }
    status: Object = {"replicas": len(active), **{name: value for name, value in counts.items() if value}}
    status["terminatingReplicas"] = leaving
    return status | {"observedGeneration": count(owner, "metadata", "generation")}
