"""Requests between pods that really listen: what the client's proxy counts, as a real proxy was seen to count."""

import asyncio
import time
from collections import Counter

import pytest

from canary.lab import balancer, outbound
from canary.lab.outbound import Outbound, Unresolved
from canary.lab.proxy import Proxy
from tests.lab.world import Town, a_profile, a_route, a_split, a_town, eventually, value

ROUTES = a_profile(a_route("POST /api/task"), a_route("GET /health"))
RETRIED = a_profile(a_route("POST /api/task", isRetryable=True), a_route("GET /health"))
EVEN = {"web-stable": "500m", "web-canary": "500m"}
CANARY, STABLE = 'dst_service="web-canary"', 'dst_service="web-stable"'


async def send(client: Outbound, n: int, method: str = "POST", path: str = "/api/task") -> Counter[int]:
    return Counter(await asyncio.gather(*(client.request(method, path) for _ in range(n))))


def page(proxy: Proxy) -> str:
    return proxy.render(time.monotonic())


async def both_sides(town: Town, **canary: str) -> tuple[Outbound, Proxy]:
    await town.run("stable-1", "web-stable")
    await town.run("canary-1", "web-canary", canary, revision="bbb")
    return town.client()


async def test_each_backend_gets_its_share_and_every_series_says_so() -> None:
    async with a_town(split={"web-stable": "900m", "web-canary": "100m"}, profile=ROUTES) as town:
        client, proxy = await both_sides(town)
        assert await send(client, 400) == {200: 400}
        canary = value(page(proxy), "request_total", CANARY)
        assert 20 <= canary <= 65
        assert value(page(proxy), "request_total", STABLE) == 400 - canary
        assert (
            value(page(proxy), "response_total", CANARY, 'classification="success"', 'dst_pod_template_hash="bbb"')
            == canary
        )
        assert value(page(proxy), "response_latency_ms_count", CANARY) == canary
        assert value(page(proxy), "route_response_total", 'rt_route="POST /api/task"') == 400
        assert town.truth.total(service="web-canary").answered == canary


async def test_new_weights_act_on_the_next_request() -> None:
    async with a_town(split={"web-stable": "1000m", "web-canary": "0m"}, profile=ROUTES) as town:
        client, proxy = await both_sides(town)
        await send(client, 30)
        assert value(page(proxy), "request_total", CANARY) == 0
        town.tell("TrafficSplit", a_split({"web-stable": "0m", "web-canary": "1000m"}))
        await send(client, 30)
        assert value(page(proxy), "request_total", CANARY) == 30


async def test_all_weights_zero_go_to_the_apexs_own_pods() -> None:
    async with a_town(split={"web-stable": "0m", "web-canary": "0m"}, profile=ROUTES) as town:
        client, proxy = await both_sides(town)
        await send(client, 20)
        assert value(page(proxy), "request_total", 'dst_service="web"', 'dst_deployment="web-stable"') == 20


async def test_failures_are_counted_at_the_backend_and_seen_by_the_user() -> None:
    async with a_town(split={"web-canary": "1000m"}, profile=ROUTES) as town:
        client, proxy = await both_sides(town, LAB_FAILURES="POST /api/task=100%")
        assert await send(client, 5) == {503: 5}
        assert value(page(proxy), "response_total", CANARY, 'status_code="503",classification="failure"') == 5
        total = town.truth.total(service="web-canary")
        assert (total.failed, total.hurt) == (5, 5)


async def test_retries_hide_failures_from_the_user_and_from_the_effective_route_only() -> None:
    async with a_town(split=EVEN, profile=RETRIED) as town:
        client, proxy = await both_sides(town, LAB_FAILURES="POST /api/task=100%")
        assert await send(client, 40) == {200: 40}
        failed = value(page(proxy), "response_total", CANARY, 'classification="failure"')
        assert failed > 5
        assert value(page(proxy), "route_response_total", 'classification="failure"') == 0
        assert value(page(proxy), "route_request_total") == 40
        assert value(page(proxy), "route_actual_response_total", 'classification="failure"') == failed
        assert value(page(proxy), "route_actual_request_total") == 40 + failed
        assert value(page(proxy), "route_retryable_total") == failed
        total = town.truth.total(service="web-canary")
        assert (total.failed, total.hurt) == (failed, 0)


async def test_an_empty_budget_lets_failures_through() -> None:
    spec = {"retryRatio": 0.0, "minRetriesPerSecond": 0, "ttl": "10s"}
    profile = a_profile(a_route("POST /api/task", isRetryable=True), retryBudget=spec)
    async with a_town(split={"web-canary": 1}, profile=profile) as town:
        client, proxy = await both_sides(town, LAB_FAILURES="*=100%")
        assert await send(client, 5) == {503: 5}
        assert value(page(proxy), "route_retryable_total", 'skipped="no_budget"') == 5


async def test_routes_that_are_not_retryable_are_sent_once() -> None:
    async with a_town(split={"web-canary": 1}, profile=RETRIED) as town:
        client, proxy = await both_sides(town, LAB_FAILURES="*=100%")
        assert await send(client, 5, "GET", "/health") == {503: 5}
        assert value(page(proxy), "request_total", CANARY) == 5


async def test_a_request_its_client_gives_up_was_a_request_and_never_a_response() -> None:
    async with a_town(split={"web-canary": 1}, profile=ROUTES) as town:
        client, proxy = await both_sides(town, LAB_HANGS="*=100%")
        given_up = asyncio.gather(
            *(asyncio.wait_for(client.request("GET", "/health"), 0.2) for _ in range(4)), return_exceptions=True
        )
        await asyncio.sleep(0.1)
        assert value(page(proxy), "request_total", CANARY) == 4
        assert town.truth.total().open == 4
        assert all(isinstance(result, TimeoutError) for result in await given_up)
        for family in (
            "response_total",
            "response_latency_ms_count",
            "route_response_total",
            "route_actual_response_total",
        ):
            assert value(page(proxy), family, "web") == 0
        total = town.truth.total(service="web-canary")
        assert (total.unanswered, total.open, total.hurt) == (4, 0, 4)


async def test_the_routes_timeout_shows_in_the_route_and_nowhere_else() -> None:
    profile = a_profile(a_route("GET /health", timeout="100ms"))
    async with a_town(split={"web-canary": 1}, profile=profile) as town:
        client, proxy = await both_sides(town, LAB_HANGS="*=100%")
        assert await send(client, 3, "GET", "/health") == {504: 3}
        assert (
            value(page(proxy), "route_response_total", 'classification="failure",grpc_status="",error="timeout"') == 3
        )
        assert value(page(proxy), "response_total", CANARY) == 0


async def test_without_ready_pods_requests_wait_then_504_then_the_others_take_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(balancer, "FAILFAST", 0.2)
    async with a_town(split=EVEN, profile=ROUTES) as town:
        await town.run("stable-1", "web-stable")
        client, proxy = town.client()
        first = await send(client, 40)
        assert first[504] == 40 - first[200] > 5
        assert await send(client, 20) == {200: 20}
        assert value(page(proxy), "request_total", CANARY) == 0
        assert value(page(proxy), "response_total", CANARY) == 0
        assert value(page(proxy), "outbound_http_errors_total", 'error="failfast"') == first[504]
        total = town.truth.total(service="web-canary")
        assert (total.sent, total.undelivered, total.hurt) == (0, first[504], first[504])
        await town.run("canary-1", "web-canary")
        await send(client, 40)
        assert value(page(proxy), "request_total", CANARY) > 5


async def test_a_sole_backend_without_pods_has_no_failover(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balancer, "FAILFAST", 0.1)
    async with a_town(split={"web-stable": 0, "web-canary": 1}, profile=ROUTES) as town:
        await town.run("stable-1", "web-stable")
        client, _ = town.client()
        for _ in range(2):
            assert await send(client, 3) == {504: 3}


async def test_a_dead_pod_still_in_the_endpoints_shows_in_no_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balancer, "FAILFAST", 0.2)
    async with a_town(split=EVEN, profile=ROUTES) as town:
        client, proxy = await both_sides(town)
        await send(client, 20)
        before = value(page(proxy), "request_total", CANARY)
        await town.running["canary-1"].stop()
        assert (await send(client, 20))[504] > 0
        assert await send(client, 20) == {200: 20}
        assert value(page(proxy), "request_total", CANARY) == before
        assert value(page(proxy), "outbound_http_balancer_endpoints", 'state="ready"', 'backend_name="web-canary"') == 0


async def test_a_pod_that_comes_back_is_reached_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balancer, "FAILFAST", 0.1)
    monkeypatch.setattr(outbound, "RECONNECT", (0.02, 0.05))
    async with a_town(split={"web-canary": 1}, profile=ROUTES) as town:
        client, _ = await both_sides(town)
        await town.running["canary-1"].stop()
        assert await send(client, 2) == {504: 2}
        await town.running["canary-1"].start()

        async def answers() -> bool:
            return await send(client, 1) == {200: 1}

        await eventually(answers)


async def test_a_dead_app_behind_a_living_proxy_is_a_counted_502() -> None:
    async with a_town(split={"web-canary": 1}, profile=ROUTES) as town:
        client, proxy = await both_sides(town)
        town.running["canary-1"].inbound.kill_app()
        assert await send(client, 3) == {502: 3}
        assert value(page(proxy), "response_total", CANARY, 'status_code="502",classification="failure"') == 3


async def test_a_connection_that_breaks_is_a_failure_without_status() -> None:
    async with a_town(split={"web-canary": 1}, profile=ROUTES) as town:
        client, proxy = await both_sides(town, LAB_HANGS="*=100%")
        open_ = asyncio.create_task(send(client, 3, "GET", "/health"))
        await asyncio.sleep(0.1)
        await town.running["canary-1"].stop()
        assert await open_ == {502: 3}
        assert (
            value(page(proxy), "response_total", CANARY, 'locality="unknown",classification="failure"', "unclassified")
            == 3
        )
        assert value(page(proxy), "response_latency_ms_count", CANARY) == 0


async def test_the_cache_trap_keeps_a_busy_client_on_the_apex_until_it_was_idle() -> None:
    async with a_town() as town:
        client, proxy = await both_sides(town)
        trapped, trapped_proxy = town.client(trap=0.2)
        for one in (client, trapped):
            await send(one, 5)
        town.tell("TrafficSplit", a_split({"web-canary": 1}))
        for one in (client, trapped):
            await send(one, 5)
        assert value(page(proxy), "request_total", CANARY) == 5
        assert value(page(trapped_proxy), "request_total", CANARY) == 0
        assert value(page(trapped_proxy), "route_request_total") == 0
        await asyncio.sleep(0.25)
        await send(trapped, 5)
        assert value(page(trapped_proxy), "request_total", CANARY) == 5


async def test_a_bare_split_has_only_the_default_route() -> None:
    async with a_town(split=EVEN) as town:
        client, proxy = await both_sides(town)
        await send(client, 10)
        assert value(page(proxy), "route_request_total", 'dst="web.shop.svc.cluster.local:8080"}') == 10


async def test_a_client_outside_the_mesh_does_not_obey_the_split() -> None:
    async with a_town(split={"web-canary": 1}, profile=ROUTES) as town:
        await both_sides(town)
        client, _ = town.client(meshed=False)
        await send(client, 5)
        assert town.truth.total(service="web").answered == 5
        server = page(town.running["stable-1"].proxy)
        assert value(server, "request_total", 'target_port="8080"', 'tls="no_identity"') == 5
        assert value(server, "route_request_total") == 0


async def test_series_of_a_pod_that_left_vanish_when_idle_and_those_in_use_stay() -> None:
    async with a_town(split=EVEN, profile=ROUTES) as town:
        town.retain = 0.1
        stable = await town.run("stable-1", "web-stable")
        await town.run("canary-1", "web-canary")
        client, proxy = town.client()
        await send(client, 30)
        town.vanish(stable)
        await asyncio.sleep(0.15)
        assert value(page(proxy), "request_total", STABLE) == 0
        assert value(page(proxy), "request_total", CANARY) > 0


async def test_series_of_a_backend_without_weight_vanish_when_idle_and_restart_at_zero() -> None:
    async with a_town(split=EVEN, profile=ROUTES) as town:
        town.retain = 0.1
        client, proxy = await both_sides(town)
        await send(client, 30)
        town.tell("TrafficSplit", a_split({"web-stable": 1, "web-canary": 0}))
        await asyncio.sleep(0.15)
        assert value(page(proxy), "request_total", CANARY) == 0
        town.tell("TrafficSplit", a_split({"web-stable": 0, "web-canary": 1}))
        await send(client, 3)
        assert value(page(proxy), "request_total", CANARY) == 3


async def test_an_apex_that_does_not_exist_cannot_be_asked() -> None:
    async with a_town() as town:
        client, _ = town.client(service="nowhere")
        with pytest.raises(Unresolved):
            await client.request("GET", "/")
