"""Which version of TrafficSplit a cluster serves, how it takes weights there, and writes that overwrite nobody."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from canary.adapters.api import Json
from canary.adapters.splits import Splits
from canary.core.decision import SetWeights
from canary.errors import CanaryError, Conflict, NotFound, Rejected
from canary.lab.apiserver.faults import Fault
from tests.adapters.neighbourhood import (
    DEFINITIONS,
    SPLITS,
    TOWN,
    Neighbourhood,
    a_neighbourhood,
    a_split,
    definition,
    meta,
    without_versions,
)
from tests.adapters.recorded import until

CRD = definition("trafficsplits")
DEFINITION = f"{DEFINITIONS}/trafficsplits.split.smi-spec.io"


@dataclass
class Ears:
    changed: list[Json] = field(default_factory=list)
    served: int = 0
    failed: list[CanaryError] = field(default_factory=list)

    def serve(self) -> None:
        self.served += 1

    def fail(self, path: str, error: CanaryError) -> None:
        self.failed.append(error)


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("canary.adapters.splits.RECHECK", 0.05)
    monkeypatch.setattr("canary.adapters.splits.AGAIN", 0.05)
    monkeypatch.setattr("canary.adapters.watch.BACKOFF", (0.02, 0.2))


@contextlib.asynccontextmanager
async def followed(near: Neighbourhood, ears: Ears, *namespaces: str) -> AsyncIterator[Splits]:
    splits = Splits(near.api, namespaces, ears.changed.append, ears.serve, ears.fail)

    async def follow() -> None:
        await splits.follow()

    task = asyncio.create_task(follow())
    try:
        yield splits
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait([task])


def weights(canary: int, version: str = "", name: str = "web") -> SetWeights:
    leaves = {"web-stable": 1000 - canary, "web-canary": canary}
    return SetWeights(name=name, service="web", weights=leaves, resource_version=version)


async def written(near: Neighbourhood, path: str = f"{SPLITS}/web") -> list[object]:
    backends = cast("Json", (await near.live(path))["spec"])["backends"]
    return [backend["weight"] for backend in cast("list[Json]", backends)]


@pytest.mark.parametrize(
    ("crd", "version", "stands"),
    [
        pytest.param(CRD, "v1alpha1", ["900m", "100m"], id="both, and the first takes quantities"),
        pytest.param(without_versions(CRD, "v1alpha2"), "v1alpha1", ["900m", "100m"], id="the first only"),
        pytest.param(without_versions(CRD, "v1alpha1"), "v1alpha2", [900, 100], id="the second only: numbers"),
    ],
)
async def test_weights_are_written_as_the_served_schema_takes_them(
    tmp_path: Path, ears: Ears, crd: Json, version: str, stands: list[object]
) -> None:
    async with a_neighbourhood(tmp_path, crd) as near, followed(near, ears) as splits:
        await splits.synced.wait()
        await splits.write(TOWN, weights(100))
        assert await written(near, f"{SPLITS.replace('v1alpha1', version)}/web") == stands
        found = splits.get(TOWN, "web")
        assert found is not None
        assert (found.weights, found.exact) == (weights(100).weights, True)
        assert splits.unsupported == ""


class TestNotServed:
    async def test_it_says_what_is_wanted(self, tmp_path: Path, ears: Ears) -> None:
        async with a_neighbourhood(tmp_path) as near, followed(near, ears) as splits:
            await splits.synced.wait()
            assert splits.unsupported == (
                "spec.route.kind: this cluster serves no TrafficSplit (split.smi-spec.io v1alpha1 or v1alpha2): "
                "install the linkerd-smi extension"
            )
            assert splits.get(TOWN, "web") is None
            assert (ears.served, ears.failed) == (0, [])

    async def test_nothing_is_written(self, tmp_path: Path, ears: Ears) -> None:
        async with a_neighbourhood(tmp_path) as near, followed(near, ears) as splits:
            await splits.synced.wait()
            with pytest.raises(NotFound, match=r"TrafficSplit web cannot be written: spec\.route\.kind"):
                await splits.write(TOWN, weights(100))

    async def test_it_is_found_once_it_is_installed(self, tmp_path: Path, ears: Ears) -> None:
        async with a_neighbourhood(tmp_path) as near, followed(near, ears) as splits:
            await splits.synced.wait()
            await near.apply(CRD, a_split("1", "0"))
            await until(lambda: ears.served == 1)
            assert splits.unsupported == ""
            await until(lambda: splits.get(TOWN, "web") is not None)

    async def test_it_is_missed_when_it_is_taken_away_and_found_when_it_is_back(
        self, tmp_path: Path, ears: Ears
    ) -> None:
        async with a_neighbourhood(tmp_path, CRD) as near, followed(near, ears) as splits:
            await splits.synced.wait()
            await near.anybody.delete(DEFINITION)
            near.plane.cut()
            await until(lambda: splits.unsupported != "")
            await near.anybody.create(DEFINITIONS, CRD)
            await until(lambda: splits.unsupported == "")


class TestWriting:
    @pytest.fixture
    async def near(self, tmp_path: Path) -> AsyncIterator[Neighbourhood]:
        async with a_neighbourhood(tmp_path, CRD) as near:
            yield near

    async def test_one_that_exists_is_not_created_again(self, near: Neighbourhood, ears: Ears) -> None:
        async with followed(near, ears) as splits:
            await splits.synced.wait()
            await near.apply(a_split("300m", "700m"))
            with pytest.raises(Conflict):
                await splits.write(TOWN, weights(100))
        assert await written(near) == ["300m", "700m"]

    async def test_one_that_somebody_changed_since_it_was_seen_is_not_overwritten(
        self, near: Neighbourhood, ears: Ears
    ) -> None:
        await near.apply(a_split("1000m", "0m"))
        async with followed(near, ears) as splits:
            await splits.synced.wait()
            seen = splits.get(TOWN, "web")
            assert seen is not None
            await near.apply(a_split("300m", "700m"))
            with pytest.raises(Conflict):
                await splits.write(TOWN, weights(100, seen.resource_version))
        assert await written(near) == ["300m", "700m"]

    async def test_what_others_put_beside_the_weights_stays(self, near: Neighbourhood, ears: Ears) -> None:
        theirs = a_split("1000m", "0m")
        theirs["metadata"] = {**meta(theirs), "labels": {"team": "web"}, "annotations": {"note": "ours"}}
        await near.apply(theirs)
        async with followed(near, ears) as splits:
            await splits.synced.wait()
            seen = splits.get(TOWN, "web")
            assert seen is not None
            await splits.write(TOWN, weights(250, seen.resource_version))
        now = await near.live(f"{SPLITS}/web")
        assert (meta(now)["labels"], meta(now)["annotations"]) == ({"team": "web"}, {"note": "ours"})
        assert cast("Json", now["spec"])["service"] == "web"
        assert await written(near) == ["750m", "250m"]

    async def test_a_write_says_that_it_is_ours_and_is_seen_at_once(self, near: Neighbourhood, ears: Ears) -> None:
        async with followed(near, ears) as splits:
            await splits.synced.wait()
            await splits.write(TOWN, weights(100))
            for weight in (200, 300):
                seen = splits.get(TOWN, "web")
                assert seen is not None
                await splits.write(TOWN, weights(weight, seen.resource_version))
            last = splits.get(TOWN, "web")
        assert last is not None
        assert (last.editor, last.weights["web-canary"]) == ("canary", 300)

    async def test_what_the_api_server_refuses_is_said(self, near: Neighbourhood, ears: Ears) -> None:
        async with followed(near, ears) as splits:
            await splits.synced.wait()
            with pytest.raises(Rejected, match=r"metadata\.name"):
                await splits.write(TOWN, weights(100, name="Not_A_Name"))


async def test_a_schema_that_cannot_be_read_is_said_and_asked_for_again(tmp_path: Path, ears: Ears) -> None:
    async with a_neighbourhood(tmp_path, CRD) as near:
        fault = near.plane.faults.add(Fault(answer=503, path="/openapi", agent="canary"))
        async with followed(near, ears) as splits:
            await until(lambda: len(ears.failed) >= 2)
            assert "503" in ears.failed[0].hint
            assert not splits.synced.is_set()
            near.plane.faults.remove(fault)
            await until(splits.synced.is_set)


@pytest.mark.parametrize(
    ("crd", "stands"),
    [
        pytest.param(CRD, ["900m", "100m"], id="both versions"),
        pytest.param(without_versions(CRD, "v1alpha1"), [900, 100], id="the second only"),
    ],
)
async def test_a_schema_that_we_may_not_read_is_taken_for_the_stock_one(
    tmp_path: Path, ears: Ears, crd: Json, stands: list[object]
) -> None:
    async with a_neighbourhood(tmp_path, crd) as near:
        near.plane.faults.add(Fault(answer=403, path="/openapi", agent="canary"))
        async with followed(near, ears, TOWN) as splits:
            await until(splits.synced.is_set)
            await splits.write(TOWN, weights(100))
        version = "v1alpha1" if isinstance(stands[0], str) else "v1alpha2"
        assert await written(near, f"{SPLITS.replace('v1alpha1', version)}/web") == stands


async def test_in_one_namespace_only_its_own_splits_are_seen(tmp_path: Path, ears: Ears) -> None:
    elsewhere = {**a_split("1", "0"), "metadata": {"name": "web", "namespace": "default"}}
    async with a_neighbourhood(tmp_path, CRD) as near:
        await near.apply(elsewhere, a_split("1", "0"))
        async with followed(near, ears, TOWN) as splits:
            await splits.synced.wait()
            assert splits.get(TOWN, "web") is not None
            assert splits.get("default", "web") is None
