"""Counted against true: what the evidence says of the canary's requests, beside what the clients themselves saw."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

LEAST = 3  # checkpoints that make an audit
SPARE = 5  # requests that a client and its busy proxy may disagree about for a moment
LATEST = 1.6  # seconds that a scrape may be older than the reading that saw it


@dataclass
class Audit:
    """`answered` tells how many requests to the canary the clients have seen answered until now.

    `ahead` is by how many seconds the times of readings are.
    """

    answered: Callable[[], int]
    ahead: float = 0.0
    truth: list[tuple[float, int]] = field(default_factory=list)
    begun: dict[str, int] = field(default_factory=dict)  # by rollout: what was answered before it
    counted: dict[tuple[str, float], float] = field(default_factory=dict)  # by rollout and time of the reading

    def look(self) -> None:
        """Write down what is true now."""
        self.truth.append((time.time(), self.answered()))

    def note(self, rollout: str, at: float, counted: float | None) -> None:
        """Write down what a checkpoint of the evidence says."""
        self.begun.setdefault(rollout, self.answered())
        at -= self.ahead
        if counted is not None and self.truth and at - LATEST > self.truth[0][0]:
            self.counted[rollout, at] = counted

    def once(self, rollout: object, missing: int = SPARE) -> str:
        """Hold a rollout's last checkpoints against the truth, and say how far off they are.

        What was counted twice, or lost, stays so; a scrape that comes late makes good. As many requests as were
        `missing` at most may have been counted by nobody.
        """
        checkpoints = sorted((at, counted) for (name, at), counted in self.counted.items() if name == str(rollout))
        assert len(checkpoints) >= LEAST, (rollout, checkpoints)
        begun = self.begun[str(rollout)]
        last = checkpoints[-LEAST:]
        over = round(max(0.0, min(counted - self._after(at) + begun for at, counted in last)))
        under = round(max(0.0, min(self._before(at - LATEST) - begun - counted for at, counted in last)))
        assert over <= SPARE, f"{over} requests were counted twice"
        assert under <= missing, f"{under} requests were not counted"
        return f"{over} requests too many and {under} too few were counted in the end"

    def _before(self, moment: float) -> int:
        return next((count for at, count in reversed(self.truth) if at <= moment), 0)

    def _after(self, moment: float) -> int:
        return next((count for at, count in self.truth if at >= moment), self.answered())
