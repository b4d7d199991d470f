"""The lab's own dealings with its API server: mirrors of whole kinds, and manifests applied.

Plain list and watch over `canary.adapters.api`, without the controller's subtleties: the lab may miss nothing
either, but nobody's traffic depends on it.
"""

import asyncio
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Protocol

import structlog

from canary.adapters.api import Api, Json
from canary.errors import CanaryError, Conflict, Expired, NotFound, Unreachable
from canary.lab.fields import rows, text

log = structlog.get_logger()


class Sees(Protocol):
    """Who wants to know of every change."""

    def __call__(self, kind: str, obj: Json, *, deleted: bool) -> None:
        """Take in one event."""


RETRY = 0.5  # seconds
_PLURALS: Mapping[str, str] = MappingProxyType(
    {"Canary": "canaries", "Ingress": "ingresses", "NetworkPolicy": "networkpolicies"}
)
_CLUSTERED = frozenset({"Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "Node"})
_ORDER = (
    "Namespace",
    "CustomResourceDefinition",
    "ServiceAccount",
    "Service",
    "ServiceProfile",
    "TrafficSplit",
    "Deployment",
)


class Mirror:
    """All objects of one kind, kept up to date; every change is told to `sees`."""

    def __init__(self, api: Api, path: str, kind: str, sees: Sees) -> None:
        self._api, self._path, self.kind, self._sees = api, path, kind, sees
        self._known: dict[str, Json] = {}
        self.synced = asyncio.Event()

    async def run(self) -> None:
        """List and watch until cancelled. A kind that does not exist (yet) counts as empty."""
        while True:
            try:
                await self._follow(await self._list())
            except Expired:
                continue
            except NotFound:
                self._replace([])
            except (Unreachable, CanaryError) as error:
                log.info("mirror.interrupted", kind=self.kind, problem=error.hint)
            await asyncio.sleep(RETRY)

    async def _list(self) -> str:
        answer = await self._api.get(self._path)
        self._replace(rows(answer, "items"))
        return text(answer, "metadata", "resourceVersion")

    def _replace(self, items: list[Json]) -> None:
        listed = {text(item, "metadata", "uid"): item for item in items}
        for uid in [uid for uid in self._known if uid not in listed]:
            self._sees(self.kind, self._known.pop(uid), deleted=True)
        for uid, item in listed.items():
            self._known[uid] = item
            self._sees(self.kind, item, deleted=False)
        self.synced.set()

    async def _follow(self, version: str) -> None:
        async for event in self._api.watch(self._path, version):
            obj = event.get("object")
            kind = event.get("type")
            if not isinstance(obj, dict) or kind == "BOOKMARK":
                continue
            uid = text(obj, "metadata", "uid")
            if kind == "DELETED":
                self._known.pop(uid, None)
            else:
                self._known[uid] = obj
            self._sees(self.kind, obj, deleted=kind == "DELETED")


def path_of(obj: Mapping[str, object]) -> str:
    """Return the collection that an object belongs to."""
    version, kind = text(obj, "apiVersion"), text(obj, "kind")
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    namespace = "" if kind in _CLUSTERED else f"/namespaces/{text(obj, 'metadata', 'namespace') or 'default'}"
    return f"{root}{namespace}/{_PLURALS.get(kind, kind.lower() + 's')}"


async def apply(api: Api, manifests: Iterable[Json]) -> None:
    """Create the objects, or patch those that exist: what others need comes first, workloads come last."""
    last = len(_ORDER)
    for obj in sorted(manifests, key=lambda o: _ORDER.index(k) if (k := text(o, "kind")) in _ORDER else last):
        collection = path_of(obj)
        try:
            await api.create(collection, obj)
        except Conflict:
            await api.patch(f"{collection}/{text(obj, 'metadata', 'name')}", obj)
        if obj.get("kind") == "CustomResourceDefinition":
            await _established(api, obj)


async def _established(api: Api, crd: Json) -> None:
    """Wait until the API server serves every version of the new kind."""
    group, plural = text(crd, "spec", "group"), text(crd, "spec", "names", "plural")
    versions = [text(row, "name") for row in rows(crd, "spec", "versions") if row.get("served") is True]
    async with asyncio.timeout(20):
        for version in versions:
            while True:
                try:
                    await api.get(f"/apis/{group}/{version}/{plural}", limit=1)
                    break
                except (NotFound, Unreachable):
                    await asyncio.sleep(0.05)
