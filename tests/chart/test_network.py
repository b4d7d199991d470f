"""Who may talk to whom: Prometheus lets us in, the network lets through what is needed, a monitor finds us."""

from typing import cast

import pytest

from canary.adapters.api import Json
from tests.chart.rendering import NAMED, at, kinds, needs_helm, pods, rendered, the

pytestmark = needs_helm

NETWORK = ("--set", "networkPolicy.enabled=true")


class TestPrometheus:
    def test_it_lets_our_account_in_and_nobody_else(self) -> None:
        policy, account = the("AuthorizationPolicy"), at(the("ServiceAccount"), "metadata")
        assert at(policy, "metadata")["namespace"] == "linkerd-viz"
        assert policy["spec"] == {
            "targetRef": {"group": "policy.linkerd.io", "kind": "Server", "name": "prometheus-admin"},
            "requiredAuthenticationRefs": [
                {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
            ],
        }

    @pytest.mark.parametrize(
        ("url", "policy"),
        [
            pytest.param("http://prometheus.linkerd-viz.svc.cluster.local:9090", True, id="vizs own"),
            pytest.param("http://prometheus.linkerd-viz:9090/", True, id="vizs own, in short"),
            pytest.param("http://prometheus.monitoring:9090", False, id="in another namespace"),
            pytest.param("https://p.example/linkerd-viz", False, id="outside"),
            pytest.param("https://me.linkerd-viz.example", True, id="a host that might be"),
        ],
    )
    def test_no_policy_is_made_where_another_one_is_asked(self, url: str, policy: bool) -> None:
        assert ("AuthorizationPolicy" in kinds("--set", f"prometheus.url={url}")) == policy

    def test_the_policy_can_be_done_without(self) -> None:
        assert "AuthorizationPolicy" not in kinds("--set", "viz.authorizationPolicy=false")
        assert "AuthorizationPolicy" in kinds(*NAMED)


def ports(rules: object) -> set[int]:
    return {int(str(port["port"])) for rule in cast("list[Json]", rules) for port in cast("list[Json]", rule["ports"])}


class TestNetworkPolicy:
    def test_it_is_about_every_pod_of_the_release(self) -> None:
        chosen = at(the("NetworkPolicy", *NETWORK), "spec", "podSelector", "matchLabels")
        for pod in pods().values():
            assert chosen.items() <= at(pod, "metadata", "labels").items()

    def test_probes_scrapes_and_the_mesh_come_in(self) -> None:
        spec = at(the("NetworkPolicy", *NETWORK), "spec")
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        assert ports(spec["ingress"]) == {8080, 4143, 4191}

    @pytest.mark.parametrize(
        ("url", "port"),
        [
            pytest.param("", 9090, id="vizs own"),
            pytest.param("http://p:9091/x", 9091, id="a port"),
            pytest.param("http://p", 80, id="plain"),
            pytest.param("https://p/x", 443, id="by TLS"),
            pytest.param("https://[fd00::1]:9443", 9443, id="an address"),
        ],
    )
    def test_dns_the_api_server_webhooks_prometheus_and_linkerd_are_reached(self, url: str, port: int) -> None:
        spec = at(the("NetworkPolicy", *NETWORK, "--set", f"prometheus.url={url}"), "spec")
        assert ports(spec["egress"]) == {53, 443, 6443, port, 4143, 8080, 8086, 8090}

    def test_more_can_be_let_out(self) -> None:
        rule = "networkPolicy.egress[0].ports[0].port=8443"
        assert 8443 in ports(at(the("NetworkPolicy", *NETWORK, "--set", rule), "spec")["egress"])

    def test_it_is_made_only_when_asked_for(self) -> None:
        assert "NetworkPolicy" not in kinds()


class TestPodMonitor:
    def test_it_finds_the_controllers_by_their_port(self) -> None:
        words = ("--set", "podMonitor.enabled=true,podMonitor.labels.release=prometheus")
        monitor = the("PodMonitor", *words)
        assert at(monitor, "spec", "selector", "matchLabels") == at(
            the("Deployment"), "spec", "selector", "matchLabels"
        )
        (endpoint,) = cast("list[Json]", at(monitor, "spec")["podMetricsEndpoints"])
        assert endpoint == {"port": "http", "path": "/metrics", "interval": "30s"}
        assert at(monitor, "metadata", "labels")["release"] == "prometheus"

    def test_it_is_made_only_when_asked_for(self) -> None:
        assert "PodMonitor" not in kinds()


def test_every_object_says_whose_it_is() -> None:
    for words in ((), (*NAMED, *NETWORK, "--set", "podMonitor.enabled=true")):
        for key, obj in rendered(*words).items():
            labels = at(obj, "metadata", "labels")
            assert labels["app.kubernetes.io/name"] == "canary", key
            assert labels["app.kubernetes.io/managed-by"] == "Helm", key
