"""What a tick must know from outside before it can decide, and the answers it may get.

`decide` never fetches: the shell answers these and an outage is an answer too. Questions are hashable, for they are
keys.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from canary.core.counters import Series
from canary.core.demand import Demand
from canary.core.edges import Edge
from canary.core.spec import CanarySpec, Query, Side, Webhook


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose counters one Canary needs. `bounds` are latency bucket bounds in milliseconds."""

    namespace: str
    apex: str
    stable: Side
    canary: Side
    bounds: frozenset[float]
    routes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCounters:
    """The raw counters of a scope: as they stand now, or as they stood at `at` (Unix seconds, Prometheus' clock).

    Those of a moment may be had without what was `sent`, where only answers are counted.
    """

    scope: Scope
    at: float | None = None
    sent: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadHistory:
    """What the gates of a spec saw of stable lately, at the latency buckets that there are."""

    spec: CanarySpec
    namespace: str
    window: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class FindBounds:
    """Which latency buckets exist, or did at `at`: some installations keep only a few."""

    scope: Scope
    at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """A query of the user's, and its text with the variables filled in."""

    query: Query
    promql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallGate:
    """A webhook and the JSON text it is sent."""

    webhook: Webhook
    body: str


Question: TypeAlias = ReadCounters | ReadHistory | FindBounds | RunQuery | CallGate


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Counters as of `at`, each series with its scrape times."""

    at: float
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The demand of each gate, by its name, that had requests. `edges` are where it shows a slowdown best.

    `bounds` are the latency buckets that there are, where a gate needs them.
    """

    demand: Mapping[str, Demand]
    edges: tuple[Edge, ...] = ()
    bounds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Latency bucket bounds in milliseconds, ascending, without +Inf; empty where none was seen."""

    bounds: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What a query of the user's found now: a number for each series, of any value. None, where it found no series."""

    numbers: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReply:
    """What a webhook said: 2xx is yes."""

    yes: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """No answer in time, or none that can be trusted. `detail` says why, for people."""

    detail: str


Answer: TypeAlias = Reading | History | Bounds | Numbers | GateReply | Unanswered
Answers: TypeAlias = Mapping[Question, Answer]
