"""`canary simulate`: how a release would fare under a Canary, before there is one."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from canary.cli.checking import is_canary
from canary.cli.documents import Document, read
from canary.cli.options import JSON, PERCENT, output_option, plot_option
from canary.cli.output import emit, note
from canary.core.manifest import parse_spec
from canary.errors import CanaryError

if TYPE_CHECKING:
    from canary.cli.plots import Moment
    from canary.core.decision import Decision
    from canary.simulator.rollout import Ending
    from canary.simulator.scenario import Scenario
    from canary.simulator.summary import Share

Object: TypeAlias = Mapping[str, object]


@click.command()
@click.option("-f", "--file", type=click.Path(path_type=Path, allow_dash=True), required=True, help="Holds the Canary.")
@click.option("--scenario", type=click.Path(path_type=Path), help="YAML: how releases behave and what happens to them.")
@click.option("--traffic", type=click.FloatRange(0, 100_000, min_open=True), help="Requests a second. Default: 100.")
@click.option("--stable-failure", type=PERCENT, help="Share of stable's requests that fail. Default: 0.1%.")
@click.option("--canary-failure", type=PERCENT, help="Share of the release's. Default: stable's.")
@click.option("--runs", type=click.IntRange(1, 1_000_000), default=1, show_default=True, help="How many rollouts.")
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the first run; the next has the next."
)
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, help="Processes. Default: all cores.")
@plot_option
@output_option
def simulate(*, file: Path, runs: int, seed: int, output: str, plot: Path | None, **given: Any) -> None:
    """Play rollouts of the Canary in FILE on a virtual clock, with the controller's own decisions in every tick.

    One run is told as a story; many give a table of how they ended, after how long, and how many requests failed that
    the old release would have answered. No cluster is needed, and nothing is waited for.
    """
    from canary.cli import drawing, plots

    plots.ready(plot)
    canary = only_canary(file).obj
    world = world_of(canary, given["scenario"], given)
    if runs == 1:
        moments: list[plots.Moment] = []
        ending = told(canary, world, seed, moments, quiet=output == JSON)
        emit(asdict(ending)) if output == JSON else _end(ending)
        drawing.story(plot, moments, ending, parse_spec(canary).risk)
        return
    from canary.simulator.summary import play_many, summarise

    endings = play_many(canary, world, range(seed, seed + runs), min(given["jobs"], runs))
    shares = summarise(endings)
    drawing.distribution(plot, endings)
    emit({"runs": runs, "seed": seed, "outcomes": [asdict(share) for share in shares]}) if output == JSON else _table(
        shares
    )


def only_canary(file: Path) -> Document:
    """Read the one Canary of a file; other objects are passed over. Raises CanaryError."""
    found = [document for document in _documents(file) if is_canary(document)]
    if len(found) != 1:
        raise CanaryError(f"{file} holds {len(found)} Canaries, and one is needed")
    parse_spec(found[0].obj)
    return found[0]


def _documents(file: Path) -> list[Document]:
    documents, faults = read([file])
    if faults:
        raise CanaryError(f"{file}: " + "; ".join(fault.words for fault in faults))
    return documents


def world_of(canary: Object, file: Path | None, given: Mapping[str, float | None]) -> "Scenario":
    """Put the scenario together: the file's, with what the command line says instead. Raises InvalidSpec."""
    from canary.simulator.scenario import Route, parse_scenario

    document: dict[str, object] = {}
    if file is not None:
        documents = _documents(file)
        if len(documents) != 1:
            raise CanaryError(f"{file} holds {len(documents)} documents, and one is needed")
        document = dict(documents[0].obj)
    scenario = parse_scenario(document)
    stable, release = scenario.stable, scenario.canary
    if (failure := given.get("stable_failure")) is not None:
        stable = replace(stable, failure=failure)
        release = release if "canary" in document else replace(release, failure=stable.failure)
    if (failure := given.get("canary_failure")) is not None:
        release = replace(release, failure=failure)
    traffic = given.get("traffic") or scenario.traffic
    named = [place.route for place in parse_spec(canary).places if place.route]
    routes = scenario.routes or tuple(Route(name=name, share=1 / len(named)) for name in named)
    return replace(scenario, stable=stable, canary=release, traffic=traffic, routes=routes)


def told(canary: Object, world: "Scenario", seed: int, moments: "list[Moment]", *, quiet: bool) -> "Ending":
    """Play one run and tell it as it goes: the Events that on-call would read. Leaves its `moments`."""
    from canary.cli.drawing import moment
    from canary.simulator.rollout import play

    def tell(at: float, decision: "Decision") -> None:
        moments.append(moment(at, decision))
        for notice in decision.notices if not quiet else ():
            click.echo(f"{at:7.0f} s  {decision.status.weight:4d}m  {notice.reason}: {notice.message}")

    return play(canary, world, seed, tell)


def _end(ending: "Ending") -> None:
    click.echo(
        f"{ending.outcome} ({ending.reason}) after {ending.seconds:.0f} s; of {ending.sent} requests to the release "
        f"{ending.harmed:.0f} failed because of it. Seed {ending.seed}."
    )


def _table(shares: Sequence["Share"]) -> None:
    from canary.cli import render

    columns = ["OUTCOME", "REASON", "SHARE", "SECONDS", "P90", "FAILED", "P90", "SEEDS"]
    render.print_table(columns, [_row(share) for share in shares])
    note("FAILED: requests to the release that the old one would have answered. Median and 90th percentile.")


def _row(share: "Share") -> list[str]:
    numbers = (*share.seconds, *share.harmed)
    seeds = ", ".join(map(str, share.seeds))
    return [share.outcome, share.reason, f"{share.share:.1%}", *(f"{number:.0f}" for number in numbers), seeds]
