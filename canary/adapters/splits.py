"""The TrafficSplits of a cluster: which version it serves, a mirror of them, and our writes.

Used by the cluster adapter alone. Nothing is deleted here, ever: without its split a service falls back to all pods
behind the apex (linkerd.md §4.3).
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from canary.adapters.api import Api, Json
from canary.adapters.trafficsplit import GROUP, VERSIONS, backends, read_split, takes_quantities, write_split
from canary.adapters.watch import Mirrors, collections
from canary.core.decision import FIELD_MANAGER, SetWeights
from canary.core.snapshot import Split
from canary.errors import CanaryError, Conflict, Forbidden, NotFound

PLURAL: Final = "trafficsplits"
RECHECK: Final = 15.0  # seconds between looks for a kind that is not served
AGAIN: Final = 2.0  # seconds until another look where none could be taken


@dataclass(frozen=True, slots=True)
class Schema:
    """How the cluster takes TrafficSplits: the version, and whether weights are quantities."""

    version: str
    quantities: bool


class Splits:
    """TrafficSplits of some namespaces, or of all.

    `served` is called once the kind is found to be served, `failed` with what keeps us from looking.
    """

    def __init__(
        self,
        api: Api,
        namespaces: Sequence[str],
        changed: Callable[[Json], None],
        served: Callable[[], None],
        failed: Callable[[str, CanaryError], None],
    ) -> None:
        self._api, self._namespaces = api, namespaces
        self._changed, self._served, self._failed = changed, served, failed
        self._schema: Schema | None = None
        self._mirror: Mirrors | None = None
        self.synced = asyncio.Event()

    def refused(self, namespace: str) -> str:
        """Say why we may not see the splits of a namespace, or nothing."""
        return "" if self._mirror is None else self._mirror.refused(namespace)

    @property
    def unsupported(self) -> str:
        """Say that no split can be read or written here, or nothing."""
        if self._mirror is not None and not self._mirror.missing:
            return ""
        wanted = f"{GROUP} {' or '.join(VERSIONS)}"
        return f"spec.route.kind: this cluster serves no TrafficSplit ({wanted}): install the linkerd-smi extension"

    def get(self, namespace: str, name: str) -> Split | None:
        """Read a split as last seen."""
        obj = self._mirror.get(namespace, name) if self._mirror is not None else None
        return None if obj is None else read_split(obj)

    async def follow(self) -> None:
        """Find the kind, then mirror it for ever."""
        while self._schema is None:
            try:
                self._schema = await self._find_schema()
            except CanaryError as error:
                self._failed(f"/openapi/v3/apis/{GROUP}", error)
                await asyncio.sleep(AGAIN)
                continue
            if self._schema is None:
                self.synced.set()
                await asyncio.sleep(RECHECK)
        kind = (f"/apis/{GROUP}/{self._schema.version}", PLURAL)
        self._mirror = Mirrors(self._api, kind, self._namespaces, self._changed, self._failed)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tell(self._mirror))
            await self._mirror.follow()

    async def _tell(self, mirror: Mirrors) -> None:
        await mirror.ready()
        self.synced.set()
        self._served()

    async def _find_schema(self) -> Schema | None:
        """Read the served schema: v1alpha1 where it takes quantities there, else whole numbers."""
        found = []
        for version in VERSIONS:
            try:
                document = await self._api.get(f"/openapi/v3/apis/{GROUP}/{version}")
            except NotFound:
                continue
            except Forbidden:  # a cluster may keep its schemas from us: then as the stock CRD has them
                if await self._is_served(version):
                    found.append(Schema(version, quantities=version == VERSIONS[0]))
                continue
            found.append(Schema(version, takes_quantities(document)))
        return next((schema for schema in found if schema.quantities), found[0] if found else None)

    async def _is_served(self, version: str) -> bool:
        paths = collections((f"/apis/{GROUP}/{version}", PLURAL), self._namespaces)
        try:
            await self._api.get(next(iter(paths.values())), limit=1)
        except NotFound:
            return False
        return True

    async def write(self, namespace: str, effect: SetWeights) -> None:
        """Create the split, or set its weights if nobody wrote since it was read. Raises Conflict."""
        if self._schema is None or self._mirror is None:
            raise NotFound(f"TrafficSplit {effect.name} cannot be written: {self.unsupported}")
        version, quantities = self._schema.version, self._schema.quantities
        path = f"/apis/{GROUP}/{version}/namespaces/{namespace}/trafficsplits"
        if not effect.resource_version:
            body = write_split(effect, namespace, version, quantities=quantities)
            answer = await self._api.create(path, body, fieldManager=FIELD_MANAGER)
        else:
            body = {
                "metadata": {"resourceVersion": effect.resource_version},
                "spec": {"backends": backends(effect.weights, quantities=quantities)},
            }
            try:
                answer = await self._api.patch(f"{path}/{effect.name}", body, fieldManager=FIELD_MANAGER)
            except Conflict:
                await self._mirror.look(namespace, effect.name)
                raise
        self._mirror.put(answer)
