"""Tables and live views for people: the only place that knows rich.

Colours and redrawing are for terminals only; NO_COLOR is respected. What is not a terminal gets plain lines of any
length, so that grep and a pipeline's log find whole sentences.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeAlias

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

Section: TypeAlias = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Columns and rows of a table; without columns, sentences."""

UNBOUNDED: Final = 10_000  # columns of what is not a terminal
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


def console(*, stderr: bool = False) -> Console:
    """Make a console for one of the two streams as they are now."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else UNBOUNDED
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Make a table as kubectl's, with the last column taking what is left of the line."""
    made = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for index, column in enumerate(columns):
        made.add_column(column, no_wrap=index < len(columns) - 1, overflow="fold")
    for row in rows:
        made.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
    return made


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table to stdout."""
    out = console()
    if out.is_terminal:
        out.print(table(columns, rows))
        return
    for line in plain(columns, rows):
        click.echo(line)


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
            made += [Text(""), table(columns, rows) if columns else Text("\n".join(row[0] for row in rows))]
    return made[1:]


def print_sections(found: Iterable[Section]) -> None:
    """Write sentences and tables to stdout."""
    out, parts = console(), [(columns, rows) for columns, rows in found if rows]
    if out.is_terminal:
        out.print(Group(*sections(parts)))
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
