"""Increments of counters -> requests and failures per side and place, by what the labels mean (linkerd.md §1).

Called by `intake` once per reading. The service is counted at the client (outbound), where both sides come from one
scrape and connection failures are in; at the server where no client is scraped. Routes are counted at the server, for
outbound route series do not name a backend. Other revisions' pods, probes and scrapes are never counted.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, assert_never

from canary.core.counters import Increment, Series, bound
from canary.core.gates import Gate, Metric
from canary.core.questions import Scope


class Version(StrEnum):
    """The two sides of a comparison."""

    STABLE = "stable"
    CANARY = "canary"


class What(StrEnum):
    """What a counter counts."""

    SENT = "sent"
    ANSWERED = "answered"
    FAILED = "failed"
    TIMED = "timed"
    REFUSED = "refused"  # answered with a 4xx: to Linkerd a success
    FAILED_TIMED = "failed and timed"


class Leaf(StrEnum):
    """Where clients of a service send to: the backends of its split, or past it."""

    STABLE = "stable"
    CANARY = "canary"
    APEX = "apex"


SERVICE = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revisions:
    """The pod-template-hash that each side is judged by."""

    stable: str
    canary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Whose requests a series counts: which side, which place (route, or the service), which pod served them."""

    version: Version
    place: str
    pod: str


@dataclass(slots=True)
class Counts:
    """Sums over one interval (or, for open requests, as the counters stand); `pods` has each pod's own.

    `sent` is what clients sent, to pods of whatever revision.
    """

    sums: dict[tuple[Version, str, What], float] = field(default_factory=lambda: defaultdict(float))
    fast: dict[tuple[Version, str, float], float] = field(default_factory=lambda: defaultdict(float))
    pods: dict[tuple[Version, str], "Counts"] = field(default_factory=lambda: defaultdict(Counts))
    sent: dict[Leaf, float] = field(default_factory=lambda: defaultdict(float))

    def of(self, version: Version, place: str, what: What) -> float:
        """Read one sum."""
        return self.sums.get((version, place, what), 0.0)

    def failing(self, gate: Gate, version: Version) -> tuple[float, float]:
        """Count requests, and those that surely broke the promise."""
        if gate.metric is Metric.LATENCY and gate.over is None:
            return self.over(gate, version, math.inf)
        return self._counted(gate, version, gate.over)

    def passing(self, gate: Gate, version: Version) -> tuple[float, float]:
        """Count requests, and those that did not surely keep the promise."""
        if gate.metric is Metric.LATENCY and gate.within is None:
            return self.over(gate, version, 0.0)
        return self._counted(gate, version, gate.within if gate.metric is Metric.LATENCY else gate.over)

    def _counted(self, gate: Gate, version: Version, bound: float | None) -> tuple[float, float]:
        match gate.metric:
            case Metric.SUCCESS_RATE:
                return self._rate(gate.place, version, What.FAILED)
            case Metric.CLIENT_ERRORS:
                return self._rate(gate.place, version, What.REFUSED)
            case Metric.LATENCY | Metric.SLOWDOWN:
                if gate.metric is Metric.SLOWDOWN and version is Version.STABLE:
                    bound = gate.beside if gate.over is not None else None
                return (0.0, 0.0) if bound is None else self.over(gate, version, bound)
            case _:
                assert_never(gate.metric)

    def _rate(self, place: str, version: Version, what: What) -> tuple[float, float]:
        answered = self.of(version, place, What.ANSWERED)
        return answered, min(answered, self.of(version, place, what))

    def over(self, gate: Gate, version: Version, bound: float) -> tuple[float, float]:
        """Count the timed answers of the gate's place, and those that took longer than `bound` milliseconds.

        None is known to have where the bound is infinite, all where it is 0.
        """
        timed = self.of(version, gate.place, What.TIMED)
        failed = self.of(version, gate.place, What.FAILED_TIMED) if gate.failures_slow else 0.0
        fast = timed if bound == math.inf else self.fast.get((version, gate.place, bound), 0.0)
        return timed + failed, min(timed, max(0.0, timed - fast)) + failed


def at_client(series: Iterable[Series], scope: Scope) -> bool:
    """Tell whether some client of the service is scraped, so that the service can be counted there."""
    leaves = (scope.stable.service, scope.canary.service)
    return any(s.labels.get("direction") == "outbound" and s.labels.get("dst_service") in leaves for s in series)


def origin(labels: Mapping[str, str], scope: Scope, revisions: Revisions, *, client: bool) -> Origin | None:
    """Place a series, or drop it: probes, scrapes, unmeshed callers, other revisions, other routes."""
    if labels.get("direction") == "outbound":
        if not client or labels.get("dst_namespace") != scope.namespace:
            return None
        version = _version(labels.get("dst_service"), labels.get("dst_pod_template_hash"), scope, revisions, leaf=True)
        return None if version is None else Origin(version=version, place=SERVICE, pod=labels.get("dst_pod", ""))
    if labels.get("namespace") != scope.namespace:
        return None
    version = _version(labels.get("deployment"), labels.get("pod_template_hash"), scope, revisions, leaf=False)
    if version is None:
        return None
    pod = labels.get("pod", "")
    if labels.get("__name__", "").startswith("route_"):
        route = labels.get("rt_route", "")
        mine = labels.get("dst", "").startswith(f"{scope.apex}.{scope.namespace}.svc.")
        return Origin(version=version, place=route, pod=pod) if route and mine else None
    governed = (
        labels.get("tls") == "true" and labels.get("target_port") != "4191" and labels.get("route_name") != "probe"
    )
    return Origin(version=version, place=SERVICE, pod=pod) if governed and not client else None


def destination(labels: Mapping[str, str], scope: Scope) -> Leaf | None:
    """Say where a client sent what a series counts, None for other series."""
    if labels.get("__name__") != "request_total" or labels.get("direction") != "outbound":
        return None
    if labels.get("dst_namespace") != scope.namespace:
        return None
    leaves = {scope.stable.service: Leaf.STABLE, scope.canary.service: Leaf.CANARY, scope.apex: Leaf.APEX}
    return leaves.get(labels.get("dst_service", ""))


class Placed(NamedTuple):
    """A series that counts something, by what its labels mean, and the sums that it goes into."""

    increment: Increment
    leaf: Leaf | None
    at: Origin | None
    sums: tuple[What, ...]
    le: float | None


def placed(increments: Iterable[Increment], scope: Scope, revisions: Revisions, *, client: bool) -> list[Placed]:
    """Read the labels, once for all that is counted by them."""
    found = []
    for increment in increments:
        labels = increment.labels
        leaf = destination(labels, scope) if client else None
        at = origin(labels, scope, revisions, client=client)
        if at is not None:
            found.append(Placed(increment, leaf, at, *_meaning(labels)))
        elif leaf is not None:
            found.append(Placed(increment, leaf, None, (), None))
    return found


def count(increments: Iterable[Increment], scope: Scope, revisions: Revisions, *, client: bool) -> Counts:
    """Sum increments by what they mean."""
    return gained(placed(increments, scope, revisions, client=client))


def gained(increments: Iterable[Placed]) -> Counts:
    """Sum what was counted since the reading before."""
    counts = Counts()
    for increment, leaf, at, sums, le in increments:
        value = increment.value
        if leaf is not None:
            counts.sent[leaf] += value
        if at is not None:
            for its in (counts, counts.pods[at.version, at.pod]):
                _add(its, at, sums, le, value)
    return counts


def standing(increments: Iterable[Placed]) -> Counts:
    """Sum the counters as they stand: what was sent and not yet answered is the difference of two of these."""
    counts = Counts()
    for increment, _, at, sums, le in increments:
        if at is not None:
            _add(counts, at, sums, le, increment.total)
    return counts


def _version(
    name: str | None, revision: str | None, scope: Scope, revisions: Revisions, *, leaf: bool
) -> Version | None:
    canary, stable = scope.canary, scope.stable
    if name == (canary.service if leaf else canary.deployment) and revision == revisions.canary:
        return Version.CANARY
    if name == (stable.service if leaf else stable.deployment) and revision == revisions.stable:
        return Version.STABLE
    return None


def _add(counts: Counts, at: Origin, sums: tuple[What, ...], le: float | None, value: float) -> None:
    for what in sums:
        counts.sums[at.version, at.place, what] += value
    if le is not None:
        counts.fast[at.version, at.place, le] += value


def _meaning(labels: Mapping[str, str]) -> tuple[tuple[What, ...], float | None]:
    """Say which sums a series goes into, and at which latency bound."""
    match labels.get("__name__", "").removeprefix("route_"):
        case "request_total":
            return (What.SENT,), None
        case "response_total":
            sums = [What.ANSWERED]
            if labels.get("classification") == "failure":
                sums.append(What.FAILED)
            if labels.get("status_code", "").startswith("4"):
                sums.append(What.REFUSED)
            return tuple(sums), None
        case "response_latency_ms_bucket":
            # failed responses are kept apart: fast failures look fast
            le = bound(labels)
            failed = labels.get("status_code", "").startswith("5")
            if le == math.inf:
                return (What.FAILED_TIMED if failed else What.TIMED,), None
            return (), None if failed else le
        case _:
            return (), None
