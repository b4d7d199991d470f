"""The lab's label sets against those of a real proxy: names, order and values."""

import re
from pathlib import Path

import pytest

from canary.lab.labels import (
    balancer,
    inbound_connection,
    inbound_endpoint,
    outbound_connection,
    outbound_endpoint,
    route,
)
from canary.lab.pods import parse_pod
from tests.lab.world import a_pod

SAMPLES = Path(__file__).parents[3] / "shared" / "upstream" / "proxy-metrics"
LABEL = re.compile(r'(\w+)="')

OUTBOUND = (
    "direction authority target_addr target_ip target_port tls server_id dst_control_plane_ns dst_deployment"
    " dst_namespace dst_pod dst_pod_template_hash dst_service dst_serviceaccount dst_zone dst_zone_locality"
)
POLICY = "srv_group srv_kind srv_name srv_port"
ROUTED = "route_group route_kind route_name authz_group authz_kind authz_name"
SERVICE = "{0}_group {0}_kind {0}_namespace {0}_name {0}_port {0}_section_name"
POD = parse_pod(a_pod())
UNMESHED = parse_pod(a_pod(meshed=False))

# What is written here was read off a real proxy's page; with the page at hand it is compared with it again below.
FROZEN = {
    "outbound endpoint": (outbound_endpoint(POD, "web-stable", 8080, 8080), OUTBOUND),
    "outbound connection": (
        outbound_connection(POD, "web-stable", 8080, 8080),
        OUTBOUND.replace("direction", "direction peer"),
    ),
    "inbound, meshed": (
        inbound_endpoint("10.244.0.7", 8080, "client.shop"),
        f"direction target_addr target_ip target_port tls client_id {POLICY} {ROUTED}",
    ),
    "inbound, from outside the mesh": (
        inbound_endpoint("10.244.0.7", 4191, ""),
        f"direction target_addr target_ip target_port tls no_tls_reason {POLICY} {ROUTED}",
    ),
    "inbound connection": (
        inbound_connection("10.244.0.7", 8080, "client.shop"),
        f"direction peer target_addr target_ip target_port tls client_id {POLICY}",
    ),
    "route": (route("outbound", "web.shop.svc.cluster.local:8080", "GET /"), "direction dst rt_route"),
    "balancer": (
        balancer(("web", "shop", 8080), "web-stable", "ready"),
        f"endpoint_state {SERVICE.format('parent')} {SERVICE.format('backend')}",
    ),
}


@pytest.mark.parametrize(("text", "names"), [pytest.param(*row, id=name) for name, row in FROZEN.items()])
def test_labels_stand_in_the_proxys_order(text: str, names: str) -> None:
    assert LABEL.findall(text) == names.split()


@pytest.mark.parametrize(
    ("file", "sample", "text"),
    [
        pytest.param("client", 'request_total{direction="outbound"', FROZEN["outbound endpoint"][0], id="endpoint"),
        pytest.param(
            "client", 'tcp_open_total{direction="outbound",peer="dst"', FROZEN["outbound connection"][0], id="tcp"
        ),
        pytest.param("client", "outbound_http_balancer_endpoints{", FROZEN["balancer"][0], id="balancer"),
        pytest.param("client", "route_request_total{", FROZEN["route"][0], id="route"),
        pytest.param(
            "server-canary", r'request_total{.*tls="true"', FROZEN["inbound, meshed"][0], id="inbound from the mesh"
        ),
        pytest.param(
            "server-canary",
            r'request_total{.*target_port="4191"',
            FROZEN["inbound, from outside the mesh"][0],
            id="scrape",
        ),
        pytest.param(
            "server-canary",
            r'tcp_open_total{.*peer="src".*tls="true"',
            FROZEN["inbound connection"][0],
            id="inbound tcp",
        ),
    ],
)
@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the pages of real proxies are not at hand")
def test_labels_are_those_of_a_real_proxy(file: str, sample: str, text: str) -> None:
    page = (SAMPLES / f"trafficsplit-{file}.txt").read_text()
    line = next(line for line in page.splitlines() if re.match(sample.replace("{", r"\{"), line))
    assert LABEL.findall(text) == LABEL.findall(line)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the pages of real proxies are not at hand")
@pytest.mark.parametrize(
    ("file", "text"),
    [
        pytest.param("server-canary", inbound_endpoint("192.0.2.21", 4191, "", probe=True), id="probe of the proxy"),
        pytest.param("server-canary", inbound_endpoint("192.0.2.21", 4191, ""), id="scrape"),
        pytest.param(
            "server-canary",
            inbound_endpoint("192.0.2.21", 8080, "client.shop.serviceaccount.identity.linkerd.cluster.local"),
            id="traffic",
        ),
        pytest.param(
            "client",
            outbound_endpoint(
                parse_pod(a_pod("web-canary-6f5d8c7b9d-21", app="web-canary", revision="6f5d8c7b9d", ip="192.0.2.21")),
                "web-canary",
                8080,
                8080,
            ),
            id="outbound",
        ),
    ],
)
def test_whole_label_sets_are_those_of_a_real_proxy(file: str, text: str) -> None:
    assert f"request_total{{{text}}} " in (SAMPLES / f"trafficsplit-{file}.txt").read_text()


def test_port_80_is_left_out_of_the_authority_and_kept_in_dst() -> None:
    assert 'authority="web-stable.shop.svc.cluster.local",target_addr="10.244.7.9:8080"' in outbound_endpoint(
        POD, "web-stable", 80, 8080
    )
    assert route("inbound", "web.shop.svc.cluster.local:80", None) == (
        'direction="inbound",dst="web.shop.svc.cluster.local:80"'
    )


def test_a_pod_outside_the_mesh_has_no_identity() -> None:
    text = outbound_endpoint(UNMESHED, "web-stable", 8080, 8080)
    assert 'tls="no_identity",no_tls_reason="not_provided_by_service_discovery"' in text
    assert "dst_control_plane_ns" not in text


def test_an_app_probe_has_its_own_authorization() -> None:
    assert 'route_name="probe",authz_group="",authz_kind="default",authz_name="probe"' in inbound_endpoint(
        "10.244.0.7", 8080, "", probe=True
    )
