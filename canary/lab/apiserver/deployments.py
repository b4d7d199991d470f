"""Deployments: one ReplicaSet per pod template, and the way from the old ones to the new.

A reconciler of `controllers`. It follows upstream's rolling update: the sizes in between obey maxSurge and
maxUnavailable, pods that are not available go first. Not here: proportional scaling in mid-rollout, and adoption of
ReplicaSets that somebody else made.
"""

from canary.lab.apiserver import progress
from canary.lab.apiserver.cluster import Cluster, owner_reference
from canary.lab.apiserver.quantity import share
from canary.lab.apiserver.stamps import template_hash
from canary.lab.apiserver.store import Key
from canary.lab.apiserver.tree import Object, branch, copied, count, grown, reached, text, without

_KIND, _SETS = "deployments.apps", "replicasets.apps"
HASH, REVISION = "pod-template-hash", "deployment.kubernetes.io/revision"
_HISTORY = "deployment.kubernetes.io/revision-history"
_COMPONENT = "deployment-controller"
_DESIRED, _MAXIMUM = "deployment.kubernetes.io/desired-replicas", "deployment.kubernetes.io/max-replicas"
_NOT_COPIED = ("kubectl.kubernetes.io/last-applied-configuration", REVISION, _DESIRED, _MAXIMUM,
               "deprecated.deployment.rollback.to")  # fmt: skip


def reconcile(cluster: Cluster, key: Key) -> float | None:
    """Bring the ReplicaSets one step nearer and write the status; return the seconds after which to look again."""
    deployment = cluster.get(key)
    if deployment is None or text(deployment, "metadata", "deletionTimestamp"):
        return None
    sets = cluster.owned(_SETS, deployment)
    new = _current(deployment, sets)
    created = False
    if new is None and not reached(deployment, "spec", "paused"):
        new, created = _make(cluster, deployment, sets), True
    old = [each for each in sets if new is None or _uid(each) != _uid(new)]
    if new is not None:
        new = _numbered(cluster, deployment, new, old)
        deployment = _revised(deployment, new)
    if reached(deployment, "spec", "paused"):
        _resize_alone(cluster, deployment, [*old, *([new] if new else [])])
    elif new is not None:
        _roll(cluster, deployment, new, old)
    seen = cluster.owned(_SETS, deployment)
    status, again = progress.status_of(deployment, _current(deployment, seen), seen, created=created)
    cluster.update_status(_KIND, deployment, status)
    _tidy(cluster, deployment, status, seen)
    return again


def _uid(obj: Object) -> str:
    return text(obj, "metadata", "uid")


def _current(deployment: Object, sets: list[Object]) -> Object | None:
    """Find the ReplicaSet of the present template, the oldest if there are several."""
    wanted = _comparable(branch(deployment, "spec", "template"))
    same = [each for each in sets if _comparable(branch(each, "spec", "template")) == wanted]
    return min(same, key=lambda each: text(each, "metadata", "creationTimestamp"), default=None)


def _comparable(template: Object) -> Object:
    meta = without(branch(template, "metadata"), "creationTimestamp")
    return {**template, "metadata": {**meta, "labels": without(branch(meta, "labels"), HASH)}}


def _make(cluster: Cluster, deployment: Object, old: list[Object]) -> Object:
    template = copied(branch(deployment, "spec", "template"))
    label = template_hash(_comparable(template))
    grown(template, "metadata", "labels")[HASH] = label
    selector = copied(branch(deployment, "spec", "selector"))
    grown(selector, "matchLabels")[HASH] = label
    name, namespace = text(deployment, "metadata", "name"), text(deployment, "metadata", "namespace")
    meta: Object = {
        "name": f"{name}-{label}",
        "labels": branch(template, "metadata", "labels"),
        "annotations": _annotations(deployment, {}),
        "ownerReferences": [owner_reference(deployment)],
    }
    spec: Object = {"replicas": _first_size(deployment, old), "selector": selector, "template": template}
    if least := count(deployment, "spec", "minReadySeconds"):
        spec["minReadySeconds"] = least
    body: Object = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": meta, "spec": spec}
    made = cluster.create(_SETS, namespace, body)
    if size := _size(made):
        _tell(cluster, deployment, f"{name}-{label}", 0, size)
    return made


def _first_size(deployment: Object, old: list[Object]) -> int:
    wanted, total = _size(deployment), sum(map(_size, old))
    if text(deployment, "spec", "strategy", "type") == "Recreate":
        return 0 if total else wanted
    return max(0, min(wanted, wanted + share(deployment, "maxSurge") - total))


def _size(obj: Object) -> int:
    return count(obj, "spec", "replicas")


def _annotations(deployment: Object, own: Object) -> Object:
    wanted = _size(deployment)
    surge = 0 if text(deployment, "spec", "strategy", "type") == "Recreate" else share(deployment, "maxSurge")
    copied_over = without(branch(deployment, "metadata", "annotations"), *_NOT_COPIED)
    return {**own, **copied_over, _DESIRED: str(wanted), _MAXIMUM: str(wanted + surge)}


def _numbered(cluster: Cluster, deployment: Object, new: Object, old: list[Object]) -> Object:
    own = branch(new, "metadata", "annotations")
    highest = max((_revision(each) for each in old), default=0)
    revision = max(_revision(new), highest + 1 if _revision(new) <= highest else 1)
    annotations = _annotations(deployment, own) | {REVISION: str(revision)}
    if before := text(own, REVISION) if _revision(new) != revision else "":
        annotations[_HISTORY] = ",".join([*filter(None, [text(own, _HISTORY)]), before])
    return cluster.update(_SETS, {**new, "metadata": {**branch(new, "metadata"), "annotations": annotations}})


def _revision(replica_set: Object) -> int:
    return int(text(replica_set, "metadata", "annotations", REVISION) or 0)


def _revised(deployment: Object, new: Object) -> Object:
    """Carry the revision over; it is written together with the status, so it makes no new generation."""
    meta = branch(deployment, "metadata")
    annotations = {**branch(meta, "annotations"), REVISION: str(_revision(new))}
    return {**deployment, "metadata": {**meta, "annotations": annotations}}


def _resize(cluster: Cluster, deployment: Object, replica_set: Object, size: int) -> bool:
    current = cluster.get(Key(_SETS, text(deployment, "metadata", "namespace"), text(replica_set, "metadata", "name")))
    if current is None or _size(current) == size:
        return False
    meta = branch(current, "metadata")
    annotations = _annotations(deployment, branch(meta, "annotations"))
    spec = {**branch(current, "spec"), "replicas": size}
    cluster.update(_SETS, {**current, "metadata": {**meta, "annotations": annotations}, "spec": spec})
    _tell(cluster, deployment, text(meta, "name"), _size(current), size)
    return True


def _tell(cluster: Cluster, deployment: Object, name: str, before: int, after: int) -> None:
    way = "up" if after > before else "down"
    words = f"Scaled {way} replica set {name} from {before} to {after}"
    cluster.tell(deployment, "ScalingReplicaSet", words, _COMPONENT)


def _resize_alone(cluster: Cluster, deployment: Object, sets: list[Object]) -> None:
    """While paused only a size is followed, and only where one ReplicaSet has all the pods."""
    active = [each for each in sets if _size(each)] or sets[-1:]
    if len(active) == 1:
        _resize(cluster, deployment, active[0], _size(deployment))


def _roll(cluster: Cluster, deployment: Object, new: Object, old: list[Object]) -> None:
    wanted = _size(deployment)
    if text(deployment, "spec", "strategy", "type") == "Recreate":
        shrunk = [_resize(cluster, deployment, each, 0) for each in old]
        if not any(shrunk) and not any(count(each, "status", "replicas") for each in old):
            _resize(cluster, deployment, new, wanted)
        return
    total = sum(map(_size, [*old, new]))
    room = wanted + share(deployment, "maxSurge") - total
    target = min(wanted, _size(new) + max(0, room))
    if not _resize(cluster, deployment, new, target):
        _shrink(cluster, deployment, new, old)


def _shrink(cluster: Cluster, deployment: Object, new: Object, old: list[Object]) -> None:
    """Take old pods away: those that are not available first, then as many as availability allows."""
    least = _size(deployment) - share(deployment, "maxUnavailable")
    missing = _size(new) - count(new, "status", "availableReplicas")
    spare = sum(map(_size, [*old, new])) - least - missing
    sizes = {_uid(each): _size(each) for each in old}
    for each in sorted(old, key=_revision):
        unhealthy = _size(each) - count(each, "status", "availableReplicas")
        if spare > 0 and unhealthy > 0:
            cut = min(spare, unhealthy)
            sizes[_uid(each)] -= cut
            spare -= cut
    available = sum(count(each, "status", "availableReplicas") for each in [*old, new])
    spare = available - least
    for each in sorted(old, key=_revision):
        cut = max(0, min(spare, sizes[_uid(each)]))
        sizes[_uid(each)] -= cut
        spare -= cut
    for each in old:
        _resize(cluster, deployment, each, sizes[_uid(each)])


def _tidy(cluster: Cluster, deployment: Object, status: Object, sets: list[Object]) -> None:
    """Delete the oldest empty ReplicaSets beyond the history that is kept, once a rollout is complete."""
    new = _current(deployment, sets)
    if not progress.is_complete(deployment, status) or new is None:
        return
    empty = [
        each for each in sets if _uid(each) != _uid(new) and not _size(each) and not count(each, "status", "replicas")
    ]
    surplus = len(empty) - count(deployment, "spec", "revisionHistoryLimit", default=10)
    for each in sorted(empty, key=_revision)[: max(0, surplus)]:
        cluster.delete(Key(_SETS, text(each, "metadata", "namespace"), text(each, "metadata", "name")))
