"""Everything remembered between ticks: `CanaryStatus` and what it is made of.

Written by `decide`, rendered into the object's status by `record`, kept between checkpoints in the runtime's ledger. It
is *intent*: saved before anything is done about it. Phases may move only as `MOVES` says; `decide` asserts that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from canary.core.book import Book
from canary.core.demand import Demand
from canary.core.gates import Gate
from canary.core.spec import Weight


class Phase(StrEnum):
    """Where a Canary is. Idle covers both ends of a rollout; the last outcome tells which."""

    IDLE = "Idle"
    PROGRESSING = "Progressing"
    BAKING = "Baking"
    PROMOTING = "Promoting"
    FINALISING = "Finalising"
    ROLLING_BACK = "RollingBack"


MOVES: Final[Mapping[Phase, frozenset[Phase]]] = MappingProxyType(
    {
        Phase.IDLE: frozenset({Phase.PROGRESSING}),
        Phase.PROGRESSING: frozenset({Phase.BAKING, Phase.ROLLING_BACK}),
        Phase.BAKING: frozenset({Phase.PROMOTING, Phase.ROLLING_BACK, Phase.PROGRESSING}),
        Phase.PROMOTING: frozenset({Phase.FINALISING, Phase.ROLLING_BACK}),
        Phase.FINALISING: frozenset({Phase.IDLE}),
        Phase.ROLLING_BACK: frozenset({Phase.IDLE}),
    }
)
"""The legal moves, besides staying. Baking falls back to Progressing when a newer revision supersedes it."""


class Outcome(StrEnum):
    """How a rollout ended."""

    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    SUPERSEDED = "Superseded"


class Reason(StrEnum):
    """Why things are as they are: the same word in conditions, events, logs and metrics."""

    # what goes on
    ADOPTED = "Adopted"
    NEW_REVISION = "NewRevision"
    STARTING = "Starting"
    FORECAST = "Forecast"
    GATHERING = "Gathering"
    WEIGHT_INCREASED = "WeightIncreased"
    BAKING = "Baking"
    AWAITING_APPROVAL = "AwaitingApproval"
    AWAITING_STABLE = "AwaitingStable"
    PROMOTING = "Promoting"
    FINALISING = "Finalising"
    PAUSED = "Paused"
    # how it ends
    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    SUPERSEDED = "Superseded"
    # why it is rolled back
    SUCCESS_RATE = "SuccessRate"
    LATENCY = "Latency"
    CLIENT_ERRORS = "ClientErrors"
    UNANSWERED = "Unanswered"
    CANARY_NOT_READY = "CanaryNotReady"
    STEP_TIMEOUT = "StepTimeout"
    ABORTED = "Aborted"
    WEBHOOK_VETO = "WebhookVeto"
    QUERY = "Query"
    # what holds it
    NO_DATA = "NoData"
    NO_TRAFFIC = "NoTraffic"
    SHARE = "ShareNotReached"
    STALE_DATA = "StaleData"
    METRICS_UNREACHABLE = "PrometheusUnreachable"
    STABLE_NOT_READY = "StableNotReady"
    CONFIRMATION = "AwaitingConfirmation"
    WEBHOOK_UNANSWERED = "WebhookUnanswered"
    QUERY_OUTSIDE = "QueryOutOfRange"
    QUERY_UNANSWERED = "QueryUnanswered"
    NOT_OURS = "NotOurs"
    OVERDUE = "Inconclusive"
    # what someone did
    CAPACITY_WITHDRAWN = "CapacityWithdrawn"
    SPLIT_RESTORED = "SplitRestored"
    STABLE_CHANGED = "StableChanged"
    SPEC_CHANGED = "SpecChanged"
    RETRY_REFUSED = "RetryRefused"
    DELETED = "Deleted"
    LEAVING = "Leaving"
    # what is wrong with the wiring
    READY = "Ready"
    INVALID_SPEC = "InvalidSpec"
    CONFLICT = "Conflict"
    SERVICE_MISSING = "ServiceMissing"
    DEPLOYMENT_MISSING = "DeploymentMissing"
    SPLIT_UNSUPPORTED = "TrafficSplitUnsupported"
    LABEL_COLLISION = "LabelCollision"
    FORBIDDEN = "Forbidden"
    REJECTED = "Rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One entry of `status.conditions`; `since` is when its status last changed."""

    type: str
    status: bool
    reason: str
    message: str
    since: datetime
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What people were to be told of a decision. It is saved with it, for a crash may come before they are."""

    at: datetime
    reason: Reason
    message: str
    warning: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A finished rollout, for people and for `condemned`."""

    id: str
    revision: str
    outcome: Outcome
    reason: Reason
    message: str
    started_at: datetime
    seconds: float
    peak: Weight
    requests: float
    failures: float
    route: str = ""


@dataclass(frozen=True, slots=True)
class Armed:
    """The gates as a rollout judges by them, and all that they follow `of`: a forecast takes too long for each tick."""

    of: tuple[object, ...]
    gates: tuple[Gate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One run of one revision.

    Times are accumulated, not compared with a clock, so that a stepped clock or a restart never shortens a dwell:
    `dwelt` at this weight with the split as intended, `spent` on the step's deadline, `baked` with readings,
    `exposed` since the first weight. `step` is the index that the present step had in the steps when it was taken,
    or, with a ramp, how many weights came before; -1 before the first. `level` is its weight, which stands even where
    the steps are edited. `needed` is how many ready
    canary pods that weight wanted when it was set, `stable_replicas` how many stable wanted then. `silent` counts
    intervals without canary requests; `silence` says why the last reading tells nothing, until the next one. `lost`
    once pods were lost at this step, `copying` once the promotion has begun, `copied` once
    stable was seen to have the release by it. `learned` is what stable's past told of the gates, by name, when the
    rollout began; None until it is known, and for good where it was not known before the first step. `armed` is what
    follows from it, kept between ticks and in no record.
    """

    id: str
    number: int
    revision: str
    baseline: str
    started_at: datetime
    spec: Mapping[str, object]
    found_replicas: int
    step: int = -1
    level: Weight = 0
    needed: int = 0
    stable_replicas: int = 0
    dwelt: timedelta = timedelta()
    spent: timedelta = timedelta()
    baked: timedelta = timedelta()
    exposed: timedelta = timedelta()
    silent: int = 0
    silence: tuple[Reason, str] | None = None
    lost: bool = False
    peak: Weight = 0
    overdue: bool = False
    copying: bool = False
    copied: bool = False
    fault: Reason | None = None
    fault_message: str = ""
    fault_route: str = ""
    learned: Mapping[str, Demand] | None = None
    armed: Armed | None = field(default=None, compare=False, repr=False)
    outcome: Outcome | None = None
    held_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryStatus:
    """Intent and memory. `weight` is the canary's intended one; `promoted` the canary revision that stable now runs."""

    phase: Phase = Phase.IDLE
    weight: Weight = 0
    promoted: str = ""
    count: int = 0
    retried: str = ""
    reason: Reason = Reason.READY
    message: str = ""
    rollout: Rollout | None = None
    book: Book = field(default_factory=Book)
    history: tuple[Past, ...] = ()
    conditions: tuple[Condition, ...] = ()
    told: tuple[Told, ...] = ()
    generation: int = 0
    saved_at: datetime | None = None

    @property
    def active(self) -> bool:
        """Whether a rollout runs."""
        return self.phase is not Phase.IDLE

    @property
    def condemned(self) -> frozenset[str]:
        """Revisions whose last outcome was RolledBack: not tried again unless someone asks."""
        last = {past.revision: past.outcome for past in self.history}
        return frozenset(revision for revision, outcome in last.items() if outcome is Outcome.ROLLED_BACK)
