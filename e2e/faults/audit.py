"""Counted against true: what the evidence says of the canary's requests, beside what the clients themselves saw."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

LEAST = 3  # checkpoints that make an audit
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

    def errors(self, rollout: str) -> tuple[int, int]:
        """Say how many requests were at worst counted too many, and too few, over all checkpoints of a rollout."""
        checkpoints = [at for name, at in self.counted if name == rollout]
        assert len(checkpoints) >= LEAST, (rollout, checkpoints)
        over, under = 0.0, 0.0
        for (name, at), counted in self.counted.items():
            if name == rollout:
                over = max(over, counted - self._after(at) + self.begun[rollout])
                under = max(under, self._before(at - LATEST) - self.begun[rollout] - counted)
        return round(over), round(under)

    def _before(self, moment: float) -> int:
        return next((count for at, count in reversed(self.truth) if at <= moment), 0)

    def _after(self, moment: float) -> int:
        return next((count for at, count in self.truth if at >= moment), self.answered())
