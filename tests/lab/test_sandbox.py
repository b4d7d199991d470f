import asyncio
import socket

import pytest

from canary.lab.addresses import loopback
from canary.lab.behaviour import parse_behaviour
from canary.lab.clients import parse_load
from canary.lab.pods import parse_pod
from canary.lab.sandbox import Sandbox, Surroundings
from tests.lab.world import Town, a_pod, a_town, eventually


def a_sandbox(town: Town, ip: str, load: str = "") -> Sandbox:
    pod = parse_pod(a_pod("one", ip=ip))
    around = Surroundings(mesh=town.mesh, wire=town.wire, truth=town.truth)
    return Sandbox(pod, parse_behaviour({}), parse_load(load) if load else None, around)


async def test_a_port_that_is_taken_leaves_nothing_open() -> None:
    async with a_town() as town:
        ip = town.block.take()
        with socket.create_server((loopback(ip), 4191)):
            with pytest.raises(OSError, match="4191"):
                await a_sandbox(town, ip).start()
            assert not await town.wire.reachable(ip, 8080)


async def test_a_stopped_pod_can_start_again_on_its_address() -> None:
    async with a_town() as town:
        sandbox = a_sandbox(town, town.block.take())
        for _ in range(2):
            await sandbox.start()
            await sandbox.stop()
        await sandbox.stop()


async def test_a_client_pod_sends_as_long_as_it_runs() -> None:
    async with a_town() as town:
        await town.run("stable-1", "web-stable")
        client = a_sandbox(town, town.block.take(), "web:8080; rps=200; GET /=100%")
        await client.start()
        await eventually(lambda: town.truth.total().answered >= 20)
        await client.stop()
        sent = town.truth.total().sent
        await asyncio.sleep(0.05)
        assert town.truth.total().sent == sent


async def test_draining_waits_for_requests_under_way_and_not_for_ever() -> None:
    async with a_town() as town:
        await town.run("stable-1", "web-stable", {"LAB_HANGS": "GET /hang=100%", "LAB_LATENCY": "GET /slow=100ms"})
        client, _ = town.client()
        slow = asyncio.create_task(client.request("GET", "/slow"))
        await eventually(lambda: town.running["stable-1"].inbound.open == 1)
        await town.running["stable-1"].drain(within=5.0)
        assert await slow == 200
        hung = asyncio.create_task(client.request("GET", "/hang"))
        await eventually(lambda: town.running["stable-1"].inbound.open == 1)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await town.running["stable-1"].drain(within=0.1)
        assert 0.1 <= loop.time() - began < 1.0
        hung.cancel()
        await asyncio.gather(hung, return_exceptions=True)
