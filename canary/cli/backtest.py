"""`canary backtest`: what the gates of a Canary would have decided over a recorded past, and when."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from canary.cli.options import JSON, output_option
from canary.cli.output import emit
from canary.cli.simulate import only_canary
from canary.core.gates import gates
from canary.core.manifest import parse_spec
from canary.core.spec import CanarySpec

if TYPE_CHECKING:
    from canary.backtest.replay import Outcome


@click.command()
@click.option("-f", "--file", type=click.Path(path_type=Path, allow_dash=True), required=True, help="Holds the Canary.")
@click.option(
    "--recording", type=click.Path(path_type=Path, allow_dash=True), required=True, help="JSON Lines: what was counted."
)
@output_option
def backtest(*, file: Path, recording: Path, output: str) -> None:
    """Replay the gates of the Canary in FILE over a recorded past and say what they would have decided, and when."""
    from canary.cli.outcomes import document

    outcomes = _replayed(parse_spec(only_canary(file).obj), recording)
    emit(document(outcomes, "episodes")) if output == JSON else _tell(outcomes, "episodes")


def _replayed(spec: CanarySpec, file: Path) -> "list[Outcome]":
    from canary.backtest.recording import bounds
    from canary.backtest.replay import replay, ticks
    from canary.cli.recordings import load

    episodes = load(file)
    judged = gates(spec, bounds(row for rows in episodes.values() for row in rows))
    return [replay(spec, judged, name, ticks(rows), None) for name, rows in episodes.items()]


def _tell(outcomes: "list[Outcome]", unit: str) -> None:
    from canary.cli import render
    from canary.cli.outcomes import COLUMNS, row, sentence

    render.print_table(COLUMNS, [row(outcome) for outcome in outcomes])
    click.echo(sentence(outcomes, unit))
