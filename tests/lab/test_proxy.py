"""Whole pages of the lab's proxies against pages of real ones: families, kinds, help, label names and their order."""

import re
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from canary.lab.proxy import Proxy
from tests.lab.test_inbound import ask
from tests.lab.world import a_profile, a_route, a_town, value

SAMPLES = Path(__file__).parents[3] / "shared" / "upstream" / "proxy-metrics"
LABEL = re.compile(r'(\w+)="')

# Read off real pages. `outbound_http_errors_total` is the one family of ours that the pages at hand have no sample of.
FROZEN = {
    "request_total": "counter",
    "response_latency_ms": "histogram",
    "response_total": "counter",
    "route_request_total": "counter",
    "route_response_latency_ms": "histogram",
    "route_response_total": "counter",
    "route_retryable_total": "counter",
    "route_actual_request_total": "counter",
    "route_actual_response_total": "counter",
    "tcp_open_total": "counter",
    "tcp_open_connections": "gauge",
    "control_identity_cert_expiration_timestamp_seconds": "gauge",
    "control_identity_cert_refresh_timestamp_seconds": "gauge",
    "control_identity_cert_refreshes": "counter",
    "outbound_http_balancer_endpoints": "gauge",
    "process_start_time_seconds": "gauge",
}


async def pages() -> tuple[str, str]:
    """Return the pages of a client and of a server after some traffic, scrapes and probes."""
    profile = a_profile(a_route("POST /api/task"), a_route("GET /health"))
    async with a_town(split={"web-stable": "500m", "web-canary": "500m"}, profile=profile) as town:
        await town.run("stable-1", "web-stable")
        pod = await town.run("canary-1", "web-canary", {"LAB_FAILURES": "POST /api/task=50%"}, probe="/ready")
        client, proxy = town.client()
        for _ in range(20):
            await client.request("POST", "/api/task")
            await client.request("GET", "/health")
        for path in ("/metrics", "/ready"):
            await ask(pod, path, port=4191)
        await ask(pod, "/ready", headers={"User-Agent": "kube-probe/1.36"})
        now = time.monotonic()
        return proxy.render(now), town.running["canary-1"].proxy.render(now)


def kinds(page: str) -> dict[str, str]:
    return dict(line.split()[2:4] for line in page.splitlines() if line.startswith("# TYPE "))


def shapes(page: str) -> set[tuple[str, ...]]:
    """Return name and label names, in their order, of every sample."""
    return {
        (line.partition("{")[0].partition(" ")[0], *LABEL.findall(line)) for line in page.splitlines() if line[0] != "#"
    }


def helps(page: str) -> set[str]:
    return {line for line in page.splitlines() if line.startswith("# HELP ")}


async def test_a_page_has_the_proxys_families_in_the_proxys_order() -> None:
    client, server = await pages()
    assert kinds(client) == FROZEN
    order = [name for name in FROZEN if name in kinds(client)]
    assert list(kinds(client)) == order
    missing = {"route_retryable_total", "route_actual_request_total", "route_actual_response_total"}
    assert kinds(server) == {
        name: kind for name, kind in FROZEN.items() if name not in {*missing, "outbound_http_balancer_endpoints"}
    }
    assert client.endswith("# EOF\n")


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the pages of real proxies are not at hand")
async def test_pages_are_shaped_like_those_of_real_proxies() -> None:
    real = "\n".join(_lines(SAMPLES.glob("trafficsplit-*.txt")))
    for page in await pages():
        assert kinds(page).items() <= kinds(real).items()
        assert helps(page) <= helps(real)
        # Probes of the app's port are in none of the real pages: their labels are those of other inbound series.
        assert shapes(page) <= shapes(real)


def _lines(files: Iterable[Path]) -> Iterable[str]:
    for file in files:
        yield from (line for line in file.read_text().splitlines() if line)


def test_a_connection_is_counted_once_and_again_after_its_end() -> None:
    proxy = Proxy("10.244.0.7")
    for _ in range(3):
        proxy.connected('peer="dst"')
    proxy.disconnected('peer="dst"')
    assert value(proxy.render(0.0), "tcp_open_connections") == 0
    proxy.connected('peer="dst"')
    assert value(proxy.render(0.0), "tcp_open_total") == 2
    assert value(proxy.render(0.0), "tcp_open_connections") == 1


def test_the_certificate_is_good_for_a_day() -> None:
    page = Proxy("10.244.0.7").render(0.0)
    stamps = {
        line.split()[0]: float(line.split()[1])
        for line in page.splitlines()
        if "timestamp_seconds " in line and "#" not in line
    }
    expires, issued = stamps.values()
    assert expires - issued == 24 * 3600
    assert issued == pytest.approx(time.time(), abs=60)
