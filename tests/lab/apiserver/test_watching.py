"""Watches as streams of events, and their ends."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from canary.lab.apiserver import watching
from canary.lab.apiserver.resources import BUILT_IN
from canary.lab.apiserver.selectors import by_query
from canary.lab.apiserver.store import Key, Store
from canary.lab.apiserver.tree import Object, reached, text
from canary.lab.apiserver.watching import Wish, events_of

MAPS = next(each for each in BUILT_IN if each.plural == "configmaps")


def put(store: Store, name: str, namespace: str = "shop", **labels: str) -> None:
    obj: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}
    store.put(Key("configmaps", namespace, name), obj)


def a_wish(revision: int | None, *, seconds: float = 5, bookmarks: bool = False, labels: str = "") -> Wish:
    return Wish(
        resource=MAPS,
        namespace="shop",
        matches=by_query(labels, "", "configmaps"),
        revision=revision,
        bookmarks=bookmarks,
        seconds=seconds,
    )


def seen(event: Object) -> tuple[str, str]:
    return text(event, "type"), text(event, "object", "metadata", "name")


async def next_of(stream: AsyncIterator[Object]) -> tuple[str, str]:
    return seen(await asyncio.wait_for(anext(stream), 2))


async def test_a_watch_that_is_open_sees_what_comes() -> None:
    store = Store()
    stream = aiter(events_of(a_wish(store.revision), store))
    coming = asyncio.create_task(next_of(stream))
    await asyncio.sleep(0)
    put(store, "elsewhere", namespace="other")
    put(store, "a")
    assert await coming == ("ADDED", "a")


async def test_a_watch_ends_when_its_time_is_over() -> None:
    store = Store()
    put(store, "a")
    assert [seen(event) async for event in events_of(a_wish(None, seconds=0.05), store)] == [("ADDED", "a")]


async def test_its_last_word_is_how_far_it_came() -> None:
    store = Store()
    put(store, "elsewhere", namespace="other")
    events = [event async for event in events_of(a_wish(store.revision, seconds=0.05, bookmarks=True), store)]
    assert [each["type"] for each in events] == ["BOOKMARK"]
    assert reached(events[0], "object", "metadata") == {"resourceVersion": str(store.revision)}


async def test_a_quiet_watch_is_told_now_and_then_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_BOOKMARK_EVERY", 0.01)
    store = Store()
    stream = aiter(events_of(a_wish(store.revision, bookmarks=True), store))
    assert [await next_of(stream) for _ in range(3)] == [("BOOKMARK", "")] * 3


async def test_a_watch_that_falls_behind_a_compaction_is_told_to_list_again() -> None:
    store = Store()
    stream = aiter(events_of(a_wish(store.revision), store))
    coming = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    put(store, "a")
    store.compact()
    event = await asyncio.wait_for(coming, 2)
    assert (event["type"], reached(event, "object", "code")) == ("ERROR", 410)
    assert [each async for each in stream] == []


async def test_a_watch_does_not_know_what_was_before_its_kind() -> None:
    store = Store()
    put(store, "a")
    resource = type(MAPS)(group="example.org", plural="things", kind="Thing", custom=True, since=store.revision)
    wish = Wish(resource=resource, namespace="", matches=None, revision=1, bookmarks=False, seconds=1)
    events = [event async for event in events_of(wish, store)]
    assert [(each["type"], reached(each, "object", "reason")) for each in events] == [("ERROR", "Expired")]


async def test_labels_decide_what_is_seen_and_as_what() -> None:
    store = Store()
    start = store.revision
    put(store, "a", app="x")
    put(store, "a", app="y")
    put(store, "b", app="y")
    put(store, "b", app="x")
    store.remove(Key("configmaps", "shop", "b"))
    events = [seen(event) async for event in events_of(a_wish(start, seconds=0.05, labels="app=x"), store)]
    assert events == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "b"), ("DELETED", "b")]
