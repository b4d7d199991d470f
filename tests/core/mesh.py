"""The clients' proxy in memory: what it counts of each revision, and what Prometheus shows of that. Part of `world`.

A revision's name says how it behaves: side, kind and number, as `c-bad-3`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from canary.core.counters import Series
from canary.core.questions import Reading, Unanswered
from tests.load import Load, at_client

RATE = 100.0  # requests per second to the apex
FAILS = {"good": 0.0, "fair": 0.0005, "bad": 0.3, "awful": 1.0, "hangs": 0.0, "slow": 0.0}
HANGS = {"hangs": 0.5}
SLOW = {"slow": 0.3}


def kind_of(revision: str) -> str:
    """Say how a revision behaves: its name is side, kind and number, as `c-bad-3`."""
    return revision.split("-")[1]


@dataclass
class Mesh:
    """Counters of the clients' proxy, and what Prometheus shows of them."""

    totals: dict[str, Load] = field(default_factory=dict)
    shown: dict[float, tuple[float, dict[str, Load]]] = field(default_factory=dict)
    mode: str = "up"
    frozen: tuple[float, dict[str, Load]] | None = None
    owed: dict[str, float] = field(default_factory=dict)

    def add(self, revision: str, requests: float) -> None:
        """Send requests to a revision; whole ones fail, what is left over is owed to the next interval."""
        kind = kind_of(revision)
        due = self.owed.get(revision, 0.0) + requests * FAILS[kind]
        failed = float(int(due + 1e-9))
        self.owed[revision] = due - failed
        hanging, slow = (float(int(requests * share.get(kind, 0.0))) for share in (HANGS, SLOW))
        more = Load(sent=requests, failed=failed, hanging=hanging, slow=slow)
        self.totals[revision] = self.totals.get(revision, Load()) + more

    def scrape(self, now: float) -> None:
        """Let Prometheus scrape at `now`, as far as it can."""
        if self.mode == "stale":
            self.frozen = self.frozen or (now, dict(self.totals))
            self.shown[now] = self.frozen
        elif self.mode in ("up", "down"):
            self.frozen = None
            self.shown[now] = (now, dict(self.totals))

    def read(self, at: float, bounds: Iterable[float], *, past: bool = False) -> Reading | Unanswered:
        """Evaluate the counters at a time. A series is there from its first count on."""
        if self.mode == "down":
            return Unanswered(detail="connection refused")
        edges, (when, totals) = tuple(bounds), self.shown.get(at, (at, {}))
        if self.mode == "nan" and not past:
            when, totals = at, self.totals
        series = [s for revision, load in totals.items() for s in load.series(at_client(revision), when, edges)]
        born = tuple(s for s in series if s.samples[-1][1] > 0)
        if self.mode == "nan" and not past:
            born = tuple(Series(s.labels, ((at, float("nan")),)) for s in born)
        return Reading(at=at, series=born)
