"""The status of a Deployment: counts and the conditions Available and Progressing. Called by `deployments`."""

from datetime import UTC, datetime
from typing import TypeAlias

from canary.lab.apiserver.quantity import share
from canary.lab.apiserver.stamps import parsed_time, time_text
from canary.lab.apiserver.tree import Object, count, reached, rows, text

_State: TypeAlias = tuple[str, str, str]  # status, reason, message
_AVAILABLE = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
_UNAVAILABLE = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")


def status_of(
    deployment: Object, new: Object | None, sets: list[Object], *, created: bool
) -> tuple[Object, float | None]:
    """Return the status, and the seconds after which it may change by time alone."""
    before = deployment.get("status")
    available = _sum(sets, "availableReplicas")
    wanted = count(deployment, "spec", "replicas")
    counts = {
        "replicas": _sum(sets, "replicas"),
        "updatedReplicas": count(new, "status", "replicas"),
        "readyReplicas": _sum(sets, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, sum(count(each, "spec", "replicas") for each in sets) - available),
    }
    status: Object = {"observedGeneration": count(deployment, "metadata", "generation")}
    status |= {name: value for name, value in counts.items() if value}
    status["terminatingReplicas"] = _sum(sets, "terminatingReplicas")
    is_enough = available >= wanted - share(deployment, "maxUnavailable")
    progressing, again = _progressing(deployment, status, new, created=created)
    # Upstream puts the condition that changed last at the end; the order carries no meaning.
    conditions = [_condition(before, "Available", _AVAILABLE if is_enough else _UNAVAILABLE), *progressing]
    return status | {"conditions": conditions}, again


def is_complete(deployment: Object, status: Object) -> bool:
    """Whether all pods wanted are of the present template and available, and no others are left."""
    wanted = count(deployment, "spec", "replicas")
    return all(count(status, name) == wanted for name in ("replicas", "updatedReplicas", "availableReplicas"))


def _sum(sets: list[Object], name: str) -> int:
    return sum(count(each, "status", name) for each in sets)


def _condition(status: object, kind: str, now: _State, *, moved: bool = False) -> Object:
    held = next((row for row in rows(status, "conditions") if row.get("type") == kind), {})
    value, reason, message = now
    same = (held.get("status"), held.get("reason"), held.get("message")) == now
    stamp = time_text()
    return {
        "type": kind,
        "status": value,
        "lastUpdateTime": held["lastUpdateTime"] if same and not moved else stamp,
        "lastTransitionTime": held["lastTransitionTime"] if held.get("status") == value else stamp,
        "reason": reason,
        "message": message,
    }


def _progressing(
    deployment: Object, status: Object, new: Object | None, *, created: bool
) -> tuple[list[Object], float | None]:
    before = deployment.get("status")
    held = next((row for row in rows(before, "conditions") if row.get("type") == "Progressing"), {})
    now, again = _progress(deployment, status, held, text(new, "metadata", "name"), created=created)
    if now is None:
        return ([held] if held else []), again
    moved = now[1] in {"NewReplicaSetCreated", "FoundNewReplicaSet", "ReplicaSetUpdated"}
    return [_condition(before, "Progressing", now, moved=moved)], again


def _progress(
    deployment: Object, status: Object, held: Object, name: str, *, created: bool
) -> tuple[_State | None, float | None]:
    """Return what Progressing says now, None for what it said before, and when time alone may change it."""
    reason = text(held, "reason")
    now: _State | None = None
    again: float | None = None
    if reached(deployment, "spec", "paused"):
        now = ("Unknown", "DeploymentPaused", "Deployment is paused")
    elif reason == "DeploymentPaused":
        now = ("Unknown", "DeploymentResumed", "Deployment is resumed")
    elif created:
        now = ("True", "NewReplicaSetCreated", f'Created new replica set "{name}"')
    elif not held:
        now = ("True", "FoundNewReplicaSet", f'Found new replica set "{name}"')
    elif reason == "NewReplicaSetAvailable" and status.get("replicas") == status.get("updatedReplicas"):
        pass  # a complete rollout is not reopened by pods that come and go
    elif is_complete(deployment, status):
        now = ("True", "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.')
    elif _has_moved(deployment.get("status"), status):
        now = ("True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')
    elif (left := _left(deployment, held)) > 0:
        again = left
    else:
        now = ("False", "ProgressDeadlineExceeded", f'ReplicaSet "{name}" has timed out progressing.')
    return now, again


def _has_moved(before: object, status: Object) -> bool:
    grew = any(
        count(status, each) > count(before, each) for each in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )
    old = count(status, "replicas") - count(status, "updatedReplicas")
    return grew or old < count(before, "replicas") - count(before, "updatedReplicas")


def _left(deployment: Object, held: Object) -> float:
    since = parsed_time(text(held, "lastUpdateTime"))
    limit = count(deployment, "spec", "progressDeadlineSeconds", default=600)
    if since is None or held.get("reason") == "ProgressDeadlineExceeded":
        return 0.0
    return limit - (datetime.now(UTC) - since).total_seconds() + 0.5
