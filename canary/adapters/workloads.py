"""Deployment, ReplicaSets and Pods -> `Workload`: a pure codec, used by the cluster adapter.

A revision is a ReplicaSet's pod-template-hash; which one is the Deployment's present one is found as the Deployment
controller finds it, by comparing templates without the hash label. Meshed and ready is said as in linkerd.md §7.1.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, TypeAlias, cast

from canary.adapters.ownership import editor
from canary.core.decision import FIELD_MANAGER
from canary.core.lenient import at
from canary.core.snapshot import Pod, Workload

Json: TypeAlias = Mapping[str, object]
Templates: TypeAlias = Mapping[str, Json]

HASH: Final = "pod-template-hash"
CONTROL_PLANE: Final = "linkerd.io/control-plane-ns"
PROXY: Final = "linkerd-proxy"


def selector(deployment: Json) -> str:
    """Write a Deployment's selector as a query parameter."""
    spec = at(deployment, "spec", "selector")
    terms = [f"{key}={value}" for key, value in sorted(at(spec, "matchLabels").items())]
    for rule in cast("list[Json]", spec.get("matchExpressions") or []):
        key, values = rule.get("key"), ",".join(map(str, cast("list[object]", rule.get("values") or [])))
        match rule.get("operator"):
            case "In":
                terms.append(f"{key} in ({values})")
            case "NotIn":
                terms.append(f"{key} notin ({values})")
            case "Exists":
                terms.append(f"{key}")
            case _:
                terms.append(f"!{key}")
    return ",".join(terms)


def templates(deployment: Json, replicasets: Iterable[Json]) -> dict[str, Json]:
    """Map each revision of a Deployment to its pod template, without the hash label."""
    owner = at(deployment, "metadata").get("uid")
    found: dict[str, Json] = {}
    for replicaset in replicasets:
        owners = cast("list[Json]", at(replicaset, "metadata").get("ownerReferences") or [])
        revision = at(replicaset, "metadata", "labels").get(HASH)
        if revision and any(o.get("uid") == owner and o.get("controller") for o in owners):
            found[str(revision)] = plain(at(replicaset, "spec", "template"))
    return found


def plain(template: Json) -> Json:
    """Strip what is not the template's own: the hash label, and a creation time that is always null."""
    meta = {key: value for key, value in at(template, "metadata").items() if key != "creationTimestamp"}
    labels = {key: value for key, value in at(meta, "labels").items() if key != HASH}
    return {**template, "metadata": {**meta, "labels": labels}}


def observed(deployment: Json) -> bool:
    """Tell whether the Deployment controller has seen the present spec."""
    seen = at(deployment, "status").get("observedGeneration")
    return isinstance(seen, int) and seen >= cast("int", at(deployment, "metadata").get("generation") or 0)


def revision(deployment: Json, found: Templates) -> str:
    """Find the revision of the Deployment's present template; empty while there is no ReplicaSet for it."""
    if not observed(deployment):
        return ""
    template = plain(at(deployment, "spec", "template"))
    return next((name for name, other in found.items() if other == template), "")


def workload(
    deployment: Json, found: Templates, present: str, pods: Iterable[Json], service: Json | None = None
) -> Workload:
    """Put a Deployment together with what belongs to it. Its pods are found by it and by its leaf Service."""
    meta, spec, status = at(deployment, "metadata"), at(deployment, "spec"), at(deployment, "status")
    desired = spec.get("replicas")
    wanted = desired if isinstance(desired, int) else 1
    counts = [status.get(key) or 0 for key in ("replicas", "updatedReplicas", "availableReplicas")]
    labels = {**at(service, "spec", "selector"), **at(spec, "selector", "matchLabels")}
    return Workload(
        name=str(meta.get("name")),
        resource_version=str(meta.get("resourceVersion")),
        desired=wanted,
        available=cast("int", status.get("availableReplicas") or 0),
        revision=present,
        settled=observed(deployment) and counts == [wanted] * 3,
        template=plain(at(spec, "template")),
        templates=found,
        selector={key: str(value) for key, value in labels.items()},
        pods=tuple(pod(p) for p in pods),
        paused=spec.get("paused") is True,
        editor=editor(deployment, "template", but=FIELD_MANAGER),
    )


def pod(obj: Json) -> Pod:
    """Read a pod."""
    meta, spec, status = at(obj, "metadata"), at(obj, "spec"), at(obj, "status")
    labels = at(meta, "labels")
    containers = [
        *cast("list[Json]", spec.get("containers") or []),
        *cast("list[Json]", spec.get("initContainers") or []),
    ]
    conditions = cast("list[Json]", status.get("conditions") or [])
    states = cast("list[Json]", status.get("containerStatuses") or [])
    return Pod(
        name=str(meta.get("name")),
        revision=str(labels.get(HASH) or ""),
        created=unix(meta.get("creationTimestamp")),
        ready=any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions),
        meshed=bool(labels.get(CONTROL_PLANE)) and any(c.get("name") == PROXY for c in containers),
        restarts=sum(cast("int", s.get("restartCount") or 0) for s in states),
        leaving=meta.get("deletionTimestamp") is not None,
        started=_started(states),
    )


def _started(states: Iterable[Json]) -> float:
    """Say when the last container started, 0 where one did so again, or does not run."""
    times = [0.0 if s.get("restartCount") else unix(at(s, "state", "running").get("startedAt")) for s in states]
    return max(times) if times and all(times) else 0.0


def unix(time: object) -> float:
    """Read a Kubernetes time as Unix seconds."""
    try:
        return datetime.fromisoformat(str(time)).timestamp()
    except ValueError:
        return 0.0
