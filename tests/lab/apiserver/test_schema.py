"""Structural schemas: pruning, defaults, validation, and what is let pass because it has not changed."""

import pytest

from canary.lab.apiserver.schema import ABSENT, put_defaults, unknown_fields, violations
from canary.lab.apiserver.tree import Object

SPEC: Object = {
    "type": "object",
    "required": ["service"],
    "properties": {
        "service": {"type": "string", "minLength": 1},
        "mode": {"type": "string", "default": "Copy", "enum": ["Copy", "External"]},
        "weights": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 1000}},
        "gates": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "properties": {"name": {"type": "string"}, "min": {"type": "number"}}},
        },
        "names": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 2},
        "inner": {"type": "object", "default": {}, "properties": {"size": {"type": "integer", "default": 1}}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "note": {"type": "string", "nullable": True},
    },
}
SCHEMA: Object = {"type": "object", "properties": {"spec": SPEC}}


def problems(spec: object, old: object = ABSENT) -> list[tuple[str, str]]:
    before = ABSENT if old is ABSENT else {"spec": old}
    return [(cause.field, cause.reason) for cause in violations(SCHEMA, {"spec": spec}, before)]


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        pytest.param({"service": "web"}, [], id="what fits"),
        pytest.param({}, [("spec.service", "FieldValueRequired")], id="required"),
        pytest.param("text", [("spec", "FieldValueTypeInvalid")], id="a text for an object"),
        pytest.param({"service": 1}, [("spec.service", "FieldValueTypeInvalid")], id="a number for a text"),
        pytest.param({"service": None}, [("spec.service", "FieldValueTypeInvalid")], id="null"),
        pytest.param({"service": ""}, [("spec.service", "FieldValueInvalid")], id="too short"),
        pytest.param({"service": "a", "mode": "Move"}, [("spec.mode", "FieldValueNotSupported")], id="no choice"),
        pytest.param({"service": "a", "weights": [1.0, 2]}, [], id="a whole number with a point"),
        pytest.param(
            {"service": "a", "weights": [0.5]}, [("spec.weights[0]", "FieldValueTypeInvalid")], id="a fraction"
        ),
        pytest.param(
            {"service": "a", "weights": [True]}, [("spec.weights[0]", "FieldValueTypeInvalid")], id="a boolean"
        ),
        pytest.param({"service": "a", "weights": [1, 1001]}, [("spec.weights[1]", "FieldValueInvalid")], id="too much"),
        pytest.param({"service": "a", "names": ["x", "x"]}, [("spec.names[1]", "FieldValueDuplicate")], id="not a set"),
        pytest.param({"service": "a", "labels": {"x": 1}}, [("spec.labels.x", "FieldValueTypeInvalid")], id="in a map"),
        pytest.param(
            {"service": "a", "labels": {"x": "", "y": "", "z": ""}},
            [("spec.labels", "FieldValueTooMany")],
            id="too many",
        ),
        pytest.param({"service": "a", "note": None}, [], id="null where it may be"),
    ],
)
def test_a_value_is_held_against_its_schema(spec: object, wanted: list[tuple[str, str]]) -> None:
    assert problems(spec) == wanted


@pytest.mark.parametrize(
    ("rule", "value", "is_broken"),
    [
        pytest.param({"anyOf": [{"type": "string"}, {"type": "integer"}]}, 1, False, id="any of"),
        pytest.param({"anyOf": [{"type": "string"}, {"type": "integer"}]}, [], True, id="none of any"),
        pytest.param({"oneOf": [{"type": "number"}, {"type": "integer"}]}, 1, True, id="two of one"),
        pytest.param({"oneOf": [{"type": "string"}, {"type": "integer"}]}, 1, False, id="one of one"),
        pytest.param({"allOf": [{"minimum": 1}, {"maximum": 3}]}, 4, True, id="not all of"),
        pytest.param({"not": {"type": "integer"}}, 4, True, id="what may not be"),
        pytest.param({"not": {"type": "string"}}, 4, False, id="what is not what may not be"),
    ],
)
def test_schemas_can_be_combined(rule: Object, value: object, is_broken: bool) -> None:
    schema: Object = {"type": "object", "properties": {"value": rule}}
    assert bool(list(violations(schema, {"value": value}))) is is_broken


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        pytest.param({"service": ""}, {"service": ""}, [], id="an old mistake is let pass"),
        pytest.param({"service": ""}, {"service": "", "mode": "Copy"}, [], id="also when something else changes"),
        pytest.param({"service": "a"}, {"service": ""}, [("spec.service", "FieldValueInvalid")], id="a new one is not"),
        pytest.param(
            {"service": "a", "weights": [-1]},
            {"service": "a", "weights": [-1, 5]},
            [("spec.weights[0]", "FieldValueInvalid")],
            id="a list that changes is looked at as a whole",
        ),
        pytest.param(
            {"service": "a", "gates": [{"name": "x", "min": "bad"}]},
            {"service": "a", "gates": [{"name": "y", "min": 1}, {"name": "x", "min": "bad"}]},
            [],
            id="a list with keys is not",
        ),
    ],
)
def test_what_has_not_changed_is_let_pass(old: object, new: object, wanted: list[tuple[str, str]]) -> None:
    assert problems(new, old) == wanted


def test_unknown_fields_are_taken_out_and_named() -> None:
    obj: Object = {
        "apiVersion": "v1",
        "metadata": {"anything": 1},
        "extra": 1,
        "spec": {
            "service": "a",
            "typo": 1,
            "gates": [{"name": "x", "most": 1}],
            "free": {"a": {"b": 1}},
            "labels": {"x": "1"},
        },
    }
    assert sorted(unknown_fields(SCHEMA, obj)) == ["extra", "spec.gates[0].most", "spec.typo"]
    assert obj == {
        "apiVersion": "v1",
        "metadata": {"anything": 1},
        "spec": {"service": "a", "gates": [{"name": "x"}], "free": {"a": {"b": 1}}, "labels": {"x": "1"}},
    }


def test_defaults_fill_what_is_absent_all_the_way_down() -> None:
    obj: Object = {"spec": {"service": "a"}}
    put_defaults(SCHEMA, obj)
    assert obj == {"spec": {"service": "a", "mode": "Copy", "inner": {"size": 1}}}


def test_a_null_that_may_not_be_is_dropped_before_the_default_comes() -> None:
    obj: Object = {"spec": {"service": None, "mode": None, "note": None, "inner": {"size": 5}}}
    put_defaults(SCHEMA, obj)
    assert obj == {"spec": {"mode": "Copy", "note": None, "inner": {"size": 5}}}


def test_a_default_is_not_shared_between_objects() -> None:
    one: Object = {"spec": {}}
    other: Object = {"spec": {}}
    put_defaults(SCHEMA, one)
    put_defaults(SCHEMA, other)
    assert one == other
    spec = one["spec"]
    assert isinstance(spec, dict)
    spec["inner"]["size"] = 9
    assert other == {"spec": {"mode": "Copy", "inner": {"size": 1}}}
