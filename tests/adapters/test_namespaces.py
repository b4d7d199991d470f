"""Which namespaces are being deleted, seen by a watch within each."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from canary.adapters.namespaces import Namespaces
from canary.errors import CanaryError
from canary.lab.apiserver.faults import Fault
from tests.adapters.neighbourhood import TOWN, Neighbourhood, a_neighbourhood, a_service
from tests.adapters.recorded import until
from tests.build import NOW

HELD = {"metadata": {"finalizers": ["my/own"]}}


@dataclass
class Ears:
    ending: list[str] = field(default_factory=list)
    failed: list[tuple[str, CanaryError]] = field(default_factory=list)

    def fail(self, path: str, error: CanaryError) -> None:
        self.failed.append((path, error))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("canary.adapters.namespaces.AGAIN", 0.05)
    monkeypatch.setattr("canary.adapters.namespaces.NEVER_HEARD", 0.2)


@pytest.fixture
async def near(tmp_path: Path) -> AsyncIterator[Neighbourhood]:
    """A town that is not gone at once when it is deleted: a Service in it has a finalizer."""
    async with a_neighbourhood(tmp_path) as near:
        await near.apply({**a_service("web"), "metadata": {"name": "web", "namespace": TOWN, "finalizers": ["my/own"]}})
        yield near


@contextlib.asynccontextmanager
async def followed(near: Neighbourhood, ears: Ears, *names: str) -> AsyncIterator[Namespaces]:
    namespaces = Namespaces(near.api, names, lambda: NOW, ears.ending.append, ears.fail)
    task = asyncio.create_task(namespaces.follow())
    try:
        yield namespaces
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_one_that_is_being_deleted_is_told_once(near: Neighbourhood) -> None:
    ears = Ears()
    async with followed(near, ears, TOWN, "default") as namespaces:
        assert namespaces.ending(TOWN) is None
        await near.anybody.delete(f"/api/v1/namespaces/{TOWN}")
        await until(lambda: bool(ears.ending))
        await near.anybody.patch(f"/api/v1/namespaces/{TOWN}", {"metadata": {"labels": {"a": "b"}}})
        await asyncio.sleep(0.1)
        assert (namespaces.ending(TOWN), namespaces.ending("default")) == (NOW, None)
    assert (ears.ending, ears.failed) == ([TOWN], [])


async def test_one_that_was_being_deleted_before_is_told_too(near: Neighbourhood) -> None:
    await near.anybody.delete(f"/api/v1/namespaces/{TOWN}")
    ears = Ears()
    async with followed(near, ears, TOWN):
        await until(lambda: ears.ending == [TOWN])


async def test_one_that_is_gone_may_come_again(near: Neighbourhood) -> None:
    ears = Ears()
    async with followed(near, ears, TOWN) as namespaces:
        await near.anybody.delete(f"/api/v1/namespaces/{TOWN}")
        await until(lambda: bool(ears.ending))
        await near.anybody.patch(f"/api/v1/namespaces/{TOWN}/services/web", {"metadata": {"finalizers": None}})
        await until(lambda: namespaces.ending(TOWN) is None)


async def test_what_may_not_be_watched_is_said_and_tried_again(near: Neighbourhood) -> None:
    ears = Ears()
    fault = near.plane.faults.add(Fault(answer=403, path=".*/watch/", agent="canary"))
    async with followed(near, ears, TOWN):
        await until(lambda: len(ears.failed) > 1)
        assert ears.failed[0][0] == f"/api/v1/watch/namespaces/{TOWN}"
        near.plane.faults.remove(fault)
        await near.anybody.delete(f"/api/v1/namespaces/{TOWN}")
        await until(lambda: ears.ending == [TOWN])
