"""What goes when something else goes: dependents of an owner, the content of a namespace, the objects of a CRD.

Reconcilers of `controllers`.
"""

from canary.lab.apiserver import crds
from canary.lab.apiserver.cluster import Cluster
from canary.lab.apiserver.store import Entry, Key
from canary.lab.apiserver.tree import Object, branch, rows, text, texts, without

_CRDS = "customresourcedefinitions.apiextensions.k8s.io"
_CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
_FOREGROUND, _ORPHAN = "foregroundDeletion", "orphan"


def follow(cluster: Cluster, entry: Entry) -> None:
    """Do what a change means for the objects that refer to this one."""
    uid = text(entry.now, "metadata", "uid")
    if entry.kind == "DELETED":
        for key, dependent in _dependents(cluster, uid):
            _drop_if_alone(cluster, key, dependent)
        for key, owner in cluster.everything():
            if _FOREGROUND in texts(owner, "metadata", "finalizers"):
                _foreground(cluster, key, owner)
        return
    if entry.kind == "ADDED" and _owners(entry.now) and cluster.get(entry.key):
        _drop_if_alone(cluster, entry.key, entry.now)
    if text(entry.now, "metadata", "deletionTimestamp") and (current := cluster.get(entry.key)):
        if _ORPHAN in texts(current, "metadata", "finalizers"):
            _orphan(cluster, entry.key, current)
        if _FOREGROUND in texts(current, "metadata", "finalizers"):
            _foreground(cluster, entry.key, current)


def _dependents(cluster: Cluster, uid: str) -> list[tuple[Key, Object]]:
    return [(key, obj) for key, obj in cluster.everything() if any(ref.get("uid") == uid for ref in _owners(obj))]


def _owners(obj: Object) -> list[Object]:
    return rows(obj, "metadata", "ownerReferences")


def _drop_if_alone(cluster: Cluster, key: Key, dependent: Object) -> None:
    if not any(_is_there(cluster, key.namespace, owner) for owner in _owners(dependent)):
        cluster.delete(key)


def _is_there(cluster: Cluster, namespace: str, reference: Object) -> bool:
    resource = cluster.registry.by_kind(text(reference, "apiVersion"), text(reference, "kind"))
    if resource is None:
        return False
    owner = cluster.get(Key(resource.store_kind, namespace if resource.namespaced else "", text(reference, "name")))
    return owner is not None and text(owner, "metadata", "uid") == reference.get("uid")


def _orphan(cluster: Cluster, key: Key, owner: Object) -> None:
    uid = text(owner, "metadata", "uid")
    for place, dependent in _dependents(cluster, uid):
        kept = [ref for ref in _owners(dependent) if ref.get("uid") != uid]
        meta = {**branch(dependent, "metadata"), "ownerReferences": kept}
        cluster.update(place.kind, {**dependent, "metadata": meta if kept else without(meta, "ownerReferences")})
    _unpin(cluster, key, owner, _ORPHAN)


def _foreground(cluster: Cluster, key: Key, owner: Object) -> None:
    dependents = _dependents(cluster, text(owner, "metadata", "uid"))
    for place, _ in dependents:
        cluster.delete(place)
    if not _dependents(cluster, text(owner, "metadata", "uid")):
        _unpin(cluster, key, owner, _FOREGROUND)


def _unpin(cluster: Cluster, key: Key, owner: Object, finalizer: str) -> None:
    left = [name for name in texts(owner, "metadata", "finalizers") if name != finalizer]
    cluster.update(key.kind, {**owner, "metadata": {**branch(owner, "metadata"), "finalizers": left}})


def reconcile_namespace(cluster: Cluster, key: Key) -> float | None:
    """Give a namespace its account; empty one that is to go, and let it go when it is empty."""
    namespace = cluster.get(key)
    if namespace is None:
        return None
    if not text(namespace, "metadata", "deletionTimestamp"):
        account = Key("serviceaccounts", key.name, "default")
        if cluster.get(account) is None:
            body: Object = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
            cluster.create("serviceaccounts", key.name, body)
        return None
    for place, _ in [(each, obj) for each, obj in cluster.everything() if each.namespace == key.name]:
        cluster.delete(place)
    if not any(each.namespace == key.name for each, _ in cluster.everything()):
        cluster.update("namespaces", {**namespace, "spec": {}})
    return None


def reconcile_crd(cluster: Cluster, key: Key) -> float | None:
    """Serve what a CustomResourceDefinition declares; delete its objects before it goes."""
    crd = cluster.get(key)
    if crd is None:
        return None
    if text(crd, "metadata", "deletionTimestamp"):
        for place, _ in [(each, obj) for each, obj in cluster.everything() if each.kind == key.name]:
            cluster.delete(place)
        if not any(each.kind == key.name for each, _ in cluster.everything()):
            crds.withdraw(crd, cluster.registry)
            _unpin(cluster, key, crd, _CLEANUP)
        return None
    finalizers = texts(crd, "metadata", "finalizers")
    if _CLEANUP not in finalizers:
        crd = cluster.update(
            _CRDS, {**crd, "metadata": {**branch(crd, "metadata"), "finalizers": [*finalizers, _CLEANUP]}}
        )
    cluster.update_status(_CRDS, crd, crds.establish(crd, cluster.registry, cluster.store.revision))
    return None
