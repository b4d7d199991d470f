"""`canary demo`: a good release and a bad one, shipped in the lab and watched by the shipped controller.

The controller is a process of its own; the lab is in this one. Everything is taken down at the end, however that comes.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from canary.cli.ending import run_to_end
from canary.cli.lab import QUICK
from canary.cli.options import JSON, output_option
from canary.cli.output import emit, note
from canary.cli.story import SUMMARY, Harm, Result, harm_of
from canary.core.status import Outcome, Past
from canary.errors import CanaryError

if TYPE_CHECKING:
    from canary.cli.cluster import Cluster
    from canary.cli.stage import Stage
    from canary.lab.lab import Lab

RPS: Final = 150
SCRAPE: Final = timedelta(seconds=2)
ADOPTED_WITHIN: Final = 30.0  # seconds
ENDED_WITHIN: Final = 170.0
PERIOD: Final = 0.5
FINISH: Final = 3.0  # seconds for requests under way, after a release has ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What is shipped, and how that should end: outcome, and the route that is named."""

    title: str
    env: Mapping[str, str]
    outcome: Outcome
    route: str = ""


RELEASES: Final = (
    Release(title="good", env={"RELEASE": "1.1.0"}, outcome=Outcome.PROMOTED),
    Release(
        title="5% of POST /api/task fail",
        env={"RELEASE": "1.2.0", "LAB_FAILURES": "POST /api/task=5%"},
        outcome=Outcome.ROLLED_BACK,
        route="POST /api/task",
    ),
)


class Unfinished(CanaryError):
    """A release did not end in time."""


@click.command()
@click.option(
    "--control-plane",
    type=click.Choice(["embedded", "real"]),
    default="embedded",
    show_default=True,
    help="The API server: a small one in this process, or etcd and kube-apiserver.",
)
@output_option
@click.pass_context
def demo(ctx: click.Context, control_plane: str, output: str) -> None:
    """Ship a good and a bad release of the example's service, and show what the controller makes of them.

    Takes less than three minutes once the lab is up. Exit code 0 if the good one was promoted and the bad one rolled
    back for the route that fails.
    """
    results = run_to_end(_play(control_plane))
    if output == JSON:
        emit({"rollouts": [result.as_json() for result in results]})
    else:
        _summarise(results)
    ctx.exit(0 if _as_wanted(results) else 1)


def _as_wanted(results: list[Result]) -> bool:
    return [(result.outcome, result.route) for result in results] == [(r.outcome, r.route) for r in RELEASES]


def _summarise(results: list[Result]) -> None:
    from canary.cli.render import print_table

    print_table(SUMMARY, [result.row(release.title) for release, result in zip(RELEASES, results, strict=True)])
    click.echo(harm_of(results))


async def _play(control_plane: str) -> list[Result]:
    home = Path(tempfile.mkdtemp(prefix="canary-demo-"))
    try:
        results = await _ship_all(control_plane, home)
    except CanaryError:
        note(f"what was logged is in {home}")
        raise
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    if _as_wanted(results):
        shutil.rmtree(home, ignore_errors=True)
    else:
        note(f"this is not how it should end; what was logged is in {home}")
    return results


async def _ship_all(control_plane: str, home: Path) -> list[Result]:
    from canary.cli.cluster import Cluster
    from canary.cli.controller import Controller
    from canary.cli.stage import staged
    from canary.lab import seed
    from canary.lab.lab import Lab, LabSettings

    _log_to(home / "lab.log")
    settings = LabSettings(control_plane=control_plane, manifests=tuple(seed.yamtam(rps=RPS)), scrape_interval=SCRAPE)
    async with AsyncExitStack() as stack:
        stage = stack.enter_context(staged())
        stage.say("starting an API server, pods, a mesh, clients and a Prometheus on loopback")
        lab = await stack.enter_async_context(Lab(home, settings))
        await lab.settled()
        options = ["--kubeconfig", str(lab.kubeconfig), "--prometheus-url", lab.prometheus.url]
        options += ["--scrape-interval", "2s", "--listen", "127.0.0.1:0", "--lease-namespace", seed.NAMESPACE]
        controller = Controller(options, home / "controller.log", stage.hear)
        stack.push_async_callback(controller.stop)
        await controller.start()
        await lab.apply([seed.canary(QUICK)])
        player = _Player(lab, Cluster(lab.api, seed.NAMESPACE), stage)
        playing = asyncio.create_task(player.play())
        ended = asyncio.create_task(controller.ended())
        try:
            await asyncio.wait([playing, ended], return_when=asyncio.FIRST_COMPLETED)
            return await (playing if playing.done() else _raised(ended))
        finally:
            await _cancel(playing, ended)


async def _raised(ended: asyncio.Task[None]) -> list[Result]:
    await ended
    raise Unfinished("the controller ended before the releases did")


async def _cancel(*tasks: asyncio.Task[object]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _log_to(file: Path) -> None:
    """Keep the lab's own log off the terminal that the demo draws on."""
    import structlog

    structlog.configure(logger_factory=structlog.WriteLoggerFactory(file.open("a", encoding="utf-8")))


class _Player:
    """Ships the releases one after the other."""

    def __init__(self, lab: "Lab", cluster: "Cluster", stage: "Stage") -> None:
        self._lab, self._cluster, self._stage = lab, cluster, stage

    async def play(self) -> list[Result]:
        """Ship them all."""
        from canary.lab import seed

        async with asyncio.timeout(ADOPTED_WITHIN):
            while not (await self._cluster.look(seed.APEX, deployment=False)).status.promoted:  # noqa: ASYNC110 - asks a server
                await asyncio.sleep(PERIOD)
        return [await self._ship(number, release) for number, release in enumerate(RELEASES, 1)]

    async def _ship(self, number: int, release: Release) -> Result:
        from canary.lab import seed

        loop = asyncio.get_running_loop()
        look = await self._cluster.look(seed.APEX, deployment=False)
        self._stage.begin(f"Release {number} of {len(RELEASES)}: {release.title}", self._harm)
        begun = loop.time()
        await self._cluster.set_env(await self._cluster.deployment(look.spec), release.env)
        past = await self._end(after=look.status.count)
        seconds = loop.time() - begun
        harm = await self._settled_harm(past.revision)
        self._stage.say(f"{past.outcome}: {harm.sentence()}")
        return Result(
            canary=seed.APEX,
            revision=past.revision,
            outcome=past.outcome,
            reason=past.reason,
            route=past.route,
            seconds=seconds,
            peak=past.peak,
            harm=harm,
        )

    async def _end(self, *, after: int) -> Past:
        """Wait for the end of the rollout that comes after the first `after` ones."""
        from canary.lab import seed

        said = "nothing"
        try:
            async with asyncio.timeout(ENDED_WITHIN):
                while True:
                    look = await self._cluster.look(seed.APEX, deployment=False)
                    status = look.status
                    said = f"{status.phase} {status.reason}: {status.message}"
                    if status.count > after and look.active is None and status.history:
                        return status.history[-1]
                    await asyncio.sleep(PERIOD)
        except TimeoutError as error:
            raise Unfinished(f"the release did not end within {ENDED_WITHIN:.0f} s; the Canary says {said}") from error

    async def _settled_harm(self, revision: str) -> Harm:
        """Count once the requests under way have ended, or have taken too long to."""
        from canary.lab import seed

        loop = asyncio.get_running_loop()
        deadline = loop.time() + FINISH
        truth = self._lab.truth
        while truth.total(service=seed.CANARY, revision=revision).open and loop.time() < deadline:  # noqa: ASYNC110 - counts
            await asyncio.sleep(0.05)
        return self._harm(revision)

    def _harm(self, revision: str) -> Harm:
        from canary.lab import seed

        tally = self._lab.truth.total(service=seed.CANARY, revision=revision)
        return Harm(requests=tally.sent, failed=tally.hurt)
