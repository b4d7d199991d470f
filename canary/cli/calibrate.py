"""`canary calibrate`: how often this Canary's decisions would be wrong, and how long they would take, by simulation."""

import math
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from canary import __version__
from canary.cli.options import JSON, output_option, plot_option
from canary.cli.output import emit, note
from canary.cli.simulate import only_canary
from canary.core.manifest import API_VERSION, parse_spec

if TYPE_CHECKING:
    from canary.simulator.report import Report, Row
    from canary.simulator.targets import Part, Target


def default_canary(**spec: object) -> dict[str, object]:
    """Make what is calibrated without a file: a Canary of defaults, but for these fields of its spec."""
    sides = {"service": "web", "stable": {"service": "web-stable"}, "canary": {"service": "web-canary"}}
    own = {**sides, "gates": {"successRate": {"min": "99%"}}, **spec}
    return {"apiVersion": API_VERSION, "kind": "Canary", "metadata": {"name": "default"}, "spec": own}


@click.command()
@click.option(
    "-f", "--file", type=click.Path(path_type=Path, allow_dash=True), help="Holds the Canary. Default: one of defaults."
)
@click.option("--quick", is_flag=True, help="A few runs of each world: under a minute on one core.")
@click.option("--runs", type=click.IntRange(1), help="Rollouts of each good world; others in proportion.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the first run; others follow.")
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, help="Processes. Default: all cores.")
@plot_option
@output_option
def calibrate(*, file: Path | None, quick: bool, runs: int | None, seed: int, jobs: int, **told: Any) -> None:
    """Try the Canary's decisions in thousands of simulated rollouts and hold them against the targets T1 to T9.

    The same worlds are played by Flagger's and Argo Rollouts' rules, written anew from their published behaviour.
    Without --quick this takes long: good releases are shipped 4000 times in each of 12 worlds.
    """
    from canary.cli import drawing, plots
    from canary.simulator.calibration import FULL, QUICK
    from canary.simulator.calibration import calibrate as play
    from canary.simulator.report import report

    plots.ready(told["plot"])
    canary = default_canary() if file is None else only_canary(file).obj
    parse_spec(canary)
    sizes = QUICK if quick else FULL
    sizes = sizes if runs is None else sizes.scaled(runs)
    cells = play(canary, sizes, seed, jobs, _progress if sys.stderr.isatty() else None)
    found = report(canary, cells, few=sizes.good < FULL.good)
    drawing.targets(told["plot"], found)
    if told["output"] == JSON:
        emit({"version": __version__, "seed": seed, "sizes": asdict(sizes), **found.document()})
        return
    _show(found)


def _progress(done: int, todo: int) -> None:
    click.echo(f"\r{done / todo:4.0%}", nl=done == todo, err=True)


def _show(found: "Report") -> None:
    from canary.cli import render
    from canary.simulator.report import OTHERS_WISHES
    from canary.simulator.targets import TITLES

    if OTHERS_WISHES in found.remarks:
        note(OTHERS_WISHES)
    rows = [[t.id, _verdict(t), TITLES[t.id], _worst(t)] for t in found.targets]
    render.print_table(["TARGET", "", "WHAT", "WORST"], rows)
    click.echo()
    columns = ["TARGET", "WORLD", "FIGURE", "AT MOST", *(rule.upper() for rule in found.rules)]
    render.print_table(columns, [_row(row) for row in found.rows])
    for remark in found.remarks:
        if remark != OTHERS_WISHES:
            note(remark)


def _verdict(target: "Target") -> str:
    """Say whether a target is met, or only not contradicted by few runs."""
    if not target.met:
        return "MISSED"
    return "met (few runs)" if any(part.got > part.wanted for part in target.parts) else "met"


def _worst(target: "Target") -> str:
    """Tell the part that is farthest from what is wanted; the second table has them all."""
    if not target.parts:
        return target.got
    part = max(target.parts, key=_excess)
    got, wanted = (_value(value, share=part.figure.share) for value in (part.got, part.wanted))
    return f"{got}, at most {wanted}: {part.world}, {part.figure}"


def _excess(part: "Part") -> tuple[bool, float]:
    return not part.met, part.got / part.wanted if part.wanted else (math.inf if part.got else 0.0)


def _row(row: "Row") -> Sequence[str]:
    values = [_value(value, share=row.figure.share) for value in (row.wanted, *row.values)]
    return [row.target, row.world, row.figure, *values]


def _value(value: float, *, share: bool) -> str:
    if math.isnan(value):
        return "-"
    if share:
        return f"{value:.2%}"
    return "never" if math.isinf(value) else f"{value:.4g}"
