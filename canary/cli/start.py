"""`canary start`: ship an image and come back with the id of the rollout that is about it.

The id is what a pipeline hands to `canary wait`. Where the template is what stable runs already there may be no rollout
any more; then the Canary's name is printed, which `canary wait` takes as well.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from canary.cli.looks import Look
from canary.cli.options import JSON, Target, cluster_options, output_option, timeout_option
from canary.cli.output import emit, note
from canary.cli.waiting import EXIT_CODES, Ending, rollout_of
from canary.core.status import Outcome
from canary.errors import CanaryError

if TYPE_CHECKING:
    from canary.cli.cluster import Cluster


class NotStarted(CanaryError):
    """There will be no rollout, and why."""


@click.command()
@click.argument("name")
@click.option(
    "--image",
    "images",
    metavar="[CONTAINER=]IMAGE",
    multiple=True,
    required=True,
    help="The new image; with its container, if there are several. Can be given again.",
)
@timeout_option("5m")
@cluster_options
@output_option
@click.pass_context
def start(
    ctx: click.Context, name: str, images: tuple[str, ...], timeout: timedelta, target: Target, output: str
) -> None:
    """Ship IMAGE into the canary Deployment of Canary NAME and print the id of its rollout, once it is visible.

    Nothing to do is no error: the id of the rollout that runs, or ran, this very template is printed. A template that
    was rolled back is refused (see `canary retry`). Exit code 13 when no rollout began in time.
    """
    started = asyncio.run(_start(target, name, images, timeout))
    if started is None:
        ctx.exit(EXIT_CODES[Ending.TIMED_OUT])
    emit(started.as_json()) if output == JSON else click.echo(started.rollout or name)


@dataclass(frozen=True, slots=True)
class Started:
    """The rollout of the template, and whether it has ended (Promoted) already."""

    look: Look
    rollout: str

    @property
    def promoted(self) -> bool:
        """Whether stable runs the template already."""
        return self.look.active is None

    def as_json(self) -> dict[str, object]:
        """Say it for a program."""
        return {
            "canary": self.look.key.name,
            "namespace": self.look.key.namespace,
            "revision": self.look.present,
            "rollout": self.rollout or None,
            "state": Outcome.PROMOTED if self.promoted else "Running",
        }


async def _start(target: Target, name: str, images: Sequence[str], timeout: timedelta) -> Started | None:
    from canary.cli.cluster import connected

    async with connected(target) as cluster:
        starter = _Starter(cluster, name)
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                await starter.ship(images)
                return await starter.visible()
        except TimeoutError:
            note(starter.excuse(timeout))
            return None


class _Starter:
    def __init__(self, cluster: "Cluster", name: str) -> None:
        self._cluster, self._name = cluster, name
        self._look: Look | None = None

    async def ship(self, images: Sequence[str]) -> None:
        """Patch the Deployment, but not before the Canary is adopted: the template would become its baseline."""
        from canary.cli.images import operations
        from canary.cli.watching import looks, patiently

        async for look in looks(self._cluster, self._name):
            self._look = look
            ready = look.condition("Ready")
            if ready is not None and not ready.status:
                raise NotStarted(
                    f"Canary {self._name} is not ready, nothing was shipped: {ready.reason}: {ready.message}"
                )
            if look.status.promoted:
                break
        spec = look.spec
        deployment = await patiently(lambda: self._cluster.deployment(spec))
        patch = operations(deployment, images)
        if patch:
            await patiently(lambda: self._cluster.patch_deployment(deployment, patch))
        else:
            note(f"the canary Deployment carries {', '.join(images)} already")

    async def visible(self) -> Started:
        """Wait for the rollout that is about the present template. Raises NotStarted if it was rolled back before."""
        from canary.cli.watching import Progress, looks

        progress = Progress(known=self._look)
        async for look in looks(self._cluster, self._name):
            self._look = look
            rollout = rollout_of(look)
            if rollout is None:
                progress.tell(look)
                continue
            past = look.past(rollout)
            if past is not None and past.outcome is Outcome.ROLLED_BACK:
                again = f"`canary retry {self._name}` runs it once more"
                raise NotStarted(f"revision {look.present} was rolled back in {rollout} ({past.reason}); {again}")
            if look.active is None:
                note(f"revision {look.present} is what stable runs already: there is nothing to roll out")
            return Started(look, rollout)
        raise AssertionError("looking never ends by itself")

    def excuse(self, timeout: timedelta) -> str:
        """Say what was missing when the time was over."""
        look, within = self._look, f"within {timeout.total_seconds():g} s"
        if look is None:
            return f"error: the API server was not reached {within}"
        if not look.status.promoted:
            return f"error: no controller adopted {self._name} {within}, nothing was shipped; does `canary run` run?"
        said = f"{look.status.reason}: {look.status.message}"
        return f"error: no rollout of revision {look.present or '?'} began {within}; the Canary says {said}"
