"""A watch: the changes after a revision, as the stream of events that a client sees.

`http` writes what `events_of` yields. A change counts by what the selector says of the object before and after it: an
object that no longer matches is DELETED for this client, one that begins to match is ADDED.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass

from canary.lab.apiserver.objects import seen
from canary.lab.apiserver.refusal import Refused, expired
from canary.lab.apiserver.resources import Resource
from canary.lab.apiserver.selectors import Predicate
from canary.lab.apiserver.store import Compacted, Entry, Store
from canary.lab.apiserver.tree import Object

_BOOKMARK_EVERY = 30.0
_INITIAL_END = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a client wants to see."""

    resource: Resource
    namespace: str
    matches: Predicate | None
    revision: int | None  # None: begin with everything there is
    bookmarks: bool
    seconds: float


async def events_of(wish: Wish, store: Store) -> AsyncIterator[Object]:
    """Yield watch events until the client's time is over; a bookmark comes last."""
    loop = asyncio.get_running_loop()
    end = loop.time() + wish.seconds
    position = store.revision if wish.revision is None else wish.revision
    if wish.revision is None:
        for first in _initial(wish, store, position):
            yield first
    while (left := end - loop.time()) > 0:
        try:
            entries = _after(position, wish, store)
        except Compacted:
            yield {"type": "ERROR", "object": too_old(position, store).body()}
            return
        for entry in entries:
            position = entry.revision
            if event := _event(wish, entry):
                yield event
        with suppress(TimeoutError):
            await asyncio.wait_for(store.changed(position), min(left, _BOOKMARK_EVERY))
        if wish.bookmarks and store.revision <= position:
            yield _bookmark(wish.resource, position)


def _initial(wish: Wish, store: Store, position: int) -> Iterator[Object]:
    for obj in store.select(wish.resource.store_kind, wish.namespace):
        if wish.matches is None or wish.matches(obj):
            yield {"type": "ADDED", "object": seen(wish.resource, obj)}
    if wish.bookmarks:
        yield _bookmark(wish.resource, position, initial_end=True)


def _after(position: int, wish: Wish, store: Store) -> list[Entry]:
    if position < wish.resource.since:
        raise Compacted
    return store.since(position)


def too_old(revision: int, store: Store) -> Refused:
    """410: the changes after this revision are no longer known."""
    return expired(f"too old resource version: {revision} ({store.oldest})")


def _event(wish: Wish, entry: Entry) -> Object | None:
    if entry.key.kind != wish.resource.store_kind or wish.namespace not in {"", entry.key.namespace}:
        return None
    was = entry.before is not None and (wish.matches is None or wish.matches(entry.before))
    is_now = entry.kind != "DELETED" and (wish.matches is None or wish.matches(entry.now))
    kinds = {(False, True): "ADDED", (True, True): "MODIFIED", (True, False): "DELETED"}
    kind = kinds.get((was, is_now))
    return {"type": kind, "object": seen(wish.resource, entry.now)} if kind else None


def _bookmark(resource: Resource, position: int, *, initial_end: bool = False) -> Object:
    meta: Object = {"resourceVersion": str(position)}
    if initial_end:
        meta["annotations"] = {_INITIAL_END: "true"}
    return {
        "type": "BOOKMARK",
        "object": {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta},
    }
