"""The TrafficSplit codec by tables: weights in every notation that an API server lets through."""

from importlib.resources import files
from pathlib import Path
from typing import cast

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as some

from canary.adapters.trafficsplit import backends, read_split, takes_quantities, write_split
from canary.core.decision import SetWeights
from canary.core.snapshot import Split

UPSTREAM = Path(__file__).parents[3] / "shared" / "upstream" / "crds" / "trafficsplits.split.smi-spec.io.yaml"
OURS = files("canary") / "lab" / "crds" / "trafficsplits.yaml"
ABSENT = object()


def a_split(stable: object, canary: object, **meta: object) -> dict[str, object]:
    """Write one; ABSENT leaves a weight out."""
    weighted = [("web-stable", stable), ("web-canary", canary)]
    listed = [{"service": name} | ({} if weight is ABSENT else {"weight": weight}) for name, weight in weighted]
    return {
        "metadata": {"name": "web", "resourceVersion": "12", **meta},
        "spec": {"service": "web", "backends": listed},
    }


@pytest.mark.parametrize(
    ("stable", "canary", "weights"),
    [
        pytest.param("900m", "100m", (900, 100), id="thousandths"),
        pytest.param("0.9", "0.1", (900, 100), id="fractions"),
        pytest.param(0.9, 0.1, (900, 100), id="numbers with a point"),
        pytest.param(900, 100, (900, 100), id="whole numbers"),
        pytest.param(90, 10, (900, 100), id="per cent"),
        pytest.param("1", "0", (1000, 0), id="all or nothing"),
        pytest.param(1, "1000m", (500, 500), id="mixed notations"),
        pytest.param("1k", "1k", (500, 500), id="thousands"),
        pytest.param("1k", "1000", (500, 500), id="thousands and ones"),
        pytest.param("1", 0, (1000, 0), id="one and zero"),
        pytest.param(0, 0, (0, 0), id="all zero"),
        pytest.param("0m", "0", (0, 0), id="all zero in words"),
        pytest.param(1, 2, (333, 667), id="thirds"),
        pytest.param(-5, 10, (0, 1000), id="negative"),
        pytest.param("-5m", "10m", (0, 1000), id="negative in words"),
        pytest.param("NaN", 1, (0, 1000), id="NaN"),
        pytest.param(float("nan"), 1, (0, 1000), id="not a number"),
        pytest.param("inf", 1, (0, 1000), id="infinity in words"),
        pytest.param(float("inf"), 1, (0, 1000), id="infinity"),
        pytest.param("1e999", "1e400k", (0, 0), id="more than a float holds"),
        pytest.param(10**400, 1, (0, 1000), id="a very long number"),
        pytest.param(1e300, 1e300, (0, 0), id="more than there are quantities"),
        pytest.param(ABSENT, 1, (0, 1000), id="missing"),
        pytest.param(None, 1, (0, 1000), id="null"),
        pytest.param(True, 1, (0, 1000), id="a flag is no number"),
        pytest.param("", 1, (0, 1000), id="empty"),
        pytest.param("m", 1, (0, 1000), id="a unit alone"),
        pytest.param("1mk", 1, (0, 1000), id="two units"),
        pytest.param("3Ki", "1Ki", (750, 250), id="binary units"),
        pytest.param("1Mi", "1M", (512, 488), id="binary and decimal ones"),
        pytest.param("1G", "1E", (0, 1000), id="the greatest unit"),
        pytest.param("9e2m", 1, (0, 1000), id="an exponent and a unit"),
        pytest.param("9e2", "1E2", (900, 100), id="exponents"),
        pytest.param("1.", ".5", (667, 333), id="a bare point"),
        pytest.param("+9", "1", (900, 100), id="a plus"),
        pytest.param("1u", "9m", (100, 900), id="rounded up to thousandths"),
        pytest.param("1_0", "٣", (0, 0), id="digits as Python reads them"),
        pytest.param("0." + "9" * 5000, "1", (500, 500), id="thousands of digits"),
        pytest.param("9" * 5000, "1", (0, 1000), id="thousands of digits before the point"),
        pytest.param("some", 1, (0, 1000), id="a word"),
        pytest.param(" 1 ", 1, (0, 1000), id="blanks around"),
        pytest.param(["1"], 1, (0, 1000), id="a list"),
    ],
)
def test_weights_are_read_in_thousandths_of_their_sum(stable: object, canary: object, weights: tuple[int, int]) -> None:
    split = read_split(a_split(stable, canary))
    assert (split.weights["web-stable"], split.weights["web-canary"]) == weights


JUNK = some.one_of(some.none(), some.booleans(), some.integers(), some.floats(), some.text(max_size=8))


@given(JUNK, JUNK)
def test_whatever_stands_there_is_read(stable: object, canary: object) -> None:
    weights = read_split(a_split(stable, canary)).weights
    assert set(weights) == {"web-stable", "web-canary"}
    assert sum(weights.values()) in (0, 999, 1000, 1001)


@given(some.integers(0, 1000), some.booleans())
def test_what_we_write_is_read_back_exactly(weight: int, quantities: bool) -> None:
    effect = SetWeights(
        name="web", service="web", weights={"web-stable": 1000 - weight, "web-canary": weight}, resource_version=""
    )
    version = "v1alpha1" if quantities else "v1alpha2"
    split = read_split(write_split(effect, "town", version, quantities=quantities))
    assert split.weights == effect.weights
    assert split.exact


@pytest.mark.parametrize(
    ("stable", "canary", "exact"),
    [
        pytest.param("900m", "100m", True, id="ours"),
        pytest.param(900, 100, True, id="ours where numbers are wanted"),
        pytest.param("1", "0", True, id="the same quantity"),
        pytest.param("0.9", "0.1", True, id="the same quantity with a point"),
        pytest.param(90, 10, False, id="the same share of another sum"),
        pytest.param("90m", "10m", False, id="the same share in thousandths"),
        pytest.param(1, 0, False, id="whole numbers of another sum"),
        pytest.param(0, 0, False, id="nothing"),
        pytest.param(True, 0, False, id="a flag"),
        pytest.param("1000m", "-5m", False, id="a negative one, which the mesh takes for a great one"),
        pytest.param("1", "some", False, id="one that nobody can read"),
        pytest.param(1000, 10**5000, False, id="one of thousands of digits"),
        pytest.param("0.9", "0.0999", True, id="one that is rounded up to ours"),
        pytest.param("0.9", "0.1001", False, id="one that is rounded up to more"),
        pytest.param("1000m", "1u", False, id="next to nothing is not nothing"),
    ],
)
def test_a_split_is_exact_where_it_says_what_we_would_say(stable: object, canary: object, exact: bool) -> None:
    assert read_split(a_split(stable, canary)).exact is exact


def test_a_backend_that_is_listed_twice_gets_both_weights() -> None:
    twice = [{"service": "web-stable", "weight": "500m"}, {"service": "web-canary", "weight": "250m"}] * 2
    split = read_split({"spec": {"service": "web", "backends": [*twice, "nonsense"]}})
    assert split.weights == {"web-stable": 667, "web-canary": 333}
    assert not split.exact


def test_the_rest_of_a_split_is_read() -> None:
    fields = [
        {"manager": "canary", "time": "2026-01-01T00:00:00Z"},
        {"manager": "kubectl", "time": "2026-02-01T00:00:00Z"},
    ]
    assert read_split(a_split("900m", "100m", managedFields=fields)) == Split(
        name="web",
        resource_version="12",
        service="web",
        weights={"web-stable": 900, "web-canary": 100},
        editor="kubectl",
        exact=True,
    )


@pytest.mark.parametrize(
    ("fields", "editor"),
    [
        pytest.param(None, "", id="none"),
        pytest.param([], "", id="empty"),
        pytest.param(["nonsense"], "", id="no objects"),
        pytest.param([{"manager": "kubectl"}], "kubectl", id="without a time"),
        pytest.param([{"time": "2026-02-01T00:00:00Z"}], "", id="without a name"),
        pytest.param(
            [{"manager": "a", "time": "2026-02-01T00:00:00Z"}, {"manager": "b", "time": "2026-01-01T00:00:00Z"}],
            "a",
            id="the latest, not the last",
        ),
        pytest.param(
            [
                {"manager": "canary", "time": "2026-02-01T00:00:00Z", "fieldsV1": {"f:spec": {"f:service": {}}}},
                {"manager": "b", "time": "2026-02-01T00:00:00Z", "fieldsV1": {"f:spec": {"f:backends": {}}}},
            ],
            "b",
            id="within the same second, whose the backends are",
        ),
    ],
)
def test_the_editor_is_who_wrote_last(fields: object, editor: str) -> None:
    assert read_split(a_split("1", "0", managedFields=fields)).editor == editor


@pytest.mark.parametrize(
    "obj",
    [
        pytest.param({}, id="empty"),
        pytest.param({"metadata": {"name": "web"}, "spec": None}, id="no spec"),
        pytest.param({"metadata": {"managedFields": 7}, "spec": {"backends": 7}}, id="numbers for lists"),
        pytest.param({"metadata": {"managedFields": {"a": 1}}, "spec": {"backends": {"a": 1}}}, id="objects for lists"),
        pytest.param({"metadata": None, "spec": {"service": "web"}}, id="no backends"),
        pytest.param({"metadata": {}, "spec": {"backends": []}}, id="no backend"),
    ],
)
def test_a_split_without_backends_has_no_weights(obj: dict[str, object]) -> None:
    split = read_split(obj)
    assert (split.weights, split.exact) == ({}, False)


@pytest.mark.parametrize(
    ("quantities", "written"),
    [
        pytest.param(True, ["900m", "100m"], id="quantities"),
        pytest.param(False, [900, 100], id="numbers"),
    ],
)
def test_weights_are_written_as_the_cluster_takes_them(quantities: bool, written: list[object]) -> None:
    listed = backends({"web-stable": 900, "web-canary": 100}, quantities=quantities)
    assert [backend["weight"] for backend in listed] == written


def test_a_new_split_says_whose_it_is() -> None:
    effect = SetWeights(name="web", service="apex", weights={"a": 1000, "b": 0}, resource_version="")
    assert write_split(effect, "town", "v1alpha1", quantities=True) == {
        "apiVersion": "split.smi-spec.io/v1alpha1",
        "kind": "TrafficSplit",
        "metadata": {"name": "web", "namespace": "town", "labels": {"app.kubernetes.io/managed-by": "canary"}},
        "spec": {
            "service": "apex",
            "backends": [{"service": "a", "weight": "1000m"}, {"service": "b", "weight": "0m"}],
        },
    }


def a_document(weight: object, kind: str = "TrafficSplit") -> dict[str, object]:
    """Write an OpenAPI document as an API server publishes it for one version of a kind."""
    backend = {"type": "object", "properties": {"service": {"type": "string"}, "weight": weight}}
    spec = {"type": "object", "properties": {"backends": {"type": "array", "items": backend}}}
    mark = {"group": "split.smi-spec.io", "kind": kind, "version": "v1alpha1"}
    schema = {"type": "object", "properties": {"spec": spec}, "x-kubernetes-group-version-kind": [mark]}
    return {"components": {"schemas": {"io.x.ObjectMeta": {"type": "object"}, "io.x.Split": schema}}}


@pytest.mark.parametrize(
    ("document", "takes"),
    [
        pytest.param(a_document({"x-kubernetes-int-or-string": True}), True, id="int or string"),
        pytest.param(a_document({"type": "string"}), True, id="string"),
        pytest.param(a_document({"type": "number"}), False, id="number"),
        pytest.param(a_document({"type": "integer"}), False, id="integer"),
        pytest.param(a_document({}), False, id="says nothing"),
        pytest.param(a_document({"type": "string"}, kind="HTTPRouteGroup"), False, id="another kind"),
        pytest.param({}, False, id="an empty document"),
        pytest.param({"components": {"schemas": None}}, False, id="no schemas"),
    ],
)
def test_the_served_schema_says_whether_quantities_are_taken(document: dict[str, object], takes: bool) -> None:
    assert takes_quantities(document) is takes


@pytest.mark.parametrize("crd", ["upstream's", "the lab's"])
def test_the_stock_definition_takes_quantities_in_its_first_version_only(crd: str) -> None:
    if crd == "upstream's" and not UPSTREAM.exists():
        pytest.skip(f"no copy of upstream's CustomResourceDefinition beside this repository ({UPSTREAM.name})")
    text = UPSTREAM.read_text() if crd == "upstream's" else OURS.read_text()
    versions = cast("list[dict[str, object]]", yaml.safe_load(text)["spec"]["versions"])
    found = {}
    for version in versions:
        schema = cast("dict[str, dict[str, object]]", version["schema"])["openAPIV3Schema"]
        mark = {"group": "split.smi-spec.io", "kind": "TrafficSplit", "version": version["name"]}
        served = {**schema, "x-kubernetes-group-version-kind": [mark]}
        found[version["name"]] = takes_quantities({"components": {"schemas": {"TrafficSplit": served}}})
    assert (found["v1alpha1"], found["v1alpha2"]) == (True, False)
