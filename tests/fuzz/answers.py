"""What Prometheus answers: read, counted, and decided on, in a rollout that nothing in one answer may end or advance.

Half of the inputs are whole answers whose counts are known, in every order and notation, with resets and with series
that come twice; they carry the truth in a field that nobody reads. The other half are such answers made bad.
"""

import json
from dataclasses import replace
from random import Random
from typing import Final, cast
from zlib import crc32

from canary.adapters import prometheus
from canary.core import counters as counting
from canary.core.counters import Series
from canary.core.counts import SERVICE, Revisions, Version, What, count
from canary.core.intake import scope_of
from canary.core.questions import Reading
from canary.core.record import render_status
from canary.core.status import Phase, Reason
from canary.errors import MetricsUnreachable
from tests.build import CALM, GOOD, TICK, a_book, a_snapshot, a_split, a_status, tick
from tests.fuzz.mutation import mutated, scrambled
from tests.load import BEFORE, BOUNDS, SCRAPED, Load, a_reading, at_client, at_server, read_before, since

NAME: Final = "answers"
SPEC: Final = {
    "gates": {
        "successRate": {"min": "99%"},
        "latency": {"p99": "250ms"},
        "routes": [{"name": "GET /", "successRate": {"min": "99%"}, "latency": {"p99": "300ms"}}],
    }
}
SELDOM: Final = 5
"""One input of so many goes through whole ticks: reading and counting are quick, deciding is not."""
NOW: Final = SCRAPED + 10
READ_BEFORE: Final = read_before(a_reading(BEFORE, at=SCRAPED, bounds=BOUNDS))


UNRIPE: Final = a_snapshot(
    replace(
        a_status(Phase.PROGRESSING, 100, dwelt=-3 * TICK),
        book=replace(a_book(*CALM, answered=200.0), bounds=BOUNDS),
    ),
    spec=SPEC,
    counters=READ_BEFORE,
)
"""Its dwell has just begun, and its evidence is calm."""
RIPE: Final = a_snapshot(
    replace(a_status(Phase.PROGRESSING, 100), book=replace(a_book(*GOOD, answered=4000.0), bounds=BOUNDS)),
    spec=SPEC,
    counters=READ_BEFORE,
)
"""It would go up with any good reading."""
SILENCES: Final = frozenset({Reason.NO_DATA, Reason.STALE_DATA, Reason.NO_TRAFFIC})


def _row(series: Series) -> dict[str, object]:
    return {"metric": dict(series.labels), "values": [[at, f"{value:g}"] for at, value in series.samples]}


def _answer(rows: list[dict[str, object]], **more: object) -> dict[str, object]:
    return {"status": "success", "data": {"resultType": "matrix", "result": rows}, **more}


def _seeds() -> list[str]:
    client = a_reading(since(c2=Load(sent=100, slow=1), s1=Load(sent=900, failed=1)), at=NOW, bounds=BOUNDS[2:5])
    routes = [
        series
        for revision in ("c2", "s1")
        for series in Load(sent=50).series(at_server(revision, "GET /"), NOW - 1, BOUNDS[3:4], prefix="route_")
    ]
    vector: list[dict[str, object]] = [
        {"metric": dict(s.labels), "value": [s.samples[0][0], f"{s.samples[0][1]:g}"]} for s in client.series
    ]
    rows = [_row(series) for series in (*client.series, *routes)]
    return [json.dumps(_answer(found)) for found in (rows, rows, rows[:3], rows[:3], vector, vector, [])] + [
        json.dumps(_answer(rows[:1], warnings=["a part"], infos=["x"])),
        json.dumps({"status": "error", "errorType": "timeout", "error": "query timed out"}),
    ]


SEEDS: Final = _seeds()


class Answers:
    """The target."""

    name = NAME

    def draw(self, chance: Random) -> bytes:
        """Make an answer, true or bad."""
        kind = chance.random()
        if kind < 0.4:
            return json.dumps(_true(chance)).encode()
        if kind < 0.9:
            return json.dumps(mutated(chance.choice(SEEDS), chance)).encode()
        return scrambled(chance.choice(SEEDS), chance)

    def check(self, raw: bytes) -> None:
        """Read it as the adapter does, count it, decide on it, and decide again on a good one."""
        text = raw.decode(errors="replace")
        try:
            series = read(text)
        except MetricsUnreachable as error:
            short(error)
            return
        conserved(text, series)
        if crc32(raw) % SELDOM == 0:
            held(series)


def short(error: MetricsUnreachable) -> None:
    """A refusal is a sentence, whatever was sent."""
    assert 0 < len(error.hint) < 1000, "a payload floods the message"


def read(text: str) -> tuple[Series, ...]:
    """Read as `Prometheus.query` does, between the libraries."""
    answer = prometheus._trusted(text)
    return prometheus._series(cast("dict[str, object]", answer["data"])["result"])


def held(series: tuple[Series, ...]) -> None:
    """One answer ends no rollout and takes no step too early, and the next good one finds everything well."""
    decided = tick(UNRIPE, reading=Reading(at=NOW, series=series))
    assert decided.status.phase is Phase.PROGRESSING, f"one answer ended the rollout: {decided.status.message}"
    assert decided.status.weight == 100, "the weight moved"
    written = json.dumps(render_status(decided.status, decided.judgement), allow_nan=False)
    assert len(written) < 20_000, f"the status has {len(written)} bytes"
    after = replace(UNRIPE, status=decided.status, counters=decided.counters, split=a_split(100))
    good = a_reading(since(c2=Load(sent=200), s1=Load(sent=1800, failed=2)), at=NOW + 10, bounds=BOUNDS)
    assert tick(after, reading=good).status.phase is Phase.PROGRESSING
    if not any(0 <= value < float("inf") for one in series for _, value in one.samples):
        decided = tick(RIPE, reading=Reading(at=NOW, series=series))
        assert decided.status.weight == 100, "a step was taken on nothing"
        assert decided.status.reason in SILENCES, decided.status.reason


def _true(chance: Random) -> dict[str, object]:
    """Make an answer of which it is known what it must count."""
    truth: dict[str, float] = {}
    rows = []
    before = {_identity(s.labels): s.samples[-1][1] for s in a_reading(BEFORE, at=SCRAPED, bounds=BOUNDS).series}
    for revision, version in (("c2", Version.CANARY), ("s1", Version.STABLE)):
        for name, what, extra in (
            ("request_total", What.SENT, {}),
            ("response_total", What.ANSWERED, {"classification": "success"}),
            ("response_total", What.FAILED, {"classification": "failure"}),
        ):
            labels = {"__name__": name, **at_client(revision), **extra}
            counted, samples = _walk(chance, before[_identity(labels)])
            for one in (what,) if what is not What.FAILED else (What.FAILED, What.ANSWERED):
                truth[f"{version} {one}"] = truth.get(f"{version} {one}", 0.0) + counted
            rows += _told(chance, labels, samples)
    chance.shuffle(rows)
    foreign = {"__name__": "request_total", **at_client("c2"), "dst_pod_template_hash": "c9"}
    rows.append({"metric": foreign, "values": [[SCRAPED + 4, "5"], [SCRAPED + 9, "7"]]})
    return _answer(rows, truth=truth)


def _walk(chance: Random, value: float) -> tuple[float, list[tuple[float, float]]]:
    """Let a counter go on for an interval, through resets; give what it counted and its samples."""
    counted, samples = 0.0, []
    for second in sorted(chance.sample(range(1, 10), chance.randint(1, 6))):
        more = float(chance.choice((0, 1, 3, 250, 10**6)))
        if chance.random() < 0.1 and more < value:
            value = more
        else:
            value += more
        counted += more
        samples.append((SCRAPED + second + 0.5, value))
    return counted, samples


def _told(chance: Random, labels: dict[str, str], samples: list[tuple[float, float]]) -> list[dict[str, object]]:
    """Write a series once, or in two parts, or with what is no number in it; with samples that were read before."""
    values: list[list[object]] = [[at, chance.choice((f"{v:.0f}", f"{v:.1f}", f"{v:e}"))] for at, v in samples]
    if chance.random() < 0.3:
        values.insert(chance.randrange(len(values) + 1), [SCRAPED + 5, chance.choice(("NaN", "+Inf", "-1"))])
    if chance.random() < 0.2:
        at = chance.randrange(len(values))
        return [{"metric": labels, "values": values[at:]}, {"metric": labels, "values": values[: at + 1]}]
    return [{"metric": dict(sorted(labels.items(), key=lambda _: chance.random())), "values": values}]


def _identity(labels: object) -> str:
    return json.dumps(labels, sort_keys=True)


def conserved(text: str, series: tuple[Series, ...]) -> None:
    """Every request of a true answer is counted once."""
    truth = json.loads(text).get("truth")
    if truth is None:
        return
    _, increments = counting.advance(READ_BEFORE, series, at=NOW, born={})
    counts = count(increments, scope_of(UNRIPE), Revisions(stable="s1", canary="c2"), client=True)
    for name, wanted in truth.items():
        version, what = name.split()
        found = counts.of(Version(version), SERVICE, What(what))
        assert abs(found - wanted) < 1e-3, f"{name}: {found} of {wanted}"
