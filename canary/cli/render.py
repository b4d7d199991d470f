"""Tables and live views for people: the only place that knows rich.

Colours and redrawing are for terminals only; NO_COLOR is respected. What is not a terminal gets plain lines of any
length, so that grep and a pipeline's log find whole sentences.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeAlias

import click
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text

Section: TypeAlias = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Columns and rows of a table; without columns, sentences."""

UNBOUNDED: Final = 10_000  # columns of what is not a terminal
GAP: Final = 3  # characters between two columns
UNBROKEN: Final = 20  # characters of a word that is not broken: no figure is longer
STYLES: Final = {
    "Promoted": "green",
    "Pass": "green",
    "RolledBack": "bold red",
    "RollingBack": "bold red",
    "Fail": "bold red",
    "Progressing": "cyan",
    "Baking": "cyan",
    "Promoting": "cyan",
    "Finalising": "cyan",
    "Hold": "yellow",
    "Superseded": "yellow",
}
"""Words that mean the same wherever they stand alone in a cell."""


def console(*, stderr: bool = False, width: int | None = None) -> Console:
    """Make a console for one of the two streams as they are now, as wide as it is or as is said."""
    stream = sys.stderr if stderr else sys.stdout
    width = width if stream.isatty() else UNBOUNDED
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


class Fitted:
    """A table as kubectl's whose widest columns are wrapped where the line is too short for it.

    No figure is ever cut: a word of up to `UNBROKEN` characters stays whole, whatever the line's width.
    """

    def __init__(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        self._columns, self._rows = columns, [list(row) for row in rows]
        cells = list(zip(*self._rows, strict=True)) or [()] * len(columns)
        self._floors = [_longest(column, *column_cells) for column, column_cells in zip(columns, cells, strict=True)]
        self._heads = [len(column) for column in columns]
        self._bodies = [max(map(len, column_cells), default=0) for column_cells in cells]

    def least(self) -> int:
        """Give the width below which words would break."""
        return sum(self._floors) + GAP * (len(self._columns) - 1)

    def widths(self, most: int) -> list[int]:
        """Share a line of so many characters: headings wrap first, then the widest column."""
        room = most - GAP * (len(self._columns) - 1)
        widths = [max(head, body) for head, body in zip(self._heads, self._bodies, strict=True)]
        if sum(widths) > room:
            widths = [max(body, floor) for body, floor in zip(self._bodies, self._floors, strict=True)]
        while sum(widths) > room:
            spare = [i for i, width in enumerate(widths) if width > self._floors[i]]
            if not spare:
                break
            widths[max(spare, key=lambda i: widths[i])] -= 1
        return widths

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it; a screen that is narrower than `least` folds words."""
        made = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
        for column, width in zip(self._columns, self.widths(options.max_width), strict=True):
            made.add_column(column, width=width, overflow="fold")
        for row in self._rows:
            made.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
        yield made


def _longest(*cells: str) -> int:
    return min(UNBROKEN, max((len(word) for cell in cells for word in cell.split()), default=0))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table to stdout."""
    out, rows = console(), list(rows)
    if out.is_terminal:
        _print(Fitted(columns, rows))
        return
    for line in plain(columns, rows):
        click.echo(line)


def _print(part: RenderableType) -> None:
    """Write a part to a terminal; a table that does not fit runs over the line."""
    out = console()
    if isinstance(part, Fitted) and part.least() > out.width:
        out = console(width=part.least())
    out.print(part)


def plain(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Align a table by spaces alone."""
    lines = [columns, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        yield "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def sections(found: Iterable[Section]) -> list[RenderableType]:
    """Make sentences and tables of what is not empty, with a blank line between them."""
    made: list[RenderableType] = []
    for columns, rows in found:
        if rows:
            made += [Text(""), Fitted(columns, rows) if columns else Text("\n".join(row[0] for row in rows))]
    return made[1:]


def print_sections(found: Iterable[Section]) -> None:
    """Write sentences and tables to stdout."""
    out, parts = console(), [(columns, rows) for columns, rows in found if rows]
    if out.is_terminal:
        for part in sections(parts):
            _print(part)
        return
    for index, (columns, rows) in enumerate(parts):
        lines = plain(columns, rows) if columns else (row[0] for row in rows)
        click.echo(("\n" if index else "") + "\n".join(lines))


class Screen:
    """A part of the terminal that is redrawn in place."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def draw(self, parts: Iterable[RenderableType]) -> None:
        """Show this instead of what was shown before."""
        self._live.update(Group(*parts), refresh=True)

    def say(self, line: str) -> None:
        """Write a line that stays, above what is redrawn."""
        self._live.console.print(Text(line))


@contextmanager
def screen(*, stderr: bool = False) -> Iterator[Screen | None]:
    """Open a live view; None where the stream is no terminal."""
    out = console(stderr=stderr)
    if not out.is_terminal:
        yield None
        return
    with Live(console=out, auto_refresh=False, vertical_overflow="visible") as live:
        yield Screen(live)
