"""How much room a Canary's evidence takes in its status, at most, for objects are small. Used by `manifest`."""

import json
from collections.abc import Iterable
from typing import Final

from canary.core.edges import TAILS
from canary.core.eprocess import NUMBERS
from canary.core.gates import PROXY_BOUNDS, around
from canary.core.spec import ClientErrors, Latency, Place, Slowdown

MOST_GATES: Final = 64
MOST_BYTES: Final = 100 * 2**10
NUMBER: Final = 24
"""Characters of the longest number, and a blank."""
WHOLE: Final = 5 * 14
"""Those that the whole numbers of an evidence save."""
LABEL, BESIDE, ENTRY = 28, 46, 6
"""Characters of a gate's name, of a slowdown's, and of a place's besides the route's, with what JSON puts around."""


def gates_of(place: Place) -> int:
    """Count the gates of a place; a slowdown has one for each edge."""
    latency = len(TAILS) if isinstance(place.latency, Slowdown) else place.latency is not None
    return (place.success_rate is not None) + latency + (place.client_errors is ClientErrors.GATE)


def most_bytes(places: Iterable[Place]) -> int:
    """Bound the checkpoint of these gates, where the proxies have all of their buckets."""
    return sum(_bytes(place) for place in places)


def _bytes(place: Place) -> int:
    gates, split, label, edges = gates_of(place), 0, LABEL, 0
    if isinstance(place.latency, Latency):
        over, within = around(place.latency.limit.total_seconds() * 1000, PROXY_BOUNDS)
        split = int(over != within)  # PASS has evidence of its own then
    if isinstance(place.latency, Slowdown):
        label, edges = BESIDE, 2 * len(TAILS)
    route = len(json.dumps(place.route or "service", ensure_ascii=False).encode(errors="surrogatepass"))
    evidence = (gates + split) * (route + label + NUMBERS * NUMBER - WHOLE)
    counted = gates * (2 * (route + label) + 6 * NUMBER)  # four raw numbers, two effective ones
    entries = (2 + bool(edges)) * (route + ENTRY) + (7 + edges) * NUMBER  # open requests, traffic, edges
    return evidence + counted + entries
