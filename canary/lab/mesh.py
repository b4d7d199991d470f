"""The mesh's control plane stand-in: from Services, Pods, TrafficSplits and ServiceProfiles to where requests may go.

Plays Linkerd's SMI adaptor and destination controller (without the detour of writing dstOverrides into
ServiceProfiles). Fed by the lab's watches; every proxy subscribes and asks again when something changed, so new
weights act at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import structlog

from canary.adapters.api import Json
from canary.errors import InvalidSpec
from canary.lab.fields import number, rows, strings, text
from canary.lab.labels import fqdn
from canary.lab.pods import Pod, parse_pod
from canary.lab.routes import Profile, parse_profile
from canary.lab.split import parse_split

log = structlog.get_logger()

T = TypeVar("T")
Name: TypeAlias = tuple[str, str]  # namespace, name


@dataclass(frozen=True, slots=True)
class Backend:
    """A Service that may get requests: its weight, and its ready pods with the port they listen on."""

    service: str
    weight: int
    endpoints: tuple[tuple[Pod, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """What the control plane tells a client's proxy about an apex."""

    service: str
    namespace: str
    port: int
    profile: Profile | None
    split: tuple[Backend, ...]  # backends with a weight above 0; empty where no split applies
    plain: Backend  # the apex's own endpoints

    @property
    def by_profile(self) -> bool:
        """Tell whether a fresh proxy would follow the ServiceProfile: it has routes, or a split is in force."""
        return bool(self.split) or bool(self.profile and self.profile.routes)


class Mesh:
    """Everything the stand-in has been told, and who wants to hear of changes."""

    def __init__(self) -> None:
        self.pods: dict[Name, Pod] = {}
        self._services: dict[Name, Json] = {}
        self._splits: dict[Name, tuple[str, dict[str, int]]] = {}
        self._profiles: dict[Name, Profile] = {}
        self._subscribers: list[Callable[[], None]] = []

    def subscribe(self, refresh: Callable[[], None]) -> Callable[[], None]:
        """Call `refresh` at every change; the function returned ends that."""
        self._subscribers.append(refresh)
        return lambda: self._subscribers.remove(refresh)

    def observe(self, kind: str, obj: Json, *, deleted: bool) -> None:
        """Take in one event of a watch."""
        name = text(obj, "metadata", "namespace"), text(obj, "metadata", "name")
        match kind:
            case "Pod":
                _keep(self.pods, name, None if deleted else parse_pod(obj))
            case "Service":
                _keep(self._services, name, None if deleted else obj)
            case "TrafficSplit":
                self._observe_split(name, obj, deleted=deleted)
            case "ServiceProfile":
                self._observe_profile(name, obj, deleted=deleted)
            case _:
                raise AssertionError(kind)
        for refresh in list(self._subscribers):
            refresh()

    def _observe_split(self, name: Name, obj: Json, *, deleted: bool) -> None:
        try:
            split = None if deleted else parse_split(obj)
        except ValueError as error:
            log.warning("split.refused", namespace=name[0], name=name[1], weight=str(error))
            return
        self._splits.pop(name, None)  # of two splits on one apex the last writer wins
        _keep(self._splits, name, split)

    def _observe_profile(self, name: Name, obj: Json, *, deleted: bool) -> None:
        try:
            _keep(self._profiles, name, None if deleted else parse_profile(obj))
        except InvalidSpec as error:
            log.warning("profile.refused", namespace=name[0], name=name[1], problem=error.hint)

    def profile(self, reader: str, dst: str) -> Profile | None:
        """Return the ServiceProfile of `dst` ("web.shop.svc.cluster.local:8080") for a pod in `reader`."""
        host = dst.rpartition(":")[0] or dst
        own = host.split(".")[1] if "." in host else ""
        return self._profiles.get((reader, host)) or self._profiles.get((own, host))

    def destination(self, reader: str, service: str, namespace: str, port: int) -> Destination | None:
        """Resolve an apex for a client in the namespace `reader`; None where there is no such Service."""
        apex = self._services.get((namespace, service))
        if apex is None:
            return None
        routable = text(apex, "spec", "clusterIP") != "None" and any(
            _dialled(row, port) for row in rows(apex, "spec", "ports")
        )
        profile = self.profile(reader, fqdn(service, namespace)) if routable else None
        shadowed = reader != namespace and (reader, fqdn(service, namespace)) in self._profiles
        weights = self._weights(namespace, service) if routable and not shadowed else {}
        return Destination(
            service=service,
            namespace=namespace,
            port=port,
            profile=profile,
            split=tuple(
                Backend(name, weight, self._endpoints(namespace, name, port))
                for name, weight in weights.items()
                if weight
            ),
            plain=Backend(service, 1, self._endpoints(namespace, service, port)),
        )

    def _weights(self, namespace: str, service: str) -> dict[str, int]:
        found = [
            weights for (place, _), (apex, weights) in self._splits.items() if place == namespace and apex == service
        ]
        return found[-1] if found else {}

    def _endpoints(self, namespace: str, service: str, port: int) -> tuple[tuple[Pod, int], ...]:
        obj = self._services.get((namespace, service), {})
        selector = strings(obj, "spec", "selector").items()
        target = next((_target(row, port) for row in rows(obj, "spec", "ports") if _dialled(row, port)), None)
        if not selector or target is None:
            return ()
        ready = [
            pod
            for (place, _), pod in self.pods.items()
            if place == namespace and pod.ready and pod.ip and not pod.deleting and selector <= pod.labels.items()
        ]
        return tuple((pod, found) for pod in ready if (found := pod.port(target)) is not None)


def _keep(into: dict[Name, T], name: Name, value: T | None) -> None:
    if value is None:
        into.pop(name, None)
    else:
        into[name] = value


def _dialled(row: Json, port: int) -> bool:
    return number(row, "port", default=0) == port


def _target(row: Json, port: int) -> int | str:
    target = row.get("targetPort")
    return target if isinstance(target, int | str) else port
