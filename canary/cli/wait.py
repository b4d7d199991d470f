"""`canary wait`: a pipeline's step that ends when the rollout does, and says how by its exit code."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from canary.cli.looks import Look
from canary.cli.options import JSON, Target, cluster_options, output_option, timeout_option
from canary.cli.output import emit, note
from canary.cli.waiting import EXIT_CODES, Ending, ending_of, parse_id, rollout_of, unstarted
from canary.core.formats import show_weight
from canary.errors import NotFound

if TYPE_CHECKING:
    from canary.cli.cluster import Cluster


@click.command()
@click.argument("what", metavar="ID|NAME")
@timeout_option("30m")
@click.option("--until-approval", is_flag=True, help="Return when the rollout is paused or awaits approval, too.")
@cluster_options
@output_option
@click.pass_context
def wait(
    ctx: click.Context, *, what: str, timeout: timedelta, until_approval: bool, target: Target, output: str
) -> None:
    """Wait for a rollout: by its ID, or by a Canary's NAME for what its canary Deployment carries now.

    Exit codes: 0 promoted, 10 rolled back, 11 held past its stepTimeout, 12 paused or awaiting approval (with
    --until-approval; else it goes on waiting), 13 timed out, 14 superseded, 15 not found.
    """
    report = asyncio.run(wait_for(target, what, timeout, until_approval=until_approval))
    emit(report.as_json()) if output == JSON else report.show()
    ctx.exit(EXIT_CODES[report.ending])


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How waiting ended, and the last look at it."""

    what: str
    ending: Ending
    rollout: str = ""
    look: Look | None = None

    def as_json(self) -> dict[str, object]:
        """Say it for a program; what is not known is null."""
        look = self.look
        past = look.past(self.rollout) if look is not None else None
        active = (
            look.active if look is not None and look.active is not None and look.active.id == self.rollout else None
        )
        status = look.status if look is not None else None
        revision = past.revision if past else active.revision if active else look.present if look else ""
        return {
            "canary": look.key.name if look else None,
            "namespace": look.key.namespace if look else None,
            "rollout": self.rollout or None,
            "revision": revision or None,
            "ending": self.ending,
            "exitCode": EXIT_CODES[self.ending],
            "reason": past.reason if past else status.reason if status else None,
            "message": past.message if past else status.message if status else None,
            "weight": show_weight(status.weight) if status else None,
            "peak": show_weight(past.peak) if past else show_weight(active.peak) if active else None,
            "seconds": round(past.seconds, 1) if past else None,
            "requests": past.requests if past else None,
            "failures": past.failures if past else None,
        }

    def show(self) -> None:
        """Say it for a person."""
        from canary.cli.render import print_table

        said = self.as_json()
        cells = [self.rollout or self.what, self.ending, *(str(said[key] or "") for key in ("reason", "message"))]
        print_table(["ROLLOUT", "ENDING", "REASON", "MESSAGE"], [cells])


async def wait_for(target: Target, what: str, timeout: timedelta, *, until_approval: bool) -> Report:
    """Wait until the end or the deadline."""
    from canary.cli.cluster import connected

    async with connected(target) as cluster:
        waiter = _Waiter(cluster, what, until_approval=until_approval)
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                return await waiter.run()
        except TimeoutError:
            return waiter.report(Ending.TIMED_OUT)
        except NotFound as error:
            note(error.hint)
            return waiter.report(Ending.NOT_FOUND)


class _Waiter:
    """Waits for one rollout, which is bound once it is known and from then on the only one."""

    def __init__(self, cluster: "Cluster", what: str, *, until_approval: bool) -> None:
        self._cluster, self._what, self._until_approval = cluster, what, until_approval
        self._rollout: str | None = None
        self._look: Look | None = None

    async def run(self) -> Report:
        """Wait."""
        from canary.cli.watching import Progress, looks

        progress = Progress()
        name = await self._name()
        async for look in looks(self._cluster, name, deployment=self._rollout is None):
            self._look = look
            ending = self._ending(look)
            if self._is_about(look):
                progress.tell(look)
            if ending is not None:
                return self.report(ending)
        raise AssertionError("looking never ends by itself")

    def report(self, ending: Ending) -> Report:
        """Say how it ended."""
        return Report(what=self._what, ending=ending, rollout=self._rollout or "", look=self._look)

    async def _name(self) -> str:
        """Find the Canary that is meant; a name goes before an id."""
        from canary.cli.watching import patiently

        parts = parse_id(self._what)
        if parts is None:
            return self._what
        try:
            await patiently(lambda: self._cluster.canary(self._what))
        except NotFound:
            self._rollout = self._what
            return parts[0]
        return self._what

    def _is_about(self, look: Look) -> bool:
        """Tell whether what the status says is about the rollout that is waited for, as far as that is known."""
        rollout = look.status.rollout
        return not self._rollout or (rollout is not None and rollout.id == self._rollout)

    def _ending(self, look: Look) -> Ending | None:
        if self._rollout is None:
            self._rollout = rollout_of(look)
        if self._rollout is None:
            return unstarted(look, until_approval=self._until_approval)
        return ending_of(look, self._rollout, until_approval=self._until_approval)
