"""Recordings are read whole, and what is wrong with one is said with its line."""

import re
from pathlib import Path

import pytest

from canary.cli.recordings import load
from canary.errors import CanaryError
from tests.backtest.recorded import a_line


def written(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "recording.jsonl"
    file.write_text("\n".join(lines))
    return file


def test_episodes_may_be_mixed_and_out_of_order(tmp_path: Path) -> None:
    lines = [a_line(episode=e, t=t) for t in (20, 10) for e in ("b", "a")]
    found = load(written(tmp_path, *lines, "", "  "))
    assert {name: [row.t for row in rows] for name, rows in found.items()} == {"b": [10.0, 20.0], "a": [10.0, 20.0]}


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        pytest.param([], "holds no line", id="empty"),
        pytest.param([a_line(), "", a_line(side="blue")], "line 3: side: 'blue' is not stable or canary", id="a side"),
        pytest.param(
            [a_line(), a_line(over={"0.3": 1})],
            "line 2: over: ['0.3'] is not at the bounds of the lines before: 0.5",
            id="another bound",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, lines: list[str], told: str) -> None:
    with pytest.raises(CanaryError, match=re.escape(told)):
        load(written(tmp_path, *lines))


def test_lines_without_latency_may_stand_between_those_with_it(tmp_path: Path) -> None:
    lines = [a_line(), a_line(over=None), a_line(over={}), a_line()]
    assert [len(row.over) for row in load(written(tmp_path, *lines))["e1"]] == [1, 0, 0, 1]


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(CanaryError, match="No such file"):
        load(tmp_path / "none.jsonl")


def test_bytes_that_are_no_text_are_said(tmp_path: Path) -> None:
    file = tmp_path / "recording.jsonl"
    file.write_bytes(a_line().encode() + b"\n\xff\xfe\n")
    with pytest.raises(CanaryError, match="not UTF-8"):
        load(file)
