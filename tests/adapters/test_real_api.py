"""The lease, Events and discovery against a real API server, which is the truth about what it accepts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from canary.adapters.api import Api, Json
from canary.adapters.discovery import prometheus_url
from canary.adapters.events import Events
from canary.adapters.lease import Lease, Term
from canary.errors import CanaryError, LeaseLost, NotFound
from tests.adapters.planes import an_api
from tests.planes import a_real_plane

pytestmark = [pytest.mark.controlplane, pytest.mark.asyncio(loop_scope="module")]

SHORT = Term(duration=timedelta(seconds=2), renew_within=timedelta(seconds=1.5), retry=timedelta(seconds=0.1))
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
EVENTS = "/api/v1/namespaces/default/events"
WEB = {
    "apiVersion": "canary.dev/v1alpha1",
    "kind": "Canary",
    "namespace": "default",
    "name": "web",
    "uid": "0b5c7a3e-0000-4000-8000-000000000000",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def apis(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Api, Api]]:
    """Give two processes connections of their own."""
    async with AsyncExitStack() as stack:
        plane = await stack.enter_async_context(a_real_plane(tmp_path_factory.mktemp("plane")))
        first, second = [await stack.enter_async_context(an_api(plane.kubeconfig, name)) for name in "ab"]
        yield first, second


async def spec(api: Api, name: str) -> Json:
    found = (await api.get(f"{LEASES}/{name}"))["spec"]
    assert isinstance(found, dict)
    return found


async def stopped(task: "asyncio.Future[None]") -> None:
    task.cancel()
    await asyncio.wait([task])


def held(lease: Lease) -> "asyncio.Future[None]":
    return asyncio.ensure_future(lease.hold())


async def test_a_lease_is_renewed_runs_out_and_passes_on(apis: tuple[Api, Api]) -> None:
    first, second = (Lease(api, "default", "passing", name, SHORT) for api, name in zip(apis, "ab", strict=True))
    await asyncio.wait_for(first.acquire(), 2)
    began = (await spec(apis[0], "passing"))["renewTime"]
    holding, taking = held(first), asyncio.create_task(second.acquire())
    await asyncio.sleep(2.5)
    assert not holding.done()
    assert not taking.done()
    assert str((await spec(apis[0], "passing"))["renewTime"]) > str(began)
    await stopped(holding)
    await asyncio.wait_for(taking, 5)
    now = await spec(apis[0], "passing")
    assert (now["holderIdentity"], now["leaseTransitions"]) == ("b", 1)


async def test_a_lease_that_another_has_taken_is_lost(apis: tuple[Api, Api]) -> None:
    lease = Lease(apis[0], "default", "taken", "a", SHORT)
    await lease.acquire()
    await apis[1].patch(f"{LEASES}/taken", {"spec": {"holderIdentity": "b"}})
    with pytest.raises(LeaseLost, match="held by b"):
        await asyncio.wait_for(lease.hold(), 1)


async def test_a_lease_that_is_labelled_or_deleted_goes_on(apis: tuple[Api, Api]) -> None:
    lease = Lease(apis[0], "default", "touched", "a", SHORT)
    await lease.acquire()
    holding = held(lease)
    await apis[1].patch(f"{LEASES}/touched", {"metadata": {"labels": {"team": "shop"}}})
    await asyncio.sleep(0.5)
    await apis[1].delete(f"{LEASES}/touched")
    await until_there(apis[1], f"{LEASES}/touched")
    await asyncio.sleep(2)
    assert not holding.done()
    await stopped(holding)


async def test_a_lease_that_is_given_back_is_taken_at_once(apis: tuple[Api, Api]) -> None:
    async with Lease(apis[0], "default", "returned", "a", SHORT):
        pass
    assert (await spec(apis[0], "returned"))["holderIdentity"] == ""
    await asyncio.wait_for(Lease(apis[1], "default", "returned", "b", SHORT).acquire(), 1)


async def test_events_are_written_and_counted_over_a_restart(apis: tuple[Api, Api]) -> None:
    failures: list[CanaryError] = []
    for _ in range(2):  # the second one knows nothing of the first
        events = Events(apis[0], "canary-0_1", now=lambda: datetime.now(UTC), failed=failures.append)
        events.publish(WEB, "RolledBack", "ü" * 1000, warning=True)
        events.publish(WEB, "RolledBack", "ü" * 1000, warning=True)
        await events.close()
    assert not failures
    items = (await apis[0].get(EVENTS, fieldSelector="involvedObject.kind=Canary"))["items"]
    assert isinstance(items, list)
    (event,) = items
    assert (event["count"], event["type"], event["reason"]) == (4, "Warning", "RolledBack")
    assert (event["reportingComponent"], event["involvedObject"]) == ("canary.dev/canary", WEB)


async def test_vizs_prometheus_is_found(apis: tuple[Api, Api]) -> None:
    api = apis[0]
    with pytest.raises(CanaryError, match="no namespace has the label"):
        await prometheus_url(api)
    labels = {"linkerd.io/extension": "viz"}
    await api.create("/api/v1/namespaces", {"metadata": {"name": "linkerd-viz", "labels": labels}})
    service: Json = {"metadata": {"name": "prometheus"}, "spec": {"ports": [{"port": 9090}]}}
    await api.create("/api/v1/namespaces/linkerd-viz/services", service)
    assert await prometheus_url(api) == "http://prometheus.linkerd-viz.svc.cluster.local:9090"
    annotations = {"viz.linkerd.io/external-prometheus": "http://prom.example.com"}
    await api.patch("/api/v1/namespaces/linkerd-viz", {"metadata": {"annotations": annotations}})
    assert await prometheus_url(api) == "http://prom.example.com"


async def until_there(api: Api, path: str) -> None:
    async with asyncio.timeout(5):
        while True:
            try:
                await api.get(path)
            except NotFound:
                await asyncio.sleep(0.05)
            else:
                return
