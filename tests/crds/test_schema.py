"""The CRD says what the parser says: the same fields, choices, patterns, limits and defaults."""

import re
from collections.abc import Iterator
from importlib.resources import files
from typing import cast

import pytest
import yaml

from canary.core import fields, formats, manifest, policies, querying, room
from canary.core.manifest import parse_spec
from canary.core.record import render_status
from canary.errors import InvalidSpec
from tests.canaries import A_STATUS, FULL, changed

Schema = dict[str, "str | int | bool | list[str] | Schema"]

CRD = yaml.safe_load((files("canary") / "crds" / "canaries.yaml").read_text())
VERSION = CRD["spec"]["versions"][0]
ROOT: Schema = VERSION["schema"]["openAPIV3Schema"]["properties"]["spec"]


def walk(schema: Schema, path: tuple[str, ...] = ("spec",)) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """Give every schema under `spec` with its path; `0` stands for the items of a list."""
    yield path, schema
    for name, below in cast("dict[str, Schema]", schema.get("properties", {})).items():
        yield from walk(below, (*path, name))
    if "items" in schema:
        yield from walk(cast("Schema", schema["items"]), (*path, "0"))


NODES = dict(walk(ROOT))


def cases(paths: Iterator[tuple[str, ...]]) -> list[object]:
    return [pytest.param(path, id=".".join(path)) for path in paths]


def written(path: tuple[str, ...]) -> str:
    return ".".join(path).replace(".0", "[0]")


def told(obj: dict[str, object]) -> dict[str, str]:
    with pytest.raises(InvalidSpec) as refused:
        parse_spec(obj)
    return {problem.field: problem.allowed for problem in refused.value.problems}


def test_the_object_with_every_field_is_valid() -> None:
    assert parse_spec(FULL).places


def test_the_resource_is_named_as_the_parser_has_it() -> None:
    assert f"{CRD['spec']['group']}/{VERSION['name']}" == manifest.API_VERSION
    assert CRD["spec"]["names"] == {
        "kind": "Canary",
        "listKind": "CanaryList",
        "plural": "canaries",
        "singular": "canary",
        "shortNames": ["cny"],
    }
    assert CRD["metadata"]["name"] == f"{CRD['spec']['names']['plural']}.{CRD['spec']['group']}"


def test_people_see_phase_weight_revision_reason_and_age() -> None:
    columns = [column["name"] for column in VERSION["additionalPrinterColumns"]]
    assert columns == ["Phase", "Weight", "Revision", "Reason", "Age"]
    assert VERSION["subresources"] == {"status": {}}


@pytest.mark.parametrize("path", cases(path for path, node in NODES.items() if "properties" in node))
def test_it_has_the_fields_that_the_parser_reads(path: tuple[str, ...]) -> None:
    allowed = told(changed((*path, "typo"), 1))[f"{written(path)}.typo"]
    known = allowed.removeprefix("a known field; known here: ").split(", ")
    assert sorted(cast("dict[str, Schema]", NODES[path]["properties"])) == known


@pytest.mark.parametrize("path", cases(path for path, node in NODES.items() if "enum" in node))
def test_it_has_the_choices_that_the_parser_has(path: tuple[str, ...]) -> None:
    allowed = told(changed(path, "None of these"))[written(path)]
    assert "one of " + ", ".join(cast("list[str]", NODES[path]["enum"])) == allowed


@pytest.mark.parametrize("path", cases(path for path in NODES if path[-1] != "0" and len(path) > 1))
def test_it_requires_what_the_parser_requires(path: tuple[str, ...]) -> None:
    required = path[-1] in cast("list[str]", NODES[path[:-1]].get("required", []))
    if not required:
        other = changed(path, None)
        if path[-1] == "p99":  # a rule asks for it or for a slowdown
            assert "p99 or slowdown" in str(NODES[path[:-1]]["x-kubernetes-validations"])
            other = changed(path[:-1], {"slowdown": 2})
        parse_spec(other)
        return
    missed = told(changed(path, None))
    assert all(field.startswith(written(path)) for field in missed)


KINDS: dict[str, re.Pattern[str]] = {
    "name": fields.NAME,
    "deployment": fields.NAME,
    "service": fields.LABEL,
    "min": formats.PERCENT,
    "passBelow": formats.PERCENT,
    "falseRollback": formats.PERCENT,
    "missedRegression": formats.PERCENT,
    "worseThanStable": formats.POINTS,
    "url": formats.URL,
    **dict.fromkeys(("interval", "dwell", "stepTimeout", "bake", "p99", "timeout", "for", "window"), formats.DURATION),
}


@pytest.mark.parametrize("path", cases(path for path, node in NODES.items() if "pattern" in node and path[-1] in KINDS))
def test_it_has_the_patterns_of_the_parser(path: tuple[str, ...]) -> None:
    assert NODES[path]["pattern"] == f"^{KINDS[path[-1]].pattern}$"


def test_a_query_may_name_what_the_parser_fills_in() -> None:
    pattern = re.compile(str(NODES["spec", "gates", "queries", "0", "query"]["pattern"]))
    assert all(pattern.search(f"x{{a='{{{{ {name} }}}}'}}[1m]") for name in querying.VARIABLES)
    assert not pattern.search("x{a='{{pod}}'}")


@pytest.mark.parametrize("path", cases(path for path, node in NODES.items() if node["type"] == "string"))
def test_no_text_is_of_any_length_or_of_any_form(path: tuple[str, ...]) -> None:
    node = NODES[path]
    assert "enum" in node or "maxLength" in node
    assert "enum" in node or "pattern" in node or path[-1] in ("abort", "retry", "approve", "name", "query")


def test_its_limits_are_those_of_the_parser() -> None:
    def limits(key: str) -> dict[str, object]:
        return {path[-1]: node[key] for path, node in NODES.items() if key in node}

    assert limits("maxItems") == {
        "steps": policies.MOST_STEPS,
        "routes": room.MOST_GATES,
        "webhooks": manifest.MOST_WEBHOOKS,
        "queries": querying.MOST_QUERIES,
    }
    assert NODES["spec", "service"]["maxLength"] == fields.LONGEST_LABEL
    assert NODES["spec", "route", "name"]["maxLength"] == fields.LONGEST_NAME
    assert NODES["spec", "gates", "routes", "0", "name"]["maxLength"] == fields.LONGEST_TEXT
    assert NODES["spec", "abort"]["maxLength"] == fields.LONGEST_TEXT
    assert NODES["spec", "gates", "queries", "0", "query"]["maxLength"] == querying.LONGEST_QUERY
    bound = fields.MOST_BOUND
    assert limits("maximum") == {
        "idleReplicas": fields.MOST,
        "budget": policies.MOST_BUDGET,
        "failures": policies.MOST_FAILURES,
        "minRequests": policies.MOST_REQUESTS,
        "min": bound,
        "slowdown": manifest.MOST_SLOWDOWN,
        "max": bound,
    }


def test_every_weight_it_takes_is_one_of_ours() -> None:
    pattern = re.compile(str(NODES["spec", "steps", "0"]["pattern"]))
    taken = [number for number in range(-1, 2000) if pattern.fullmatch(f"{number}m")]
    assert taken == [number for number in range(1, 2000) if formats.weight(f"{number}m") is not None]


def test_nothing_is_defaulted_by_the_api_server() -> None:
    assert [path for path, node in NODES.items() if "default" in node] == []


def defaults() -> Iterator[object]:
    """Give each field whose description names a default that is no sentence, with that default."""
    for path, node in NODES.items():
        named = re.search(r"Default ([^.,]*(?:\.\d+[^.,]*)?(?:, \d+m)*)", str(node.get("description")))
        if named is None:
            continue
        if path[-1] == "steps":
            yield pytest.param(path, named[1].split(", "), id="spec.steps")
        elif " " not in named[1]:
            default = int(named[1]) if node["type"] == "integer" else {"false": False}.get(named[1], named[1])
            yield pytest.param(path, default, id=".".join(path))


@pytest.mark.parametrize(("path", "value"), list(defaults()))
def test_the_defaults_it_names_are_those_of_the_parser(path: tuple[str, ...], value: object) -> None:
    assert parse_spec(changed(path, value)) == parse_spec(changed(path, None))


def test_most_fields_name_their_default() -> None:
    assert len(list(defaults())) >= 16


def test_every_rule_says_in_words_what_is_wrong() -> None:
    rules = [
        rule
        for node in NODES.values()
        for rule in cast("list[dict[str, str]]", node.get("x-kubernetes-validations", []))
    ]
    assert len(rules) > 20
    assert all(rule["message"] for rule in rules)


def test_the_status_has_room_for_everything_the_controller_writes() -> None:
    """What the schema does not name is dropped by the API server without a word."""
    status = VERSION["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    written = render_status(A_STATUS)
    assert set(written) == set(status)
    open_ended = [status["rollout"], status["evidence"], status["history"]["items"], status["gates"]["items"]]
    assert all("x-kubernetes-preserve-unknown-fields" in node for node in open_ended)
    (ready, *_) = cast("list[dict[str, object]]", written["conditions"])
    assert set(ready) == set(status["conditions"]["items"]["properties"])


def test_later_features_are_not_announced() -> None:
    assert NODES["spec", "route", "kind"]["enum"] == ["Auto", "TrafficSplit"]
