"""Counters for many Canaries with few queries: those that ask within a moment of each other share one query per family.

Called by `ask`. Ticks fall on a common grid (see `queue`), so in each interval every active Canary joins the same
batch. Readings are taken a little in the past of Prometheus' own clock: a scrape that is still being stored then
belongs to the next reading, here and after a restart, so that every request counts once.
"""

import asyncio
import math
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import chain
from typing import TypeAlias

from canary.core import promql
from canary.core.counters import Sample, Series, bound
from canary.core.counts import at_client
from canary.core.history import TICK, Past
from canary.core.intake import scope_for
from canary.core.questions import (
    Bounds,
    FindBounds,
    History,
    Numbers,
    ReadCounters,
    ReadHistory,
    Reading,
    RunQuery,
    Scope,
)
from canary.errors import MetricsUnreachable
from canary.runtime.ports import Clock, Metrics

GATHER = timedelta(milliseconds=100)  # how long a batch waits for others to join
LOOKBACK = 2.5  # scrape intervals that a reading looks back
SETTLE = 0.3  # seconds after which a scrape is surely stored
RESYNC = 60.0  # seconds for which the difference of the clocks is trusted
GLANCE = 5.0  # seconds that a tick waits for the past
PIECE = 61  # readings of the past that are asked for at a time: ten minutes and where they begin
MOST_SCOPES = 200  # Canaries in one query: its text stays under Prometheus' limits

STANDS = 30.0  # seconds for which what was read of the past, or why it was not, is not asked for again
ASIDE = 2  # queries at a time of users and of the past: a slow one must not keep the counters of all waiting

Shared: TypeAlias = dict[promql.Owner, list[Series]]


@dataclass(frozen=True, slots=True)
class _Batch:
    """A reading to come, and for whom; it can be joined until it is taken."""

    scopes: set[Scope]
    readings: asyncio.Task[Mapping[Scope, Reading]]


class Readings:
    """Shared readings of one Prometheus."""

    def __init__(
        self, metrics: Metrics, clock: Clock, scrape: timedelta, queried: Callable[[float], None] = lambda _: None
    ) -> None:
        self._metrics, self._clock, self._queried = metrics, clock, queried
        self._window = LOOKBACK * scrape
        self._batch: _Batch | None = None
        self._histories: dict[ReadHistory, tuple[float, asyncio.Task[History]]] = {}  # and when it ended
        self._looking_back = asyncio.Lock()  # one after the other
        self._aside = asyncio.Semaphore(ASIDE)
        self._offset = 0.0
        self._synced = float("-inf")

    async def read(self, question: ReadCounters) -> Reading:
        """Answer from the next shared reading, or from one of its own for a moment in the past.

        Raises MetricsUnreachable.
        """
        if question.at is not None:
            shared = await self._families([question.scope], question.at, self._window, sent=question.sent)
            return Reading(at=question.at, series=own(shared, question.scope))
        batch = self._batch
        if batch is None or len(batch.scopes) >= MOST_SCOPES:
            scopes: set[Scope] = set()
            batch = self._batch = _Batch(scopes, asyncio.create_task(self._run(scopes)))
            batch.readings.add_done_callback(_noted)
        batch.scopes.add(question.scope)
        # Shielded: when one stops waiting, the others still want it. What goes wrong reaches everyone who waits.
        return (await asyncio.shield(batch.readings))[question.scope]

    async def history(self, question: ReadHistory, patience: float = GLANCE) -> History:
        """Fold stable's past, read in pieces: few samples at a time, and none of the loop's patience.

        It is waited for `patience` seconds, in a tick not for long: what was begun goes on, and the next one to ask
        joins. Raises MetricsUnreachable.
        """
        now = self._clock.monotonic()
        self._histories = {
            asked: (ended, task) for asked, (ended, task) in self._histories.items() if now < ended + STANDS
        }
        if question not in self._histories:
            reading = asyncio.create_task(self._history(question))
            reading.add_done_callback(_noted)
            reading.add_done_callback(partial(self._note_end, question))
            self._histories[question] = (math.inf, reading)
        _, reading = self._histories[question]
        done, _ = await asyncio.wait([reading], timeout=patience)
        if not done:
            raise MetricsUnreachable(f"the past {question.window} is still being read after {patience:g} s")
        return reading.result()

    def _note_end(self, question: ReadHistory, reading: asyncio.Task[History]) -> None:
        self._histories[question] = (self._clock.monotonic(), reading)

    async def bounds(self, question: FindBounds) -> Bounds:
        """Find the bucket bounds that exist, in milliseconds."""
        found = await self._metrics.query(promql.bounds_query(question.scope), question.at)
        read = {bound(series.labels) for series in found}
        return Bounds(bounds=tuple(sorted(le for le in read if le is not None and 0 < le < math.inf)))

    async def _history(self, question: ReadHistory) -> History:
        async with self._looking_back:
            bounds = await self._cuts(question)
            scope = scope_for(question.spec, question.namespace, bounds)
            past = Past(question.spec, bounds, scope)
            end = await self.now() - SETTLE
            ticks = max(1, math.floor(question.window / TICK))
            moments = [end - TICK.total_seconds() * left for left in range(ticks, -1, -1)]
            for begin in range(0, len(moments), PIECE):
                piece = moments[begin : begin + PIECE]
                reach = timedelta(seconds=piece[-1] - piece[0]) + self._window
                async with self._aside:
                    series = own(await self._families([scope], piece[-1], reach, sent=False), scope)
                for at in piece:
                    past.take(at, until(series, at, self._window))
                    await asyncio.sleep(0)
        return past.told()

    async def _cuts(self, question: ReadHistory) -> tuple[float, ...]:
        if all(place.latency is None for place in question.spec.places):
            return ()
        return (await self.bounds(FindBounds(scope=scope_for(question.spec, question.namespace, ())))).bounds

    async def numbers(self, question: RunQuery) -> Numbers:
        """Evaluate a query of the user's, now. Raises MetricsUnreachable."""
        async with self._aside:
            found = await self._metrics.query(question.promql, None)
        return Numbers(numbers=tuple(value for series in found for _, value in series.samples))

    async def _run(self, scopes: Collection[Scope]) -> Mapping[Scope, Reading]:
        await self._clock.sleep(GATHER)
        if self._batch is not None and self._batch.scopes is scopes:
            self._batch = None  # who comes now is for the next one
        at = await self.now() - SETTLE
        shared = await self._families(scopes, at, self._window)
        return {scope: Reading(at=at, series=own(shared, scope)) for scope in scopes}

    async def _families(self, scopes: Collection[Scope], at: float, window: timedelta, *, sent: bool = True) -> Shared:
        """Ask every family at once. Where no client of a service is scraped, ask its server."""
        texts = list(promql.client_queries(scopes, window, sent=sent))
        routed = [scope for scope in scopes if scope.routes]
        texts += promql.route_queries(routed, window, sent=sent) if routed else ()
        series = await self._all(texts, at)
        shared = share_out(series)
        unseen = [scope for scope in scopes if not at_client(own(shared, scope), scope)]
        if unseen:
            shared = share_out(series + await self._all(list(promql.server_queries(unseen, window, sent=sent)), at))
        return shared

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

    async def now(self) -> float:
        """Give the time of day on Prometheus' clock: ours may be wrong by any amount."""
        if self._clock.monotonic() - self._synced > RESYNC:
            told = await self._metrics.query("vector(time())", None)
            if not told or not told[0].samples or not math.isfinite(told[0].samples[-1][1]):
                raise MetricsUnreachable("Prometheus does not tell the time")
            self._offset = told[0].samples[-1][1] - self._clock.monotonic()
            self._synced = self._clock.monotonic()
        return self._clock.monotonic() + self._offset


def _noted(readings: asyncio.Task[Mapping[Scope, Reading]] | asyncio.Task[History]) -> None:
    """Take note of an error: where all who waited have left, it is no news for asyncio to log."""
    if not readings.cancelled():
        readings.exception()


def until(series: Iterable[Series], at: float, window: timedelta) -> tuple[Series, ...]:
    """Cut out of a longer reading what one as of `at` would have had."""
    begin, cut = at - window.total_seconds(), []
    for one in series:
        low = bisect_right(one.samples, begin, key=_time)
        samples = one.samples[low : bisect_right(one.samples, at, lo=low, key=_time)]
        if samples:
            cut.append(Series(one.labels, samples))
    return tuple(cut)


def _time(sample: Sample) -> float:
    return sample[0]


def share_out(series: Iterable[Series]) -> Shared:
    """Sort a shared answer by whom its series count for, once for all Canaries."""
    shared: Shared = {}
    for one in series:
        shared.setdefault(promql.owner(one.labels), []).append(one)
    return shared


def own(shared: Shared, scope: Scope) -> tuple[Series, ...]:
    """Take out one Canary's."""
    return tuple(chain.from_iterable(shared.get(whose, ()) for whose in promql.owners(scope)))
