"""Recordings from files: JSON Lines, read whole before anything is replayed, so that nothing is half done."""

from collections.abc import Iterator
from pathlib import Path

import click

from canary.backtest import recording
from canary.backtest.recording import Over, Row
from canary.errors import CanaryError, Problem


def load(file: Path) -> dict[str, list[Row]]:
    """Read the rows of each episode, in order of time. Raises CanaryError that names the line."""
    episodes: dict[str, list[Row]] = {}
    for row in _rows(file):
        episodes.setdefault(row.episode, []).append(row)
    if not episodes:
        raise CanaryError(f"{file} holds no line, and a recording is wanted")
    for rows in episodes.values():
        rows.sort(key=lambda row: row.t)
    return episodes


def _rows(file: Path) -> Iterator[Row]:
    number = 0
    cuts: tuple[float, ...] = ()
    try:
        with click.open_file(str(file), encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):  # noqa: B007 - told when the next one is none
                if line.strip():
                    row = recording.parse(line)
                    cuts = _same_cuts(row.over, cuts)
                    yield row
    except OSError as error:
        raise CanaryError(f"{file}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise CanaryError(f"{file}, after line {number}: not UTF-8") from error
    except CanaryError as error:
        raise CanaryError(f"{file}, line {number}: {error.hint}") from error


def _same_cuts(over: Over, cuts: tuple[float, ...]) -> tuple[float, ...]:
    """Hold all lines to the same bounds: a count over another one cannot be added to them."""
    here = tuple([seconds for seconds, _ in over])
    if here and cuts and here != cuts:
        wanted = ", ".join(f"{seconds:g}" for seconds in cuts)
        problem = Problem("over", [f"{seconds:g}" for seconds in here], f"at the bounds of the lines before: {wanted}")
        raise CanaryError(str(problem))
    return here or cuts
