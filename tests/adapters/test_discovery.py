from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from canary.adapters.api import Api
from canary.adapters.discovery import prometheus_url
from canary.errors import CanaryError, ClusterUnreachable, Forbidden
from canary.lab.apiserver.faults import Fault
from canary.lab.apiserver.plane import EmbeddedPlane
from tests.adapters.planes import a_plane, an_api

VIZ = {"linkerd.io/extension": "viz"}
EXTERNAL = "viz.linkerd.io/external-prometheus"


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[EmbeddedPlane]:
    async with a_plane(tmp_path) as plane:
        yield plane


@pytest.fixture
async def api(plane: EmbeddedPlane) -> AsyncIterator[Api]:
    async with an_api(plane.kubeconfig) as api:
        yield api


async def a_namespace(api: Api, name: str, labels: Mapping[str, str] = VIZ, external: str = "") -> None:
    metadata = {"name": name, "labels": dict(labels), "annotations": {EXTERNAL: external}}
    await api.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})


async def a_service(api: Api, namespace: str, name: str = "prometheus") -> None:
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": [{"port": 9090}]}}
    await api.create(f"/api/v1/namespaces/{namespace}/services", body)


async def test_what_is_given_is_taken_and_the_cluster_is_not_asked(plane: EmbeddedPlane, api: Api) -> None:
    plane.faults.add(Fault(answer=403))
    assert await prometheus_url(api, "http://mine:9090") == "http://mine:9090"


async def test_an_external_prometheus_stands_on_the_namespace_of_viz(api: Api) -> None:
    await a_namespace(api, "linkerd-viz", external=" https://prom.example.com/x ")
    await a_service(api, "linkerd-viz")
    assert await prometheus_url(api) == "https://prom.example.com/x"


async def test_else_it_is_vizs_own(api: Api) -> None:
    await a_namespace(api, "mesh-viz")
    await a_service(api, "mesh-viz")
    assert await prometheus_url(api) == "http://prometheus.mesh-viz.svc.cluster.local:9090"


async def test_a_namespace_that_is_only_called_like_viz_is_not_believed(api: Api) -> None:
    await a_namespace(api, "linkerd-viz", labels={}, external="http://wrong")
    await a_service(api, "linkerd-viz")
    with pytest.raises(
        CanaryError, match=r"no namespace has the label linkerd\.io/extension=viz; give --prometheus-url"
    ):
        await prometheus_url(api)


async def test_viz_without_a_prometheus_is_said(api: Api) -> None:
    await a_namespace(api, "linkerd-viz")
    await a_service(api, "linkerd-viz", "web")
    with pytest.raises(CanaryError, match=r"namespace linkerd-viz has neither .*; give --prometheus-url"):
        await prometheus_url(api)


async def test_where_our_rights_do_not_reach_the_option_is_named(plane: EmbeddedPlane, api: Api) -> None:
    plane.faults.add(Fault(answer=403))
    with pytest.raises(Forbidden, match="--prometheus-url is needed"):
        await prometheus_url(api)


async def test_an_api_server_that_is_away_is_no_answer(plane: EmbeddedPlane, api: Api) -> None:
    plane.faults.add(Fault(answer=503))
    with pytest.raises(ClusterUnreachable):
        await prometheus_url(api)
