"""TrafficSplit weights: read as Linkerd's SMI adaptor reads them, drawn as its proxy draws.

The sum is irrelevant; a weight of 0 takes the backend out; with all weights 0 the apex's own endpoints get
everything.
"""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

from canary.adapters.api import Json
from canary.adapters.trafficsplit import milliunits
from canary.lab.fields import rows, text

T = TypeVar("T")


def parse_weight(value: object) -> int:
    """Read a weight ("900m", "1", 900, 0.9) as milliunits. Raises ValueError, for a negative one too."""
    weight = milliunits(value)
    if weight is None:
        raise ValueError(value)
    return weight


def parse_split(obj: Json) -> tuple[str, dict[str, int]]:
    """Return the apex and the weight of each backend. Raises ValueError where the adaptor could not read it."""
    weights: dict[str, int] = {}
    for backend in rows(obj, "spec", "backends"):
        name = text(backend, "service")
        weights[name] = weights.get(name, 0) + parse_weight(backend.get("weight"))
    return text(obj, "spec", "service"), weights


def draw(weighted: Sequence[tuple[T, int]], rng: Random) -> T:
    """Pick one in proportion to its weight; at least one weight is above 0."""
    point = rng.random() * sum(weight for _, weight in weighted)
    for item, weight in weighted:
        point -= weight
        if point < 0:
            return item
    return weighted[-1][0]
