"""Which of our namespaces are being deleted: watched where we may look at nothing else of the cluster.

Used by the composition root in namespaced mode. There our rights are a RoleBinding in the namespace, and go with it, in
no order: a Canary that we have not let go by then would hold its namespace for ever. Kubernetes marks a namespace some
seconds before it empties it.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import cast

from canary.adapters.api import Api, Json
from canary.errors import CanaryError

AGAIN = 5.0  # seconds between two watches of one namespace
NEVER_HEARD = 30.0  # seconds, where it cannot be watched


class Namespaces:
    """Watches some namespaces. `ending` is told of each once it is being deleted, `failed` why one is not watched."""

    def __init__(
        self,
        api: Api,
        names: Sequence[str],
        now: Callable[[], datetime],
        ending: Callable[[str], None],
        failed: Callable[[str, CanaryError], None],
    ) -> None:
        self._api, self._names, self._now, self._tell, self._failed = api, names, now, ending, failed
        self._ending: dict[str, datetime] = {}

    def ending(self, name: str) -> datetime | None:
        """Say since when a namespace is being deleted, as seen here."""
        return self._ending.get(name)

    async def follow(self) -> None:
        """Watch for ever."""
        async with asyncio.TaskGroup() as group:
            for name in self._names:
                group.create_task(self._follow(name))

    async def _follow(self, name: str) -> None:
        # Deprecated for `fieldSelector`, which is authorised for the cluster only; this is within the namespace.
        path, pause = f"/api/v1/watch/namespaces/{name}", AGAIN
        while True:
            try:
                async with aclosing(self._api.watch(path, "0")) as events:
                    async for event in events:
                        self._take(name, str(event.get("type")), cast("Json", event.get("object") or {}))
                pause = AGAIN
            except CanaryError as error:
                self._failed(path, error)
                pause = min(NEVER_HEARD, pause * 2)
            await asyncio.sleep(pause)

    def _take(self, name: str, kind: str, obj: Json) -> None:
        if kind == "BOOKMARK":
            return
        leaving = cast("Json", obj.get("metadata") or {}).get("deletionTimestamp") is not None
        if kind == "DELETED" or not leaving:
            self._ending.pop(name, None)
        elif name not in self._ending:
            self._ending[name] = self._now()
            self._tell(name)
