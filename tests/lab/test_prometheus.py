"""A real Prometheus over the lab's proxies: the labels of its series, and how it is stopped, frozen and started."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from canary.adapters.api import Json
from canary.errors import MetricsUnreachable
from canary.lab.discovery import Discovery
from canary.lab.fields import rows, strings
from canary.lab.prometheus import Prometheus
from canary.lab.promfetch import NoPrometheus, find_prometheus
from canary.lab.truth import Truth
from tests.lab.world import a_pod, a_profile, a_route, a_town, eventually


@pytest.fixture
async def prometheus(tmp_path: Path) -> AsyncIterator[tuple[Prometheus, Discovery]]:
    try:
        await find_prometheus()
    except NoPrometheus as error:
        pytest.skip(error.hint)
    discovery = Discovery(Truth())
    await discovery.start()
    server = Prometheus(tmp_path, f"{discovery.url}/targets", timedelta(seconds=1))
    try:
        await server.start()
        yield server, discovery
    finally:
        await server.stop()
        await discovery.stop()


async def query(server: Prometheus, promql: str) -> list[Json]:
    timeout = aiohttp.ClientTimeout(total=1)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(f"{server.url}/api/v1/query", params={"query": promql}) as response,
    ):
        return rows(await response.json(), "data", "result")


async def test_series_come_out_with_the_labels_viz_gives_them(prometheus: tuple[Prometheus, Discovery]) -> None:
    server, discovery = prometheus
    async with a_town(split={"web-canary": 1}, profile=a_profile(a_route("GET /health"))) as town:
        pod = await town.run("canary-1", "web-canary", revision="bbb")
        discovery.observe(a_pod("canary-1", app="web-canary", ip=pod.ip, revision="bbb"), deleted=False)
        client, _ = town.client()
        await client.request("GET", "/health")
        promql = 'response_total{direction="inbound",target_port="8080"}'

        async def scraped() -> bool:
            return bool(await query(server, promql))

        await eventually(scraped, within=30)
        found = await query(server, promql)
        labels = strings(found[0], "metric")
        assert {name: labels[name] for name in ("namespace", "pod", "deployment", "pod_template_hash", "app")} == {
            "namespace": "shop",
            "pod": "canary-1",
            "deployment": "web-canary",
            "pod_template_hash": "bbb",
            "app": "web-canary",
        }
        assert labels["control_plane_ns"] == "linkerd"
        assert labels["job"] == "linkerd-proxy"
        assert labels["instance"] == f"127.1.{pod.ip.removeprefix('10.244.')}:4191"
        assert not [name for name in labels if name.startswith(("linkerd_io", "exported"))]
        assert await query(server, 'route_response_total{direction="inbound",rt_route="GET /health"}')


async def test_frozen_it_does_not_answer_and_goes_on_where_it_was(prometheus: tuple[Prometheus, Discovery]) -> None:
    server, _ = prometheus
    server.pause()
    with pytest.raises(TimeoutError):
        await query(server, "vector(1)")
    server.resume()
    assert await query(server, "vector(1)")


async def test_it_restarts_on_the_same_port(prometheus: tuple[Prometheus, Discovery]) -> None:
    server, _ = prometheus
    url = server.url
    await server.restart(keep_history=False)
    assert server.url == url
    assert await query(server, "vector(1)")


async def test_even_a_frozen_one_is_stopped_in_time(prometheus: tuple[Prometheus, Discovery]) -> None:
    server, _ = prometheus
    server.pause()
    async with asyncio.timeout(2.5):
        await server.stop()
    with pytest.raises(MetricsUnreachable):
        server.resume()
    with pytest.raises(aiohttp.ClientConnectorError):
        await query(server, "vector(1)")


async def test_one_that_cannot_start_names_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    broken = programs / "prometheus"
    broken.write_text("#!/bin/sh\necho no disk >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    server = Prometheus(tmp_path / "home", "http://127.0.0.1:1/targets", timedelta(seconds=1))
    with pytest.raises(MetricsUnreachable, match="no disk"):
        await server.start()
