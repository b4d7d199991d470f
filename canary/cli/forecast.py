"""`canary forecast`: how long the evidence will take at today's traffic, and what a bad release would cost."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from canary.cli.options import DURATION, JSON, PERCENT, output_option
from canary.cli.output import emit, note
from canary.cli.simulate import only_canary
from canary.core.demand import Demand
from canary.core.expectation import expecting
from canary.core.forecast import Outlook
from canary.core.forecast import forecast as foresee
from canary.core.formats import show_duration
from canary.core.gates import PROXY_BOUNDS, Gate, gates, unmeasured
from canary.core.manifest import parse_spec
from canary.core.promises import counting
from canary.core.snapshot import Key
from canary.core.spec import FULL, CanarySpec


@click.command()
@click.option("-f", "--file", type=click.Path(path_type=Path, allow_dash=True), required=True, help="Holds the Canary.")
@click.option(
    "--prometheus", default="", help="URL of the Prometheus that scrapes the proxies: today's traffic is read there."
)
@click.option("--window", type=DURATION, default="30m", show_default=True, help="How much of the past to read.")
@click.option(
    "--traffic", type=click.FloatRange(0, 100_000), help="Requests a second at each place, instead of measuring."
)
@click.option(
    "--stable-failure", type=PERCENT, default=0.001, help="Share that fails, where not measured. Default: 0.1%."
)
@click.option("-n", "--namespace", default="", envvar="CANARY_NAMESPACE", help="Where the object names none.")
@output_option
def forecast(*, file: Path, prometheus: str, traffic: float | None, output: str, **given: Any) -> None:
    """Say for each gate of the Canary in FILE how long it takes to pass, and how soon a worse release is caught.

    Typical values; one rollout in ten takes more than twice as long. A route that would not pass within a step's
    stepTimeout in one rollout of ten is too quiet to be waited for.
    """
    canary = only_canary(file)
    spec = parse_spec(canary.obj)
    if bool(prometheus) == (traffic is not None):
        raise click.UsageError("Give either --prometheus or --traffic.")
    if traffic is None:
        key = Key(canary.namespace or given["namespace"] or "default", canary.name)
        judged, demand = asyncio.run(_measure(spec, key, prometheus, given["window"]))
    else:
        judged = gates(spec, PROXY_BOUNDS)
        demand = {
            gate.name: Demand(rps=traffic, failure=given["stable_failure"]) for gate in judged if not unmeasured(gate)
        }
    outlooks = foresee(spec, judged, demand)
    later = [gate.name for gate in judged if unmeasured(gate)]
    silent = [gate.name for gate in judged if gate.name not in demand and gate.name not in later]
    expected = {gate.name: gate.expected for gate in expecting(spec, judged, demand) if gate.expected}
    if output == JSON:
        emit({**_document(outlooks, silent), "notForecast": later, "expected": expected})
        return
    _tell(spec, outlooks if spec.threshold is None else (), silent)
    for name in later:
        click.echo(f"{name}: not forecast; where it is measured is chosen from what stable had lately.")
    for name, words in expected.items() if spec.threshold is not None else ():
        click.echo(f"{name}: {words}.")


async def _measure(
    spec: CanarySpec, key: Key, url: str, window: timedelta
) -> tuple[tuple[Gate, ...], Mapping[str, Demand]]:
    from canary.adapters.prometheus import Access, Prometheus
    from canary.cli.demand import measured
    from canary.runtime.clock import SystemClock
    from canary.runtime.readings import Readings

    metrics = Prometheus(Access(url=url))
    try:
        readings = Readings(metrics, SystemClock(), timedelta(seconds=10))
        return await measured(readings, spec, key, window)
    finally:
        metrics.close()


def _document(outlooks: Sequence[Outlook], silent: Sequence[str]) -> dict[str, object]:
    return {
        "gates": [
            {
                "gate": outlook.gate,
                "requestsPerSecond": outlook.demand.rps,
                "stableFailure": outlook.demand.failure,
                "icc": outlook.demand.icc,
                "secondsToPass": _finite(outlook.passing),
                "quiet": outlook.quiet,
                "regressions": [
                    {"rate": c.rate, "seconds": _finite(c.seconds), "failed": _finite(c.failed)}
                    for c in outlook.catches
                ],
            }
            for outlook in outlooks
        ],
        "withoutTraffic": list(silent),
    }


def _finite(value: float) -> float | None:
    """JSON knows no infinity: null is never."""
    return round(value, 1) if math.isfinite(value) else None


def _tell(spec: CanarySpec, outlooks: Sequence[Outlook], silent: Sequence[str]) -> None:
    from canary.cli import render

    if outlooks:
        columns = ["GATE", "RPS", "STABLE", "PASSES IN", *(f"AT {catch.rate:.0%}" for catch in outlooks[0].catches)]
        render.print_table(columns, [_row(outlook) for outlook in outlooks])
        note("AT 5%: a release that breaks the promise in 5% of requests is rolled back after so long, at that cost.")
    for outlook in outlooks:
        if outlook.quiet:
            timeout = show_duration(spec.step_timeout)
            often = ", in one rollout of ten at least" if outlook.passing <= spec.step_timeout.total_seconds() else ""
            click.echo(f"{outlook.gate}: too quiet to pass within the stepTimeout of {timeout}{often}.")
        told = _bursts(spec, outlook)
        if told:
            click.echo(f"{outlook.gate}: {told}.")
    for name in silent:
        click.echo(f"{name}: no requests were seen; without traffic nothing can be decided.")


def _bursts(spec: CanarySpec, outlook: Outlook) -> str:
    """Say by how much the canary's requests count as fewer at the last weight below 1000m."""
    if outlook.demand.icc is None:
        return ""
    share = max((step for step in spec.steps if step < FULL), default=FULL) / FULL
    return counting(outlook.demand.icc, outlook.demand.rps * spec.interval.total_seconds() * share)


def _row(outlook: Outlook) -> list[str]:
    catches = [
        f"{_seconds(catch.seconds)}, {catch.failed:.0f} failed" if math.isfinite(catch.seconds) else "never"
        for catch in outlook.catches
    ]
    demand = outlook.demand
    return [outlook.gate, f"{demand.rps:.3g}", f"{demand.failure:.2%}", _seconds(outlook.passing), *catches]


def _seconds(seconds: float) -> str:
    return show_duration(timedelta(seconds=round(seconds))) if math.isfinite(seconds) else "never"
