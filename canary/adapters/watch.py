"""One kind of object, mirrored: list, then watch with bookmarks; after a 410, list again.

Used by the cluster adapter, one mirror per kind. It keeps what the API server last said, never what we wish, except
that an object written by us is put in at once, so that a tick sees its own writes.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Never, cast

from canary.adapters.api import Api, Json
from canary.errors import CanaryError, Expired, NotFound

PAGE = 500
PERIOD = 290  # seconds after which the server ends a watch; bounds how long a half-open connection can deceive
BACKOFF = (0.5, 30.0)  # seconds, least and most


class Mirror:
    """The objects at `path`, by (namespace, name). `changed` is called with every object that came, changed or went."""

    def __init__(self, api: Api, path: str, changed: Callable[[Json], None]) -> None:
        self._api, self.path, self._changed = api, path, changed
        self._objects: dict[tuple[str, str], Json] = {}
        self.synced = asyncio.Event()
        self.missing = False

    def get(self, namespace: str, name: str) -> Json | None:
        """Read an object as last seen."""
        return self._objects.get((namespace, name))

    def within(self, namespace: str) -> list[Json]:
        """Read the objects of a namespace."""
        return [obj for (ns, _), obj in self._objects.items() if ns == namespace]

    def all(self) -> list[Json]:
        """Read all objects."""
        return list(self._objects.values())

    def put(self, obj: Json) -> bool:
        """Take in an object, unless a newer one is here; tells whether it was new."""
        at = place(obj)
        before = self._objects.get(at)
        if before is not None and version(before) >= version(obj) and uid(before) == uid(obj):
            return False
        self._objects[at] = obj
        return True

    async def follow(self) -> Never:
        """List and watch for ever.

        Errors of the API server are waited out; 404 means that the kind is not served (yet).
        """
        delay = BACKOFF[0]
        while True:
            try:
                since = await self._list()
                delay = BACKOFF[0]
                while True:
                    since = await self._watch(since)
            except Expired:
                continue
            except NotFound:
                self.missing = True
                self.synced.set()
            except CanaryError:
                pass
            await asyncio.sleep(random.uniform(BACKOFF[0], delay))  # noqa: S311 - jitter is no secret
            delay = min(BACKOFF[1], delay * 2)

    async def _list(self) -> str:
        found: dict[tuple[str, str], Json] = {}
        query: dict[str, str | int] = {"limit": PAGE}
        while True:
            page = await self._api.get(self.path, **query)
            for obj in cast("list[Json]", page.get("items") or []):
                found[place(obj)] = obj
            meta = cast("Json", page.get("metadata") or {})
            if not meta.get("continue"):
                break
            query["continue"] = str(meta["continue"])
        gone = [obj for at, obj in self._objects.items() if at not in found]
        for obj in gone:
            del self._objects[place(obj)]
        for obj in found.values():
            self.put(obj)
        self.missing = False
        self.synced.set()
        for obj in (*gone, *found.values()):
            self._changed(obj)
        return str(meta.get("resourceVersion") or "")

    async def _watch(self, since: str) -> str:
        async for event in self._api.watch(self.path, since, timeoutSeconds=PERIOD):
            obj = cast("Json", event.get("object") or {})
            since = str(_meta(obj).get("resourceVersion") or since)
            match event.get("type"):
                case "ADDED" | "MODIFIED":
                    if self.put(obj):
                        self._changed(obj)
                case "DELETED":
                    self._objects.pop(place(obj), None)
                    self._changed(obj)
                case _:  # a bookmark moves `since` only
                    pass
        return since


def place(obj: Mapping[str, object]) -> tuple[str, str]:
    """Name an object within its kind."""
    meta = _meta(obj)
    return str(meta.get("namespace") or ""), str(meta.get("name") or "")


def version(obj: Mapping[str, object]) -> int:
    """Read the resourceVersion.

    The API server promises that those of one kind can be compared as numbers (KEP-5504).
    """
    text = str(_meta(obj).get("resourceVersion") or "0")
    return int(text) if text.isdecimal() else 0


def uid(obj: Mapping[str, object]) -> object:
    """Read the uid: an object of the same name may be another one."""
    return _meta(obj).get("uid")


def _meta(obj: Mapping[str, object]) -> Json:
    return cast("Json", obj.get("metadata") or {})
