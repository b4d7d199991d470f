"""The seed's manifests, and that the example shows the same service."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from canary.adapters.api import Json
from canary.core.manifest import parse_spec
from canary.lab import seed
from canary.lab.behaviour import parse_behaviour
from canary.lab.clients import parse_load
from canary.lab.fields import look, rows, text

ROOT = Path(__file__).parents[2]
UPSTREAM = ROOT.parent / "shared" / "upstream" / "crds"


def deployment(objects: list[Json], name: str) -> Json:
    return next(obj for obj in objects if obj["kind"] == "Deployment" and text(obj, "metadata", "name") == name)


def env(obj: Json) -> dict[str, str]:
    app = rows(obj, "spec", "template", "spec", "containers")[0]
    return {text(entry, "name"): text(entry, "value") for entry in rows(app, "env")}


def test_the_example_is_the_seeds_service_with_its_canary() -> None:
    example = list(yaml.safe_load_all((ROOT / "examples" / "yamtam-agent.yaml").read_text()))
    assert example == [*seed.service(), seed.canary()]


def test_the_seeds_canary_is_valid() -> None:
    assert parse_spec(seed.canary()) is not None


def test_every_deployment_of_the_seed_is_meshed() -> None:
    deployments = [obj for obj in seed.yamtam() if obj["kind"] == "Deployment"]
    assert len(deployments) == 3
    for obj in deployments:
        assert [text(c, "name") for c in rows(obj, "spec", "template", "spec", "containers")] == [
            "app",
            "linkerd-proxy",
        ]


def test_the_seed_takes_its_load_and_its_releases() -> None:
    objects = seed.yamtam(rps=300, clients=2, canary={"LAB_FAILURES": "*=5%"})
    assert parse_load(env(deployment(objects, "load"))["LAB_CLIENT"]).rps == 150
    assert look(deployment(objects, "load"), "spec", "replicas") == 2
    assert env(deployment(objects, seed.CANARY)) == {"LAB_FAILURES": "*=5%"}
    assert parse_behaviour(env(deployment(objects, seed.STABLE))).latencies.rules


def test_a_release_is_set_beside_what_is_set_already() -> None:
    obj = deployment(seed.yamtam(canary={"LAB_READY": "true", "A": "1"}), seed.CANARY)
    changed = seed.with_env(obj, {"LAB_READY": "false"})
    assert env(changed) == {"LAB_READY": "false", "A": "1"}
    assert env(obj) == {"LAB_READY": "true", "A": "1"}


def test_the_seed_can_stand_in_any_namespace() -> None:
    objects = [*seed.yamtam(namespace="other"), seed.canary(namespace="other")]
    names = {text(obj, "kind"): text(obj, "metadata", "name") for obj in objects}
    assert names["Namespace"] == "other"
    assert names["ServiceProfile"] == "yamtam-agent.other.svc.cluster.local"
    assert {text(obj, "metadata", "namespace") for obj in objects if obj["kind"] != "Namespace"} == {"other"}
    assert text(seed.yamtam()[0], "metadata", "name") == "yamtam"


def test_injection_leaves_alone_what_does_not_ask_for_it_and_what_has_it() -> None:
    objects = seed.service()
    plain = deployment(objects, seed.STABLE)
    once = seed.inject(plain)
    assert seed.inject(once) == once
    plain["spec"]["template"]["metadata"].pop("annotations")  # type: ignore[index]  # as the seed built it
    assert seed.inject(plain) is plain
    assert seed.inject(objects[1]) is objects[1]


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield the types and formats of a schema by where they stand; descriptions and patterns aside."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in {"description", "pattern"}:
                yield from leaves(inner, f"{path}.{key}")
    elif isinstance(value, list) and path.endswith(".required"):
        yield path, tuple(sorted(map(str, value)))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{number}]")
    else:
        yield path, value


@pytest.mark.skipif(not UPSTREAM.is_dir(), reason="the upstream CRDs are not at hand")
@pytest.mark.parametrize(
    ("own", "upstream"),
    [("trafficsplits", "trafficsplits.split.smi-spec.io"), ("serviceprofiles", "serviceprofiles.linkerd.io")],
)
def test_the_labs_crds_have_the_upstream_schemas(own: str, upstream: str) -> None:
    ours = yaml.safe_load((ROOT / "canary" / "lab" / "crds" / f"{own}.yaml").read_text())
    theirs = yaml.safe_load((UPSTREAM / f"{upstream}.yaml").read_text())
    assert text(ours, "metadata", "name") == text(theirs, "metadata", "name")
    for version in rows(ours, "spec", "versions"):
        (same,) = [row for row in rows(theirs, "spec", "versions") if row["name"] == version["name"]]
        assert (version["served"], version["storage"]) == (same["served"], same["storage"])
        found, wanted = (dict(leaves(row["schema"])) for row in (version, same))
        # Required on the array, where it enforces nothing.
        odd = ".openAPIV3Schema.properties.spec.properties.dstOverrides.required"
        assert found == {path: leaf for path, leaf in wanted.items() if path != odd}
