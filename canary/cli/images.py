"""Which container gets which image: the patch that `canary start` makes. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from canary.errors import CanaryError

Json: TypeAlias = dict[str, object]

SIDECARS: Final = frozenset({"linkerd-proxy", "linkerd-init", "linkerd-network-validator"})
"""Containers that nobody means who names none."""


class NoContainer(CanaryError):
    """The Deployment has no such container, or too many to choose from."""


def operations(deployment: Mapping[str, object], images: Sequence[str]) -> list[Json]:
    """Write `[CONTAINER=]IMAGE`s as a JSON patch that holds only while the containers stand where they stood."""
    containers = list(_containers(deployment))
    patch: list[Json] = []
    for given in images:
        name, _, image = given.rpartition("=")
        place, container = _find(containers, name, image)
        if container.get("image") != image:
            patch.append({"op": "test", "path": f"{place}/name", "value": container.get("name")})
            patch.append({"op": "replace", "path": f"{place}/image", "value": image})
    return patch


def _find(containers: Sequence[tuple[str, Json]], name: str, image: str) -> tuple[str, Json]:
    if not image:
        raise NoContainer("--image: an image is missing; allowed is IMAGE or CONTAINER=IMAGE")
    apps = [(place, c) for place, c in containers if c.get("name") not in SIDECARS and "/initContainers/" not in place]
    found = [(place, c) for place, c in containers if c.get("name") == name] if name else apps
    if len(found) == 1:
        return found[0]
    known = ", ".join(str(container.get("name")) for _, container in (containers if name else apps))
    if name:
        raise NoContainer(f"--image: the canary Deployment has no container {name!r}; it has {known}")
    raise NoContainer(f"--image: say which container gets {image!r}, as CONTAINER=IMAGE; there are {known or 'none'}")


def _containers(deployment: Mapping[str, object]) -> list[tuple[str, Json]]:
    found: object = deployment
    for key in ("spec", "template", "spec"):
        found = found.get(key) if isinstance(found, Mapping) else None
    pod = found if isinstance(found, Mapping) else {}
    return [
        (f"/spec/template/spec/{kind}/{index}", container)
        for kind in ("containers", "initContainers")
        for index, container in enumerate(pod.get(kind) or [])
    ]
