"""Reading and growing plain JSON trees."""

import pytest

from canary.lab.apiserver.tree import Object, branch, copied, count, grown, reached, rows, text, texts, without

TREE: Object = {"a": {"b": {"c": "text", "n": 3, "yes": True}, "list": [{"x": 1}, "loose", {"y": 2}]}}


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        pytest.param(reached(TREE, "a", "b", "c"), "text", id="what is there"),
        pytest.param(reached(TREE, "a", "b", "c", "d"), None, id="below a leaf"),
        pytest.param(branch(TREE, "a", "none"), {}, id="no mapping"),
        pytest.param(branch(TREE, "a", "list"), {}, id="a list is no mapping"),
        pytest.param(text(TREE, "a", "b", "n"), "", id="a number is no text"),
        pytest.param(count(TREE, "a", "b", "n"), 3, id="a number"),
        pytest.param(count(TREE, "a", "b", "yes", default=7), 7, id="true is no number"),
        pytest.param(rows(TREE, "a", "list"), [{"x": 1}, {"y": 2}], id="the mappings of a list"),
        pytest.param(texts(TREE, "a", "list"), ["loose"], id="the texts of a list"),
        pytest.param(rows(TREE, "a", "b"), [], id="no list"),
        pytest.param(without({"a": 1, "b": 2}, "a"), {"b": 2}, id="without a name"),
    ],
)
def test_a_reader_answers_or_answers_empty(found: object, wanted: object) -> None:
    assert found == wanted


def test_a_copy_shares_nothing_that_can_change() -> None:
    copy = copied(TREE)
    grown(copy, "a", "b")["c"] = "other"
    rows(copy, "a", "list")[0]["x"] = 9
    assert text(TREE, "a", "b", "c") == "text"
    assert rows(TREE, "a", "list")[0] == {"x": 1}


def test_growing_makes_what_is_missing_and_keeps_what_is_there() -> None:
    tree: Object = {"a": {"b": 1}, "leaf": 5}
    grown(tree, "a", "c", "d")["e"] = 2
    grown(tree, "leaf")["f"] = 3
    assert tree == {"a": {"b": 1, "c": {"d": {"e": 2}}}, "leaf": {"f": 3}}
