import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from canary.adapters.probes import Probes
from canary.errors import CanaryError

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@dataclass
class Loop:
    alive: bool = True
    synced: bool = True


@dataclass
class Served:
    loop: Loop
    url: str
    registry: CollectorRegistry

    async def get(self, path: str, accept: str = "*/*") -> tuple[int, str, str]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(self.url + path, headers={"Accept": accept}) as response,
        ):
            return response.status, response.headers["Content-Type"], await response.text()


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    loop, registry = Loop(), CollectorRegistry()
    probes = Probes(lambda: loop.alive, lambda: loop.synced, registry)
    port = await probes.start("127.0.0.1", 0)
    yield Served(loop, f"http://127.0.0.1:{port}", registry)
    await probes.close()


async def test_a_loop_that_moves_is_healthy(served: Served) -> None:
    assert (await served.get("/healthz"))[0] == 200


async def test_a_loop_that_hangs_is_not(served: Served) -> None:
    served.loop.alive = False
    assert (await served.get("/healthz"))[::2] == (503, "the loop does not move\n")


async def test_it_is_ready_once_the_watches_are_in_sync_and_healthy_before(served: Served) -> None:
    served.loop.synced = False
    assert (await served.get("/readyz"))[0] == 503
    assert (await served.get("/healthz"))[0] == 200
    served.loop.synced = True
    assert (await served.get("/readyz"))[0] == 200


@pytest.mark.parametrize(
    ("accept", "kind", "end"),
    [
        pytest.param("*/*", "text/plain", "", id="plain"),
        pytest.param(OPENMETRICS, "application/openmetrics-text", "# EOF\n", id="openmetrics"),
    ],
)
async def test_metrics_of_the_registry_are_shown_in_the_form_that_is_asked_for(
    served: Served, accept: str, kind: str, end: str
) -> None:
    Counter("canary_ticks", "Ticks.", registry=served.registry).inc(3)
    status, content_type, page = await served.get("/metrics", accept)
    assert status == 200
    assert content_type.startswith(kind)
    assert "canary_ticks_total 3.0" in page
    assert page.endswith(end)


async def test_nothing_else_is_there(served: Served) -> None:
    assert (await served.get("/"))[0] == 404


@pytest.mark.parametrize("port", [None, 70_000], ids=["taken", "out of range"])
async def test_a_port_that_cannot_be_had_is_said(served: Served, port: int | None) -> None:
    wanted = port or int(served.url.rpartition(":")[2])
    probes = Probes(lambda: True, lambda: True, CollectorRegistry())
    with pytest.raises(CanaryError, match=f"cannot listen on 127.0.0.1:{wanted}"):
        await probes.start("127.0.0.1", wanted)


@pytest.mark.parametrize(
    ("path", "end"),
    [
        pytest.param("/healthz", "", id="asks slowly"),
        pytest.param("/healthz", "\r\n", id="keeps the connection"),
        pytest.param("/metrics", "\r\n", id="does not read"),
    ],
)
async def test_an_open_connection_does_not_delay_the_end(path: str, end: str) -> None:
    registry = CollectorRegistry()
    Counter("canary_long", "x" * 30_000_000, registry=registry)
    probes = Probes(lambda: True, lambda: True, registry)
    port = await probes.start("127.0.0.1", 0)
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n{end}".encode())
    await writer.drain()
    await asyncio.sleep(0.1)
    began = time.monotonic()
    await probes.close()
    await probes.close()
    assert time.monotonic() - began < 1
    writer.close()
