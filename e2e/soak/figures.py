"""What the soak found, and what it may find at most. Pure: samples in, figures out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, quantiles

from e2e.soak.samples import Sample

WARM = 0.2  # share of the time that counts for nothing: caches fill and the first rollouts begin
MB = 2**20


@dataclass(frozen=True, kw_only=True)
class Trend:
    """A least-squares line through samples: what it rises in an hour, and the standard error of that."""

    per_hour: float
    error: float

    @classmethod
    def of(cls, samples: Sequence[Sample], value: Callable[[Sample], float]) -> "Trend":
        """Fit it. The error takes samples for independent."""
        times, values = [s.at / 3600 for s in samples], [value(s) for s in samples]
        middle, mean = fmean(times), fmean(values)
        spread = sum((t - middle) ** 2 for t in times)
        slope = sum((t - middle) * (v - mean) for t, v in zip(times, values, strict=True)) / spread
        rest = sum((v - mean - slope * (t - middle)) ** 2 for t, v in zip(times, values, strict=True))
        return cls(per_hour=slope, error=(rest / (len(samples) - 2) / spread) ** 0.5)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number, its limit (None: only told), and why that is one."""

    name: str
    value: float
    limit: float | None = None
    least: bool = False
    why: str = ""

    @property
    def ok(self) -> bool:
        """Whether it keeps its limit."""
        if self.limit is None:
            return True
        return self.value >= self.limit if self.least else self.value <= self.limit

    def document(self) -> dict[str, object]:
        """Write it as JSON."""
        return {"name": self.name, "value": round(self.value, 2), "limit": self.limit, "ok": self.ok}


@dataclass(frozen=True, kw_only=True)
class Soak:
    """One soak: how many Canaries, how long, the looks, and what went wrong besides."""

    canaries: int
    seconds: float
    samples: Sequence[Sample]
    ended: int
    wrong: int
    crashed: int

    @property
    def warm(self) -> Sequence[Sample]:
        """The samples that count."""
        return [s for s in self.samples if s.at >= WARM * self.seconds]

    def drift(self, value: Callable[[Sample], float]) -> float:
        """Say by how much the last quarter of the time is above the first, on average."""
        warm = self.warm
        quarter = len(warm) // 4
        return fmean(map(value, warm[-quarter:])) - fmean(map(value, warm[:quarter]))

    def each(self, value: Callable[[Sample], float]) -> float:
        """Divide what was counted by the rollouts that ended meanwhile."""
        first, last = self.warm[0], self.warm[-1]
        return (value(last) - value(first)) / max(1, last.rollouts - first.rollouts)


def figures(soak: Soak) -> list[Figure]:
    """Measure everything; the limits stand here and nowhere else."""
    warm = soak.warm
    memory = Trend.of(warm, lambda s: s.resident / MB)
    span = warm[-1].at - warm[0].at
    lags = quantiles([s.lag for s in warm], n=20)
    return [
        Figure(
            name="rollouts ended",
            value=soak.ended,
            limit=0.4 * soak.canaries * soak.seconds / 60,
            least=True,
            why="a good one takes 70 s: with less the Canaries did not roll all the time",
        ),
        Figure(
            name="rollouts that ended wrongly",
            value=soak.wrong,
            limit=0,
            why="every good release is promoted, every bad one rolled back",
        ),
        Figure(name="ticks that crashed or failed", value=soak.crashed + warm[-1].errors, limit=0, why="nothing broke"),
        Figure(name="Events and notices that nobody got", value=warm[-1].dropped, limit=0, why="nothing broke"),
        Figure(
            name="memory at the end, MB", value=warm[-1].resident / MB, limit=200, why="the chart's limit is 256 MiB"
        ),
        Figure(name="slope of memory, MB per hour", value=memory.per_hour),
        Figure(name="its standard error", value=memory.error),
        Figure(
            name="slope less two standard errors, MB per hour",
            value=memory.per_hour - 2 * memory.error,
            limit=10,
            why="",
        ),
        Figure(
            name="tasks at most",
            value=max(s.tasks for s in warm),
            limit=80 + 4 * soak.canaries,
            why="64 workers, and some questions under way for each Canary",
        ),
        Figure(name="drift of tasks", value=soak.drift(lambda s: s.tasks), limit=10, why="no task is left behind"),
        Figure(
            name="drift of threads",
            value=soak.drift(lambda s: s.threads),
            limit=1,
            why="at most 4 queries at a time, a thread each",
        ),
        Figure(
            name="drift of open files",
            value=soak.drift(lambda s: s.files),
            limit=5,
            why="connections are pooled, at most 100 to the API server",
        ),
        Figure(
            name="p95 of the answer to a probe, ms",
            value=1000 * lags[-1],
            limit=250,
            why="the loop is never stopped for long",
        ),
        Figure(
            name="longest that a due Canary waited, s",
            value=max(s.overdue for s in warm),
            limit=1,
            why="there are workers enough",
        ),
        Figure(
            name="largest status, bytes",
            value=max(s.status for s in warm),
            limit=16 * 1024,
            why="evidence of four gates and a history of ten",
        ),
        Figure(
            name="Events for each rollout",
            value=soak.each(lambda s: s.events),
            limit=15,
            why="one for each decision, none for a tick",
        ),
        Figure(name="objects in etcd for each rollout", value=soak.each(lambda s: s.objects)),
        Figure(name="queries for each rollout", value=soak.each(lambda s: s.queries)),
        Figure(name="API requests for each rollout", value=soak.each(lambda s: s.requests)),
        Figure(name="ticks for each rollout", value=soak.each(lambda s: s.ticks)),
        Figure(
            name="processor, share of a core", value=(warm[-1].processor - warm[0].processor) / span, limit=0.7, why=""
        ),
    ]
