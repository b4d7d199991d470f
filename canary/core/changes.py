"""What someone changed in mid-rollout, and which evidence starts over because of it. Called by `gather`.

A gate whose promise changed knows nothing any more; a comparison begins anew with a new baseline. What the change does
not touch is kept: editing the dwell must not cost an hour of evidence.
"""

from collections.abc import Mapping
from dataclasses import replace

from canary.core import book as books
from canary.core.book import Book
from canary.core.decision import Notice
from canary.core.discretion import without_urls
from canary.core.facts import Facts
from canary.core.gates import Gate, gates, unmeasured
from canary.core.handover import stable_carries
from canary.core.manifest import ORDERS, as_object, parse_spec
from canary.core.obstacles import unreadable
from canary.core.promotion import carries, release
from canary.core.ranges import Checked
from canary.core.spec import CanarySpec, Latency, Slowdown
from canary.core.status import Phase, Reason
from canary.errors import InvalidSpec, listed


def with_changes(facts: Facts) -> Facts:
    """Start evidence over where what it compares or promises is no longer the same, and say so."""
    return _copied(_new_baseline(_new_spec(_invalid_spec(facts))))


def _invalid_spec(facts: Facts) -> Facts:
    """Say once that the rollout goes on with the last valid spec."""
    told = {c.type: c.reason for c in facts.seen.status.conditions}
    if not facts.seen.problems or told.get("Ready") == Reason.INVALID_SPEC or unreadable(facts):
        return facts
    problems = listed(facts.seen.problems)
    message = f"The spec is invalid; the rollout goes on with the last valid one. {problems}."
    return _told(facts, Notice(reason=Reason.INVALID_SPEC, message=message, warning=True))


def _new_spec(facts: Facts) -> Facts:
    rollout, seen, book = facts.rollout, facts.seen, facts.status.book
    raw = without_urls(seen.raw_spec)
    if seen.problems or rollout.spec == raw:
        return facts
    followed = _parsed(rollout.spec)
    edges = tuple(edge for edge in book.edges if _latency(followed, edge.place) == _latency(seen.spec, edge.place))
    found = gates(seen.spec, book.bounds, edges=edges)
    changed = _changed_gates(facts, found, followed)
    anew = [gate.name for gate in found if _latency(followed, gate.place) != _latency(seen.spec, gate.place)]
    book = books.recount(books.forget(book, changed), {name for name in anew if name in changed})
    book = replace(books.keep(book, found), edges=edges, queries=_still_known(book, seen.spec, followed))
    if _followed(rollout.spec) != _followed(raw):
        message = f"The spec changed in mid-rollout; evidence starts over for: {', '.join(changed) or 'nothing'}."
        facts = _told(facts, Notice(reason=Reason.SPEC_CHANGED, message=message))
    return replace(facts, status=replace(facts.status, rollout=replace(rollout, spec=raw), book=book))


def _still_known(book: Book, spec: CanarySpec, followed: CanarySpec | None) -> dict[str, Checked]:
    """Keep what was answered to a query that asks the same; how long it is outside begins anew with another range."""
    before = {query.name: query for query in (followed.queries if followed is not None else ())}
    known = {}
    for query in spec.queries:
        checked, was = book.queries.get(query.name), before.get(query.name)
        if checked is None or was is None or was.promql != query.promql:
            continue
        same = (was.least, was.most) == (query.least, query.most)
        known[query.name] = checked if same else replace(checked, outside=None)
    return known


def _followed(spec: Mapping[str, object]) -> Mapping[str, object]:
    return {key: value for key, value in spec.items() if key not in ORDERS}


def _latency(spec: CanarySpec | None, place: str) -> Latency | Slowdown | None:
    """Find what is promised of latency at a place."""
    places = () if spec is None else spec.places
    return next((found.latency for found in places if found.route == place), None)


def _parsed(spec: Mapping[str, object]) -> CanarySpec | None:
    try:
        return parse_spec(as_object(spec))
    except InvalidSpec:  # written by another version of this program
        return None


def _changed_gates(facts: Facts, found: tuple[Gate, ...], followed: CanarySpec | None) -> list[str]:
    if followed is None:
        return [gate.name for gate in found]
    before = {gate.name: gate for gate in gates(followed, facts.status.book.bounds, edges=facts.status.book.edges)}
    anew = {edge.place for edge in facts.status.book.edges}
    other = followed.threshold != facts.spec.threshold
    changed = [g for g in found if g.name in before and (other or _asks(before[g.name]) != _asks(g))]
    return [g.name for g in (*changed, *(g for g in found if unmeasured(g) and g.place in anew))]


def _asks(gate: Gate) -> tuple[object, ...]:
    return gate.promise, gate.limit, gate.failures_slow


def _new_baseline(facts: Facts) -> Facts:
    rollout, stable, canary = facts.rollout, facts.seen.stable, facts.seen.canary
    armed = facts.status.phase in (Phase.PROGRESSING, Phase.BAKING)
    if not armed or stable is None or stable.revision in ("", rollout.baseline):
        return facts
    analysed = release(canary, rollout.revision)
    early = analysed is not None and carries(stable, analysed, facts.spec.promotion)
    what = "to the release that is still analysed" if early else f"from {rollout.baseline} to {stable.revision}"
    message = f"Stable's template changed {what} in mid-rollout; the comparison with stable starts over."
    rollout, book = replace(rollout, baseline=stable.revision), books.compare_anew(facts.status.book)
    left = gates(facts.spec, book.bounds)  # without the edges: a slowdown is all comparison, as are client errors
    book = books.forget(books.keep(replace(book, edges=()), left), [g.name for g in left if g.promise.relative])
    facts = replace(facts, status=replace(facts.status, rollout=rollout, book=book))
    return _told(facts, Notice(reason=Reason.STABLE_CHANGED, message=message, warning=True))


def _copied(facts: Facts) -> Facts:
    """Remember that stable had the release: whoever takes it away again undoes a promotion."""
    if facts.status.phase is not Phase.PROMOTING or not facts.rollout.copying or not stable_carries(facts):
        return facts
    return replace(facts, status=replace(facts.status, rollout=replace(facts.rollout, copied=True)))


def _told(facts: Facts, notice: Notice) -> Facts:
    return replace(facts, notices=(*facts.notices, notice))
