"""What the server's proxy counts: traffic by client, routes by the apex's profile, probes and scrapes as noise."""

import asyncio
import time

import aiohttp
import pytest

from canary.lab.addresses import loopback
from canary.lab.pods import Pod
from canary.lab.wire import CANONICAL, CLIENT_ID
from tests.lab.world import Town, a_profile, a_route, a_town, eventually, value

ROUTES = a_profile(a_route("POST /api/task"), a_route("GET /health"))
MESHED = {CLIENT_ID: "load.shop", CANONICAL: "web.shop.svc.cluster.local:8080"}
APP, ADMIN = 'target_port="8080"', 'target_port="4191"'


async def ask(
    pod: Pod, path: str, *, port: int = 8080, method: str = "GET", headers: dict[str, str] | None = None
) -> int:
    url = f"http://{loopback(pod.ip)}:{port}{path}"
    async with aiohttp.ClientSession() as session, session.request(method, url, headers=headers) as response:
        await response.read()
        return response.status


def page(town: Town, name: str = "pod") -> str:
    return town.running[name].proxy.render(time.monotonic())


async def test_traffic_from_the_mesh_names_its_client_and_its_route() -> None:
    async with a_town(profile=ROUTES) as town:
        pod = await town.run("pod", "web-stable")
        assert await ask(pod, "/api/task", method="POST", headers=MESHED) == 200
        assert value(page(town), "response_total", APP, 'tls="true",client_id="load.shop"', 'route_name="default"') == 1
        assert (
            value(
                page(town), "route_response_total", 'direction="inbound"', 'rt_route="POST /api/task",status_code="200"'
            )
            == 1
        )
        assert value(page(town), "route_response_latency_ms_count", 'rt_route="POST /api/task"') == 1


async def test_what_matches_no_route_has_no_route_series() -> None:
    async with a_town(profile=ROUTES) as town:
        pod = await town.run("pod", "web-stable")
        await ask(pod, "/other", headers=MESHED)
        assert value(page(town), "request_total", APP) == 1
        assert "route_request_total" not in page(town)


async def test_the_profile_classifies_on_the_servers_side_too() -> None:
    harmless = [{"condition": {"status": {"min": 503, "max": 503}}, "isFailure": False}]
    async with a_town(profile=a_profile(a_route("GET /health", responseClasses=harmless))) as town:
        pod = await town.run("pod", "web-stable", {"LAB_FAILURES": "*=100%"})
        assert await ask(pod, "/health", headers=MESHED) == 503
        assert value(page(town), "response_total", APP, 'status_code="503",classification="success"') == 1


async def test_the_kubelets_probe_is_counted_and_not_treated_like_traffic() -> None:
    async with a_town() as town:
        pod = await town.run("pod", "web-stable", {"LAB_FAILURES": "*=100%", "LAB_HANGS": "*=100%"}, probe="/ready")
        assert await ask(pod, "/ready", headers={"User-Agent": "kube-probe/1.36"}) == 200
        assert (
            value(
                page(town), "response_total", APP, 'route_name="probe"', 'tls="no_identity"', 'classification="success"'
            )
            == 1
        )


async def test_an_unready_release_tells_the_kubelet() -> None:
    async with a_town() as town:
        pod = await town.run("pod", "web-stable", {"LAB_READY": "false"}, probe="/ready")
        assert await ask(pod, "/ready", headers={"User-Agent": "kube-probe/1.36"}) == 503
        assert await ask(pod, "/", headers=MESHED) == 200


async def test_a_scrape_counts_itself_and_its_answer_on_the_next_one() -> None:
    async with a_town() as town:
        pod = await town.run("pod", "web-stable")
        for path in ("/metrics", "/metrics", "/ready", "/live"):
            assert await ask(pod, path, port=4191) == 200
        assert value(page(town), "request_total", ADMIN, 'route_name="default"') == 2
        assert value(page(town), "response_total", ADMIN, 'route_name="probe"') == 2
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{loopback(pod.ip)}:4191/metrics") as response,
        ):
            text = await response.text()
        assert value(text, "request_total", ADMIN, 'route_name="default"') == 3
        assert value(text, "response_total", ADMIN, 'route_name="default"') == 2


async def test_an_unknown_path_of_the_admin_port_is_404() -> None:
    async with a_town() as town:
        assert await ask(await town.run("pod", "web-stable"), "/nothing", port=4191) == 404


async def test_a_client_that_leaves_is_a_request_without_a_response() -> None:
    async with a_town() as town:
        pod = await town.run("pod", "web-stable", {"LAB_HANGS": "*=100%"})
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(pod, "/", headers=MESHED), 0.1)
        await eventually(lambda: not town.running["pod"].inbound.open)
        assert value(page(town), "request_total", APP) == 1
        assert value(page(town), "response_total", APP) == 0


async def test_an_app_that_dies_breaks_what_it_worked_on_and_its_proxy_answers_502() -> None:
    async with a_town() as town:
        pod = await town.run("pod", "web-stable", {"LAB_LATENCY": "*=30s"})
        open_ = asyncio.create_task(ask(pod, "/", method="POST", headers=MESHED))
        await eventually(lambda: town.running["pod"].inbound.open == 1)
        town.running["pod"].inbound.kill_app()
        with pytest.raises(aiohttp.ClientError):
            await open_
        assert await ask(pod, "/", headers=MESHED) == 502
        assert value(page(town), "response_total", APP, 'classification="failure"', "unclassified") == 1
        assert value(page(town), "response_total", APP, 'status_code="502",classification="failure"') == 1
        town.running["pod"].restart_app()
        assert town.running["pod"].ready()


async def test_a_pod_outside_the_mesh_has_no_admin_port() -> None:
    async with a_town() as town:
        pod = await town.run("pod", "web-stable", meshed=False)
        assert await ask(pod, "/") == 200
        with pytest.raises(aiohttp.ClientConnectorError):
            await ask(pod, "/metrics", port=4191)
