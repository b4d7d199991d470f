"""maxSurge and maxUnavailable: a number, or a share of the pods wanted. Read by `deployments` and `progress`."""

import math
from typing import Literal

from canary.lab.apiserver.tree import Object, count, reached, text


def share(deployment: Object, name: Literal["maxSurge", "maxUnavailable"]) -> int:
    """Return how many pods may be above or below the wanted number."""
    surge, missing = _part(deployment, "maxSurge"), _part(deployment, "maxUnavailable")
    if text(deployment, "spec", "strategy", "type") == "Recreate":
        return 0
    if name == "maxSurge":
        return surge
    # As upstream: with both at zero nothing could ever move.
    return min(missing or int(surge == 0), count(deployment, "spec", "replicas"))


def _part(deployment: Object, name: str) -> int:
    given = reached(deployment, "spec", "strategy", "rollingUpdate", name)
    if isinstance(given, str):
        exact = count(deployment, "spec", "replicas") * int(given.removesuffix("%")) / 100
        return math.ceil(exact) if name == "maxSurge" else math.floor(exact)
    return given if isinstance(given, int) else 0
