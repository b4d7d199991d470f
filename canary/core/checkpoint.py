"""`Book` <-> JSON: the evidence of a rollout as it is kept in the object's status, so that a restart loses none.

Called by `record`. Each gate is one text of numbers, so that `kubectl get -o yaml` stays readable.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from canary.core.book import Book, Tally
from canary.core.counts import Version
from canary.core.edges import Edge
from canary.core.eprocess import Evidence
from canary.core.exposure import Traffic
from canary.core.lenient import as_array, as_float, as_mapping, as_text
from canary.core.ranges import Checked
from canary.core.share import Share
from canary.core.threshold import Checks
from canary.core.unanswered import OpenRequests
from canary.core.warmup import Spared

State = TypeVar(
    "State",
    Spared,
    Evidence,
    OpenRequests,
    Checked,
    Checks,
    Tally,
    Traffic,
    Share,
    tuple[float, float],
    tuple[float, ...],
)


def render_book(book: Book) -> dict[str, object]:
    """Write the evidence, as one text of numbers per gate."""
    return {
        "at": book.at,
        "waited": book.waited,
        "answered": book.answered,
        "share": _line((book.share.canary, book.share.stable, book.share.past, book.share.intervals)),
        "refused": _line(_tally(book.refused)),
        "bounds": list(book.bounds),
        "edges": _edges_by_place(book.edges),
        "gates": {name: _line(evidence.numbers()) for name, evidence in sorted(book.evidence.items())},
        "open": {place or "service": _line(state.numbers()) for place, state in sorted(book.open.items())},
        "queries": {name: _line(checked.numbers()) for name, checked in sorted(book.queries.items())},
        "counted": {name: _line(_tally(tally)) for name, tally in sorted(book.tallies.items())},
        "traffic": {
            place or "service": _line((t.requests, t.seconds, t.known)) for place, t in sorted(book.traffic.items())
        },
        "checks": {name: _line(found.numbers()) for name, found in sorted(book.checks.items())},
        "effective": {name: _line(counted) for name, counted in sorted(book.effective.items())},
        "spared": {str(side): _line((float(its.pods), its.latest)) for side, its in sorted(book.spared.items())},
        "cold": {str(side): " ".join(sorted(its.names)) for side, its in sorted(book.spared.items())},
    }


def parse_book(record: Mapping[str, object]) -> Book:
    """Read it back; what no fold can have left is left out."""
    return Book(
        at=as_float(record.get("at")),
        waited=as_float(record.get("waited")),
        answered=as_float(record.get("answered")),
        share=_states({"": record.get("share")}, _read_share).get("", Share()),
        refused=_states({"": record.get("refused")}, _read_tally).get("", Tally()),
        bounds=tuple(as_float(bound) for bound in as_array(record.get("bounds"))),
        edges=_read_edges(as_mapping(record.get("edges"))),
        evidence=_states(as_mapping(record.get("gates")), Evidence.from_numbers),
        open=_states(_by_place(record, "open"), OpenRequests.from_numbers),
        queries=_states(as_mapping(record.get("queries")), Checked.from_numbers),
        tallies=_states(as_mapping(record.get("counted")), _read_tally),
        traffic=_states(_by_place(record, "traffic"), _read_traffic),
        effective=_states(as_mapping(record.get("effective")), _read_pair),
        checks=_states(as_mapping(record.get("checks")), Checks.from_numbers),
        spared={
            Version(side): replace(its, names=frozenset(as_text(as_mapping(record.get("cold")).get(side)).split()))
            for side, its in _states(as_mapping(record.get("spared")), _read_spared).items()
            if side in tuple(Version)
        },
    )


def _by_place(record: Mapping[str, object], key: str) -> Mapping[str, object]:
    return {("" if place == "service" else place): text for place, text in as_mapping(record.get(key)).items()}


def _states(texts: Mapping[str, object], read: Callable[[tuple[float, ...]], State]) -> dict[str, State]:
    """Restore what can be restored: evidence that no fold can have left is as good as none."""
    states = {}
    for name, text in texts.items():
        try:
            states[name] = read(tuple(float(number) for number in as_text(text).split()))
        except ValueError:
            continue
    return states


def _edges_by_place(edges: Iterable[Edge]) -> dict[str, str]:
    found: dict[str, tuple[float, ...]] = {}
    for edge in edges:
        found[edge.place or "service"] = (*found.get(edge.place or "service", ()), edge.bound, edge.tail)
    return {place: _line(numbers) for place, numbers in sorted(found.items())}


def _read_edges(texts: Mapping[str, object]) -> tuple[Edge, ...]:
    found: list[Edge] = []
    for place, numbers in _states(texts, _numbers).items():
        where = "" if place == "service" else place
        pairs = zip(numbers[::2], numbers[1::2], strict=False)
        found += [Edge(place=where, bound=b, tail=t) for b, t in pairs if 0 < b < math.inf and 0 <= t <= 1]
    return tuple(found)


def _numbers(numbers: tuple[float, ...]) -> tuple[float, ...]:
    return numbers


def _line(numbers: tuple[float, ...]) -> str:
    return " ".join(repr(number) for number in numbers)


def _read_share(numbers: tuple[float, ...]) -> Share:
    canary, stable, past, intervals = numbers
    if not all(0 <= number < math.inf for number in numbers):
        raise ValueError(f"{numbers} counts nothing")
    return Share(canary=canary, stable=stable, past=past, intervals=int(intervals))


def _tally(tally: Tally) -> tuple[float, ...]:
    return (tally.canary_requests, tally.canary_failures, tally.stable_requests, tally.stable_failures)


def _read_tally(numbers: tuple[float, ...]) -> Tally:
    canary_requests, canary_failures, stable_requests, stable_failures = numbers
    if not all(0 <= number < math.inf for number in numbers):
        raise ValueError(f"{numbers} counts nothing")
    return Tally(
        canary_requests=canary_requests,
        canary_failures=canary_failures,
        stable_requests=stable_requests,
        stable_failures=stable_failures,
    )


def _read_pair(numbers: tuple[float, ...]) -> tuple[float, float]:
    requests, failures = numbers
    if not 0 <= failures <= requests < math.inf:
        raise ValueError(f"{numbers} counts nothing")
    return requests, failures


def _read_spared(numbers: tuple[float, ...]) -> Spared:
    pods, latest = numbers
    if not all(0 <= number < math.inf for number in numbers):
        raise ValueError(f"{numbers} counts nothing")
    return Spared(pods=int(pods), latest=latest)


def _read_traffic(numbers: tuple[float, ...]) -> Traffic:
    requests, seconds, known = numbers
    if not all(0 <= number < math.inf for number in numbers):
        raise ValueError(f"{numbers} counts nothing")
    return Traffic(requests=requests, seconds=seconds, known=known)
