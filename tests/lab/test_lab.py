"""The whole lab, on both back ends: up, a release that fails, the counts of everyone who counts, and down."""

import asyncio
import time
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from canary.errors import CanaryError, NotFound
from canary.lab import seed
from canary.lab.controlplane import PlaneFailed, choose
from canary.lab.fields import look, rows, table, text
from canary.lab.lab import Lab, LabSettings, NotReady, read_manifests
from canary.lab.promfetch import NoPrometheus, find_prometheus
from canary.lab.truth import Tally
from tests.lab.world import eventually

SPLIT = "/apis/split.smi-spec.io/v1alpha1/namespaces/yamtam/trafficsplits/yamtam-canary"
DEPLOYMENT = "/apis/apps/v1/namespaces/yamtam/deployments/yamtam-agent-canary"


@pytest.fixture(autouse=True)
async def _prometheus() -> None:
    try:
        await find_prometheus()
    except NoPrometheus as error:
        pytest.skip(error.hint)


@pytest.fixture(
    params=[
        "embedded",
        pytest.param("real", marks=[pytest.mark.controlplane, pytest.mark.slow, pytest.mark.timeout(120)]),
    ]
)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    try:
        choose(request.param, tmp_path / "probe")
    except PlaneFailed as error:
        pytest.skip(error.hint)
    return str(request.param)


async def weigh(lab: Lab, canary: int) -> None:
    backends = [
        {"service": seed.STABLE, "weight": f"{1000 - canary}m"},
        {"service": seed.CANARY, "weight": f"{canary}m"},
    ]
    await lab.api.patch(SPLIT, {"spec": {"backends": backends}})


async def counted(lab: Lab, promql: str) -> float:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{lab.prometheus.url}/api/v1/query", params={"query": promql}) as response,
    ):
        found = rows(await response.json(), "data", "result")
    return float(found[0]["value"][1]) if found else 0.0  # type: ignore[index]  # as Prometheus answers


async def test_a_release_is_shipped_by_its_environment_and_counted_alike_by_everyone(kind: str, tmp_path: Path) -> None:
    manifests = tuple(seed.yamtam(rps=100, stable={}, canary={}))
    async with Lab(tmp_path, LabSettings(control_plane=kind, manifests=manifests)) as lab:
        await lab.settled()
        await lab.api.patch(DEPLOYMENT, release(manifests, {"LAB_FAILURES": "POST /api/task=50%"}))

        async def rolled_out() -> bool:
            obj = await lab.api.get(DEPLOYMENT)
            status, generation = table(obj, "status"), look(obj, "metadata", "generation")
            counts = [status.get(field) for field in ("updatedReplicas", "replicas", "readyReplicas")]
            return status.get("observedGeneration") == generation and counts == [1, 1, 1]

        await eventually(rolled_out, within=20)
        await lab.settled()
        await weigh(lab, 500)
        await eventually(lambda: lab.truth.total(service=seed.CANARY).failed >= 20, within=20)
        await weigh(lab, 0)
        seen = await at_rest(lab)
        client = f'response_total{{direction="outbound",dst_service="{seed.CANARY}"}}'

        tasks = lab.truth.total(service=seed.CANARY, route="POST /api/task")
        inbound = f'direction="inbound",deployment="{seed.CANARY}"'
        for promql, count in (
            (f"sum({client})", seen.answered),
            (f'sum({client[:-1]},classification="failure"}})', seen.failed),
            (f'sum(response_total{{{inbound},target_port="8080",route_name!="probe"}})', seen.answered),
            (f'sum(route_response_total{{{inbound},rt_route="POST /api/task"}})', tasks.answered),
            (f'count(up{{job="linkerd-proxy",deployment="{seed.STABLE}"}})', 2),
        ):
            await agrees(lab, promql, count)
        assert seen.hurt == seen.failed
        began = time.monotonic()
    assert time.monotonic() - began < 3
    with pytest.raises(aiohttp.ClientConnectorError):
        await counted(lab, "up")


async def at_rest(lab: Lab) -> Tally:
    """Return the canary's counts once its weight of 0 has reached the clients and no request is under way."""
    still, now = 0, lab.truth.total(service=seed.CANARY)
    while still < 5:
        await asyncio.sleep(0.2)
        before, now = now, lab.truth.total(service=seed.CANARY)
        still = still + 1 if now == before and not now.open else 0
    return now


async def agrees(lab: Lab, promql: str, count: int) -> None:
    found = -1.0
    for _ in range(100):
        if (found := await counted(lab, promql)) == count:
            return
        await asyncio.sleep(0.1)
    pytest.fail(f"{promql} is {found}, not {count}")


def release(manifests: tuple[dict[str, object], ...], env: dict[str, str]) -> dict[str, object]:
    plain = next(
        obj for obj in manifests if obj["kind"] == "Deployment" and text(obj, "metadata", "name") == seed.CANARY
    )
    return {"spec": seed.with_env(plain, env)["spec"]}


async def test_a_lab_that_is_cancelled_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    lab = Lab(tmp_path, LabSettings(manifests=tuple(seed.yamtam())))
    starting = asyncio.create_task(lab.__aenter__())
    await eventually(
        lambda: hasattr(lab, "prometheus") and lab.prometheus._process is not None and lab.kubeconfig.exists()
    )
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert lab.prometheus._process is None


async def test_a_lab_that_cannot_start_says_why_in_one_error(tmp_path: Path) -> None:
    with pytest.raises(CanaryError, match="no control plane is called 'paper'"):
        async with Lab(tmp_path, LabSettings(control_plane="paper")):
            pass


async def test_a_cluster_may_lack_a_kind(tmp_path: Path) -> None:
    async with Lab(tmp_path, LabSettings(without=frozenset({"trafficsplits.split.smi-spec.io"}))) as lab:
        with pytest.raises(NotFound):
            await lab.api.get(SPLIT)


async def test_what_does_not_come_up_is_named(tmp_path: Path) -> None:
    manifests = tuple(seed.yamtam(canary={"LAB_READY": "false"}))
    async with Lab(tmp_path, LabSettings(manifests=manifests)) as lab:
        with pytest.raises(NotReady, match=f"the pods of Deployment yamtam/{seed.CANARY} after 1 s"):
            await lab.settled(within=timedelta(seconds=1))


async def test_viz_says_where_prometheus_is(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        namespace = await lab.api.get("/api/v1/namespaces/linkerd-viz")
        assert text(namespace, "metadata", "labels", "linkerd.io/extension") == "viz"
        assert text(namespace, "metadata", "annotations", "viz.linkerd.io/external-prometheus") == lab.prometheus.url


def test_manifests_are_read_from_files(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("kind: A\n---\n---\nkind: B\n")
    assert [obj["kind"] for obj in read_manifests(file)] == ["A", "B"]
