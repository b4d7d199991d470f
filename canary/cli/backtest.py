"""`canary backtest`: what the gates of a Canary would have decided over a recorded past, and when."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from canary.cli.options import DURATION, INSTANT, JSON, output_option, plot_option
from canary.cli.output import emit, note
from canary.cli.simulate import only_canary
from canary.core.formats import show_duration
from canary.core.manifest import parse_spec
from canary.core.snapshot import Key
from canary.core.spec import ClientErrors

if TYPE_CHECKING:
    from canary.backtest.replay import Outcome

HALF_HOUR = timedelta(minutes=30)


@click.command()
@click.option("-f", "--file", type=click.Path(path_type=Path, allow_dash=True), required=True, help="Holds the Canary.")
@click.option("--recording", type=click.Path(path_type=Path, allow_dash=True), help="JSON Lines: what was counted.")
@click.option(
    "--prometheus", default="", help="URL of the Prometheus that scrapes the proxies: the past is read there."
)
@click.option("--from", "begin", type=INSTANT, help="Where its past begins: a time, or how long ago (48h).")
@click.option("--to", "end", type=INSTANT, help="Where it ends. Default: now.")
@click.option("--scrape-interval", type=DURATION, default="10s", show_default=True, help="That Prometheus' own.")
@click.option(
    "--aa", is_flag=True, help="Compare stable with itself, its pods split in two: no release, no difference."
)
@click.option("--episode", type=DURATION, show_default="30m", help="With --aa: how long each trial is.")
@click.option("--seed", type=click.IntRange(0), show_default="1", help="With --aa: of the split.")
@click.option("--record", type=click.Path(path_type=Path), help="Write what Prometheus had as a recording.")
@click.option("-n", "--namespace", default="", envvar="CANARY_NAMESPACE", help="Where the object names none.")
@plot_option
@output_option
def backtest(*, file: Path, output: str, plot: Path | None, **given: Any) -> None:
    """Replay the gates of the Canary in FILE over a recorded past and say what they would have decided, and when.

    The past is a recording's, or what Prometheus still has: each release in it is an episode. With --aa no release is
    replayed but stable alone, half of its pods against the other half: how often a good period is rolled back.
    """
    from canary.cli import drawing, plots
    from canary.cli.outcomes import document, sentence, unjudged

    _checked(given)
    plots.ready(plot)
    canary = only_canary(file)
    spec = parse_spec(canary.obj)
    if given["recording"] is not None and any(place.client_errors is ClientErrors.GATE for place in spec.places):
        note("service: client errors: a line of the recording without clientErrors counts none.")
    given["episode"] = given["episode"] or HALF_HOUR
    seed: int | None = (1 if given["seed"] is None else given["seed"]) if given["aa"] else None
    traces = None if plot is None else drawing.Traces()
    if given["recording"] is not None:
        from canary.cli.replaying import replay_file

        outcomes = replay_file(spec, given["recording"], seed, given["episode"], traces)
    else:
        from canary.cli.replaying import Asked, replay_prometheus

        key = Key(canary.namespace or given["namespace"] or "default", canary.name)
        names = ("begin", "end", "scrape_interval", "episode", "record")
        asked = Asked(url=given["prometheus"], seed=seed, **{n: given[n] for n in names})
        outcomes = asyncio.run(replay_prometheus(spec, key, asked, traces))
    unit = _unit(given)
    for why in unjudged(outcomes):
        note(why)
    drawing.replayed(plot, traces, outcomes, sentence(outcomes, unit), spec.risk)
    emit(document(outcomes, unit)) if output == JSON else _tell(outcomes, unit)


def _checked(given: dict[str, Any]) -> None:
    if (given["recording"] is not None) == bool(given["prometheus"]):
        raise click.UsageError("Give either --recording or --prometheus.")
    if given["prometheus"] and given["begin"] is None:
        raise click.UsageError("With --prometheus, say --from when.")
    if _reversed(given["begin"], given["end"]):
        raise click.UsageError("--from must be before --to.")
    if given["recording"] is not None and (name := next((n for n in ("begin", "end", "record") if given[n]), "")):
        raise click.UsageError(
            f"--{'from' if name == 'begin' else 'to' if name == 'end' else name} is for --prometheus."
        )
    if not given["aa"] and (name := next((n for n in ("episode", "seed") if given[n] is not None), "")):
        raise click.UsageError(f"--{name} is for --aa.")


def _reversed(begin: float | timedelta | None, end: float | timedelta | None) -> bool:
    """Tell whether a time is empty, as far as no clock is needed for that: how long ago counts backwards."""
    if isinstance(begin, timedelta) and isinstance(end, timedelta):
        return begin <= end
    return isinstance(begin, float) and isinstance(end, float) and begin >= end


def _unit(given: dict[str, Any]) -> str:
    if not given["aa"]:
        return "releases" if given["prometheus"] else "episodes"
    return "half hours" if given["episode"] == HALF_HOUR else f"times {show_duration(given['episode'])}"


def _tell(outcomes: "Sequence[Outcome]", unit: str) -> None:
    from canary.cli import render
    from canary.cli.outcomes import COLUMNS, row, sentence

    render.print_table(COLUMNS, [row(outcome) for outcome in outcomes])
    click.echo(sentence(outcomes, unit))
