"""The Canary object -> what is followed of it: a pure codec, used by the cluster adapter.

The spec as far as it is valid, what it claims, and our finalizer.
"""

from collections.abc import Iterable, Mapping
from typing import Final, cast

from canary.adapters.api import Json
from canary.adapters.watch import place
from canary.adapters.workloads import unix
from canary.core.lenient import at
from canary.core.manifest import last_valid, parse_spec, placeholder, remains
from canary.core.spec import CanarySpec
from canary.core.status import CanaryStatus
from canary.errors import InvalidSpec, Problem

FINALIZER: Final = "canary.dev/traffic"
UNSERVED: Final = "the CustomResourceDefinition canaries.canary.dev is not installed"


def spec_of(obj: Json, saved: CanaryStatus) -> tuple[CanarySpec, tuple[Problem, ...]]:
    """Read the spec; an invalid one leaves a running rollout on the last valid one."""
    try:
        return parse_spec(obj), ()
    except InvalidSpec as error:
        problems = error.problems
    _, name = place(obj)
    try:
        if saved.active and saved.rollout is not None:
            return last_valid(saved.rollout.spec, at(obj, "spec"), name), problems
    except InvalidSpec as error:
        problems = (*problems, *error.problems)
    kept = None if saved.rollout is None or not saved.active else remains(saved.rollout.spec, name)
    return kept or placeholder(name), problems


def names(obj: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    """Name what a Canary is about, as (role, name), read without demanding that its spec is valid."""
    spec, (_, own) = at(obj, "spec"), place(obj)
    yield "service", str(spec.get("service"))
    yield "split", str(at(spec, "route").get("name") or own)
    for side in ("stable", "canary"):
        fields = at(spec, side)
        yield "leaf", str(fields.get("service"))
        yield "deployment", str(fields.get("deployment") or fields.get("service"))


def claims(obj: Mapping[str, object]) -> frozenset[tuple[str, str]]:
    """Name what no two Canaries may share."""
    return frozenset(names(obj))


def is_as_written(found: Json, written: Json) -> bool:
    """Tell whether what is there is what we wrote, and nobody else since: the answer to our write was lost."""
    same = all(found.get(key) == written.get(key) for key in ("spec", "status"))
    return same and _own(found) == _own(written)


def _own(obj: Json) -> dict[str, object]:
    """Read the metadata but what each write changes."""
    return {
        key: value
        for key, value in at(obj, "metadata").items()
        if key not in ("resourceVersion", "managedFields", "generation")
    }


def is_guarded(obj: Json) -> bool:
    """Tell whether it bears our finalizer."""
    return FINALIZER in cast("list[str]", at(obj, "metadata").get("finalizers") or [])


def age(obj: Json) -> tuple[float, tuple[str, str]]:
    """Order Canaries: the older one of two that claim the same is followed."""
    return unix(at(obj, "metadata").get("creationTimestamp")), place(obj)
