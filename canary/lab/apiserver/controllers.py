"""The server's own controllers: they follow the log of the store and reconcile what a change touches.

`plane` runs one `Controllers` as a task. Reconcilers are functions of a cluster and a key that bring things one step
nearer and say when to look again; what they write comes back through the log.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress

from canary.lab.apiserver import deployments, garbage, replicasets
from canary.lab.apiserver.cluster import Cluster, controller_of
from canary.lab.apiserver.objects import Objects
from canary.lab.apiserver.refusal import Refused
from canary.lab.apiserver.store import Compacted, Entry, Key
from canary.lab.apiserver.tree import text

_CRDS = "customresourcedefinitions.apiextensions.k8s.io"
_RECONCILERS: dict[str, Callable[[Cluster, Key], float | None]] = {
    "deployments.apps": deployments.reconcile,
    "replicasets.apps": replicasets.reconcile,
    "namespaces": garbage.reconcile_namespace,
    _CRDS: garbage.reconcile_crd,
}
_PARENTS = {"replicasets.apps": "deployments.apps", "pods": "replicasets.apps"}


class Controllers:
    """One worker for all of them."""

    def __init__(self, objects: Objects) -> None:
        self._cluster = Cluster(objects)
        self._position = 0  # of the log, up to which everything has been seen
        self._due: dict[Key, float] = {}

    async def run(self) -> None:
        """Follow the store until cancelled."""
        store, clock = self._cluster.store, asyncio.get_running_loop().time
        while True:
            self.catch_up(clock())
            wait = min(self._due.values(), default=None)
            timeout = None if wait is None else max(0.0, wait - clock())
            with suppress(TimeoutError):
                await asyncio.wait_for(store.changed(self._position), timeout)

    def catch_up(self, now: float) -> bool:
        """Reconcile what has changed since the last time, and what is due; say whether there was anything."""
        touched = {key for key, at in self._due.items() if at <= now}
        store, cluster = self._cluster.store, self._cluster
        try:
            entries = store.since(self._position)
        except Compacted:
            entries = [Entry(store.revision, "ADDED", key, obj, None) for key, obj in cluster.everything()]
        self._position = store.revision
        for entry in entries:
            touched.update(_touched(entry))
            with suppress(Refused):
                garbage.follow(cluster, entry)
        for key in sorted(touched):
            self._due.pop(key, None)
            with suppress(Refused):  # a namespace that is closing, a name that is taken: the next change tries again
                again = _RECONCILERS[key.kind](cluster, key)
                if again is not None:
                    self._due[key] = now + again
        return bool(entries or touched)


def _touched(entry: Entry) -> Iterator[Key]:
    kind, namespace, _ = entry.key
    if kind in _RECONCILERS:
        yield entry.key
    if kind in _PARENTS and (parent := text(controller_of(entry.now), "name")):
        yield Key(_PARENTS[kind], namespace, parent)
    if entry.kind == "DELETED":
        yield Key("namespaces", "", namespace)
        yield Key(_CRDS, "", kind)
