"""What the user asked for: `CanarySpec`, frozen and valid by construction.

Built by `manifest.parse_spec` and read everywhere. A value that exists here keeps every rule of the resource: steps
rise and end at 1000m, rates are fractions, durations are positive. Nothing here reads or writes text.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TypeAlias

Weight: TypeAlias = int
"""Share of the traffic in thousandths, 0..1000; stable and canary always add up to 1000."""

FULL: Weight = 1000
HALF: Weight = 500


class RouteKind(StrEnum):
    """What carries the weights. HTTPRoute is to come; `Auto` picks what the cluster serves."""

    AUTO = "Auto"
    TRAFFIC_SPLIT = "TrafficSplit"


class Inconclusive(StrEnum):
    """What follows when a step's time is over and the evidence decides nothing."""

    ROLLBACK = "Rollback"
    HOLD = "Hold"
    PROMOTE = "Promote"


class OnUnanswered(StrEnum):
    """What follows when the canary leaves requests without an answer."""

    ROLLBACK = "Rollback"
    HOLD = "Hold"
    IGNORE = "Ignore"


class OnShare(StrEnum):
    """What follows when the canary gets another part of the requests than its weight: nothing, where it is meant so."""

    HOLD = "Hold"
    WATCH = "Watch"


class ClientErrors(StrEnum):
    """What the canary's share of answers 4xx is to a rollout: something to tell of, or a gate beside stable's."""

    WATCH = "Watch"
    GATE = "Gate"


class FailedResponses(StrEnum):
    """What a failed response is to a latency gate: left out, for many fail fast, or as bad as a slow one."""

    EXCLUDE = "Exclude"
    SLOW = "Slow"


class PromotionMode(StrEnum):
    """How stable gets the analysed template: all of it, its images only, or by someone else (GitOps)."""

    COPY = "Copy"
    COPY_IMAGES = "CopyImages"
    EXTERNAL = "External"


class Approval(StrEnum):
    """Who lets a baked release be promoted."""

    AUTOMATIC = "Automatic"
    MANUAL = "Manual"


class ScalingMode(StrEnum):
    """Whether the canary Deployment is scaled ahead of its weight."""

    MATCH = "Match"
    NONE = "None"


class WebhookKind(StrEnum):
    """When a webhook is asked, and what its answer does."""

    CONFIRM_START = "confirm-start"
    CONFIRM_STEP = "confirm-step"
    CONFIRM_PROMOTION = "confirm-promotion"
    ROLLBACK = "rollback"
    NOTIFY = "notify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two versions: its leaf Service and the Deployment behind it."""

    service: str
    deployment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SuccessRate:
    """A promise about failures, all as fractions of requests: 0 < p0 < p_bad <= 1/2, delta >= 0.

    `p0` may fail, `p_bad` must be ruled out before promotion, `delta` is how much worse than stable is tolerated.
    """

    p0: float
    p_bad: float
    delta: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """99 % of the answered requests begin their answer within `limit` (time to the first byte of the body)."""

    limit: timedelta
    failures: FailedResponses = FailedResponses.EXCLUDE


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowdown:
    """Answers begin at most `factor` times as late as stable's, 1 <= factor <= 10, fast ones and slow ones alike."""

    factor: float
    failures: FailedResponses = FailedResponses.EXCLUDE


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The promises about one route, or about the whole service where `route` is empty."""

    route: str = ""
    success_rate: SuccessRate | None = None
    latency: Latency | Slowdown | None = None
    client_errors: ClientErrors = ClientErrors.WATCH


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An HTTP endpoint of the user's that is asked or told."""

    name: str
    kind: WebhookKind
    url: str
    timeout: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A number of the user's from Prometheus that must stay within a range; at least one end of it is given.

    `lasting` is for how long in a row it must be outside before the release is rolled back.
    """

    name: str
    promql: str
    least: float | None
    most: float | None
    lasting: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """How often a decision may be wrong: alpha bounds false rollbacks, beta missed regressions."""

    alpha: float
    beta: float


class EvidenceMode(StrEnum):
    """What decides: the evidence, or a threshold as Flagger has it."""

    EVIDENCE = "Evidence"
    THRESHOLD = "Threshold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A check fails where more requests break a promise than may; so many of them in a row roll a release back.

    A check judges the requests of `intervals` intervals, or of more where there are fewer than `min_requests` in them.
    Where `intervals` is 0, it judges all since the rollout began, once those are enough.
    """

    failures: int
    min_requests: int
    intervals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """The weight follows the risk: at most `budget` requests may fail before a bad release is taken back."""

    budget: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CanarySpec:
    """All of `spec`. `warmup` is for how long a pod's latencies do not count after its first start.

    `steps` rise and end at 1000; with a `ramp` they are only where it stops, 500 and 1000. `places` hold the service
    first, if it has gates, then the routes.
    """

    service: str
    stable: Side
    canary: Side
    route_kind: RouteKind
    route_name: str
    steps: tuple[Weight, ...]
    ramp: Ramp | None = None
    threshold: Threshold | None = None
    interval: timedelta
    dwell: timedelta
    step_timeout: timedelta
    on_inconclusive: Inconclusive
    bake: timedelta
    places: tuple[Place, ...]
    unanswered: OnUnanswered
    traffic_share: OnShare = OnShare.HOLD
    warmup: timedelta = timedelta()
    webhooks: tuple[Webhook, ...]
    queries: tuple[Query, ...] = ()
    risk: Risk
    promotion: PromotionMode
    approval: Approval
    scaling: ScalingMode
    idle_replicas: int | None
    paused: bool
    abort: str
    retry: str
    approve: str
