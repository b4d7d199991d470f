"""Tables on a terminal: what does not fit is wrapped, and no figure is cut."""

import io

import pytest
from rich.console import Console

from canary.cli.render import Fitted

GATES = ["a gate with a long name that says what it promises", "another one"]
COLUMNS = ["GATE", "REQUESTS PER SECOND", "STABLE FAILS", "PASSES IN", "AT 2%"]
FIGURES = ["10000", "0.1012%", "1m30s", "12.5s, 8 failed"]


def drawn(width: int) -> list[str]:
    out = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    out.print(Fitted(COLUMNS, [[gate, *FIGURES] for gate in GATES]))
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue().splitlines()


@pytest.mark.parametrize("width", range(60, 140, 5))
def test_every_word_is_whole_and_the_line_is_kept(width: int) -> None:
    lines = drawn(width)
    words = {word for line in lines for word in line.split()}
    assert words == {word for cell in (*COLUMNS, *GATES, *FIGURES) for word in cell.split()}
    assert max(map(len, lines)) <= width


def test_what_fits_is_not_wrapped() -> None:
    assert len(drawn(140)) == 1 + len(GATES)


def test_headings_wrap_before_cells_and_the_widest_column_before_others() -> None:
    assert any(GATES[0] in line for line in drawn(105))
    assert FIGURES[3] in "".join(drawn(80))


def test_an_empty_table_is_its_head() -> None:
    out = Console(file=io.StringIO(), width=80)
    out.print(Fitted(["A", "B"], []))
    assert isinstance(out.file, io.StringIO)
    assert out.file.getvalue().split() == ["A", "B"]
