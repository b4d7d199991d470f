"""SMI TrafficSplit object <-> `Split` and `SetWeights`: a pure codec, used by the cluster adapter.

The stock CRD takes quantities ("100m") in v1alpha1 and plain numbers in v1alpha2 (linkerd.md §4.2); which it is here
is read from the schema that the API server serves.
"""

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Final, cast

from canary.adapters.ownership import editor
from canary.core.decision import SetWeights
from canary.core.lenient import as_mappings, at
from canary.core.snapshot import Split
from canary.core.spec import FULL, Weight

GROUP: Final = "split.smi-spec.io"
VERSIONS: Final = ("v1alpha1", "v1alpha2")
MOST: Final = 2**63
"""The greatest quantity there is."""
_QUANTITY: Final = re.compile(r"\+?([0-9]+\.?[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE]?|[eE][+-]?[0-9]{1,3})")
_UNITS: Final = MappingProxyType(
    {unit: Fraction(1000) ** power for power, unit in enumerate(("n", "u", "m", "", *"kMGTPE"), -3)}
    | {f"{unit}i": Fraction(1024) ** power for power, unit in enumerate("KMGTPE", 1)}
)


def takes_quantities(document: Mapping[str, object]) -> bool:
    """Tell from a version's OpenAPI v3 document whether a backend's weight may be a text like "100m"."""
    schemas = cast("Mapping[str, Mapping[str, object]]", at(document, "components", "schemas"))
    for schema in schemas.values():
        kinds = cast("list[Mapping[str, object]]", schema.get("x-kubernetes-group-version-kind") or [])
        if any(kind.get("kind") == "TrafficSplit" for kind in kinds):
            backend = at(schema, "properties", "spec", "properties", "backends", "items")
            weight = at(backend, "properties", "weight")
            return bool(weight.get("x-kubernetes-int-or-string")) or weight.get("type") == "string"
    return False


def read_split(obj: Mapping[str, object]) -> Split:
    """Read an object of either version. Weights become thousandths of their sum, for only proportions count (§4.3)."""
    meta, spec = at(obj, "metadata"), at(obj, "spec")
    backends = [(str(b.get("service")), b.get("weight")) for b in as_mappings(spec.get("backends"))]
    raw: dict[str, int] = {}
    for name, weight in backends:
        raw[name] = raw.get(name, 0) + (milliunits(weight) or 0)
    total = sum(raw.values())
    weights = {name: _share(amount, total) for name, amount in raw.items()}
    return Split(
        name=str(meta.get("name")),
        resource_version=str(meta.get("resourceVersion")),
        service=str(spec.get("service")),
        weights=weights,
        editor=editor(obj, "backends"),
        exact=total > 0 and all(_exactly(weight, weights[name]) for name, weight in backends),
    )


def write_split(effect: SetWeights, namespace: str, version: str, *, quantities: bool) -> dict[str, object]:
    """Write a whole object, to create it."""
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": "TrafficSplit",
        "metadata": {
            "name": effect.name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "canary"},
        },
        "spec": {"service": effect.service, "backends": backends(effect.weights, quantities=quantities)},
    }


def backends(weights: Mapping[str, Weight], *, quantities: bool) -> list[dict[str, object]]:
    """Write the list of backends."""
    return [{"service": name, "weight": f"{w}m" if quantities else w} for name, w in weights.items()]


def milliunits(weight: object) -> int | None:
    """Read a quantity as Linkerd does, rounded up to thousandths; None where it is none, or is negative."""
    if isinstance(weight, bool) or not isinstance(weight, int | float | str):
        return None
    try:
        found = _QUANTITY.fullmatch(str(weight))
    except ValueError:  # an integer of thousands of digits
        return None
    if found is None:
        return None
    number, unit = Fraction(Decimal(found[1])), found[2]
    amount = number * (_UNITS[unit] if unit in _UNITS else Fraction(10) ** int(unit[1:]))
    return math.ceil(amount * FULL) if amount < MOST else None


def _share(amount: int, total: int) -> Weight:
    return (2 * FULL * amount + total) // (2 * total) if total > 0 else 0


def _exactly(weight: object, wanted: Weight) -> bool:
    """Tell whether a weight is written as we would: 100 or "100m" or "1" for 1000m, not 1 of 10."""
    amount = milliunits(weight)
    if isinstance(weight, int | float):
        return amount == wanted * FULL
    return amount == wanted
