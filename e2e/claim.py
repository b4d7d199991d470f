"""`python -m e2e.claim [RUNS] [--docs]`: what a release costs, on real HTTP and a real Prometheus.

So many bad releases and as many good ones, in four namespaces of one lab: two for each kind, where one release follows
the other. Intervals and scrapes are Linkerd's and our default of 10 s, the weight is ramped. The clients count what
failed, not the controller. JSON on stdout, a line for each release on stderr; returns 1 where the claim does not hold.
"""

import argparse
import asyncio
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import structlog

from canary.adapters.api import Json
from canary.core.lenient import as_array, as_mapping, as_text
from canary.lab import seed
from canary.lab.truth import Tally
from e2e.stage import Scene, Stage

DOCS = Path(__file__).parents[1] / "docs"
RESULTS, PAGE = DOCS / "live.json", DOCS / "decisions.md"
RPS = 220.0  # wanted of the clients, so that 200 are reached in each rollout
LEAST_RPS, MOST_FAILED = 200.0, 20.0  # the claim's own numbers
PAST = 220.0  # seconds of traffic before the first release: 20 ticks teach the correlation
SCRAPE = timedelta(seconds=10)
SPEC: Mapping[str, object] = {
    "ramp": {"budget": 100},
    "interval": "10s",
    "dwell": "30s",  # its default, of no concern to a ramp; a stage of stories has another
    "bake": "20s",
    "stepTimeout": "10m",
    "gates": {"successRate": {"min": "99%"}},
}
STABLE: Mapping[str, str] = {"LAB_LATENCY": "*=5ms±20%", "LAB_FAILURES": "*=0.1%"}
RELEASES: Mapping[str, Mapping[str, str]] = {"bad": {"LAB_FAILURES": "*=5%"}, "good": {}}
WANTED: Mapping[str, str] = {"bad": "RolledBack", "good": "Promoted"}
TITLES: Mapping[str, str] = {"bad": "fails 5 %", "good": "fails 0.1 %, as stable"}
COLUMNS = (
    "release",
    "ends",
    "seconds from the first weight",
    "seconds from the push",
    "greatest weight",
    "users' requests that failed at it",
    "requests to it",
    "requests/s to the service",
)
ENDED_WITHIN = 480.0  # seconds
LANES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What became of one release. Seconds count from its first weight until it has no traffic, or all of it.

    `whole` is from the push to the end. `failed` are users' requests that ended badly at the release, of `served`.
    `requests` and `rps` are those of the whole service in `seconds`.
    """

    release: str
    outcome: str
    reason: str
    seconds: float
    whole: float
    weights: tuple[tuple[float, int], ...]  # each with its second
    failed: int
    served: int
    requests: int
    rps: float

    def line(self) -> str:
        """Tell it in a line."""
        return (
            f"{self.release}: {self.outcome} ({self.reason}) {self.seconds:.1f} s after the first weight,"
            f" {self.whole:.0f} s after the push; {self.failed} failed of {self.served} requests to it;"
            f" {self.requests} in all, {self.rps:.0f}/s; weights {', '.join(f'{w}m' for _, w in self.weights)}"
        )


@dataclass(slots=True)
class Watch:
    """The split as it was seen during a rollout: each weight with the time and the service's requests until then."""

    seen: list[tuple[int, float, int]]

    def settled(self, outcome: str) -> int:
        """Find the entry by which the release has no traffic any more, or all of it."""
        last = 0 if outcome == "RolledBack" else 1000
        return next((at for at, (weight, *_) in enumerate(self.seen) if at and weight == last), len(self.seen) - 1)


async def ship(scene: Scene, kind: str, number: int) -> Run:
    """Ship a release and watch it to its end."""
    before = await _last(scene)
    begun = time.monotonic()
    await scene.ship(**{**STABLE, **RELEASES[kind], "RELEASE": str(number)})
    watch = Watch([])

    async def over() -> bool:
        weight = await scene.weight()
        if (watch.seen and watch.seen[-1][0] != weight) or (not watch.seen and weight):
            watch.seen.append((weight, time.monotonic(), _sent(scene)))
        return (await _last(scene)).get("id") != before.get("id")

    await scene.until(over, "the release to end", within=ENDED_WITHIN)
    whole = time.monotonic() - begun
    past = await _last(scene)
    at = watch.settled(as_text(past.get("outcome")))
    (_, first, sent), (_, settled, sent_then) = watch.seen[0], watch.seen[at]
    harm = await _harm(scene, as_text(past.get("revision")))
    return Run(
        release=kind,
        outcome=as_text(past.get("outcome")),
        reason=as_text(past.get("reason")),
        seconds=round(settled - first, 1),
        whole=round(whole, 1),
        weights=tuple((round(when - first, 1), weight) for weight, when, _ in watch.seen[: at + 1]),
        failed=harm.hurt,
        served=harm.sent,
        requests=sent_then - sent,
        rps=round((sent_then - sent) / (settled - first), 1),
    )


async def _last(scene: Scene) -> Json:
    return (await scene.history() or [{}])[-1]


def _sent(scene: Scene) -> int:
    return scene.stage.lab.truth.total(namespace=scene.namespace).sent


async def _harm(scene: Scene, revision: str) -> Tally:
    """Count what users saw of a revision at the canary's Service, once its requests have ended."""

    def count() -> Tally:
        return scene.stage.lab.truth.total(namespace=scene.namespace, service=seed.CANARY, revision=revision)

    async def answered() -> bool:
        return not count().open

    await scene.until(answered, "the release's last requests to end", within=35)
    return count()


async def play(home: Path, runs: int, past: float, tell: Callable[[Run], None]) -> list[Run]:
    """Play `runs` releases of each kind, after `past` seconds of traffic."""
    async with Stage("embedded", home, scrape=SCRAPE) as stage:

        async def series(kind: str, lane: int) -> list[Run]:
            scene = await stage.scene(f"claim-{kind}-{lane}", rps=RPS, stable=STABLE, canary=STABLE)
            await scene.canary(**SPEC)
            await asyncio.sleep(past)
            done = []
            for number in range(lane, runs, LANES):
                done.append(await ship(scene, kind, number))
                tell(done[-1])
            return done

        found = await asyncio.gather(*(series(kind, lane) for kind in RELEASES for lane in range(LANES)))
    return list(itertools.chain.from_iterable(found))


def broken(runs: Sequence[Run]) -> list[str]:
    """List what of the claim does not hold."""
    wrong = [f"a {run.release} release was {run.outcome}" for run in runs if run.outcome != WANTED[run.release]]
    wrong += [f"only {run.rps}/s in a run" for run in runs if run.rps < LEAST_RPS]
    failed = statistics.median(run.failed for run in runs if run.release == "bad")
    if failed >= MOST_FAILED:
        wrong.append(f"{failed:g} failed requests, median, where fewer than {MOST_FAILED:g} were claimed")
    return wrong


def document(runs: Sequence[Run], past: float) -> dict[str, object]:
    """Write it as JSON."""
    return {
        "version": version("linkerd-canary"),
        "spec": SPEC,
        "stable": STABLE,
        "releases": RELEASES,
        "scrapeSeconds": SCRAPE.total_seconds(),
        "pastSeconds": past,
        "medians": {kind: _medians([run for run in runs if run.release == kind]) for kind in RELEASES},
        "runs": [asdict(run) for run in runs],
    }


def _medians(runs: Iterable[Run]) -> dict[str, float]:
    rows = [asdict(run) for run in runs]
    return {
        name: statistics.median(row[name] for row in rows) for name in ("seconds", "whole", "failed", "served", "rps")
    }


def with_section(page: str, found: Mapping[str, object]) -> str:
    """Put the table into the page, between its marks."""
    head, opened, rest = page.partition("<!-- live: made by python -m e2e.claim --docs -->\n")
    _, closed, tail = rest.partition("<!-- end -->")
    if not (opened and closed):
        raise SystemExit(f"{PAGE.name} has no place for the table")
    return f"{head}{opened}{section(found)}\n{closed}{tail}"


def section(found: Mapping[str, object]) -> str:
    """Write it for people."""
    runs = [as_mapping(run) for run in as_array(found["runs"])]
    rows = [
        COLUMNS,
        ("---",) * len(COLUMNS),
        *(_row(kind, [r for r in runs if r["release"] == kind]) for kind in RELEASES),
    ]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def _row(kind: str, runs: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
    ends = Counter(str(run["outcome"]) for run in runs)
    peaks = [{"peak": max(weight for _, weight in run["weights"])} for run in runs]  # type: ignore[attr-defined] # our own
    return (
        TITLES[kind],
        ", ".join(f"{count} {end}" for end, count in ends.items()),
        _spread(runs, "seconds"),
        _spread(runs, "whole"),
        _spread(peaks, "peak", "m"),
        _spread(runs, "failed"),
        _spread(runs, "served"),
        _spread(runs, "rps"),
    )


def _spread(runs: Sequence[Mapping[str, object]], name: str, unit: str = "") -> str:
    """Word the median, with the least and the most."""
    values = sorted(float(str(run[name])) for run in runs)
    median, whole = statistics.median(values), all(value.is_integer() for value in values)
    middle = f"{median:.1f}".removesuffix(".0") if whole else f"{median:.0f}"
    return f"{middle}{unit} ({values[0]:.0f}{unit} to {values[-1]:.0f}{unit})"


def main() -> int:
    """Play, and tell."""
    parser = argparse.ArgumentParser(prog="python -m e2e.claim")
    parser.add_argument("runs", type=int, nargs="?", default=10, help="releases of each kind")
    parser.add_argument("--past", type=float, default=PAST, help="seconds of traffic before the first release")
    parser.add_argument("--home", type=Path, help="where logs are kept; default: nowhere")
    parser.add_argument("--docs", action="store_true", help=f"write {RESULTS.name} and its table in {PAGE.name}")
    given = parser.parse_args()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # stdout is for the JSON
    with tempfile.TemporaryDirectory() as scratch:
        runs = asyncio.run(play(given.home or Path(scratch), given.runs, given.past, lambda run: _say(run.line())))
    found = document(runs, given.past)
    json.dump(found, sys.stdout, indent=1)
    if given.docs:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
        PAGE.write_text(with_section(PAGE.read_text(), json.loads(RESULTS.read_text())))
    wrong = broken(runs)
    for what in wrong:
        _say(f"BROKEN: {what}")
    return 1 if wrong else 0


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
