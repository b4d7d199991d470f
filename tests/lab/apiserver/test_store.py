"""The state, its revisions, and the log that watches read."""

import asyncio

import pytest

from canary.lab.apiserver import store as store_module
from canary.lab.apiserver.store import Compacted, Key, Store
from canary.lab.apiserver.tree import Object, text

A, B, OTHER = Key("pods", "x", "a"), Key("pods", "x", "b"), Key("pods", "y", "a")


def an_object(value: int = 0) -> Object:
    return {"metadata": {"name": "a"}, "value": value}


def revision_of(obj: Object) -> int:
    return int(text(obj, "metadata", "resourceVersion"))


def test_every_write_is_a_revision_of_its_own() -> None:
    store = Store()
    first, second = store.put(A, an_object(1)), store.put(A, an_object(2))
    assert revision_of(second) == revision_of(first) + 1 == store.revision


def test_what_was_handed_out_does_not_change() -> None:
    store = Store()
    first = store.put(A, an_object(1))
    store.put(A, an_object(2))
    assert first["value"] == 1


def test_objects_are_selected_by_kind_and_namespace_in_order() -> None:
    store = Store()
    for key in (B, OTHER, A):
        store.put(key, {"metadata": {}, "key": key})
    store.put(Key("services", "x", "a"), an_object())
    assert [each["key"] for each in store.select("pods", "x")] == [A, B]
    assert [each["key"] for each in store.select("pods")] == [A, B, OTHER]


def test_the_log_tells_what_happened_after_a_revision() -> None:
    store = Store()
    start = store.revision
    store.put(A, an_object(1))
    store.put(A, an_object(2))
    store.remove(A)
    seen = [(each.kind, each.now["value"], each.before and each.before["value"]) for each in store.since(start)]
    assert seen == [("ADDED", 1, None), ("MODIFIED", 2, 1), ("DELETED", 2, 2)]
    assert [each.kind for each in store.since(start + 2)] == ["DELETED"]


def test_a_deletion_has_a_revision_too() -> None:
    store = Store()
    written = store.put(A, an_object())
    assert revision_of(store.remove(A)) == revision_of(written) + 1
    assert store.get(A) is None


def test_an_earlier_state_is_put_together_from_the_log() -> None:
    store = Store()
    store.put(A, an_object(1))
    store.put(B, an_object(2))
    then = store.revision
    store.put(A, an_object(3))
    store.remove(B)
    store.put(OTHER, an_object(4))
    assert [each["value"] for each in store.select_at(then, "pods")] == [1, 2]
    assert [each["value"] for each in store.select("pods")] == [3, 4]


def test_a_compacted_past_is_not_to_be_had() -> None:
    store = Store()
    store.put(A, an_object())
    store.put(B, an_object())
    store.compact()
    with pytest.raises(Compacted):
        store.since(store.revision - 1)
    with pytest.raises(Compacted):
        store.select_at(store.revision - 1, "pods")
    assert store.since(store.revision) == []


def test_the_log_forgets_its_older_half_when_it_grows_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_LOG_LENGTH", 10)
    store = Store()
    for value in range(11):
        store.put(A, an_object(value))
    with pytest.raises(Compacted):
        store.since(2)
    assert [each.now["value"] for each in store.since(store.oldest)] == [5, 6, 7, 8, 9, 10]


async def test_whoever_waits_is_woken_by_a_write() -> None:
    store = Store()
    waiting = asyncio.create_task(store.changed(store.revision))
    await asyncio.sleep(0)
    assert not waiting.done()
    store.put(A, an_object())
    await asyncio.wait_for(waiting, 1)


async def test_nobody_waits_for_what_has_happened() -> None:
    store = Store()
    store.put(A, an_object())
    await asyncio.wait_for(store.changed(store.revision - 1), 1)
