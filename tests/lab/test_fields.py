import pytest

from canary.lab.fields import look, number, rows, strings, table, text

OBJ = {"a": {"b": "x", "n": 3, "flag": True, "list": [{"k": 1}, "odd"], "map": {"s": "t", "i": 1}}}


def test_what_is_there_is_found() -> None:
    assert look(OBJ, "a", "n") == 3
    assert text(OBJ, "a", "b") == "x"
    assert table(OBJ, "a", "map") == {"s": "t", "i": 1}
    assert number(OBJ, "a", "n", default=0) == 3


def test_what_is_absent_or_of_another_type_reads_as_empty() -> None:
    assert look(OBJ, "a", "b", "c") is None
    assert text(OBJ, "a", "n") == ""
    assert table(OBJ, "a", "b") == {}
    assert rows(OBJ, "a", "b") == []
    assert number(OBJ, "a", "flag", default=7) == 7


@pytest.mark.parametrize(
    ("found", "expected"), [(rows(OBJ, "a", "list"), [{"k": 1}]), (strings(OBJ, "a", "map"), {"s": "t"})]
)
def test_odd_members_are_left_out(found: object, expected: object) -> None:
    assert found == expected
