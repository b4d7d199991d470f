"""The chart renders, asks for no more than it says, and documents what it takes."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import click
import pytest
import yaml

import canary
from canary.cli.process import LEASE
from canary.cli.run import run

CHART = Path(__file__).parents[2] / "charts" / "canary"
TEMPLATES = sorted((CHART / "templates").glob("*.*"))
CRD = Path(canary.__file__).parent / "crds" / "canaries.yaml"
HELM = shutil.which("helm", path=f"{os.environ['PATH']}{os.pathsep}{Path.home() / 'go' / 'bin'}")

Json = dict[str, "str | int | bool | list[Json] | Json"]

needs_helm = pytest.mark.skipif(HELM is None, reason="no helm on PATH")


def values() -> Json:
    return cast("Json", yaml.safe_load((CHART / "values.yaml").read_text()))


def leaves(tree: object, schema: object, path: str = "") -> Iterator[str]:
    """Give the path of each value that a user sets as a whole."""
    below = cast("Json", schema).get("properties")
    if not isinstance(tree, dict) or below is None or path == "resources":
        yield path
        return
    for key, value in tree.items():
        yield from leaves(value, cast("Json", below)[key], f"{path}.{key}".strip("."))


def schema() -> Json:
    return cast("Json", json.loads((CHART / "values.schema.json").read_text()))


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    assert HELM is not None
    command = [
        HELM,
        "template",
        "canary",
        str(CHART),
        "--namespace",
        "canary-system",
        "--kube-version",
        "1.31.0",
        *words,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


def rendered(*words: str) -> dict[str, Json]:
    """Render the chart; its objects by kind, of which there is one each."""
    result = helm(*words)
    assert result.returncode == 0, result.stderr
    objects = [obj for obj in yaml.safe_load_all(result.stdout) if obj]
    by_kind = {obj["kind"]: obj for obj in objects}
    assert len(by_kind) == len(objects)
    return by_kind


def at(obj: object, *path: str | int) -> object:
    for part in path:
        obj = obj[part] if isinstance(obj, list) and isinstance(part, int) else cast("Json", obj)[str(part)]
    return obj


def test_every_value_is_documented_in_the_line_above() -> None:
    lines = (CHART / "values.yaml").read_text().splitlines()
    top = [i for i, line in enumerate(lines) if re.match(r"[a-zA-Z]+: \S|resources:", line)]
    inner = [i for i, line in enumerate(lines) if re.match(r"  (?!requests|limits)[a-zA-Z]+:", line)]
    assert len(top) + len(inner) == len(list(leaves(values(), schema())))
    undocumented = [lines[i] for i in top + inner if not lines[i - 1].strip().startswith("# -- ")]
    assert undocumented == []


def test_every_value_is_used_and_every_used_value_declared() -> None:
    text = "\n".join(template.read_text() for template in TEMPLATES)
    assert set(re.findall(r"\.Values\.([A-Za-z.]+)", text)) == set(leaves(values(), schema()))


def test_no_object_of_the_schema_takes_what_it_does_not_know() -> None:
    def closed(node: Json) -> Iterator[bool]:
        if "properties" in node:
            yield node.get("additionalProperties") is False
            for below in cast("dict[str, Json]", node["properties"]).values():
                yield from closed(below)

    assert all(closed(schema()))


def test_the_chart_stays_small() -> None:
    assert len(TEMPLATES) <= 12
    assert len(list(leaves(values(), schema()))) <= 60


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == canary.__version__


def test_the_crd_of_the_chart_is_the_packages() -> None:
    template = (CHART / "templates" / "crd.yaml").read_text()
    ours = r"  labels:\n    \{\{.*\}\}\n  \{\{- if .*\}\}\n  annotations:\n.*\n  \{\{- end \}\}\n"
    without = re.sub(ours, "", template)
    assert without == "{{- if .Values.crds.enabled }}\n" + CRD.read_text() + "{{- end }}\n"


@needs_helm
def test_it_renders_one_object_of_each_kind() -> None:
    assert set(rendered()) == {
        "AuthorizationPolicy",
        "ClusterRole",
        "ClusterRoleBinding",
        "ConfigMap",
        "CustomResourceDefinition",
        "Deployment",
        "Role",
        "RoleBinding",
        "ServiceAccount",
    }


@needs_helm
def test_the_crd_is_kept_unless_told_otherwise() -> None:
    kept = rendered()["CustomResourceDefinition"]
    assert at(kept, "metadata", "annotations", "helm.sh/resource-policy") == "keep"
    assert at(kept, "spec") == yaml.safe_load(CRD.read_text())["spec"]
    assert "annotations" not in cast(
        "Json", rendered("--set", "crds.keep=false")["CustomResourceDefinition"]["metadata"]
    )
    assert "CustomResourceDefinition" not in rendered("--set", "crds.enabled=false")


@needs_helm
def test_the_pods_meet_the_restricted_standard() -> None:
    pod = cast("Json", at(rendered()["Deployment"], "spec", "template", "spec"))
    container = cast("Json", at(pod, "containers", 0))
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@needs_helm
def test_the_controller_is_meshed_probed_and_configured() -> None:
    objects = rendered("--set", "prometheus.url=http://prometheus.monitoring:9090")
    template = at(objects["Deployment"], "spec", "template")
    assert at(objects["Deployment"], "spec", "replicas") == 2
    assert at(template, "metadata", "annotations", "linkerd.io/inject") == "enabled"
    container = at(template, "spec", "containers", 0)
    assert at(container, "args") == ["run"]
    assert at(container, "livenessProbe", "httpGet") == {"path": "/healthz", "port": "http"}
    assert at(container, "readinessProbe", "httpGet") == {"path": "/readyz", "port": "http"}
    assert at(container, "ports") == [{"name": "http", "containerPort": 8080}]
    assert at(container, "envFrom") == [{"configMapRef": {"name": at(objects["ConfigMap"], "metadata", "name")}}]
    assert at(objects["ConfigMap"], "data") == {
        "CANARY_RUN_LEASE_NAMESPACE": "canary-system",
        "CANARY_RUN_LISTEN": "0.0.0.0:8080",
        "CANARY_RUN_LOG_LEVEL": "info",
        "CANARY_RUN_PROMETHEUS_URL": "http://prometheus.monitoring:9090",
        "CANARY_RUN_SCRAPE_INTERVAL": "10s",
    }


@needs_helm
def test_what_it_configures_are_options_of_canary_run() -> None:
    data = cast("Json", rendered("--set", "prometheus.url=http://prometheus:9090")["ConfigMap"]["data"])
    options = {f"CANARY_RUN_{str(option.name).upper()}": option for option in run.params}
    assert set(data) <= set(options)
    context = click.Context(run)
    for name, value in data.items():
        assert options[name].type.convert(value, options[name], context) is not None


@needs_helm
def test_a_change_of_configuration_restarts_the_pods() -> None:
    def checksum(*words: str) -> object:
        return at(rendered(*words)["Deployment"], "spec", "template", "metadata", "annotations", "checksum/config")

    assert checksum() != checksum("--set", "prometheus.url=http://other")


@needs_helm
def test_the_controller_may_delete_nothing() -> None:
    rules = [*cast("list[Json]", rendered()["ClusterRole"]["rules"]), *cast("list[Json]", rendered()["Role"]["rules"])]
    words = {str(verb) for rule in rules for verb in cast("list[Json]", rule["verbs"])}
    assert words == {"get", "list", "watch", "create", "update", "patch"}
    assert all("*" not in cast("list[object]", rule["resources"]) for rule in rules)


@needs_helm
def test_only_its_own_lease_can_be_changed() -> None:
    get, create = cast("list[Json]", rendered()["Role"]["rules"])
    assert at(get, "resourceNames") == [LEASE]
    assert at(create, "verbs") == ["create"]


@needs_helm
def test_prometheus_lets_our_account_in_and_nobody_else() -> None:
    objects = rendered()
    policy = objects["AuthorizationPolicy"]
    account = cast("Json", objects["ServiceAccount"]["metadata"])
    assert at(policy, "metadata", "namespace") == "linkerd-viz"
    assert at(policy, "spec") == {
        "targetRef": {"group": "policy.linkerd.io", "kind": "Server", "name": "prometheus-admin"},
        "requiredAuthenticationRefs": [
            {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
        ],
    }
    assert "AuthorizationPolicy" not in rendered("--set", "viz.authorizationPolicy=false")


@needs_helm
@pytest.mark.parametrize(
    ("words", "image"),
    [
        pytest.param([], f"linkerd-canary:{canary.__version__}", id="version of the chart"),
        pytest.param(["--set", "image.tag=next"], "linkerd-canary:next", id="tag"),
        pytest.param(
            ["--set", "image.tag=next", "--set", f"image.digest=sha256:{'0' * 64}"],
            f"linkerd-canary@sha256:{'0' * 64}",
            id="digest before tag",
        ),
    ],
)
def test_the_image_is_named_by_digest_tag_or_version(words: list[str], image: str) -> None:
    assert at(rendered(*words)["Deployment"], "spec", "template", "spec", "containers", 0, "image") == image


@needs_helm
@pytest.mark.parametrize(
    "bad",
    [
        pytest.param("replica=3", id="misspelt"),
        pytest.param("image.name=x", id="misspelt below"),
        pytest.param("replicas=0", id="none"),
        pytest.param("log.level=loud", id="no level"),
        pytest.param("prometheus.scrapeInterval=10", id="no unit"),
        pytest.param("prometheus.url=prometheus:9090", id="no scheme"),
        pytest.param("image.digest=latest", id="no digest"),
    ],
)
def test_wrong_values_are_refused(bad: str) -> None:
    result = helm("--set", bad)
    assert result.returncode != 0
    assert bad.split("=", maxsplit=1)[0].rsplit(".", maxsplit=1)[-1] in result.stderr


@needs_helm
def test_every_optional_value_renders() -> None:
    objects = rendered(
        *("--set", "image.pullSecrets={a,b}"),
        *("--set", "pod.priorityClassName=high"),
        *("--set", "pod.nodeSelector.disk=fast"),
        *("--set", "pod.labels.team=web"),
        *("--set", "pod.annotations.note=x"),
        *("--set", "pod.tolerations[0].key=k,pod.tolerations[0].operator=Exists"),
        *("--set", "serviceAccount.annotations.role=y"),
    )
    pod = at(objects["Deployment"], "spec", "template", "spec")
    assert at(pod, "imagePullSecrets") == [{"name": "a"}, {"name": "b"}]
    assert at(pod, "priorityClassName") == "high"
    assert at(pod, "nodeSelector") == {"disk": "fast"}
    assert at(pod, "tolerations") == [{"key": "k", "operator": "Exists"}]
    assert at(objects["Deployment"], "spec", "template", "metadata", "labels", "team") == "web"
    assert at(objects["Deployment"], "spec", "template", "metadata", "annotations", "note") == "x"
    assert at(objects["ServiceAccount"], "metadata", "annotations") == {"role": "y"}
