"""From answers to evidence: which counters are asked for, and what a reading adds to the book. Called by `gather`.

A reading counts what came since the one before, and only where both were asked for in the same manner: a family, a
bucket or a side that was not asked for before would count all it ever held. An interval without a reading is a tick of
zeros.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache, partial

from canary.core import book as books
from canary.core import counters as counting
from canary.core import warmup
from canary.core.book import Book, Manner, Span
from canary.core.counters import Counters, Series
from canary.core.counts import SERVICE, Counts, Placed, Revisions, Version, What, at_client, gained, placed, standing
from canary.core.edges import ENOUGH, Edge, choose
from canary.core.exposure import Traffic
from canary.core.facts import Facts
from canary.core.gates import Gate, gates, unmeasured
from canary.core.history import armed_gates
from canary.core.questions import (
    Answers,
    Bounds,
    FindBounds,
    ReadCounters,
    Reading,
    Scope,
    Unanswered,
)
from canary.core.share import settled
from canary.core.snapshot import Snapshot
from canary.core.spec import FULL, CanarySpec
from canary.core.status import Phase, Reason
from canary.core.warmup import Spared

STALE = 2.5  # scrape intervals after which a sample says nothing about now
AWAY = 60.0  # seconds for which clients may be unseen before the service is counted at its servers
EXPECTED = 7.0  # canary requests: that none of so many came is chance once in a thousand times
SILENT = 6  # intervals without canary requests before that is worth saying


def scope_of(seen: Snapshot) -> Scope:
    """Say whose counters the Canary needs, and at which latency bounds."""
    book = seen.status.book
    return scope_for(seen.spec, seen.key.namespace, book.bounds, book.edges)


@lru_cache(maxsize=256)
def scope_for(spec: CanarySpec, namespace: str, bounds: tuple[float, ...], edges: tuple[Edge, ...] = ()) -> Scope:
    """Say whose counters a spec needs where these latency buckets exist: all of them, until edges are chosen."""
    judged = gates(spec, bounds, edges=edges)
    cuts = {b for g in judged for b in (g.over, g.within, g.beside) if b is not None}
    return Scope(
        namespace=namespace,
        apex=spec.service,
        stable=spec.stable,
        canary=spec.canary,
        bounds=frozenset(bounds if any(map(unmeasured, judged)) else cuts),
        routes=any(place.route for place in spec.places),
    )


def reading_due(seen: Snapshot) -> bool:
    """Tell whether an interval has passed since the last reading. Looks in between (a pod died) fold nothing."""
    waited = seen.status.book.waited + seen.elapsed.total_seconds()
    return seen.counters is None or waited >= 0.5 * seen.spec.interval.total_seconds()


def with_bounds(facts: Facts, answers: Answers) -> Facts:
    """Remember which latency buckets exist, once that is known."""
    for question, answer in answers.items():
        if isinstance(question, FindBounds) and isinstance(answer, Bounds) and answer.bounds:
            return _remember(facts, replace(facts.status.book, bounds=answer.bounds))
    return facts


def take_in(facts: Facts, answers: Answers) -> Facts:
    """Fold the reading of this tick, if one was due."""
    asked = {q.at: answer for q, answer in answers.items() if isinstance(q, ReadCounters)}
    if None not in asked:
        return facts
    now, then = asked.pop(None), next(iter(asked.values()), None)
    for answer in (now, then):
        if isinstance(answer, Unanswered):
            return _unread(facts, answer.detail)
    if not isinstance(now, Reading):
        return _unread(facts, "no answer")
    if facts.counters is None and isinstance(then, Reading) and then.series:
        facts = _recalled(facts, then)
    return _folded(facts, now)


def _remember(facts: Facts, book: Book) -> Facts:
    return replace(facts, status=replace(facts.status, book=book))


def _recalled(facts: Facts, then: Reading) -> Facts:
    """Begin with the counters as of the checkpoint. Where Prometheus lost them, the next reading is the baseline."""
    counters, _ = counting.advance(Counters.fresh(), then.series, at=facts.status.book.at, born={})
    facts = _remember(facts, replace(facts.status.book, manner=_manner(then, scope_of(facts.seen), None)))
    return replace(facts, counters=counters)


def _unread(facts: Facts, detail: str) -> Facts:
    """Fold an interval without a reading: a tick of zeros."""
    book = books.fold(facts.status.book, facts.gates, Counts(), facts.live_weight, facts.spec.threshold)
    rollout = replace(facts.rollout, silence=(Reason.METRICS_UNREACHABLE, detail))
    status = replace(facts.status, book=replace(book, waited=0.0), rollout=rollout)
    return replace(facts, status=status, interval_over=True)


def _folded(facts: Facts, now: Reading) -> Facts:
    seen, rollout, book = facts.seen, facts.rollout, facts.status.book
    scope, revisions = scope_of(seen), Revisions(stable=rollout.baseline, canary=rollout.revision)
    manner = _manner(now, scope, book.manner)
    moved = book.manner is not None and book.manner.client != manner.client
    before = Counters.fresh() if facts.counters is None or moved else facts.counters
    counters, added = counting.advance(before, now.series, at=now.at, born=_births(seen))
    read = placed(added, scope, revisions, client=manner.client)
    stands, dark = standing(read), _dark(facts, now, manner)
    counts, seconds, silent, spared = Counts(), 0.0, rollout.silent, book.spared
    if before.taken is not None:
        spared, cold = _cold(facts, before.taken)
        seconds = max(0.1, now.at - before.taken)
        slow = {gate.place for gate in facts.gates if gate.failures_slow}
        counts = gained(warmup.without(_comparable(read, book.manner, manner), cold, slow))
        arrived = counts.of(Version.CANARY, SERVICE, What.SENT) > 0 or facts.status.weight == 0
        silent = 0 if arrived else silent + 1
    book = books.fold(book, facts.gates, counts, facts.live_weight, seen.spec.threshold)
    if before.taken is not None and dark is None:
        book = books.measure(book, facts.gates, counts, _scraped(before, counters))
        span = Span(seconds=seconds, weight=facts.live_weight, settled=settled(rollout.dwelt, seen.scrape))
        book = books.observe(book, facts.gates, counts, stands, span)
    book = _with_edges(book, facts, stands, manner)
    # a restart asks for the counters as of `at`: there must have been some, and all that was counted must be in them
    at = now.at if dark is None else max(book.at, _newest(now, manner) or 0.0)
    book = replace(book, at=at, waited=0.0, manner=manner, spared=spared)
    silence = dark or _no_traffic(facts, counts, book, silent)
    # an interval that follows an outage counts once, however long it was: an outage does not bake
    bakes = silence is None and facts.status.phase is Phase.BAKING and facts.settled and facts.status.weight == FULL
    baked = timedelta(seconds=min(seconds, 1.5 * seen.spec.interval.total_seconds())) if bakes else timedelta()
    rollout = replace(rollout, silent=silent, silence=silence, baked=rollout.baked + baked)
    status = replace(facts.status, book=book, rollout=rollout)
    judged = facts.gates if book.edges == facts.status.book.edges else armed_gates(seen.spec, status)
    return replace(facts, status=status, counters=counters, gates=judged, interval_over=True)


def _cold(facts: Facts, taken: float) -> tuple[Mapping[Version, Spared], frozenset[str]]:
    """Name the pods that were cold since the reading before, which was `taken` then, or became so."""
    seen, rollout = facts.seen, facts.rollout
    if not seen.spec.warmup:
        return facts.status.book.spared, frozenset()
    spared = dict(facts.status.book.spared)
    names: set[str] = set()
    since = taken - (seen.scrape + seen.spec.warmup).total_seconds()  # what is counted now was so since a scrape before
    for version, side, revision in (
        (Version.STABLE, seen.stable, rollout.baseline),
        (Version.CANARY, seen.canary, rollout.revision),
    ):
        if side is not None:
            begun = {pod.name: pod.started for pod in side.pods if pod.revision == revision}
            spared[version] = warmup.cold(spared.get(version, Spared()), begun, side.desired, since)
            names |= spared[version].names
    return spared, frozenset(names)


def _with_edges(book: Book, facts: Facts, stands: Counts, manner: Manner) -> Book:
    """Choose where a slowdown is measured, by all that stable's pods have counted, once that is enough.

    What is counted afterwards has no part in the choice, so the evidence stays valid.
    """
    chosen: list[Edge] = []
    for gate in filter(unmeasured, facts.gates):
        known, _ = stands.over(gate, Version.STABLE, math.inf)
        if known >= ENOUGH and manner.bounds >= set(book.bounds):
            chosen += choose(gate.place, gate.factor, book.bounds, partial(_tail, stands, gate))
    if not chosen:
        return book
    book = replace(book, edges=(*book.edges, *chosen))
    return books.keep(book, gates(facts.spec, book.bounds, edges=book.edges))


def _tail(stands: Counts, gate: Gate, bound: float) -> float:
    requests, slower = stands.over(gate, Version.STABLE, bound)
    return slower / requests


def _manner(now: Reading, scope: Scope, before: Manner | None) -> Manner:
    """Say how a reading counts. Clients that were seen a moment ago will be back, with all that they counted since.

    They are away while they, or Prometheus, restart. A reading without any series of the service says nothing new.
    """
    client, met = at_client(now.series, scope), 0.0 if before is None else before.met
    if client:
        met = now.at
    elif before is not None and before.client:
        client = now.at - met <= AWAY or all(_of_route(s) for s in now.series)
    return Manner(client=client, bounds=scope.bounds, routes=scope.routes, met=met)


def _of_route(series: Series) -> bool:
    return series.labels.get("__name__", "").startswith("route_")


def _comparable(read: Sequence[Placed], before: Manner | None, now: Manner) -> Sequence[Placed]:
    """Leave out what the reading before was not asked for."""
    if before is None or before == now:
        return read
    same_cut, routed = before.bounds == now.bounds, before.routes
    labelled = ((one, one.increment.labels) for one in read)
    return [
        one for one, labels in labelled if (same_cut or "le" not in labels) and (routed or not labels.get("rt_route"))
    ]


def _scraped(before: Counters, now: Counters) -> float:
    """Say in how many seconds an interval's requests were sent: those between its scrapes, not between its readings."""
    return 0.0 if before.newest is None or now.newest is None else max(0.0, now.newest - before.newest)


def _births(seen: Snapshot) -> dict[str, float]:
    sides = (side for side in (seen.stable, seen.canary) if side is not None)
    return {pod.name: pod.created for side in sides for pod in side.pods}


def _dark(facts: Facts, now: Reading, manner: Manner) -> tuple[Reason, str] | None:
    """Say why an answered reading tells nothing about now."""
    newest = _newest(now, manner)
    if newest is None:
        where = f"{facts.spec.stable.service} and {facts.spec.canary.service}"
        return (
            Reason.NO_DATA,
            f"Prometheus has no requests for {where}: no meshed client, or nobody scrapes the proxies",
        )
    age = now.at - newest
    if age > STALE * facts.seen.scrape.total_seconds():
        return Reason.STALE_DATA, f"the newest sample is {age:.0f} s old"
    return None


def _newest(reading: Reading, manner: Manner) -> float | None:
    """Find when the newest number that counts was scraped."""
    counted = (
        s for s in reading.series if not manner.client or s.labels.get("direction") == "outbound" or _of_route(s)
    )
    return max((at for s in counted for at, value in s.samples if math.isfinite(value)), default=None)


def _no_traffic(facts: Facts, counts: Counts, book: Book, silent: int) -> tuple[Reason, str] | None:
    """Say that the canary gets nothing although it should."""
    if silent < SILENT:
        return None
    sent = f"no request reached the canary at {facts.status.weight}m in {silent} intervals"
    if counts.of(Version.STABLE, SERVICE, What.SENT) == 0:
        return Reason.NO_TRAFFIC, f"{sent}, nor stable in this one"
    traffic = book.traffic.get(SERVICE, Traffic())
    seconds = silent * facts.spec.interval.total_seconds()
    if traffic.rps * seconds * facts.status.weight / FULL < EXPECTED:
        return None
    return Reason.NO_TRAFFIC, f"{sent}; clients without the mesh, or with a cached profile, do not obey the split"
