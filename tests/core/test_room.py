"""A Canary's evidence has room in its status, whatever is counted; what has none is refused."""

import json
from dataclasses import replace

import pytest

from canary.core.book import Book, Tally
from canary.core.checkpoint import parse_book, render_book
from canary.core.edges import Edge
from canary.core.eprocess import NUMBERS, Evidence
from canary.core.exposure import Traffic
from canary.core.gates import PROXY_BOUNDS, gates
from canary.core.manifest import parse_spec
from canary.core.ranges import Checked
from canary.core.record import render_status
from canary.core.room import MOST_BYTES, most_bytes
from canary.core.spec import CanarySpec, Slowdown
from canary.core.status import Phase
from canary.core.unanswered import OpenRequests
from canary.errors import InvalidSpec
from tests.build import a_status
from tests.canaries import a_canary, a_query, a_route

LONG = 1.2345678901234567e-123
"""As long as a number can be."""
PLACE = "ü" * 8


def full(spec: CanarySpec) -> Book:
    """Fill a book with numbers as long as can be."""
    places = [place.route for place in spec.places]
    edges = tuple(
        Edge(place=place.route, bound=bound, tail=LONG)
        for place in spec.places
        if isinstance(place.latency, Slowdown)
        for bound in PROXY_BOUNDS[:3]
    )
    found = gates(spec, PROXY_BOUNDS, edges=edges)
    counts = {1, 21, 45, 46, 47}  # whole numbers
    evidence = Evidence.from_numbers([9999999.0 if i in counts else LONG for i in range(NUMBERS)])
    tally = Tally(canary_requests=LONG, canary_failures=LONG, stable_requests=LONG, stable_failures=LONG)
    return Book(
        at=1714557600.123456,
        waited=LONG,
        answered=LONG,
        bounds=PROXY_BOUNDS,
        edges=edges,
        evidence={name: evidence for gate in found for name in (gate.name, gate.pass_name)},
        open=dict.fromkeys(places, OpenRequests(open_time=LONG, requests=LONG, excess=LONG)),
        queries={query.name: Checked(value=LONG, trouble="", outside=LONG) for query in spec.queries},
        tallies={gate.name: tally for gate in found},
        traffic=dict.fromkeys(places, Traffic(requests=LONG, seconds=LONG, known=LONG)),
        effective={gate.name: (LONG, LONG) for gate in found},
    )


ON, OFF, SLOW = {"latency": {"p99": "300ms"}}, {"latency": {"p99": "250ms"}}, {"latency": {"slowdown": 2}}
WORST = [
    pytest.param([a_route(f"{i} {PLACE}", **ON) for i in range(64)], id="as many limits as may be"),
    pytest.param([a_route(f"{i} {PLACE}", **OFF) for i in range(30)], id="limits between two buckets"),
    pytest.param([a_route(f"{i} {PLACE}", **SLOW) for i in range(21)], id="slowdowns"),
    pytest.param([a_route(f"{i} {'漢' * 290}", **ON) for i in range(10)], id="names as long as may be"),
]


@pytest.mark.parametrize("routes", WORST)
def test_the_largest_evidence_has_room(routes: list[dict[str, object]]) -> None:
    queries = [a_query(name=f"{i}-{'q' * 50}") for i in range(16)]
    spec = parse_spec(a_canary(gates={"routes": routes, "queries": queries}))
    book = full(spec)
    written = render_book(book)
    unbounded = {key: written[key] for key in ("gates", "open", "counted", "traffic", "effective", "edges")}
    size = len(json.dumps(unbounded, ensure_ascii=False).encode())
    assert 0.8 * most_bytes(spec.places) < size <= most_bytes(spec.places) <= MOST_BYTES
    assert parse_book(written).evidence == book.evidence


def test_the_whole_status_stays_far_below_what_an_object_may_take() -> None:
    spec = parse_spec(a_canary(gates={"routes": [a_route(f"{i} {PLACE}", **ON) for i in range(64)]}))
    status = replace(a_status(Phase.PROGRESSING, 100), book=full(spec))
    assert len(json.dumps(render_status(status, None, gates(spec, PROXY_BOUNDS))).encode()) < 250_000


@pytest.mark.parametrize(
    "routes",
    [
        pytest.param([a_route(f"{i} {PLACE}", **OFF) for i in range(64)], id="limits between two buckets"),
        pytest.param([a_route(f"{i} {'漢' * 290}", **ON) for i in range(64)], id="names as long as may be"),
    ],
)
def test_more_is_refused_with_one_error(routes: list[dict[str, object]]) -> None:
    with pytest.raises(InvalidSpec) as refused:
        parse_spec(a_canary(gates={"routes": routes}))
    (problem,) = refused.value.problems
    assert problem.field == "spec.gates.routes"
    assert problem.allowed == "gates whose evidence takes at most 100 KiB of the status: fewer, or with shorter names"


def test_a_second_of_latency_is_a_bucket_bound_however_it_is_written() -> None:
    sizes = {most_bytes(parse_spec(a_canary(gates={"latency": {"p99": text}})).places) for text in ("1s", "1000ms")}
    assert len(sizes) == 1
