"""SMI TrafficSplit object <-> `Split` and `SetWeights`: a pure codec, used by the cluster adapter.

The stock CRD takes quantities ("100m") in v1alpha1 and plain numbers in v1alpha2 (linkerd.md §4.2); which it is here
is read from the schema that the API server serves.
"""

from collections.abc import Mapping
from typing import Final, cast

from canary.core.decision import SetWeights
from canary.core.snapshot import Split
from canary.core.spec import FULL, Weight

GROUP: Final = "split.smi-spec.io"
VERSIONS: Final = ("v1alpha1", "v1alpha2")
MOST: Final = 2.0**63
"""Above the greatest quantity there is."""
_SUFFIX: Final = {"m": 0.001, "": 1.0, "k": 1000.0}


def takes_quantities(document: Mapping[str, object]) -> bool:
    """Tell from a version's OpenAPI v3 document whether a backend's weight may be a text like "100m"."""
    schemas = cast("Mapping[str, Mapping[str, object]]", _at(document, "components", "schemas"))
    for schema in schemas.values():
        kinds = cast("list[Mapping[str, object]]", schema.get("x-kubernetes-group-version-kind") or [])
        if any(kind.get("kind") == "TrafficSplit" for kind in kinds):
            backend = _at(schema, "properties", "spec", "properties", "backends", "items")
            weight = _at(backend, "properties", "weight")
            return bool(weight.get("x-kubernetes-int-or-string")) or weight.get("type") == "string"
    return False


def read_split(obj: Mapping[str, object]) -> Split:
    """Read an object of either version. Weights become thousandths of their sum, for only proportions count (§4.3)."""
    meta, spec = _at(obj, "metadata"), _at(obj, "spec")
    backends = cast("list[Mapping[str, object]]", spec.get("backends") or [])
    raw = {str(b.get("service")): _amount(b.get("weight")) for b in backends}
    total = sum(raw.values())
    weights = {name: round(FULL * amount / total) if total > 0 else 0 for name, amount in raw.items()}
    return Split(
        name=str(meta.get("name")),
        resource_version=str(meta.get("resourceVersion")),
        service=str(spec.get("service")),
        weights=weights,
        editor=_editor(meta),
        exact=total > 0 and all(_exactly(b.get("weight"), weights[str(b.get("service"))]) for b in backends),
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


def _amount(weight: object) -> float:
    """Read a quantity as far as weights go; what cannot be read has no weight."""
    if isinstance(weight, bool) or weight is None:
        return 0.0
    text = str(weight).strip()
    number = text.rstrip("mk")
    try:
        amount = float(number) * _SUFFIX[text[len(number) :]]
    except (ValueError, KeyError):
        return 0.0
    return amount if 0 < amount < MOST else 0.0  # not so: NaN, infinity


def _exactly(weight: object, wanted: Weight) -> bool:
    """Tell whether a weight is written as we would: 100 or "100m" or "1" for 1000m, not 1 of 10."""
    if isinstance(weight, int | float) and not isinstance(weight, bool):
        return weight == wanted
    return round(_amount(weight) * FULL) == wanted


def _editor(meta: Mapping[str, object]) -> str:
    """Name the field manager that wrote last."""
    entries = [e for e in cast("list[object]", meta.get("managedFields") or []) if isinstance(e, Mapping)]
    last = max(entries, key=lambda e: str(e.get("time") or ""), default=None)
    return "" if last is None else str(last.get("manager") or "")


def _at(value: object, *keys: str) -> Mapping[str, object]:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}
