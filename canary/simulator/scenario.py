"""What the simulated world does: traffic, how the releases behave, and what happens to both.

`parse_scenario` reads the YAML of `canary simulate --scenario`. Rates are per request; times count in seconds from the
moment the release is shipped.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from canary.core.counts import Version
from canary.core.fields import Fields, repeats
from canary.errors import InvalidSpec

MOST_TRAFFIC: Final = 100_000.0  # requests per second
MOST_RETRIES: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmup:
    """What pods do worse for so many seconds after they began to serve: caches are cold, code is compiled.

    With `every` they crash so often, and are cold again.
    """

    lasts: float
    failure: float = 0.0
    slow: float = 0.0
    every: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """How one release answers. Its pods are ready after `start` seconds; before `after` it fails as stable does."""

    failure: float = 0.001
    slow: float = 0.0
    """Share of answers above every latency limit."""
    hang: float = 0.0
    """Share of requests that never get an answer."""
    refused: float = 0.0
    """Share of the other answers that are 4xx."""
    after: float = 0.0
    start: float = 5.0
    late: float = 0.0
    """Its proxies' counters are seen as they were so many seconds ago."""
    warmup: Warmup | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Failures and answers 4xx beside the releases' own, on both sides at once or, `apart`, on each by its own chance.

    With `share` it comes in spells of `lasts` seconds, this share of all of them; without, once, at `at`.
    """

    failure: float
    lasts: float
    at: float = 0.0
    share: float = 0.0
    apart: bool = False
    refused: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Pods of a side that are not ready for a while; all of them where `pods` is None."""

    side: Version
    lasts: float
    at: float = 0.0
    pods: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """Traffic that swings by this share of its mean, up first, once in so many seconds."""

    swing: float
    period: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route's share of the traffic, and what the canary fails of it where that differs."""

    name: str
    share: float
    failure: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """All of it."""

    traffic: float = 100.0
    stable: Release = field(default_factory=Release)
    canary: Release = field(default_factory=Release)
    troubles: tuple[Trouble, ...] = ()
    clusters: int = 1
    """Failures come in groups of so many."""
    unsteady: float = 0.0
    """Coefficient of variation of a side's own failure rate from one ten seconds to the next (gamma)."""
    drift: float = 0.0
    """What the failure rate of both sides gains in an hour."""
    missed: float = 0.0
    """Share of scrapes that fail."""
    scrape: timedelta = timedelta(seconds=10)
    routes: tuple[Route, ...] = ()
    losses: tuple[Loss, ...] = ()
    day: Day | None = None
    retries: int = 0
    """How often clients send a request again that failed; each attempt is split and counted anew."""


def parse_scenario(document: Mapping[str, object]) -> Scenario:
    """Read a scenario. Raises InvalidSpec with all problems."""
    top = Fields(document, "")
    stable = _release(top.section("stable"), 0.001)
    scenario = Scenario(
        traffic=top.number("traffic", 100.0, most=MOST_TRAFFIC),
        stable=stable,
        canary=_release(top.section("canary"), stable.failure),
        troubles=tuple(_trouble(row) for row in top.sections("troubles")),
        clusters=top.count("clusters", least=1) or 1,
        unsteady=_share(top, "unsteady"),
        drift=_share(top, "drift"),
        missed=_share(top, "missed"),
        scrape=top.duration("scrape", "10s", least=timedelta(seconds=1)),
        routes=tuple(_route(row) for row in top.sections("routes")),
        losses=tuple(_loss(row) for row in top.sections("losses")),
        day=_day(top.section("day")) if top.has("day") else None,
        retries=top.count("retries", most=MOST_RETRIES) or 0,
    )
    top.finish()
    if repeats(route.name for route in scenario.routes):
        top.refuse("routes", "a list of routes that names each once")
    elif sum(route.share for route in scenario.routes) > 1 + 1e-9:
        top.refuse("routes", "a list of routes whose shares add up to at most 100%")
    if top.problems:
        raise InvalidSpec(top.problems)
    return scenario


def _release(fields: Fields, failure: float) -> Release:
    release = Release(
        failure=fields.percent("failure", f"{failure:.6%}", least=0.0, most=1.0),
        slow=_share(fields, "slow"),
        hang=_share(fields, "hang"),
        refused=_share(fields, "clientErrors"),
        after=_seconds(fields, "after", "0s"),
        start=_seconds(fields, "start", "5s"),
        late=_seconds(fields, "late", "0s"),
        warmup=_warmup(fields.section("warmup")) if fields.has("warmup") else None,
    )
    fields.finish()
    return release


def _warmup(fields: Fields) -> Warmup:
    lasts = _seconds(fields, "lasts", "1m")
    every = _seconds(fields, "every", "0s")
    warmup = Warmup(lasts=lasts, failure=_share(fields, "failure"), slow=_share(fields, "slow"), every=every)
    fields.finish()
    return warmup


def _loss(fields: Fields) -> Loss:
    loss = Loss(
        side=fields.choice("side", Version.CANARY),
        at=_seconds(fields, "at", "0s"),
        lasts=max(1.0, _seconds(fields, "lasts", "30s")),
        pods=fields.count("pods"),
    )
    fields.finish()
    return loss


def _day(fields: Fields) -> Day:
    period = fields.duration("period", "24h", least=timedelta(minutes=1)).total_seconds()
    day = Day(swing=fields.percent("swing", "50%", least=0.0, most=1.0), period=period)
    fields.finish()
    return day


def _trouble(fields: Fields) -> Trouble:
    trouble = Trouble(
        failure=fields.percent("failure", "0%" if fields.has("clientErrors") else None, least=0.0, most=1.0),
        lasts=max(1.0, _seconds(fields, "lasts", "10s")),
        at=_seconds(fields, "at", "0s"),
        share=_share(fields, "share"),
        apart=fields.flag("apart"),
        refused=_share(fields, "clientErrors"),
    )
    fields.finish()
    return trouble


def _route(fields: Fields) -> Route:
    own = fields.percent("failure", "0%", least=0.0, most=1.0) if fields.has("failure") else None
    name, share = fields.text("name", ""), fields.percent("share", None, least=0.0, most=1.0)
    if not name:
        fields.refuse("name", "the name of a route")
    fields.finish()
    return Route(name=name, share=share, failure=own)


def _share(fields: Fields, key: str) -> float:
    return fields.percent(key, "0%", least=0.0, most=1.0)


def _seconds(fields: Fields, key: str, default: str) -> float:
    return fields.duration(key, default, least=timedelta()).total_seconds()
