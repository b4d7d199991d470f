"""What the chart takes: few values, each documented, used, and refused where it makes no sense."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import yaml

import canary
from canary.adapters.api import Json
from tests.chart.rendering import CHART, at, helm, needs_helm, pods, rendered, the

TEMPLATES = sorted((CHART / "templates").rglob("*.*"))
CRD = Path(canary.__file__).parent / "crds" / "canaries.yaml"


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


def test_every_value_is_documented_above() -> None:
    lines = (CHART / "values.yaml").read_text().splitlines()
    top = [i for i, line in enumerate(lines) if re.match(r"[a-zA-Z]+: \S|resources:", line)]
    inner = [i for i, line in enumerate(lines) if re.match(r"  (?!requests|limits)[a-zA-Z]+:", line)]
    assert len(top) + len(inner) == len(list(leaves(values(), schema())))

    def documented(line: int) -> bool:
        above = lines[line - 1].strip()
        return above.startswith("# -- ") or (above.startswith("# ") and documented(line - 1))

    assert [lines[i] for i in top + inner if not documented(i)] == []


def test_every_value_is_used_and_every_used_value_declared() -> None:
    text = "\n".join(template.read_text() for template in TEMPLATES if template.name != "NOTES.txt")
    assert set(re.findall(r"\.Values\.([A-Za-z.]+)", text)) == set(leaves(values(), schema()))


def test_no_object_of_the_schema_takes_what_it_does_not_know() -> None:
    def closed(node: Json) -> Iterator[bool]:
        if "properties" in node:
            yield node.get("additionalProperties") is False
            for below in cast("dict[str, Json]", node["properties"]).values():
                yield from closed(below)

    assert all(closed(schema()))


def test_the_chart_stays_small() -> None:
    assert len([template for template in TEMPLATES if template.suffix == ".yaml"]) <= 12
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
def test_the_crd_is_kept_unless_told_otherwise() -> None:
    kept = the("CustomResourceDefinition")
    assert at(kept, "metadata", "annotations")["helm.sh/resource-policy"] == "keep"
    assert kept["spec"] == yaml.safe_load(CRD.read_text())["spec"]
    assert "annotations" not in at(the("CustomResourceDefinition", "--set", "crds.keep=false"), "metadata")
    assert not [key for key in rendered("--set", "crds.enabled=false") if key[0] == "CustomResourceDefinition"]


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
    assert {at(pod, "spec", "containers", 0)["image"] for pod in pods(*words).values()} == {image}


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
        pytest.param("prometheus.tokenSecret=My_Secret", id="no name of an object"),
        pytest.param("image.digest=latest", id="no digest"),
        pytest.param("namespaces=team-a", id="no list"),
        pytest.param("namespaces={Team}", id="no name of a namespace"),
        pytest.param("namespaces={a,a}", id="twice the same"),
        pytest.param("podMonitor.enabled=sometimes", id="neither yes nor no"),
        pytest.param("networkPolicy.egress={a}", id="no rule"),
    ],
)
def test_wrong_values_are_refused(bad: str) -> None:
    result = helm("--set", bad)
    assert result.returncode != 0
    assert bad.split("=", maxsplit=1)[0].rsplit(".", maxsplit=1)[-1] in result.stderr


@needs_helm
def test_every_optional_value_of_pods_renders() -> None:
    made = pods(
        *("--set", "image.pullSecrets={a,b}"),
        *("--set", "pod.priorityClassName=high"),
        *("--set", "pod.nodeSelector.disk=fast"),
        *("--set", "pod.labels.team=web"),
        *("--set", "pod.annotations.note=x"),
        *("--set", "pod.tolerations[0].key=k,pod.tolerations[0].operator=Exists"),
        *("--set", "pod.affinity.nodeAffinity.a=b"),
    )
    for pod in made.values():
        spec = at(pod, "spec")
        assert spec["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]
        assert spec["priorityClassName"] == "high"
        assert spec["nodeSelector"] == {"disk": "fast"}
        assert spec["tolerations"] == [{"key": "k", "operator": "Exists"}]
    controller = made["Deployment"]
    assert at(controller, "metadata", "labels")["team"] == "web"
    assert at(controller, "metadata", "annotations")["note"] == "x"
    assert at(controller, "spec")["affinity"] == {"nodeAffinity": {"a": "b"}}


@needs_helm
def test_the_account_bears_annotations() -> None:
    account = the("ServiceAccount", "--set", "serviceAccount.annotations.role=y")
    assert at(account, "metadata")["annotations"] == {"role": "y"}


@needs_helm
def test_the_notes_say_what_comes_next() -> None:
    notes = (CHART / "templates" / "NOTES.txt").read_text()
    for word in ("helm test", "canary check", "canary simulate", "kubectl apply", "canary start", "leave.enabled"):
        assert word in notes
