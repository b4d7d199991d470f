"""Rules of other controllers on the same worlds: Flagger's and Argo Rollouts', as their code and documents have them.

Written anew from that description, and favourably: exact counts, no scrape delay, no extrapolation. Both look at the
canary's success rate of the last minute alone. Called by `calibration`.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Final, Protocol

from canary.core.counts import SERVICE, Version, What
from canary.simulator.counting import Window
from canary.simulator.mesh import Mesh
from canary.simulator.scenario import Scenario
from canary.simulator.trial import SERVING, Trial

TICK: Final = 10.0
WEIGHTS: Final = (100, 200, 300, 400, 500)
WINDOW: Final = 6  # ticks of the metric's window: one minute
LONGEST: Final = 4 * 3600.0


class Rule(Protocol):
    """Decides once per interval: a weight, 1000 for promoting, 0 for rolling back."""

    def check(self, *, healthy: bool) -> int:
        """Take the outcome of one check in."""


@dataclass(slots=True)
class Flagger:
    """Failed checks add up and are never forgiven; each halts the advance, and the check after the last rolls back."""

    threshold: int
    failed: int = 0
    step: int = 0

    def check(self, *, healthy: bool) -> int:
        """Take the outcome of one check in."""
        if self.failed >= self.threshold:
            return 0
        if not healthy:
            self.failed += 1
            return WEIGHTS[self.step]
        self.step += 1
        return WEIGHTS[self.step] if self.step < len(WEIGHTS) else 1000


@dataclass(slots=True)
class Argo:
    """Failed measurements add up; the timed steps go on until there are more than the limit."""

    limit: int
    failed: int = 0
    step: int = 0

    def check(self, *, healthy: bool) -> int:
        """Take the outcome of one measurement in."""
        self.failed += not healthy
        if self.failed > self.limit:
            return 0
        self.step += 1
        return WEIGHTS[self.step] if self.step < len(WEIGHTS) else 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A rule and how often it looks."""

    interval: int
    """In ticks."""
    flagger: bool
    limit: int

    def trial(self, scenario: Scenario, seed: int, least: float) -> Trial:
        """Play one rollout against the least success rate."""
        rule: Rule = Flagger(self.limit) if self.flagger else Argo(self.limit)
        mesh = Mesh(scenario, Random(seed), 0.0)  # noqa: S311 - chance, no secret
        window, weight, last = Window(mesh), WEIGHTS[0], deque[tuple[float, float]](maxlen=WINDOW)
        while 0 < weight < 1000 and mesh.now < LONGEST:  # noqa: PLR2004 - all traffic
            for _ in range(self.interval):
                mesh.pass_time(mesh.now + TICK, weight, SERVING)
                counts = window.counts()
                answered, failed = (counts.of(Version.CANARY, SERVICE, what) for what in (What.ANSWERED, What.FAILED))
                last.append((answered, failed))
            weight = rule.check(healthy=_healthy(last, least))
        return Trial(passed=mesh.now if weight else None, failed=None if weight else mesh.now, harmed=mesh.harmed)


def _healthy(last: deque[tuple[float, float]], least: float) -> bool:
    """Compare the window's success rate; without data a check fails."""
    answered, failed = sum(n for n, _ in last), sum(f for _, f in last)
    return answered > 0 and 1 - failed / answered >= least


PEERS: Final[Mapping[str, Peer]] = MappingProxyType(
    {
        "Flagger 60 s / 5": Peer(interval=6, flagger=True, limit=5),
        "Flagger 10 s / 5": Peer(interval=1, flagger=True, limit=5),
        "Argo 60 s, limit 0": Peer(interval=6, flagger=False, limit=0),
        "Argo 60 s, limit 3": Peer(interval=6, flagger=False, limit=3),
    }
)
