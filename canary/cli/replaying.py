"""The two pasts of `canary backtest`, replayed: a file's, and a Prometheus'. All is read before anything is told."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

from canary.adapters.prometheus import Access, Prometheus
from canary.backtest.episodes import Episodes, Halves, Periods, Releases, periods, with_before
from canary.backtest.past import Past, Period
from canary.backtest.recording import Row, bounds, render
from canary.backtest.replay import Outcome, Tell, Trial, ticks
from canary.cli.recordings import load
from canary.core.snapshot import Key
from canary.core.spec import CanarySpec
from canary.errors import CanaryError
from canary.runtime.clock import SystemClock
from canary.runtime.readings import SETTLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What to read of a Prometheus' past. `begin` and `end` are Unix seconds or how long ago; a `seed` asks for A/A."""

    url: str
    begin: float | timedelta
    end: float | timedelta | None
    scrape_interval: timedelta
    seed: int | None
    episode: timedelta
    record: Path | None


class Trials:
    """One trial after the other, as the episodes come: of one that is over only the outcome is kept."""

    def __init__(self, spec: CanarySpec, cuts: tuple[float, ...], seed: int | None, tell: Tell | None) -> None:
        self._spec, self._cuts, self._tell = spec, cuts, tell
        self._halves = None if seed is None else Halves(seed)
        self._trial: Trial | None = None
        self._outcomes: list[Outcome] = []

    def see(self, rows: Sequence[Row]) -> None:
        """Take in the rows of one interval of one episode."""
        for row in rows[:1]:
            if self._trial is None or self._trial.episode != row.episode:
                self._end()
                self._trial = Trial(self._spec, self._cuts, row.episode, self._tell)
            self._trial.see((row.t, rows if self._halves is None else self._halves.split(rows)))

    def outcomes(self) -> list[Outcome]:
        """Say what came of them all. Raises CanaryError where A/A had nothing to compare."""
        self._end()
        if self._halves is not None and self._outcomes and self._halves.most < 2:  # noqa: PLR2004 - halves
            raise CanaryError(
                "A/A compares stable's pods with each other, and never more than one of them had requests"
            )
        return self._outcomes

    def _end(self) -> None:
        if self._trial is not None:
            self._outcomes.append(self._trial.outcome())
        self._trial = None


def replay_file(spec: CanarySpec, file: Path, seed: int | None, length: timedelta, tell: Tell | None) -> list[Outcome]:
    """Replay a recording, with a seed cut into periods. Raises CanaryError that names the line which is none."""
    episodes = load(file)
    trials = Trials(spec, bounds(row for rows in episodes.values() for row in rows), seed, tell)
    for rows in episodes.values():
        for trial in [rows] if seed is None else periods(rows, length, spec.interval):
            for _, tick in ticks(trial):
                trials.see(tick)
    return trials.outcomes()


async def replay_prometheus(spec: CanarySpec, key: Key, asked: Asked, tell: Tell | None) -> list[Outcome]:
    """Replay what a Prometheus has. Raises MetricsUnreachable, or CanaryError where it has nothing to replay."""
    metrics = Prometheus(Access(url=asked.url))
    try:
        past = Past(metrics, SystemClock(), asked.scrape_interval)
        period = _period(asked, await past.now() - SETTLE)
        cuts, scope = await past.cuts(spec, key, period.end)
        cut: Episodes = Releases(period) if asked.seed is None else Periods(period, asked.episode)
        trials = Trials(spec, cuts, asked.seed, tell)
        with _recorder(asked.record) as stream:
            async for seen in past.intervals(scope, with_before(period), spec.interval):
                for rows in cut.cut(seen):
                    trials.see(rows)
                    if stream is not None:
                        stream.writelines(f"{render(row)}\n" for row in rows)
            outcomes = trials.outcomes()
            if not outcomes:
                raise _nothing(spec, key, asked)
        return outcomes
    finally:
        metrics.close()


def _period(asked: Asked, now: float) -> Period:
    begin, end = (
        now if at is None else now - at.total_seconds() if isinstance(at, timedelta) else at
        for at in (asked.begin, asked.end)
    )
    if not begin < min(end, now):
        raise CanaryError("--from must be before --to, and before now on Prometheus' clock")
    return Period(begin=begin, end=min(end, now))


def _nothing(spec: CanarySpec, key: Key, asked: Asked) -> CanaryError:
    if asked.seed is None:
        who, hint = spec.canary.service, "; --aa replays stable alone"
    else:
        who, hint = spec.stable.service, ""
    return CanaryError(f"Prometheus has no requests to {who} in namespace {key.namespace} in that time{hint}")


@contextmanager
def _recorder(file: Path | None) -> Iterator[IO[str] | None]:
    """Open a file that is there only once it is whole."""
    if file is None:
        yield None
        return
    part = file.with_name(f"{file.name}.part")
    try:
        with part.open("w", encoding="utf-8") as stream:
            yield stream
        part.replace(file)
    except OSError as error:
        raise CanaryError(f"{file}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
