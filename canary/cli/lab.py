"""`canary lab`: a cluster's worth of Linkerd on this machine, to try the controller on."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from canary.cli.ending import run_to_end
from canary.cli.options import DURATION, JSON, Target, cluster_options, output_option
from canary.cli.output import emit, note

if TYPE_CHECKING:
    from canary.lab.lab import Lab, LabSettings


QUICK: Final[Mapping[str, object]] = {"interval": "2s", "dwell": "4s", "bake": "10s", "stepTimeout": "2m"}
"""Times of a Canary for people who watch: at the lab's traffic they are long enough for good evidence."""

TIMING: Final = "--scrape-interval 2s --listen 127.0.0.1:0"


@click.group()
def lab() -> None:
    """Run a cluster's worth of Linkerd on this machine."""


@lab.command()
@click.option(
    "--control-plane",
    type=click.Choice(["embedded", "real"]),
    default="embedded",
    show_default=True,
    help="The API server: a small one in this process, or etcd and kube-apiserver.",
)
@click.option("--rps", type=click.FloatRange(1, 1000), default=150, show_default=True, help="Requests per second.")
@click.option("--scrape-interval", type=DURATION, default="2s", show_default=True, help="Prometheus' own.")
@click.option(
    "-f",
    "--file",
    "files",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    help="Manifests to apply instead of the example's service.",
)
@click.option(
    "--home", type=click.Path(path_type=Path), help="Where to keep kubeconfig, data and logs. Default: nowhere."
)
@output_option
def up(
    *,
    control_plane: str,
    rps: float,
    scrape_interval: timedelta,
    files: tuple[Path, ...],
    home: Path | None,
    output: str,
) -> None:
    """Run an API server, pods, a mesh, clients and a Prometheus on loopback until Ctrl-C; needs no root."""
    from canary.lab import seed
    from canary.lab.lab import LabSettings, read_manifests

    manifests = read_manifests(*files) if files else [*seed.yamtam(rps=rps), seed.canary(QUICK)]
    settings = LabSettings(control_plane=control_plane, manifests=tuple(manifests), scrape_interval=scrape_interval)
    run_to_end(_up(settings, home, output))


async def _up(settings: "LabSettings", home: Path | None, output: str) -> None:
    from canary.runtime.telemetry import configure_log

    configure_log("auto", "warning")
    async with opened(settings, home) as running:
        await running.settled()
        emit(_places(running)) if output == JSON else _suggest(running)
        await asyncio.Event().wait()


@asynccontextmanager
async def opened(settings: "LabSettings", home: Path | None) -> AsyncIterator["Lab"]:
    """Run a lab in `home`, or in a directory that goes with it."""
    from canary.lab.lab import Lab

    place = home.resolve() if home is not None else Path(tempfile.mkdtemp(prefix="canary-lab-"))
    try:
        async with Lab(place, settings) as running:
            yield running
    finally:
        if home is None:
            shutil.rmtree(place, ignore_errors=True)


def _places(running: "Lab") -> dict[str, object]:
    return {
        "kubeconfig": str(running.kubeconfig),
        "prometheus": running.prometheus.url,
        "truth": f"{running.discovery.url}/truth",
    }


def _suggest(running: "Lab") -> None:
    for name, place in _places(running).items():
        click.echo(f"{name:<11} {place}")
    note(
        f"""
The lab runs until Ctrl-C. In other terminals:

  export KUBECONFIG={running.kubeconfig} CANARY_NAMESPACE=yamtam
  canary run --kubeconfig $KUBECONFIG --prometheus-url {running.prometheus.url} {TIMING}
  canary status --watch
  canary lab ship yamtam-agent RELEASE=1.1.0                          # a good release
  canary lab ship yamtam-agent LAB_FAILURES='POST /api/task=5%'       # a bad one
  canary wait yamtam-agent

`kubectl set env deployment/yamtam-agent-canary …` does what `canary lab ship` does."""
    )


@lab.command()
@click.argument("name")
@click.argument("variables", nargs=-1, required=True, metavar="VARIABLE=VALUE...")
@cluster_options
def ship(name: str, variables: tuple[str, ...], target: Target) -> None:
    """Ship a release of Canary NAME: set environment variables in its canary Deployment, as `kubectl set env` does.

    The lab's pods behave as LAB_FAILURES, LAB_LATENCY, LAB_HANGS, LAB_OVERLOAD, LAB_READY and LAB_CRASH say, such as
    LAB_LATENCY="POST /api/task=150ms; *=5ms".
    """
    env = dict(variable.partition("=")[::2] for variable in variables)
    odd = [variable for variable in variables if not variable.partition("=")[0] or "=" not in variable]
    if odd:
        raise click.UsageError(f"{odd[0]!r} is not VARIABLE=VALUE.")
    asyncio.run(_ship(target, name, env))
    note(f"shipped {', '.join(variables)}")


async def _ship(target: Target, name: str, env: dict[str, str]) -> None:
    from canary.cli.cluster import connected

    async with connected(target) as cluster:
        deployment = await cluster.deployment((await cluster.look(name, deployment=False)).spec)
        await cluster.set_env(deployment, env)
