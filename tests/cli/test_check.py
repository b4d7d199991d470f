"""`canary check` finds everything at once, and says where."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import yaml
from click.testing import CliRunner, Result

from canary.adapters.api import Json
from canary.cli import main
from canary.lab import seed
from tests.canaries import BAD, GOOD, a_canary

Change = Callable[[dict[str, Json]], None]


def checked(tmp_path: Path, *documents: object, arguments: tuple[str, ...] = ()) -> Result:
    file = tmp_path / "all.yaml"
    file.write_text(yaml.safe_dump_all(documents))
    return CliRunner().invoke(main, ["check", str(file), *arguments])


def problems(result: Result) -> list[Json]:
    return cast("list[Json]", json.loads(result.stdout)["problems"])


def seeded(change: Change) -> list[Json]:
    """Make the seed's manifests with a change, which gets the objects by kind and name."""
    objects = copy.deepcopy([*seed.service(), seed.canary()])
    change({f"{obj['kind']} {cast('Json', obj['metadata'])['name']}": obj for obj in objects})
    return [obj for obj in objects if obj]


def spec(obj: Json) -> Json:
    return cast("Json", obj["spec"])


@pytest.mark.parametrize("document", GOOD)
def test_a_good_canary_has_no_problems(tmp_path: Path, document: Json) -> None:
    result = checked(tmp_path, document)
    assert (result.exit_code, result.stdout) == (0, "1 Canary in 1 file: no problems\n")


@pytest.mark.parametrize(("document", "field", "told"), [row for row in BAD if row.id not in ("api", "kind")])
def test_a_bad_canary_is_told_field_and_allowed(tmp_path: Path, document: Json, field: str, told: str) -> None:
    result = checked(tmp_path, document, arguments=("-o", "json"))
    found = problems(result)
    assert result.exit_code == 1
    assert field in [problem["field"] for problem in found]
    assert all(problem["allowed"] and problem["document"] == 1 for problem in found)
    assert told in checked(tmp_path, document).stdout


def test_the_seed_with_everything_beside_it_is_in_order(tmp_path: Path) -> None:
    result = checked(tmp_path, *seeded(lambda _: None))
    assert (result.exit_code, result.stdout) == (0, "1 Canary in 1 file: no problems\n")


def rename(kind_and_name: str, name: str) -> Change:
    def change(objects: dict[str, Json]) -> None:
        cast("Json", objects[kind_and_name]["metadata"])["name"] = name

    return change


def in_spec(kind_and_name: str, field: str, value: object) -> Change:
    def change(objects: dict[str, Json]) -> None:
        spec(objects[kind_and_name])[field] = value

    return change


CANARY, SPLIT = "Canary yamtam-agent", "TrafficSplit yamtam-canary"
PROFILE = "ServiceProfile yamtam-agent.yamtam.svc.cluster.local"
LONELY = [{"service": "yamtam-agent-stable", "weight": "1000m"}]


@pytest.mark.parametrize(
    ("change", "field", "allowed"),
    [
        pytest.param(
            rename("Service yamtam-agent", "agent"), "spec.service", "a Service of these files", id="no apex Service"
        ),
        pytest.param(
            rename("Service yamtam-agent-canary", "c"), "spec.canary.service", "a Service of these files", id="no leaf"
        ),
        pytest.param(
            rename("Deployment yamtam-agent-stable", "s"),
            "spec.stable.deployment",
            "a Deployment of these files, which have s, yamtam-agent-canary",
            id="no Deployment",
        ),
        pytest.param(
            in_spec(CANARY, "canary", {"service": "yamtam-agent-canary", "deployment": "x"}),
            "spec.canary.deployment",
            "which have yamtam-agent-canary, yamtam-agent-stable",
            id="another Deployment",
        ),
        pytest.param(
            in_spec(CANARY, "route", {"name": "yamtam"}),
            "spec.route.name",
            "'yamtam-canary', the TrafficSplit of 'yamtam-agent'",
            id="two splits for one apex",
        ),
        pytest.param(in_spec(SPLIT, "service", "web"), "spec.service", "'web', which TrafficSplit", id="split's apex"),
        pytest.param(
            in_spec(SPLIT, "backends", LONELY),
            "spec.stable.service and spec.canary.service",
            "which are yamtam-agent-stable",
            id="split's backends",
        ),
        pytest.param(
            in_spec(PROFILE, "routes", [{"name": "GET /health"}]),
            "spec.gates.routes[0].name",
            "which has GET /health",
            id="no such route",
        ),
    ],
)
def test_what_stands_in_the_same_files_is_compared(tmp_path: Path, change: Change, field: str, allowed: str) -> None:
    found = problems(checked(tmp_path, *seeded(change), arguments=("-o", "json")))
    assert [problem["field"] for problem in found] == [field]
    assert allowed in str(found[0]["allowed"])
    assert found[0]["name"] == "yamtam-agent"


def test_an_invalid_canary_is_compared_all_the_same(tmp_path: Path) -> None:
    def change(objects: dict[str, Json]) -> None:
        spec(objects[CANARY])["steps"] = ["2000m"]
        rename("Service yamtam-agent", "agent")(objects)

    fields = [problem["field"] for problem in problems(checked(tmp_path, *seeded(change), arguments=("-o", "json")))]
    assert fields == ["spec.steps", "spec.service"]


def test_objects_of_another_namespace_are_not_meant(tmp_path: Path) -> None:
    def change(objects: dict[str, Json]) -> None:
        for obj in objects.values():
            if obj["kind"] != "Canary":
                cast("Json", obj["metadata"])["namespace"] = "elsewhere"

    assert checked(tmp_path, *seeded(change)).exit_code == 0


def test_kinds_that_are_not_there_are_not_missed(tmp_path: Path) -> None:
    assert (
        checked(tmp_path, *[obj for obj in seeded(lambda _: None) if obj["kind"] in ("Canary", "Service")]).exit_code
        == 0
    )


def test_two_canaries_must_not_claim_the_same(tmp_path: Path) -> None:
    twin = a_canary(canary={"service": "web-next"}, route={"name": "other"})
    cast("Json", twin["metadata"])["name"] = "twin"
    found = problems(checked(tmp_path, a_canary(), twin, arguments=("-o", "json")))
    assert [(problem["name"], problem["field"]) for problem in found] == [
        ("twin", "spec.service"),
        ("twin", "spec.stable.deployment"),
    ]


def test_all_files_are_told_together(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("a: [b\n")
    (tmp_path / "odd.yaml").write_bytes(b"a: \xff\n")
    files = [str(tmp_path / name) for name in ("bad.yaml", "none.yaml", "odd.yaml")]
    (tmp_path / "good.yaml").write_text(yaml.safe_dump_all([{"kind": "ConfigMap"}, a_canary(bake="soon")]))
    result = CliRunner().invoke(main, ["check", *files, str(tmp_path / "good.yaml")])
    assert result.exit_code == 1
    lines = [line.removeprefix(str(tmp_path) + "/") for line in result.stdout.splitlines()]
    assert lines[0].startswith("bad.yaml, document 1: ")
    assert "line 2 column 1" in lines[0]
    assert lines[1:3] == [
        "none.yaml: 'none.yaml' is not a file that can be read: No such file or directory",
        "odd.yaml: 'odd.yaml' is not a file that can be read: not UTF-8",
    ]
    assert lines[3].startswith("good.yaml, document 2, Canary web: spec.bake: 'soon' is not a duration")
    assert lines[4] == "1 Canary in 4 files: 4 problems"


def test_documents_before_a_broken_one_are_still_checked(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(yaml.safe_dump(a_canary(bake="soon")) + "---\na: [b\n")
    found = problems(CliRunner().invoke(main, ["check", str(file), "-o", "json"]))
    assert [(problem["document"], problem["field"]) for problem in found] == [(2, ""), (1, "spec.bake")]


LAUGHS = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("name: 2026-13-45", "month must be in 1..12", id="a date that is none"),
        pytest.param(f"name: {'9' * 5000}", "Exceeds the limit (4300 digits)", id="thousands of digits"),
        pytest.param("name: " + "[" * 3000, "maximum recursion depth", id="thousands of brackets"),
        pytest.param(f"kind: Canary\n{LAUGHS}spec: *a11", "at most 100000 values", id="aliases of aliases"),
        pytest.param("kind: Canary\nspec: &a {spec: *a}", "at most 100000 values", id="an alias within itself"),
        pytest.param('kind: Canary\nmetadata: {name: "\\ud800"}', "Canary \\ud800: ", id="half a letter"),
        pytest.param("? [a]\n: b", "found unhashable key", id="a key that is a list"),
        pytest.param(
            "kind: Canary\nspec: {1: 2, 2026-01-01: 3, null: 4}", "spec.1: 2 is not", id="keys that are no texts"
        ),
        pytest.param("kind: \a", "is not YAML", id="a bell"),
    ],
)
@pytest.mark.parametrize("output", ["table", "json"])
def test_no_file_is_too_odd_to_be_told_about(tmp_path: Path, text: str, told: str, output: str) -> None:
    file = tmp_path / "odd.yaml"
    file.write_text(text)
    result = CliRunner().invoke(main, ["check", str(file), "-o", output])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    if output == "table":
        assert told in result.stdout
    else:
        assert json.loads(result.stdout)["problems"]


def test_a_list_is_taken_apart(tmp_path: Path) -> None:
    result = checked(tmp_path, {"apiVersion": "v1", "kind": "List", "items": [a_canary(bake="soon")]})
    assert "Canary web: spec.bake" in result.stdout


def test_stdin_is_a_file(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["check", "-"], input=yaml.safe_dump(a_canary()))
    assert (result.exit_code, result.stdout) == (0, "1 Canary in 1 file: no problems\n")


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"kind": "ConfigMap"}, id="another kind"),
        pytest.param({"apiVersion": "flagger.app/v1beta1", "kind": "Canary"}, id="Flagger's Canary"),
        pytest.param(None, id="an empty file"),
    ],
)
def test_to_check_nothing_is_a_problem(tmp_path: Path, document: object) -> None:
    result = checked(tmp_path, document)
    assert result.exit_code == 1
    assert "is not a file with a Canary of canary.dev/v1alpha1" in result.stdout


@pytest.mark.parametrize("document", [pytest.param(["a"], id="a list"), pytest.param("text", id="text")])
def test_what_is_no_object_is_a_problem(tmp_path: Path, document: object) -> None:
    assert "is not an object" in checked(tmp_path, document).stdout


def test_no_files_are_wrong_usage() -> None:
    assert CliRunner().invoke(main, ["check"]).exit_code == 2


def test_a_limit_between_two_buckets_is_noted_and_no_problem(tmp_path: Path) -> None:
    gap = a_canary(gates={"latency": {"p99": "450ms"}})
    result = checked(tmp_path, gap, a_canary(gates={}))
    assert "document 1, Canary web: note: service: p99 latency: 450 ms is judged at 500 ms and" in result.stdout
    result = checked(tmp_path, gap, arguments=("-o", "json"))
    (told,) = json.loads(result.stdout)["notes"]
    assert (result.exit_code, told["name"], told["document"]) == (0, "web", 1)
    assert told["note"].endswith("choose 400ms or 500ms")
