"""One look at a Canary from outside: what it wants, what the controller says, which revision its Deployment carries.

Built by `cluster`; the modules that decide something for a command (`waiting`, `controls`) read it and nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from canary.core.snapshot import Key
from canary.core.status import CanaryStatus, Condition, Outcome, Past, Rollout


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """`present` is the revision of the canary Deployment's template, "" while its controller has not seen it."""

    key: Key
    spec: Mapping[str, object]
    status: CanaryStatus
    present: str = ""

    @property
    def active(self) -> Rollout | None:
        """The rollout that runs."""
        return self.status.rollout if self.status.active else None

    @property
    def paused(self) -> bool:
        """Whether the user has paused it."""
        return self.spec.get("paused") is True

    @property
    def retrying(self) -> bool:
        """Whether the controller has yet to answer a `retry`."""
        asked = self.spec.get("retry")
        return bool(asked) and asked != self.status.retried

    def condition(self, kind: str) -> Condition | None:
        """Find a condition."""
        return next((c for c in self.status.conditions if c.type == kind), None)

    def past(self, rollout: str) -> Past | None:
        """Find a finished rollout by its id."""
        return next((past for past in self.status.history if past.id == rollout), None)

    def last(self, revision: str, outcome: Outcome) -> Past | None:
        """Find the latest rollout of a revision, if it ended this way."""
        found = [past for past in self.status.history if past.revision == revision]
        return found[-1] if found and found[-1].outcome is outcome else None
