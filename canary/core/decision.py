"""What a tick decided: the intent to save, the deeds that bring the world to it, and what to tell people.

Effects are data, so that a new kind of deed is a new case and not a new method. Each is idempotent, and every prefix of
`Decision.effects` leaves traffic safe.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeAlias

from canary.core.counters import Counters
from canary.core.judgement import Judgement
from canary.core.spec import Weight
from canary.core.status import CanaryStatus, Reason

FIELD_MANAGER: Final = "canary"
"""Who our writes to the API server say they are by: what bears this name is no edit of somebody's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Put our finalizer on the Canary, so that its deletion waits until traffic is back on stable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unguard:
    """Take our finalizer off: the Canary may go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetWeights:
    """Make the TrafficSplit say this.

    An empty `resource_version` creates it; else it is the precondition of the write.
    """

    name: str
    service: str
    weights: Mapping[str, Weight]
    resource_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Set the replicas of a Deployment through its scale subresource, if it still is at `resource_version`."""

    deployment: str
    resource_version: str
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTemplate:
    """Replace a Deployment's pod template, if it still is at `resource_version`.

    A push in between is never overwritten.
    """

    deployment: str
    resource_version: str
    template: Mapping[str, object]


Effect: TypeAlias = Guard | Unguard | SetWeights | Scale | SetTemplate


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One sentence for people, with the numbers in it.

    `recurring` where it says only why a rollout waits, or what somebody does to it: that may come again and again, and
    need not be told each time. A decision never is. `deed` where it says what was put back: only once it was, for what
    we saw may have been old.
    """

    reason: Reason
    message: str
    warning: bool = False
    recurring: bool = False
    deed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The outcome of one tick. `save` is false where nothing changed that a restart could not find again.

    `requeue_after` is None where only a change of the cluster can matter.
    """

    status: CanaryStatus
    counters: Counters | None
    save: bool
    effects: tuple[Effect, ...] = ()
    notices: tuple[Notice, ...] = ()
    judgement: Judgement | None = None
    requeue_after: timedelta | None = None
