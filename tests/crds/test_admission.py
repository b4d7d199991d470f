"""A real API server takes what the parser takes and refuses what the parser refuses, before anything acts on it."""

import asyncio
from collections.abc import AsyncIterator
from importlib.resources import files
from typing import cast

import pytest
import pytest_asyncio
import yaml

from canary.adapters.api import Api
from canary.core.manifest import parse_spec
from canary.core.record import parse_status, render_status
from canary.errors import ClusterUnreachable, NotFound, Rejected
from canary.lab.realplane import RealPlane
from tests.canaries import A_STATUS, BAD, GOOD, a_canary
from tests.planes import a_real_plane

CRD = yaml.safe_load((files("canary") / "crds" / "canaries.yaml").read_text())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plane(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealPlane]:
    async with a_real_plane(tmp_path_factory.mktemp("plane")) as plane:
        yield plane


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(plane: RealPlane) -> AsyncIterator[Api]:
    """Reach a real API server that knows the CRD."""
    api = await Api.connect(plane.kubeconfig)
    try:
        await api.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", CRD)
        for _ in range(100):
            if await established(api):
                break
            await asyncio.sleep(0.1)
        yield api
    finally:
        await api.close()


async def established(api: Api) -> bool:
    """Tell whether the API server serves Canaries, which takes it a moment."""
    try:
        await api.get(CANARIES)
    except (ClusterUnreachable, NotFound):  # 429 while it prepares the storage
        return False
    return True


CANARIES = "/apis/canary.dev/v1alpha1/namespaces/default/canaries"
on_a_real_api_server = pytest.mark.asyncio(loop_scope="module")


@on_a_real_api_server
@pytest.mark.controlplane
async def test_every_rule_compiles_and_is_cheap_enough(api: Api) -> None:
    crd = await api.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{CRD['metadata']['name']}")
    conditions = cast("dict[str, list[dict[str, str]]]", crd["status"])["conditions"]
    assert {condition["type"]: condition["status"] for condition in conditions} == {
        "NamesAccepted": "True",
        "Established": "True",
    }


@on_a_real_api_server
@pytest.mark.controlplane
@pytest.mark.parametrize("obj", GOOD)
async def test_the_api_server_takes_every_good_canary(api: Api, obj: dict[str, object]) -> None:
    kept = await api.create(CANARIES, obj, dryRun="All", fieldValidation="Strict")
    assert parse_spec(kept) == parse_spec(obj)


@on_a_real_api_server
@pytest.mark.controlplane
@pytest.mark.parametrize(("obj", "field", "says"), [bad for bad in BAD if bad.id != "min is NaN"])  # no JSON
async def test_the_api_server_refuses_what_the_parser_refuses(
    api: Api, obj: dict[str, object], field: str, says: str
) -> None:
    with pytest.raises(Rejected) as refused:
        await api.create(CANARIES, obj, dryRun="All", fieldValidation="Strict")
    if field.startswith("spec."):  # of the rest the API server says that it is no Canary at all, in its own words
        section = ".".join(field.split(".")[:2])
        assert section in refused.value.hint or "spec: Required" in refused.value.hint


@on_a_real_api_server
@pytest.mark.controlplane
async def test_a_status_is_kept_as_the_controller_writes_it(api: Api, plane: RealPlane) -> None:
    made = await api.create(CANARIES, {**a_canary(), "metadata": {"name": "seen"}})
    status = render_status(A_STATUS)
    saved = await api.replace(f"{CANARIES}/seen/status", {**made, "status": status}, fieldValidation="Strict")
    assert saved["status"] == status
    assert parse_status(saved["status"]) == A_STATUS
    columns = await kubectl(plane, "get", "cny", "--no-headers")
    assert columns.split()[:5] == ["seen", "Progressing", "100m", "5d7f9", "Gathering"]


async def kubectl(plane: RealPlane, *words: str) -> str:
    flag = f"--kubeconfig={plane.kubeconfig}"
    process = await asyncio.create_subprocess_exec(plane.kubectl, flag, *words, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return output.decode()
