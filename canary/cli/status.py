"""`canary status`: how Canaries stand, once or live."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

import click

from canary.cli import views
from canary.cli.options import JSON, Target, cluster_options, output_option
from canary.cli.output import emit, emit_line, note
from canary.cli.views import Json
from canary.errors import CanaryError, NotFound

if TYPE_CHECKING:
    from canary.cli.cluster import Cluster


@click.command()
@click.argument("name", default="")
@click.option("-w", "--watch", is_flag=True, help="Go on until interrupted; as JSON, one line for each change.")
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="Of the whole cluster.")
@cluster_options
@output_option
def status(*, name: str, watch: bool, everywhere: bool, target: Target, output: str) -> None:
    """Show all Canaries in a table, or Canary NAME with its gates and its last rollouts."""
    if name and everywhere:
        raise click.UsageError("NAME and --all-namespaces exclude each other.")
    asyncio.run((_watch if watch else _once)(target, Wanted(name, everywhere=everywhere), output))


class Wanted:
    """Which Canaries to show; `name` is "" for all."""

    def __init__(self, name: str, *, everywhere: bool) -> None:
        self.name, self.everywhere = name, everywhere

    async def read(self, cluster: "Cluster") -> Sequence[Json]:
        """Read them once."""
        if self.name:
            return [await cluster.canary(self.name)]
        return await cluster.canaries(everywhere=self.everywhere)

    def columns(self) -> list[str]:
        """Name the columns of the table."""
        return ["NAMESPACE", *views.COLUMNS] if self.everywhere else list(views.COLUMNS)

    def rows(self, found: Iterable[Json]) -> list[list[str]]:
        """Fill the table."""
        return [views.row(obj, namespaced=self.everywhere) for obj in found]


async def _once(target: Target, wanted: Wanted, output: str) -> None:
    from canary.cli.cluster import connected

    async with connected(target) as cluster:
        found = await wanted.read(cluster)
    if output == JSON:
        documents = [views.document(obj) for obj in found]
        emit(documents[0] if wanted.name else {"canaries": documents})
        return
    from canary.cli import render

    if wanted.name:
        render.print_sections(_sections(found[0]))
    else:
        render.print_table(wanted.columns(), wanted.rows(found))


async def _watch(target: Target, wanted: Wanted, output: str) -> None:
    from canary.cli import render
    from canary.cli.cluster import connected

    told: dict[str, str] = {}
    async with connected(target) as cluster:
        with nullcontext() if output == JSON else render.screen() as screen:
            async for found in _changes(cluster, wanted):
                if screen is None:
                    _tell_news(found, wanted, output, told)
                elif wanted.name:
                    screen.draw(render.sections(_sections(found[0])))
                else:
                    screen.draw([render.Fitted(wanted.columns(), wanted.rows(found))])


def _tell_news(found: Sequence[Json], wanted: Wanted, output: str, told: dict[str, str]) -> None:
    """Write a line for each Canary that is not as it was told before."""
    import json

    for obj in found:
        name = "/".join(views.place(obj))
        document = views.document(obj)
        line = json.dumps(document) if output == JSON else "   ".join(wanted.rows([obj])[0])
        if told.get(name) != line:
            emit_line(document) if output == JSON else click.echo(line)
        told[name] = line


async def _changes(cluster: "Cluster", wanted: Wanted) -> AsyncIterator[Sequence[Json]]:
    """Yield what is wanted at first and after every change."""
    from canary.adapters.watch import Mirror

    yield await wanted.read(cluster)  # this one raises what a mirror would wait out: no rights, no such kind
    changed = asyncio.Event()
    mirror = Mirror(cluster.api, cluster.path(everywhere=wanted.everywhere), lambda _: changed.set(), _interrupted)
    following = asyncio.create_task(mirror.follow())
    try:
        await mirror.synced.wait()
        changed.set()  # what went before the mirror's first list is not told by it
        while True:
            await changed.wait()
            changed.clear()
            yield _picked(mirror.all(), wanted)
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


def _interrupted(_: str, error: CanaryError) -> None:
    note(f"{error.hint}; trying again")


def _picked(found: Iterable[Json], wanted: Wanted) -> list[Json]:
    picked = {views.place(obj): obj for obj in found if wanted.name in ("", views.place(obj)[1])}
    if wanted.name and not picked:
        raise NotFound(f"Canary {wanted.name!r} is gone")
    return [obj for _, obj in sorted(picked.items())]


def _sections(obj: Json) -> list[tuple[Sequence[str], Sequence[Sequence[str]]]]:
    """Lay out one Canary: sentences, then its gates and queries, then its past."""
    return [
        ((), [[line] for line in views.headline(obj)]),
        (views.GATES, views.gates(obj)),
        (views.QUERIES, views.queries(obj)),
        (views.HISTORY, views.history(obj)),
    ]
