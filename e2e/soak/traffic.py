"""Counters without traffic: what proxies would have counted, had so many requests followed the live split.

Every pod has the lab's proxy page, whose series carry the labels of real ones; here its counters are moved by draws
instead of requests. A page is forgotten with its pod.
"""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from canary.adapters.api import Json
from canary.lab import seed
from canary.lab.exposition import Ending, Histogram, Scope
from canary.lab.fields import look, rows, text
from canary.lab.labels import destination, inbound_endpoint, outbound_endpoint, route
from canary.lab.pods import Pod, parse_pod
from canary.lab.proxy import Proxy

FAILING = "SOAK_FAILING"  # of a pod's environment: the share of requests that it fails
HEALTHY = 0.002
SLOW = 0.002  # share of requests over every limit
RETAIN = 60.0  # seconds until idle series go: pods come and go far faster than in a cluster
ROUTE = "POST /api/task"
OK, FAILED = Ending(200, failed=False), Ending(500, failed=True)
FAST_MS, SLOW_MS = 20, 2000


@dataclass
class Town:
    """One namespace: its pods with their pages, and the canary's share of the requests."""

    pods: dict[str, Pod] = field(default_factory=dict)
    share: float = 0.0

    def of(self, owner: str) -> list[Pod]:
        """List the pods of a Deployment that may get requests."""
        return [pod for pod in self.pods.values() if pod.owner == owner and pod.ready and not pod.deleting]


class Traffic:
    """The pages of all proxies. `step` lets time pass."""

    def __init__(self, rps: float, draws: random.Random) -> None:
        self._rps, self._draws = rps, draws
        self._towns: dict[str, Town] = {}
        self._pages: dict[tuple[str, str], Proxy] = {}

    def observe(self, kind: str, obj: Json, *, deleted: bool) -> None:
        """Take in one event about a Pod or a TrafficSplit."""
        town = self._towns.setdefault(text(obj, "metadata", "namespace"), Town())
        if kind == "TrafficSplit":
            town.share = _share(rows(obj, "spec", "backends"))
        elif deleted:
            town.pods.pop(text(obj, "metadata", "name"), None)
            self._pages.pop((text(obj, "metadata", "namespace"), text(obj, "metadata", "name")), None)
        elif look(obj, "status", "podIP"):
            pod = parse_pod(obj)
            town.pods[pod.name] = pod
            self._pages.setdefault((pod.namespace, pod.name), Proxy(pod.ip, retain=RETAIN))

    def page(self, namespace: str, pod: str, now: float) -> str | None:
        """Write what a pod's proxy says; None where there is no such pod."""
        found = self._pages.get((namespace, pod))
        return None if found is None else found.render(now)

    def step(self, seconds: float, now: float) -> None:
        """Send the requests of `seconds`."""
        for town in self._towns.values():
            clients = town.of("load")
            requests = _drawn(self._rps * seconds, self._draws)
            moved = sum(self._draws.random() < town.share for _ in range(requests))
            for client in clients[:1]:
                self._send(town, client, seed.CANARY, moved, now)
                self._send(town, client, seed.STABLE, requests - moved, now)

    def _send(self, town: Town, client: Pod, leaf: str, requests: int, now: float) -> None:
        pods = town.of(leaf)
        dst = destination(seed.APEX, client.namespace, seed.PORT)
        for number, pod in enumerate(pods):
            sent = requests // len(pods) + (number < requests % len(pods))
            if not sent:
                continue
            share = float(pod.env.get(FAILING, HEALTHY))
            failed = sum(self._draws.random() < share for _ in range(sent))
            slow = sum(self._draws.random() < SLOW for _ in range(sent - failed))
            at_client, at_server = (self._pages[p.namespace, p.name] for p in (client, pod))
            for scope in (
                at_client.plain.scope(outbound_endpoint(pod, leaf, seed.PORT, seed.PORT), now),
                at_server.plain.scope(inbound_endpoint(pod.ip, seed.PORT, client.identity), now),
                at_server.routes.scope(route("inbound", dst, ROUTE), now),
            ):
                _count(scope, {(OK, FAST_MS): sent - failed - slow, (OK, SLOW_MS): slow, (FAILED, FAST_MS): failed})
                scope.touched = now


def _count(scope: Scope, ended: Mapping[tuple[Ending, int], int]) -> None:
    """Count many requests at once."""
    for (ending, milliseconds), number in ended.items():
        scope.requests += number
        if number:
            scope.responses[ending] = scope.responses.get(ending, 0) + number
            scope.latencies.setdefault(ending.status or 0, Histogram()).add(milliseconds / 1000, number)


def _drawn(expected: float, draws: random.Random) -> int:
    """Draw how many come in an interval, about as a Poisson process would have it."""
    return max(0, round(draws.gauss(expected, expected**0.5)))


def _share(backends: Iterable[Json]) -> float:
    weights = {text(row, "service"): int(str(row.get("weight", "0")).removesuffix("m")) for row in backends}
    return weights.get(seed.CANARY, 0) / (sum(weights.values()) or 1)
