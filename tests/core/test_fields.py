"""Reading an object field by field: right types whatever comes in, and every problem where it stands."""

from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum

import pytest

from canary.core.fields import LONGEST_LABEL, LONGEST_NAME, Fields


class Fruit(StrEnum):
    APPLE = "Apple"
    PEAR = "Pear"


def told(fields: Fields) -> list[str]:
    return [str(problem) for problem in fields.problems]


READERS: list[tuple[str, Callable[[Fields], object], object]] = [
    ("text", lambda fields: fields.text("x", "default"), "default"),
    ("name", lambda fields: fields.name("x", "default"), "default"),
    ("label", lambda fields: fields.label("x"), ""),
    ("flag", lambda fields: fields.flag("x"), False),
    ("count", lambda fields: fields.count("x"), None),
    ("number", lambda fields: fields.number("x", 1.5, most=9.0), 1.5),
    ("choice", lambda fields: fields.choice("x", Fruit.PEAR), Fruit.PEAR),
    ("array", lambda fields: fields.array("x", ["default"]), ["default"]),
    ("duration", lambda fields: fields.duration("x", "9s", least=timedelta(seconds=1)), timedelta(seconds=1)),
    ("percent", lambda fields: fields.percent("x", "9%", least=0.01, most=0.5), 0.01),
    ("points", lambda fields: fields.points("x", 0.25), 0.25),
]


@pytest.mark.parametrize(("read", "harmless"), [pytest.param(*reader[1:], id=reader[0]) for reader in READERS])
def test_a_wrong_type_is_told_and_read_as_something_harmless(
    read: Callable[[Fields], object], harmless: object
) -> None:
    fields = Fields({"x": {"not": "this"}}, "spec")
    assert read(fields) == harmless
    (message,) = told(fields)
    assert message.startswith("spec.x: {'not': 'this'} is not ")


@pytest.mark.parametrize(
    ("read", "value"),
    [
        pytest.param(lambda fields: fields.text("x", "default"), "default", id="text"),
        pytest.param(lambda fields: fields.name("x", "default"), "default", id="name"),
        pytest.param(lambda fields: fields.flag("x"), False, id="flag"),
        pytest.param(lambda fields: fields.count("x"), None, id="count"),
        pytest.param(lambda fields: fields.choice("x", Fruit.PEAR), Fruit.PEAR, id="choice"),
        pytest.param(lambda fields: fields.array("x", ["default"]), ["default"], id="array"),
        pytest.param(
            lambda fields: fields.duration("x", "9s", least=timedelta(seconds=1)), timedelta(seconds=9), id="duration"
        ),
        pytest.param(lambda fields: fields.percent("x", "9%", least=0.01, most=0.5), 0.09, id="percent"),
        pytest.param(lambda fields: fields.points("x", 0.25), 0.25, id="points"),
        pytest.param(lambda fields: fields.has("x"), False, id="has"),
        pytest.param(lambda fields: fields.sections("x"), [], id="sections"),
    ],
)
@pytest.mark.parametrize("values", [{}, {"x": None}], ids=["absent", "null"])
def test_unset_takes_the_default(values: dict[str, object], read: Callable[[Fields], object], value: object) -> None:
    fields = Fields(values, "")
    assert read(fields) == value
    assert told(fields) == []


@pytest.mark.parametrize("required", ["name", "label"])
def test_a_required_name_is_missed(required: str) -> None:
    fields = Fields({}, "spec")
    getattr(fields, required)("x")
    (message,) = told(fields)
    assert message.startswith("spec.x: None is not ")


@pytest.mark.parametrize(
    ("name", "as_name", "as_label"),
    [
        pytest.param("web", True, True, id="a word"),
        pytest.param("9-lives", True, True, id="digits and dashes"),
        pytest.param("web.v2", True, False, id="dots"),
        pytest.param("web..v2", False, False, id="two dots"),
        pytest.param("web-", False, False, id="dash at the end"),
        pytest.param("Web", False, False, id="capitals"),
        pytest.param("web\n", False, False, id="line end"),
        pytest.param("a" * LONGEST_LABEL, True, True, id="longest label"),
        pytest.param("a" * (LONGEST_LABEL + 1), True, False, id="longer than a label"),
        pytest.param("a" * (LONGEST_NAME + 1), False, False, id="longer than a name"),
    ],
)
def test_names_are_those_kubernetes_takes(name: str, *, as_name: bool, as_label: bool) -> None:
    fields = Fields({"x": name}, "")
    assert (fields.name("x") == name) is as_name
    assert (fields.label("x") == name) is as_label
    assert len(told(fields)) == (not as_name) + (not as_label)


def test_a_default_duration_gives_way_to_the_least() -> None:
    fields = Fields({}, "")
    assert fields.duration("x", "9s", least=timedelta(minutes=1)) == timedelta(minutes=1)
    assert told(fields) == []


def test_problems_of_every_depth_meet_in_one_list() -> None:
    top = Fields({"a": {"b": [{"c": 1}, {"c": "fine"}, {"c": 2}]}}, "")
    for item in top.section("a").sections("b"):
        item.text("c", "")
    assert [problem.field for problem in top.problems] == ["a.b[0].c", "a.b[2].c"]


def test_a_field_that_nobody_reads_is_refused_with_the_known_ones() -> None:
    fields = Fields({"min": "99%", "mim": "98%"}, "gate")
    fields.has("min")
    fields.section("more")
    fields.finish()
    assert told(fields) == ["gate.mim: '98%' is not a known field; known here: min, more"]


def test_a_section_is_read_once_however_often_it_is_asked_for() -> None:
    fields = Fields({"gates": "none"}, "")
    assert fields.section("gates") is fields.section("gates")
    assert told(fields) == ["gates: 'none' is not an object"]


def test_what_is_missing_in_a_thing_that_is_no_object_is_not_told() -> None:
    fields = Fields({"gates": [1]}, "")
    fields.section("gates").label("name")
    fields.section("gates").section("deeper").label("name")
    fields.section("gates").finish()
    assert told(fields) == ["gates: [1] is not an object"]


def test_a_whole_object_is_refused_by_its_own_path() -> None:
    fields = Fields({"a": 1}, "spec.gates")
    fields.refuse("", "a set of gates")
    assert told(fields) == ["spec.gates: {'a': 1} is not a set of gates"]


@pytest.mark.parametrize(
    ("given", "read", "right"),
    [(2, 2.0, True), (9.0, 9.0, True), (0, 1.5, False), (9.1, 1.5, False), (True, 1.5, False), (None, 1.5, True)],
)
def test_a_number_is_above_zero_and_bounded(given: object, read: float, right: bool) -> None:
    fields = Fields({"x": given}, "spec")
    assert fields.number("x", 1.5, most=9.0) == read
    assert told(fields) == ([] if right else [f"spec.x: {given!r} is not a number above 0, at most 9"])
