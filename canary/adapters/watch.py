"""One kind of object, mirrored: list, then watch with bookmarks; after a 410, list again.

Used by the cluster adapter, one mirror per kind. It keeps what the API server last said, never what we wish, except
that an object written by us is put in at once, so that a tick sees its own writes. Nothing older ever takes the place
of something newer: resourceVersions of one kind can be compared as numbers (KEP-5504).
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Never, cast

from canary.adapters.api import Api, Json
from canary.errors import CanaryError, ClusterUnreachable, Expired, Forbidden, NotFound, Unreachable

PAGE = 500
PERIOD = 60  # seconds after which the server ends a watch; bounds how long a half-open connection can deceive
BACKOFF = (0.5, 5.0)  # seconds, least and most: until this kind is listed again, ticks act on what it was
REFUSED = 30.0  # seconds at most where the API server does answer, and says no


class Mirror:
    """The objects at `path`, by (namespace, name).

    `changed` is called with every object that came, changed or went, `failed` with the path and what keeps it from
    being followed.
    """

    def __init__(
        self, api: Api, path: str, changed: Callable[[Json], None], failed: Callable[[str, CanaryError], None]
    ) -> None:
        self._api, self.path, self._changed, self._failed = api, path, changed, failed
        self._objects: dict[tuple[str, str], Json] = {}
        self._position = 0  # everything up to this resourceVersion is in
        self._heard = False
        self.synced = asyncio.Event()
        self.answered = asyncio.Event()  # with the objects, or that we may not see them
        self.missing = False
        self.refused = ""

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
        """Take in an object, unless something newer was seen here, its deletion among it; tells whether it was new."""
        before = self._objects.get(place(obj))
        if version(obj) <= max(self._position, 0 if before is None else version(before)):
            return False
        self._objects[place(obj)] = obj
        return True

    async def look(self, namespace: str, name: str) -> Json | None:
        """Read one object again: a write over it was refused, so the watch may have fallen silent. Never raises."""
        with contextlib.suppress(CanaryError):
            page = await self._api.get(self.path, fieldSelector=f"metadata.name={name},metadata.namespace={namespace}")
            for obj in cast("list[Json]", page.get("items") or []):
                if self.put(obj):
                    self._changed(obj)
                return obj
        return None

    async def follow(self) -> Never:
        """List and watch for ever.

        Errors of the API server are waited out; 404 means that the kind is not served (yet).
        """
        delay, since, clock = BACKOFF[0], "", asyncio.get_running_loop()
        while True:
            self._heard, begun, told, most = False, clock.time(), 0.0, BACKOFF[1]
            try:
                since = since or await self._list()
                since = await self._watch(since)
            except Unreachable as error:
                since, told = "", min(error.retry_after or 0.0, REFUSED)
                self._note(error)
            except CanaryError as error:
                since, most = "", REFUSED
                self._note(error)
            if self._heard or clock.time() - begun > BACKOFF[1]:  # in a quiet kind nothing is heard for minutes
                delay = BACKOFF[0]
                if since:
                    continue  # the server ended a watch in good time
            await asyncio.sleep(told + random.uniform(BACKOFF[0], delay))  # noqa: S311 - jitter is no secret
            delay = min(most, delay * 2)

    def _note(self, error: CanaryError) -> None:
        if isinstance(error, NotFound):
            self.missing = True
            self.synced.set()
        if isinstance(error, Forbidden):
            self.refused = error.hint
        if isinstance(error, NotFound | Forbidden):
            self.answered.set()
        if not isinstance(error, Expired):
            self._failed(self.path, error)

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
        listed = version(page)
        restored = listed < self._position  # the cluster was, from a backup: what we know has not happened
        # what we wrote since the server made the list is newer than the list
        gone = [obj for at, obj in self._objects.items() if at not in found and (restored or version(obj) <= listed)]
        if restored:
            self._objects.clear()
        for obj in gone:
            self._objects.pop(place(obj), None)
        self._position = 0
        for obj in found.values():
            self.put(obj)
        self._position = listed
        self.missing, self.refused = False, ""
        self.synced.set()
        self.answered.set()
        for obj in (*gone, *found.values()):
            self._changed(obj)
        return str(listed)

    async def _watch(self, since: str) -> str:
        async with aclosing(self._api.watch(self.path, since, timeoutSeconds=PERIOD)) as events:
            async for event in events:
                self._heard = True
                self._take(str(event.get("type")), cast("Json", event.get("object") or {}))
        return str(self._position)

    def _take(self, kind: str, obj: Json) -> None:
        match kind:
            case "ADDED" | "MODIFIED":
                if self.put(obj):
                    self._changed(obj)
            case "DELETED":
                self._remove(obj)
                self._changed(obj)
            case _:  # a bookmark moves the position only
                pass
        self._position = max(self._position, version(obj))

    def _remove(self, obj: Json) -> None:
        before = self._objects.get(place(obj))
        if before is not None and version(before) <= version(obj):
            del self._objects[place(obj)]


class Mirrors:
    """One kind in some namespaces, a mirror for each; in all of them where none is named."""

    def __init__(
        self,
        api: Api,
        kind: tuple[str, str],
        namespaces: Sequence[str],
        changed: Callable[[Json], None],
        failed: Callable[[str, CanaryError], None],
    ) -> None:
        paths = collections(kind, namespaces)
        self._mirrors = {name: Mirror(api, path, changed, failed) for name, path in paths.items()}

    @property
    def synced(self) -> bool:
        """Whether the kind has been listed everywhere that we may look."""
        return all(event.is_set() for event in self._listed())

    @property
    def missing(self) -> bool:
        """Whether the kind is not served."""
        return any(mirror.missing for mirror in self._mirrors.values())

    def get(self, namespace: str, name: str) -> Json | None:
        """Read an object as last seen."""
        mirror = self._of(namespace)
        return None if mirror is None else mirror.get(namespace, name)

    def within(self, namespace: str) -> list[Json]:
        """Read the objects of a namespace."""
        mirror = self._of(namespace)
        return [] if mirror is None else mirror.within(namespace)

    def all(self) -> list[Json]:
        """Read all objects."""
        return [obj for mirror in self._mirrors.values() for obj in mirror.all()]

    def refused(self, namespace: str) -> str:
        """Say why we may not see the kind there, or nothing."""
        mirror = self._of(namespace)
        return "" if mirror is None else mirror.refused

    def put(self, obj: Json) -> bool:
        """Take in an object that we have written; tells whether it was new."""
        mirror = self._of(place(obj)[0])
        return mirror is not None and mirror.put(obj)

    async def look(self, namespace: str, name: str) -> Json | None:
        """Read one object again, that we could not write."""
        mirror = self._of(namespace)
        return None if mirror is None else await mirror.look(namespace, name)

    async def ready(self) -> None:
        """Wait until the kind has been listed everywhere that we may look."""
        for event in self._listed():
            await event.wait()

    async def reach(self, namespace: str, refused: Callable[[str], None]) -> None:
        """Wait until the kind has been listed in one of our namespaces; `refused` is told where we may not look."""
        mirror = self._mirrors[namespace]
        await mirror.answered.wait()
        if not mirror.synced.is_set():
            refused(namespace)
        await mirror.synced.wait()

    def pass_over(self, namespace: str) -> None:
        """Let nobody wait for the kind in one of our namespaces."""
        self._mirrors[namespace].answered.set()

    async def follow(self, first: Callable[[str], Awaitable[None]] | None = None) -> None:
        """List and watch for ever, in each namespace once `first` has returned."""

        async def follow(name: str, mirror: Mirror) -> None:
            if first is not None:
                await first(name)
            await mirror.follow()

        async with asyncio.TaskGroup() as group:
            for name, mirror in self._mirrors.items():
                group.create_task(follow(name, mirror))

    def _listed(self) -> list[asyncio.Event]:
        """Say what to wait for. A namespace that we were given may be gone, and with it our rights; others go on."""
        return [mirror.answered if name else mirror.synced for name, mirror in self._mirrors.items()]

    def _of(self, namespace: str) -> Mirror | None:
        return self._mirrors.get(namespace) or self._mirrors.get("")


def collections(kind: tuple[str, str], namespaces: Sequence[str]) -> dict[str, str]:
    """Name the path of a kind, given as its group's path and its plural, in each namespace; under "" that of all."""
    group, plural = kind
    return {name: f"{group}/namespaces/{name}/{plural}" for name in namespaces} or {"": f"{group}/{plural}"}


def place(obj: Mapping[str, object]) -> tuple[str, str]:
    """Name an object within its kind."""
    meta = _meta(obj)
    return str(meta.get("namespace") or ""), str(meta.get("name") or "")


def version(obj: Mapping[str, object]) -> int:
    """Read the resourceVersion of an object, or of a list. Raises ClusterUnreachable where it is no number."""
    text = str(_meta(obj).get("resourceVersion") or "")
    if not text.isdecimal():
        raise ClusterUnreachable(f"the API server gave the resourceVersion {text!r}, which is no number")
    return int(text)


def uid(obj: Mapping[str, object]) -> object:
    """Read the uid: an object of the same name may be another one."""
    return _meta(obj).get("uid")


def _meta(obj: Mapping[str, object]) -> Json:
    return cast("Json", obj.get("metadata") or {})
