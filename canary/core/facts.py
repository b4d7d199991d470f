"""What a tick knows once it has looked and listened: the arguments of every rule, and nothing that decides.

Made by `gather`. By then what is remembered (times, evidence) has moved on, but not what is intended: phase, weight and
step are the rules' to change.
"""

from dataclasses import dataclass, field

from canary.core.counters import Counters
from canary.core.decision import Notice
from canary.core.gates import Gate
from canary.core.judgement import Judgement
from canary.core.questions import GateReply, Unanswered
from canary.core.snapshot import Snapshot
from canary.core.spec import CanarySpec, WebhookKind, Weight
from canary.core.status import CanaryStatus, Phase, Reason, Rollout


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything the rules may look at.

    `gates` are those that the evidence is of. `interval_over` if a reading was taken in this tick, or was due and
    failed. `unread` says why stable's past was not answered in this tick, though it was asked for.
    """

    seen: Snapshot
    status: CanaryStatus
    counters: Counters | None
    gates: tuple[Gate, ...] = ()
    judgement: Judgement | None = None
    replies: dict[WebhookKind, list[tuple[str, GateReply | Unanswered]]] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    interval_over: bool = False
    unread: str = ""

    @property
    def spec(self) -> CanarySpec:
        """The spec to follow."""
        return self.seen.spec

    @property
    def rollout(self) -> Rollout:
        """The rollout that runs. Only rules of active phases ask."""
        if self.status.rollout is None:
            raise AssertionError(f"{self.status.phase} without a rollout")
        return self.status.rollout

    @property
    def serving(self) -> int:
        """How many canary pods of the revision may get requests."""
        return 0 if self.seen.canary is None or self.cut_off else self.seen.canary.serving(self.rollout.revision)

    @property
    def stable_serves(self) -> bool:
        """Whether stable can take requests at all: it has a ready pod, and a Service that leads there."""
        stable, missing = self.seen.stable, self.spec.stable.service in self.seen.wiring.missing_services
        return stable is not None and stable.serving() > 0 and not missing

    @property
    def canary_serves(self) -> bool:
        """Whether the canary can take requests at all, of whatever revision."""
        canary = self.seen.canary
        return canary is not None and canary.serving() > 0 and not self.cut_off

    @property
    def cut_off(self) -> str:
        """Why nothing reaches the canary, whatever pods it has."""
        name = self.spec.canary.service
        return f"its Service {name!r} does not exist" if name in self.seen.wiring.missing_services else ""

    @property
    def settled(self) -> bool:
        """Whether the live split is as intended."""
        split = self.seen.split
        if split is None or not split.exact or not self.own_backends:
            return False
        return split.weights[self.spec.canary.service] == self.status.weight

    @property
    def live_weight(self) -> Weight:
        """What the canary gets, which is not what is intended while someone has edited the split, or a write failed."""
        split = self.seen.split
        return self.status.weight if split is None else split.weights.get(self.spec.canary.service, 0)

    @property
    def own_backends(self) -> bool:
        """Whether the live split is between the two leaves, and nothing else."""
        split, spec = self.seen.split, self.spec
        return split is not None and set(split.weights) == {spec.stable.service, spec.canary.service}


def clock_stopped(facts: Facts) -> bool:
    """Tell whether the deadline waits: while paused, and while a person has not yet approved."""
    frozen = facts.spec.paused and facts.status.phase in (Phase.PROGRESSING, Phase.BAKING)
    return frozen or facts.status.reason is Reason.AWAITING_APPROVAL
