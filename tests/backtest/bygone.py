"""Hours or days of a meshed service as a Prometheus has them, and what was counted in them.

Clients and pods are born, crash and die, scrapes fail now and then, quiet series are dropped and come back. Every
request is one that a reader can know of: what a new target counted before its first scrape is in no total.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from canary.simulator.draws import binomial, poisson
from tests.backtest.proxies import Endpoint, Gain, Target
from tests.prometheus import backfill

SCRAPE = 10.0
BLOCK = 7200.0  # seconds of a block of Prometheus' storage


@dataclass(frozen=True, kw_only=True)
class Release:
    """A canary's revision: what share of the requests it got, by seconds, and how it failed on one route."""

    revision: str
    weights: tuple[tuple[float, float, float], ...]
    """From, until, share."""
    failing: Mapping[str, float] = field(default_factory=dict)

    def share(self, at: float) -> float:
        return next((share for since, until, share in self.weights if since <= at < until), 0.0)


@dataclass(frozen=True, kw_only=True)
class Pod:
    """A pod of stable; at `crashes` its proxy begins to count anew."""

    name: str
    since: float = 0.0
    until: float = math.inf
    crashes: tuple[float, ...] = ()
    revision: str = "s1"

    def lives(self, at: float) -> bool:
        return self.since <= at < self.until


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service. Rates are shares of requests, `burst` the share of a pod's ticks in bursts, and the rate in them."""

    name: str
    rps: float
    seed: int
    routes: Mapping[str, float]
    failure: float = 0.001
    slow: float = 0.002
    burst: tuple[float, float] = (0.0, 0.0)
    swing: float = 0.5
    incidents: tuple[tuple[float, float, float], ...] = ()
    """From, until, rate: of both sides."""
    releases: tuple[Release, ...] = ()
    stable: tuple[Pod, ...] = (Pod(name="s1-a"), Pod(name="s1-b"), Pod(name="s1-c"))
    clients: tuple[Pod, ...] = (Pod(name="front-a"), Pod(name="front-b"))
    missed: float = 0.005
    """Share of scrapes that fail."""

    @property
    def icc(self) -> float:
        """Give the planted correlation: the variance of a tick's rate over that of one request."""
        share, rate = self.burst
        mean = share * rate + (1 - share) * self.failure
        return share * (1 - share) * (rate - self.failure) ** 2 / (mean * (1 - mean))


class Life:
    """A service as it goes on, interval by interval, from `begin` (Unix seconds); its events are counted from there."""

    def __init__(self, service: Service, begin: float) -> None:
        self._service, self._begin = service, begin
        self._rng = Random(service.seed)
        self._targets: dict[str, Target] = {}
        self.gains: list[Gain] = []

    def tick(self, number: int, write: Callable[[str, float, int], None]) -> None:
        """Let ten seconds pass and scrape whoever is there."""
        service, after = self._service, SCRAPE * number
        pods = [pod for pod in self._pods() if pod.lives(after)]
        clients = [pod for pod in service.clients if pod.lives(after)]
        for pod in (*pods, *clients):
            if any(after <= crash < after + SCRAPE for crash in pod.crashes):
                self._target(pod).crash()
        day = 1 + service.swing * math.sin(2 * math.pi * after / 86400)
        shares = {each.revision: each.share(after) for each in service.releases}
        stable = 1 - sum(shares.values())
        for pod in pods:
            bursting = service.burst[1] if self._rng.random() < service.burst[0] else None
            siblings = sum(other.revision == pod.revision for other in pods)
            mine = shares.get(pod.revision, stable * siblings / max(1, sum(p.revision not in shares for p in pods)))
            rate = service.rps * SCRAPE * day * mine / (siblings * len(clients))
            for client in clients:
                self._serve(after, client, pod, rate, bursting)
        for pod in (*pods, *clients):
            target = self._target(pod)
            if self._rng.random() >= service.missed:
                at = self._begin + after + SCRAPE + target.phase
                for gain, samples in target.scrape(at):
                    self.gains += [gain] if gain is not None else []
                    for name, value in samples:
                        write(name, at, value)

    def _serve(self, after: float, client: Pod, pod: Pod, rate: float, bursting: float | None) -> None:
        for route, share in self._service.routes.items():
            n = poisson(self._rng, rate * share)
            failing = bursting if bursting is not None else self._failure(after, pod, route)
            f = binomial(self._rng, n, failing)
            slow = binomial(self._rng, n - f, bursting if bursting is not None else self._service.slow)
            at = self._begin + after + SCRAPE
            for endpoint in (self._outbound(client, pod), self._inbound(pod), self._route(pod, route)):
                endpoint.count(at, n, f, slow)

    def _failure(self, after: float, pod: Pod, route: str) -> float:
        incident = max((rate for since, until, rate in self._service.incidents if since <= after < until), default=0.0)
        failing = next((r.failing.get(route, 0.0) for r in self._service.releases if r.revision == pod.revision), 0.0)
        return max(self._service.failure, incident, failing)

    def _pods(self) -> Iterable[Pod]:
        yield from self._service.stable
        for release in self._service.releases:
            since, until = release.weights[0][0], release.weights[-1][1]
            yield Pod(name=f"{release.revision}-a", since=since, until=until, revision=release.revision)

    def _target(self, pod: Pod) -> Target:
        found = self._targets.get(pod.name)
        if found is None:
            found = self._targets[pod.name] = Target(0.5 + (len(self._targets) * 3.7) % 9)
        return found

    def _side(self, pod: Pod) -> str:
        return "canary" if pod.revision.startswith("c") else "stable"

    def _endpoint(
        self, at: Pod, pod: Pod, place: str, labels: Callable[[], dict[str, str]], prefix: str = ""
    ) -> Endpoint:
        endpoints = self._target(at).endpoints
        key = (pod.name, place)
        if key not in endpoints:
            scraped = {"namespace": "shop", "pod": at.name, "instance": f"{at.name}:4191", "job": "linkerd-proxy"}
            told = "service" if at is pod and not prefix else place
            who = (self._side(pod), pod.revision, pod.name, told)
            endpoints[key] = Endpoint({**labels(), **scraped}, prefix, who)
        return endpoints[key]

    def _outbound(self, client: Pod, pod: Pod) -> Endpoint:
        leaf = f"{self._service.name}-{self._side(pod)}"
        return self._endpoint(
            client,
            pod,
            "",
            lambda: {
                "direction": "outbound",
                "authority": f"{leaf}.shop.svc.cluster.local",
                "dst_deployment": leaf,
                "dst_namespace": "shop",
                "dst_pod": pod.name,
                "dst_pod_template_hash": pod.revision,
                "dst_service": leaf,
                "tls": "true",
            },
        )

    def _inbound(self, pod: Pod) -> Endpoint:
        who = self._server(pod)
        return self._endpoint(
            pod, pod, "", lambda: {**who, "target_port": "8080", "tls": "true", "route_name": "default"}
        )

    def _route(self, pod: Pod, route: str) -> Endpoint:
        dst = f"{self._service.name}.shop.svc.cluster.local:80"
        return self._endpoint(pod, pod, route, lambda: {**self._server(pod), "dst": dst, "rt_route": route}, "route_")

    def _server(self, pod: Pod) -> dict[str, str]:
        deployment = f"{self._service.name}-{self._side(pod)}"
        return {"direction": "inbound", "deployment": deployment, "pod_template_hash": pod.revision}


@dataclass(frozen=True, kw_only=True)
class Bygone:
    """What was counted, by service: as far as a reader can know it."""

    begin: float
    end: float
    gains: Mapping[str, list[Gain]]

    def total(self, service: str, side: str, place: str, since: float, until: float) -> tuple[int, int, int]:
        """Sum the requests, failures and slow answers of the scrapes in a time: after `since`, to `until`."""
        found = [g for g in self.gains[service] if (g.side, g.place) == (side, place) and since < g.at <= until]
        return sum(g.requests for g in found), sum(g.failures for g in found), sum(g.slow for g in found)


def backfilled(home: Path, services: Iterable[Service], begin: float, hours: float) -> Bygone:
    """Write the storage of a Prometheus that scraped all this from `begin` on, block by block, or skip the test."""
    lives = {service.name: Life(service, begin) for service in services}
    ticks = int(hours * 3600 / SCRAPE)
    each = int(BLOCK / SCRAPE)
    for first in range(0, ticks, each):
        series: dict[str, list[str]] = {}

        def write(name: str, at: float, value: int, into: dict[str, list[str]] = series) -> None:
            into.setdefault(name, []).append(f"{name} {value} {at:.3f}\n")

        for number in range(first, min(first + each, ticks)):
            for life in lives.values():
                life.tick(number, write)
        backfill(home, series.values())
    return Bygone(begin=begin, end=begin + SCRAPE * ticks, gains={name: life.gains for name, life in lives.items()})


ROUTES = {"POST /api/task": 0.6, "GET /": 0.39995, "GET /rare": 0.00005}


def a_service(hours: float = 6.0) -> Service:
    """Make one with a bad release, a good one that is promoted, one in an incident, and pods that come and go."""
    hour = hours * 3600 / 6
    bad = Release(revision="c1", weights=((hour, hour + 300, 0.1),), failing={"POST /api/task": 0.1})
    good = Release(
        revision="c2",
        weights=((2 * hour, 2 * hour + 300, 0.1), (2 * hour + 300, 2 * hour + 600, 0.5)),
    )
    struck = Release(revision="c3", weights=((4 * hour, 4 * hour + 900, 0.1),))
    rolled = 2 * hour + 900
    return Service(
        name="web",
        rps=40.0,
        seed=20_261_124,
        routes=ROUTES,
        incidents=((4 * hour + 60, 4 * hour + 300, 0.3),),
        releases=(bad, good, struck),
        stable=(
            *(Pod(name=f"s1-{n}", until=rolled + 20 * i, crashes=(0.5 * hour,)) for i, n in enumerate("abc")),
            *(Pod(name=f"s2-{n}", since=rolled - 20 + 20 * i, revision="s2") for i, n in enumerate("abc")),
        ),
        clients=(
            Pod(name="front-a", crashes=(3 * hour,)),
            Pod(name="front-b", until=3.5 * hour),
            Pod(name="front-c", since=3.5 * hour),
        ),
    )
