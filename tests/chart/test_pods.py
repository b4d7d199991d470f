"""What runs: controllers, the hook that leaves, the test; all of them restricted."""

from typing import cast

import click
import pytest

from canary.adapters.api import Json
from canary.cli.run import run
from canary.cli.status import status
from tests.chart.rendering import NAMED, at, kinds, needs_helm, pods, the

pytestmark = needs_helm

SECRETS = ("--set", "prometheus.tokenSecret=t,prometheus.caSecret=c")


@pytest.mark.parametrize("kind", ["Deployment", "Job", "Pod"])
@pytest.mark.parametrize("words", [(), NAMED, SECRETS], ids=["cluster", "namespaces", "secrets"])
def test_every_pod_meets_the_restricted_standard(kind: str, words: tuple[str, ...]) -> None:
    spec = at(pods(*words)[kind], "spec")
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for container in cast("list[Json]", spec["containers"]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert at(container, "resources", "limits") == {"memory": "512Mi"}
    assert {kind for volume in cast("list[Json]", spec.get("volumes", [])) for kind in volume} <= {"name", "projected"}
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(spec)


def test_the_controller_is_meshed_probed_and_spread() -> None:
    deployment = the("Deployment")
    template = at(deployment, "spec", "template")
    assert at(deployment, "spec")["replicas"] == 2
    assert at(template, "metadata", "annotations")["linkerd.io/inject"] == "enabled"
    container = at(template, "spec", "containers", 0)
    assert container["args"] == ["run"]
    assert at(container, "livenessProbe")["httpGet"] == {"path": "/healthz", "port": "http"}
    assert at(container, "readinessProbe")["httpGet"] == {"path": "/readyz", "port": "http"}
    assert container["ports"] == [{"name": "http", "containerPort": 8080}]
    (spread,) = cast("list[Json]", at(template, "spec")["topologySpreadConstraints"])
    labels = at(template, "metadata", "labels")
    assert at(spread, "labelSelector", "matchLabels").items() <= labels.items()
    assert at(deployment, "spec", "selector", "matchLabels").items() <= labels.items()


def test_a_change_of_configuration_restarts_the_pods() -> None:
    def checksum(*words: str) -> object:
        return at(the("Deployment", *words), "spec", "template", "metadata", "annotations")["checksum/config"]

    assert checksum() != checksum("--set", "prometheus.url=http://other")


class TestConfiguration:
    def test_it_is_the_environment_of_controllers_and_hook(self) -> None:
        name = at(the("ConfigMap"), "metadata")["name"]
        for kind in ("Deployment", "Job"):
            container = at(pods()[kind], "spec", "containers", 0)
            assert container["envFrom"] == [{"configMapRef": {"name": name}}]

    def test_it_says_what_the_values_say(self) -> None:
        data = the("ConfigMap", *SECRETS, "--set", "prometheus.url=http://prometheus.monitoring:9090")["data"]
        assert data == {
            "CANARY_RUN_LEASE_NAMESPACE": "canary-system",
            "CANARY_RUN_LEASE_NAME": "canary",
            "CANARY_RUN_LISTEN": "0.0.0.0:8080",
            "CANARY_RUN_LOG_LEVEL": "info",
            "CANARY_RUN_PROMETHEUS_URL": "http://prometheus.monitoring:9090",
            "CANARY_RUN_PROMETHEUS_TOKEN_FILE": "/etc/canary/prometheus/token",
            "CANARY_RUN_PROMETHEUS_CA_FILE": "/etc/canary/prometheus/ca.crt",
            "CANARY_RUN_SCRAPE_INTERVAL": "10s",
        }

    def test_of_some_namespaces_vizs_own_prometheus_is_asked_for_looking_takes_a_right(self) -> None:
        data = at(the("ConfigMap", *NAMED), "data")
        assert data["CANARY_RUN_NAMESPACE"] == "a b"
        assert data["CANARY_RUN_PROMETHEUS_URL"] == "http://prometheus.linkerd-viz.svc:9090"
        assert "CANARY_RUN_PROMETHEUS_URL" not in at(the("ConfigMap"), "data")

    def test_its_words_are_options_of_canary_run(self) -> None:
        data = at(the("ConfigMap", *NAMED, *SECRETS), "data")
        options = {f"CANARY_RUN_{str(option.name).upper()}": option for option in run.params}
        options["CANARY_RUN_NAMESPACE"] = options.pop("CANARY_RUN_NAMESPACES")
        assert set(data) <= set(options)
        context = click.Context(run)
        for name, value in data.items():
            assert options[name].type.convert(value, options[name], context) is not None

    def test_the_secrets_are_where_it_says(self) -> None:
        spec = at(pods(*SECRETS)["Deployment"], "spec")
        (mount,) = cast("list[Json]", at(spec, "containers", 0)["volumeMounts"])
        sources = cast("list[Json]", at(spec, "volumes", 0, "projected")["sources"])
        assert mount == {"name": "prometheus", "mountPath": "/etc/canary/prometheus", "readOnly": True}
        assert [at(source, "secret") for source in sources] == [
            {"name": "t", "items": [{"key": "token", "path": "token"}]},
            {"name": "c", "items": [{"key": "ca.crt", "path": "ca.crt"}]},
        ]


class TestLeaving:
    def test_a_job_does_it_before_anything_is_deleted(self) -> None:
        meta, pod = at(the("Job"), "metadata"), pods()["Job"]
        assert at(meta, "annotations")["helm.sh/hook"] == "pre-delete"
        assert at(pod, "metadata", "annotations") == {"linkerd.io/inject": "disabled"}
        assert at(pod, "spec", "containers", 0)["args"] == ["run", "--leave", "--stand-down", "canary"]
        assert at(pod, "spec")["serviceAccountName"] == at(the("ServiceAccount"), "metadata")["name"]

    def test_its_words_are_understood(self) -> None:
        args = cast("list[str]", at(pods()["Job"], "spec", "containers", 0)["args"])
        assert run.make_context("run", args[1:]).params["leave"] is True

    def test_its_pod_is_none_of_the_controllers(self) -> None:
        selector = at(the("Deployment"), "spec", "selector", "matchLabels")
        for kind in ("Job", "Pod"):
            assert not selector.items() <= at(pods()[kind], "metadata", "labels").items()

    def test_it_can_be_done_without(self) -> None:
        assert "Job" not in kinds("--set", "leave.enabled=false")


@pytest.mark.parametrize(
    ("words", "args"),
    [
        pytest.param((), [["status", "--all-namespaces"]], id="cluster"),
        pytest.param(NAMED, [["status", "--namespace", "a"], ["status", "--namespace", "b"]], id="namespaces"),
    ],
)
def test_helm_test_looks_where_the_controller_looks(words: tuple[str, ...], args: list[list[str]]) -> None:
    pod = pods(*words)["Pod"]
    assert at(pod, "metadata", "annotations")["helm.sh/hook"] == "test"
    containers = cast("list[Json]", at(pod, "spec")["containers"])
    assert [container["args"] for container in containers] == args
    for words_of_one in args:
        assert status.make_context("status", words_of_one[1:]).params["name"] == ""


class TestBudget:
    def test_no_two_controllers_are_evicted_at_once(self) -> None:
        spec = at(the("PodDisruptionBudget"), "spec")
        assert spec["maxUnavailable"] == 1
        assert at(spec, "selector")["matchLabels"] == at(the("Deployment"), "spec", "selector")["matchLabels"]

    @pytest.mark.parametrize("words", ["replicas=1", "podDisruptionBudget.enabled=false"])
    def test_a_single_one_may_be_drained(self, words: str) -> None:
        assert "PodDisruptionBudget" not in kinds("--set", words)
