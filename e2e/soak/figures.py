"""What the soak found, and what it may find at most. Pure: samples in, figures out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from e2e.soak.samples import Sample

WARM = 0.5  # share of the time that counts for nothing: caches fill, and gaps in the memory
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

    @property
    def surely(self) -> float:
        """The slope less two standard errors."""
        return self.per_hour - 2 * self.error


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

    def by_rollout(self, per_hour: float) -> float:
        """Divide what an hour brings by the rollouts that end in it."""
        first, last = self.warm[0], self.warm[-1]
        return per_hour * (last.at - first.at) / 3600 / max(1, last.rollouts - first.rollouts)

    def each(self, value: Callable[[Sample], float]) -> float:
        """Divide what was counted by the rollouts that ended meanwhile."""
        first, last = self.warm[0], self.warm[-1]
        return (value(last) - value(first)) / max(1, last.rollouts - first.rollouts)


def figures(soak: Soak) -> list[Figure]:
    """Measure everything; the limits stand here and nowhere else."""
    return [*_deeds(soak), *_memory(soak), *_rest(soak), *_costs(soak)]


def _deeds(soak: Soak) -> Iterator[Figure]:
    last = soak.warm[-1]
    yield Figure(
        name="rollouts ended",
        value=soak.ended,
        limit=0.4 * soak.canaries * soak.seconds / 60,
        least=True,
        why="a good one takes 70 s: with less the Canaries did not roll all the time",
    )
    why = "every good release is promoted, every bad one rolled back"
    yield Figure(name="rollouts that ended wrongly", value=soak.wrong, limit=0, why=why)
    yield Figure(name="ticks that crashed or failed", value=soak.crashed + last.errors, limit=0, why="nothing broke")
    yield Figure(name="Events and notices that nobody got", value=last.dropped, limit=0, why="nothing broke")


def _memory(soak: Soak) -> Iterator[Figure]:
    trend, blocks = Trend.of(soak.warm, lambda s: s.resident / MB), Trend.of(soak.warm, lambda s: s.blocks)
    last = soak.warm[-1].resident / MB
    why = "the chart allows 512 MiB, and an endless answer takes 220 more"
    yield Figure(name="memory at the end, MB", value=last, limit=200, why=why)
    yield Figure(name="slope of memory, MB an hour", value=trend.per_hour)
    yield Figure(name="its standard error", value=trend.error)
    why = "a hundred rollouts a day would take a year for half of what the chart allows"
    kept = soak.by_rollout(trend.surely) * MB / 1024
    yield Figure(name="slope less two standard errors, kB a rollout", value=kept, limit=8, why=why)
    why = "what is kept is in use; the process' memory has gaps, too"
    yield Figure(
        name="Python's objects kept, less two standard errors, a rollout",
        value=soak.by_rollout(blocks.surely),
        limit=20,
        why=why,
    )


def _rest(soak: Soak) -> Iterator[Figure]:
    """Measure all else that may grow. A drift is from the first quarter of the time to the last."""
    warm, drift = soak.warm, soak.drift
    most, why = 80 + 4 * soak.canaries, "64 workers, and some questions under way for each Canary"
    yield Figure(name="tasks at most", value=max(s.tasks for s in warm), limit=most, why=why)
    yield Figure(name="drift of tasks", value=drift(lambda s: s.tasks), limit=10, why="no task is left behind")
    why = "4 queries at a time, a thread each"
    yield Figure(name="drift of threads", value=drift(lambda s: s.threads), limit=1, why=why)
    why = "connections are pooled"
    yield Figure(name="drift of open files", value=drift(lambda s: s.files), limit=5, why=why)
    why = "four gates' evidence, a history of ten"
    yield Figure(name="largest status, bytes", value=max(s.status for s in warm), limit=16 * 1024, why=why)
    yield Figure(
        name="drift of the largest status, bytes", value=drift(lambda s: s.status), limit=1024, why="it is full"
    )
    why = "one for each decision, none for a tick"
    yield Figure(name="Events for each rollout", value=soak.each(lambda s: s.events), limit=15, why=why)


def _costs(soak: Soak) -> Iterator[Figure]:
    """Measure what it costs; on a machine that is busy with something else, times are longer."""
    warm = soak.warm
    why = "the loop is never stopped for long"
    yield Figure(name="answer to a probe, median, ms", value=1000 * median(s.lag for s in warm), limit=100, why=why)
    yield Figure(name="answer to a probe, longest, ms", value=1000 * max(s.lag for s in warm))
    why = "there are workers enough"
    yield Figure(name="longest that a due Canary waited, s", value=max(s.overdue for s in warm), limit=1, why=why)
    spent = (warm[-1].processor - warm[0].processor) / (warm[-1].at - warm[0].at)
    yield Figure(name="processor, share of a core", value=spent, limit=0.7, why="one core for 100 Canaries, and more")
    yield Figure(name="load of the machine (by all that ran on it)", value=fmean(s.load for s in warm))
    yield Figure(name="ticks for each rollout", value=soak.each(lambda s: s.ticks))
    yield Figure(name="queries for each rollout", value=soak.each(lambda s: s.queries))
    yield Figure(name="API requests for each rollout", value=soak.each(lambda s: s.requests))
    yield Figure(name="objects in etcd for each rollout", value=soak.each(lambda s: s.objects))
