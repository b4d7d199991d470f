"""The clients' proxies and Prometheus: requests drawn at random, counted per revision, scraped at intervals.

A request goes to the canary with the probability of its weight, as Linkerd draws it. What is counted is what a real
client's proxy counts (and, for routes, the servers'), so that the shipped code reads it.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final, TypeAlias

from canary.core.counters import Series
from canary.core.questions import Reading, Scope
from canary.core.spec import FULL
from canary.simulator.draws import binomial, poisson
from canary.simulator.scenario import Release, Scenario, Warmup

EPOCH: Final = 1_700_000_000.0  # when the virtual clock stands at 0, in Unix seconds
STEP: Final = 10.0  # seconds for which the chances of one draw stay as they are, at most
LONG_AGO: Final = -3600.0
MEMORY: Final = 60  # scrapes kept for a side whose counters come late

Place: TypeAlias = tuple[str, str, str]
"""Side ("stable", "canary"), revision and route, "" being none of them."""
Values: TypeAlias = tuple[float, float, float, float, float]
NOTHING: Final[Values] = (0.0, 0.0, 0.0, 0.0, 0.0)
Sample: TypeAlias = tuple[tuple[Place, Values], ...]


@dataclass(slots=True)
class Tally:
    """Requests to one revision at one place since the beginning, and what became of them."""

    sent: int = 0
    failed: int = 0
    hanging: int = 0
    slow: int = 0
    refused: int = 0

    def values(self) -> Values:
        """Give sent, succeeded, failed, in time, and answered with a 4xx, which are among those that succeeded."""
        answered = self.sent - self.hanging
        good = answered - self.failed
        return float(self.sent), float(good), float(self.failed), float(max(0, good - self.slow)), float(self.refused)


Totals: TypeAlias = dict[Place, Tally]


@dataclass(slots=True)
class Mesh:
    """All requests of one run. `now` is in seconds since the release was shipped; negative before."""

    scenario: Scenario
    rng: Random
    now: float
    totals: Totals = field(default_factory=dict)
    harmed: float = 0.0
    """Requests that failed or hung because they went to the new release and not to the old one."""
    sent: int = 0
    """Requests that went to the new release."""
    _scraped: tuple[float, Sample] = (0.0, ())
    _past: list[tuple[float, Sample]] = field(default_factory=list)
    _final: bool = True
    _since: dict[tuple[str, str], float] = field(default_factory=dict)
    _spells: dict[tuple[int, str], tuple[float, float]] = field(default_factory=dict)
    _unsteady: dict[str, tuple[float, float]] = field(default_factory=dict)

    def pass_time(self, until: float, weight: int, serving: Mapping[str, tuple[str, bool]]) -> None:
        """Send requests until then. `serving`: which revision answers on a side, and whether it is the new release."""
        while self.now < until:
            end = min(until, self._next_change())
            share = 0 if "canary" not in serving else FULL if "stable" not in serving else weight
            requests = poisson(self.rng, self._traffic(0.5 * (self.now + end)) * (end - self.now)) if serving else 0
            for again in range(self.scenario.retries, -1, -1):
                self._final = again == 0
                requests = self._split(requests, share, serving)
            self.now = end

    def _split(self, requests: int, share: int, serving: Mapping[str, tuple[str, bool]]) -> int:
        """Send requests to both sides; give those that failed."""
        canary, failed = binomial(self.rng, requests, share / FULL), 0
        for side, count in (("canary", canary), ("stable", requests - canary)):
            if count:
                revision, new = serving[side]
                self._since.setdefault((side, revision), self.now if new else LONG_AGO)
                failed += self._send(side, revision, new, count)
        return failed

    def _traffic(self, at: float) -> float:
        """Give the requests per second of a moment."""
        day = self.scenario.day
        return self.scenario.traffic * (1 + day.swing * math.sin(2 * math.pi * at / day.period) if day else 1.0)

    def scrape(self) -> None:
        """Let Prometheus see the counters as they are, unless this scrape fails."""
        if self.scenario.missed and self.rng.random() < self.scenario.missed:
            return
        self._scraped = (self.now, tuple((key, tally.values()) for key, tally in self.totals.items()))
        late = {"stable": self.scenario.stable.late, "canary": self.scenario.canary.late}
        if any(late.values()):
            self._past = [*self._past, self._scraped][-MEMORY:]
            self._scraped = (self.now, tuple(self._delayed(late)))

    @property
    def sample(self) -> Sample:
        """The counters as of the last scrape."""
        return self._scraped[1]

    def _delayed(self, late: Mapping[str, float]) -> Iterable[tuple[Place, Values]]:
        """Show each side as it was when its own counters were taken."""
        for side, seconds in late.items():
            before = [sample for at, sample in self._past if at <= self.now - seconds]
            yield from (row for row in (before[-1] if before else ()) if row[0][0] == side)

    def read(self, scope: Scope) -> Reading:
        """Answer a query: the counters as of the last scrape."""
        at, seen = self._scraped
        return Reading(at=EPOCH + self.now, series=tuple(_series(seen, scope, EPOCH + at)))

    def _next_change(self) -> float:
        ends = [self.now - self.now % STEP + STEP, self.scenario.canary.after]
        for trouble in self.scenario.troubles:
            ends += [trouble.at, trouble.at + trouble.lasts]
            ends += [self.now - self.now % trouble.lasts + trouble.lasts] if trouble.share else []
        return min(end for end in ends if end > self.now)

    def _send(self, side: str, revision: str, new: bool, requests: int) -> int:  # noqa: FBT001 - a fact of the revision
        routes = self.scenario.routes
        left, share, failed = requests, 1.0, 0
        for route in routes:
            part = binomial(self.rng, left, min(1.0, route.share / share) if share > 0 else 0.0)
            failed += self._answer(side, revision, new, route.name, part)
            left, share = left - part, share - route.share
        return failed + self._answer(side, revision, new, "", left)

    def _answer(self, side: str, revision: str, new: bool, route: str, requests: int) -> int:  # noqa: FBT001 - a fact of the revision
        if not requests:
            return 0
        release, old = self._release(new), self.scenario.stable
        cold = self._cold(side, revision, release)
        rate = self._failure(side, route, release, new=new)
        usual = self._failure(side, route, old, new=False) if new else rate
        rate = 1 - (1 - rate) * (1 - cold.failure) if cold else rate
        tally = self.totals.setdefault((side, revision, route), Tally())
        hanging = binomial(self.rng, requests, release.hang)
        group = self.scenario.clusters
        failed = min(requests - hanging, group * binomial(self.rng, (requests - hanging) // group, rate))
        if group > 1:
            failed += binomial(self.rng, (requests - hanging) % group, rate)
        tally.sent += requests
        tally.hanging += hanging
        tally.failed += failed
        tally.slow += binomial(
            self.rng, requests - hanging - failed, min(1.0, release.slow + (cold.slow if cold else 0.0))
        )
        tally.refused += binomial(self.rng, requests - hanging - failed, self._refused(side, release))
        if new:
            self.sent += requests
            self.harmed += hanging + (failed * (1 - usual / rate) if rate > usual and self._final else 0.0)
        return failed

    def _cold(self, side: str, revision: str, release: Release) -> Warmup | None:
        """Give what the pods do worse while they are cold."""
        warmup, age = release.warmup, self.now - self._since[side, revision]
        if warmup is not None and warmup.every:
            age %= warmup.every
        return warmup if warmup is not None and age < warmup.lasts else None

    def _release(self, new: bool) -> Release:  # noqa: FBT001 - a fact of the revision
        return self.scenario.canary if new and self.now >= self.scenario.canary.after else self.scenario.stable

    def _failure(self, side: str, route: str, release: Release, *, new: bool) -> float:
        own = next((r.failure for r in self.scenario.routes if r.name == route and new), None)
        rate = release.failure if own is None or self.now < self.scenario.canary.after else own
        rate = (rate + self.scenario.drift * max(0.0, self.now) / 3600) * self._factor(side)
        for number, trouble in enumerate(self.scenario.troubles):
            if self._troubled(number, side if trouble.apart else ""):
                rate = 1 - (1 - rate) * (1 - trouble.failure)
        return min(1.0, rate)

    def _refused(self, side: str, release: Release) -> float:
        """Give the share of a side's answers that are 4xx just now."""
        rate = release.refused
        for number, trouble in enumerate(self.scenario.troubles):
            if trouble.refused and self._troubled(number, side if trouble.apart else ""):
                rate = 1 - (1 - rate) * (1 - trouble.refused)
        return rate

    def _factor(self, side: str) -> float:
        """Draw by how much a side's own rate differs from its mean just now."""
        if not self.scenario.unsteady:
            return 1.0
        spell = self.now // STEP
        begun, factor = self._unsteady.get(side, (spell - 1, 1.0))
        if begun != spell:
            shape = self.scenario.unsteady**-2
            factor = self.rng.gammavariate(shape, 1 / shape)
            self._unsteady[side] = (spell, factor)
        return factor

    def _troubled(self, number: int, side: str) -> bool:
        trouble = self.scenario.troubles[number]
        if not trouble.share:
            return trouble.at <= self.now < trouble.at + trouble.lasts
        spell = self.now // trouble.lasts
        begun, drawn = self._spells.get((number, side), (spell - 1, 1.0))
        if begun != spell:
            drawn = self.rng.random()
            self._spells[number, side] = (spell, drawn)
        return drawn < trouble.share


def _series(seen: Iterable[tuple[Place, Values]], scope: Scope, at: float) -> Iterable[Series]:
    """Write counters as Prometheus returns them: the service's at the client, each route's at the servers."""
    service: dict[tuple[str, str], tuple[float, ...]] = {}
    for (side, revision, route), values in seen:
        before = service.get((side, revision), NOTHING)
        service[side, revision] = tuple(a + b for a, b in zip(before, values, strict=True))
        if route and scope.routes:
            yield from _families("route_", _at_server(side, revision, route, scope), values, scope, at)
    for (side, revision), summed in service.items():
        yield from _families("", _at_client(side, revision, scope), summed, scope, at)


def _families(
    prefix: str, labels: dict[str, str], values: tuple[float, ...], scope: Scope, at: float
) -> Iterable[Series]:
    sent, good, failed, fast, refused = values
    yield Series({"__name__": f"{prefix}request_total", **labels}, ((at, sent),))
    response = f"{prefix}response_total"
    yield Series({"__name__": response, "classification": "success", **labels}, ((at, good - refused),))
    if refused:
        refusal = {"__name__": response, "classification": "success", "status_code": "404"}
        yield Series({**refusal, **labels}, ((at, refused),))
    if failed:
        yield Series({"__name__": response, "classification": "failure", **labels}, ((at, failed),))
    if not scope.bounds:
        return
    bucket = f"{prefix}response_latency_ms_bucket"
    for bound in scope.bounds:
        yield Series({"__name__": bucket, "le": f"{bound:g}", **labels}, ((at, fast),))
    yield Series({"__name__": bucket, "le": "+Inf", **labels}, ((at, good),))
    if failed:
        yield Series({"__name__": bucket, "le": "+Inf", "status_code": "503", **labels}, ((at, failed),))


def _at_client(side: str, revision: str, scope: Scope) -> dict[str, str]:
    service = scope.canary.service if side == "canary" else scope.stable.service
    return {
        "direction": "outbound",
        "dst_namespace": scope.namespace,
        "dst_service": service,
        "dst_pod_template_hash": revision,
        "dst_pod": f"{revision}-0",
        "instance": "client:4191",
        "pod": "client",
    }


def _at_server(side: str, revision: str, route: str, scope: Scope) -> dict[str, str]:
    deployment = scope.canary.deployment if side == "canary" else scope.stable.deployment
    return {
        "direction": "inbound",
        "namespace": scope.namespace,
        "deployment": deployment,
        "pod_template_hash": revision,
        "pod": f"{revision}-0",
        "instance": f"{revision}-0:4191",
        "rt_route": route,
        "dst": f"{scope.apex}.{scope.namespace}.svc.cluster.local:80",
    }
