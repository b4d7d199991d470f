"""Objects, the revision they were written at, and the log of changes that watches read.

`objects` is the only writer; watches and `controllers` follow the log. Everything is synchronous and in one event
loop, so that every request is atomic. Objects in the store and in the log are shared: nobody may change them.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal, NamedTuple

from canary.lab.apiserver.tree import Object, branch

_LOG_LENGTH = 20_000


class Key(NamedTuple):
    """Where an object is kept. `kind` is `plural.group` of the group that stores it."""

    kind: str
    namespace: str
    name: str


class Compacted(Exception):
    """The log no longer reaches back to the revision asked for."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One change."""

    revision: int
    kind: Literal["ADDED", "MODIFIED", "DELETED"]
    key: Key
    now: Object  # of a deleted object: its last state, with the revision of the deletion
    before: Object | None


class Store:
    """The state of the cluster and its recent past."""

    def __init__(self) -> None:
        self.revision = 1
        self.oldest = 1  # changes after this revision are in the log
        self._objects: dict[Key, Object] = {}
        self._log: list[Entry] = []
        self._changed = asyncio.Event()

    def get(self, key: Key) -> Object | None:
        """Return one object."""
        return self._objects.get(key)

    def select(self, kind: str, namespace: str = "") -> list[Object]:
        """Return the objects of a kind in the order of their keys; all namespaces when none is named."""
        return _selected(self._objects, kind, namespace)

    def select_at(self, revision: int, kind: str, namespace: str = "") -> list[Object]:
        """Return what `select` gave at an earlier revision; raises Compacted."""
        past = dict(self._objects)
        for entry in reversed(self.since(revision)):
            if entry.before is None:
                past.pop(entry.key, None)
            else:
                past[entry.key] = entry.before
        return _selected(past, kind, namespace)

    def everything(self) -> list[tuple[Key, Object]]:
        """Return all objects with their keys."""
        return list(self._objects.items())

    def put(self, key: Key, obj: Object) -> Object:
        """Write an object, which gets the next revision as its resourceVersion."""
        before = self._objects.get(key)
        written = self._stamped(obj)
        self._objects[key] = written
        self._record("MODIFIED" if before else "ADDED", key, written, before)
        return written

    def remove(self, key: Key) -> Object:
        """Take an object away and return its last state."""
        before = self._objects.pop(key)
        last = self._stamped(before)
        self._record("DELETED", key, last, before)
        return last

    def since(self, revision: int) -> list[Entry]:
        """Return the changes after a revision; raises Compacted."""
        if revision < self.oldest:
            raise Compacted
        return self._log[bisect_right(self._log, revision, key=attrgetter("revision")) :]

    async def changed(self, revision: int) -> None:
        """Wait until there is a change after a revision."""
        while self.revision <= revision:
            await self._changed.wait()

    def compact(self) -> None:
        """Forget all history: watches from an older revision are told 410 from now on."""
        self._log.clear()
        self.oldest = self.revision

    def _stamped(self, obj: Object) -> Object:
        return {**obj, "metadata": {**branch(obj, "metadata"), "resourceVersion": str(self.revision + 1)}}

    def _record(
        self, kind: Literal["ADDED", "MODIFIED", "DELETED"], key: Key, now: Object, before: Object | None
    ) -> None:
        self.revision += 1
        self._log.append(Entry(self.revision, kind, key, now, before))
        if len(self._log) > _LOG_LENGTH:
            del self._log[: _LOG_LENGTH // 2]
            self.oldest = self._log[0].revision - 1
        self._changed.set()
        self._changed = asyncio.Event()


def _selected(objects: dict[Key, Object], kind: str, namespace: str) -> list[Object]:
    keys: Iterable[Key] = (key for key in objects if key.kind == kind and namespace in {"", key.namespace})
    return [objects[key] for key in sorted(keys)]
