"""TrafficSplit weights: read as Linkerd's SMI adaptor reads them, drawn as its proxy draws.

The sum is irrelevant; a weight of 0 takes the backend out; with all weights 0 the apex's own endpoints get
everything.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from random import Random
from types import MappingProxyType
from typing import TypeVar

from canary.adapters.api import Json
from canary.lab.fields import rows, text

T = TypeVar("T")

_SUFFIXES: Mapping[str, Decimal] = MappingProxyType({
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal("1e3"), "M": Decimal("1e6"), "G": Decimal("1e9"),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30),
})  # fmt: skip


def parse_weight(value: object) -> int:
    """Read a weight ("900m", "1", 900, 0.9) as milliunits. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(value)  # noqa: TRY004 - a wrong weight, whatever its type
    written = str(value).strip()
    digits = written.rstrip("".join({letter for suffix in _SUFFIXES for letter in suffix}))
    try:
        return int((Decimal(digits) * _SUFFIXES[written[len(digits) :]] * 1000).to_integral_value())
    except (InvalidOperation, KeyError) as error:
        raise ValueError(value) from error


def parse_split(obj: Json) -> tuple[str, dict[str, int]]:
    """Return the apex and the weight of each backend. Raises ValueError where the adaptor could not read it."""
    weights: dict[str, int] = {}
    for backend in rows(obj, "spec", "backends"):
        weight = parse_weight(backend.get("weight"))
        if weight < 0:
            raise ValueError(backend.get("weight"))
        weights[text(backend, "service")] = weight
    return text(obj, "spec", "service"), weights


def draw(weighted: Sequence[tuple[T, int]], rng: Random) -> T:
    """Pick one in proportion to its weight; at least one weight is above 0."""
    point = rng.random() * sum(weight for _, weight in weighted)
    for item, weight in weighted:
        point -= weight
        if point < 0:
            return item
    return weighted[-1][0]
