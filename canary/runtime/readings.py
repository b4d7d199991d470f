"""Counters for many Canaries with few queries: those that ask within a moment of each other share one query per family.

Called by `ask`. Ticks fall on a common grid (see `queue`), so in each interval every active Canary joins the same
batch. Readings are taken a little in the past of Prometheus' own clock: a scrape that is still being stored then
belongs to the next reading, here and after a restart, so that every request counts once.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from canary.core import promql
from canary.core.counters import Series
from canary.core.counts import at_client
from canary.core.questions import Bounds, FindBounds, ReadCounters, Reading, Scope
from canary.errors import MetricsUnreachable
from canary.runtime.ports import Clock, Metrics

GATHER = timedelta(milliseconds=100)  # how long a batch waits for others to join
SETTLE = 0.3  # seconds after which a scrape is surely stored
RESYNC = 60.0  # seconds for which the difference of the clocks is trusted
MOST_SCOPES = 200  # Canaries in one query: its text stays under Prometheus' limits


class Readings:
    """Shared readings of one Prometheus."""

    def __init__(
        self, metrics: Metrics, clock: Clock, scrape: timedelta, queried: Callable[[float], None] = lambda _: None
    ) -> None:
        self._metrics, self._clock, self._queried = metrics, clock, queried
        self._window = 2.5 * scrape
        self._waiting: dict[Scope, asyncio.Future[Reading]] = {}
        self._batch: asyncio.Task[None] | None = None
        self._offset = 0.0
        self._synced = float("-inf")

    async def read(self, question: ReadCounters) -> Reading:
        """Answer from the next shared reading, or from one of its own for a moment in the past.

        Raises MetricsUnreachable.
        """
        if question.at is not None:
            series = await self._families([question.scope], question.at)
            return Reading(at=question.at, series=series)
        future = self._waiting.get(question.scope)
        if future is None:
            future = asyncio.get_running_loop().create_future()
            self._waiting[question.scope] = future
        if self._batch is None:
            self._batch = asyncio.create_task(self._run())
        return await asyncio.shield(future)

    async def bounds(self, question: FindBounds) -> Bounds:
        """Find the bucket bounds that exist, in milliseconds."""
        found = await self._metrics.query(promql.bounds_query(question.scope), None)
        bounds = sorted({float(series.labels.get("le", "inf")) for series in found})
        return Bounds(bounds=tuple(bound for bound in bounds if bound != float("inf")))

    async def _run(self) -> None:
        await self._clock.sleep(GATHER)
        self._batch, waiting, self._waiting = None, self._waiting, {}
        scopes = list(waiting)
        try:
            at = await self._now() - SETTLE
            parts = [scopes[i : i + MOST_SCOPES] for i in range(0, len(scopes), MOST_SCOPES)]
            for part in parts:
                series = await self._families(part, at)
                _deliver(part, waiting, series, at)
        except MetricsUnreachable as error:
            for future in waiting.values():
                if not future.done():
                    future.set_exception(MetricsUnreachable(error.hint))
        finally:
            for future in waiting.values():
                future.cancel()
                if future.done() and not future.cancelled():
                    future.exception()  # whoever asked may have gone: an error that nobody awaits is no news

    async def _families(self, scopes: list[Scope], at: float) -> tuple[Series, ...]:
        """Ask every family at once. Where no client of a service is scraped, ask its server."""
        texts = list(promql.client_queries(scopes, self._window))
        routed = [scope for scope in scopes if scope.routes]
        texts += promql.route_queries(routed, self._window) if routed else ()
        series = await self._all(texts, at)
        unseen = [
            scope for scope in scopes if not at_client((s for s in series if promql.belongs(s.labels, scope)), scope)
        ]
        if unseen:
            series += await self._all(list(promql.server_queries(unseen, self._window)), at)
        return series

    async def _all(self, texts: list[str], at: float) -> tuple[Series, ...]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._quietly(text, at)) for text in texts]
        found: tuple[Series, ...] = ()
        for task in tasks:
            answer = task.result()
            if isinstance(answer, MetricsUnreachable):
                raise answer
            found += answer
        return found

    async def _quietly(self, text: str, at: float) -> tuple[Series, ...] | MetricsUnreachable:
        """Return the error: a TaskGroup would wrap it, and cancel the others while their threads go on."""
        begun = self._clock.monotonic()
        try:
            return await self._metrics.query(text, at)
        except MetricsUnreachable as error:
            return error
        finally:
            self._queried(self._clock.monotonic() - begun)

    async def _now(self) -> float:
        """Give the time of day on Prometheus' clock: ours may be wrong by any amount."""
        if self._clock.monotonic() - self._synced > RESYNC:
            (series,) = await self._metrics.query("vector(time())", None)
            self._offset = series.samples[-1][1] - self._clock.monotonic()
            self._synced = self._clock.monotonic()
        return self._clock.monotonic() + self._offset


def _deliver(
    scopes: list[Scope], waiting: dict[Scope, asyncio.Future[Reading]], series: tuple[Series, ...], at: float
) -> None:
    for scope in scopes:
        own = tuple(s for s in series if promql.belongs(s.labels, scope))
        if not waiting[scope].done():
            waiting[scope].set_result(Reading(at=at, series=own))
