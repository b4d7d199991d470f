"""Builders for tests of the core, so that they read as sentences.

What is not said is calm: a Canary called `web` in `shop`, four ready pods on each side, the split as intended, ten
seconds since the last look, and a reading due. Revisions are `s1` (stable), `c1` (promoted before), `c2` (the new one).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias, TypedDict, Unpack

from canary.core import book as books
from canary.core.book import Book, Manner
from canary.core.conditions import conditions
from canary.core.counters import Counters
from canary.core.counts import Counts, Version, What
from canary.core.decide import decide, questions
from canary.core.decision import Decision
from canary.core.demand import Demand
from canary.core.discretion import without_urls
from canary.core.facts import Facts
from canary.core.gates import Gate, Metric, gates
from canary.core.manifest import as_object, parse_spec
from canary.core.questions import (
    Answer,
    Answers,
    Bounds,
    CallGate,
    FindBounds,
    GateReply,
    History,
    Numbers,
    Question,
    ReadCounters,
    ReadHistory,
    Reading,
    RunQuery,
    Unanswered,
)
from canary.core.snapshot import Key, Pod, Snapshot, Split, Wiring, Workload
from canary.core.spec import FULL, CanarySpec, Threshold, Weight
from canary.core.status import CanaryStatus, Outcome, Past, Phase, Reason, Rollout
from canary.errors import Problem
from tests.load import BEFORE, BOUNDS, SCRAPED, Load, a_reading, read_before, since

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(seconds=10)
MINUTE = timedelta(minutes=1)
JUDGED = "service: success rate"


# what is declared


def a_raw_spec(**fields: object) -> dict[str, object]:
    """Write a spec as its user would; None takes a field away."""
    least: dict[str, object] = {
        "service": "web",
        "stable": {"service": "web-stable"},
        "canary": {"service": "web-canary"},
        "gates": {"successRate": {"min": "99%"}},
    }
    return {key: value for key, value in {**least, **fields}.items() if value is not None}


def a_spec(**fields: object) -> CanarySpec:
    """Read such a spec."""
    return parse_spec(as_object(a_raw_spec(**fields), "web"))


def a_hook(name: str, kind: str) -> dict[str, object]:
    """Write a webhook."""
    return {"name": name, "type": kind, "url": f"http://{name}.shop"}


def a_query(**fields: object) -> dict[str, object]:
    """Write a query that wants at most 5."""
    return {"name": "depth", "query": 'max(queue_depth{app="web-canary"})', "max": 5, **fields}


def with_query(**fields: object) -> dict[str, object]:
    """Write gates with a query among them."""
    return {"successRate": {"min": "99%"}, "queries": [a_query(**fields)]}


def with_hook(name: str, kind: str) -> dict[str, object]:
    """Write gates with a webhook among them."""
    return {"successRate": {"min": "99%"}, "webhooks": [a_hook(name, kind)]}


# what runs

Templates: TypeAlias = tuple[Mapping[str, object] | None, Mapping[str, Mapping[str, object]] | None]
"""A Deployment's own template, and those of its ReplicaSets; None: the usual one."""


def a_template(image: str, **labels: str) -> dict[str, object]:
    """Make a pod template."""
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": f"web:{image}"}]}}


def pods(
    revision: str, ready: int, *, unready: int = 0, unmeshed: int = 0, leaving: int = 0, born: float = SCRAPED - 300
) -> tuple[Pod, ...]:
    """Make pods of a revision, of each kind as many as are asked for."""
    kinds = [(True, True, False)] * ready + [(False, True, False)] * unready
    kinds += [(True, False, False)] * unmeshed + [(True, True, True)] * leaving
    return tuple(
        Pod(name=f"{revision}-{i}", revision=revision, created=born, ready=is_ready, meshed=meshed, leaving=goes)
        for i, (is_ready, meshed, goes) in enumerate(kinds)
    )


def stable(
    revision: str = "s1",
    *,
    desired: int = 4,
    ready: int | None = None,
    template: Mapping[str, object] | None = None,
    templates: Mapping[str, Mapping[str, object]] | None = None,
    **more: object,
) -> Workload:
    """Make stable's Deployment with its ReplicaSets and pods."""
    return _workload("web-stable", revision, desired, ready, (template, templates), more)


def canary(
    revision: str = "c2",
    *,
    desired: int = 4,
    ready: int | None = None,
    template: Mapping[str, object] | None = None,
    templates: Mapping[str, Mapping[str, object]] | None = None,
    **more: object,
) -> Workload:
    """Make the canary Deployment with its ReplicaSets and pods."""
    return _workload("web-canary", revision, desired, ready, (template, templates), more)


def _workload(
    name: str, revision: str, desired: int, ready: int | None, templates: Templates, more: Mapping[str, object]
) -> Workload:
    template, known = templates
    own = template or a_template(revision, app=name)
    serving = desired if ready is None else ready
    made = Workload(
        name=name,
        resource_version=f"{name}-7",
        desired=desired,
        available=serving,
        revision=revision,
        settled=serving == desired,
        template=own,
        templates={revision: own} if known is None else known,
        selector={"app": name},
        pods=pods(revision, serving),
    )
    return replace(made, **more)  # type: ignore[arg-type] # a table's own columns


def released(revision: str = "s2", *, ready: int | None = None, desired: int = 4) -> Workload:
    """Make a stable that carries the release c2, its former ReplicaSet still there."""
    template = a_template("c2", app="web-stable")
    both = {revision: template, "s1": a_template("s1", app="web-stable")}
    return stable(revision, desired=desired, ready=ready, template=template, templates=both)


def a_split(weight: Weight = 0, **more: object) -> Split:
    """Make the live TrafficSplit, last written by us."""
    weights = {"web-stable": FULL - weight, "web-canary": weight}
    split = Split(name="web", resource_version="split-3", service="web", weights=weights, editor="canary")
    return replace(split, **more)  # type: ignore[arg-type] # a table's own columns


# what is remembered


def a_rollout(**fields: object) -> Rollout:
    """Make a rollout of c2 against s1 that has held its first step for long enough."""
    rollout = Rollout(
        id="web-c2-1",
        number=1,
        revision="c2",
        baseline="s1",
        started_at=NOW - 5 * MINUTE,
        spec=a_raw_spec(),
        found_replicas=1,
    )
    return replace(rollout, **fields)  # type: ignore[arg-type] # a table's own columns


def a_past(revision: str = "c0", outcome: Outcome = Outcome.ROLLED_BACK, number: int = 1) -> Past:
    """Make a finished rollout."""
    return Past(
        id=f"web-{revision}-{number}",
        revision=revision,
        outcome=outcome,
        reason=Reason.SUCCESS_RATE if outcome is Outcome.ROLLED_BACK else Reason(outcome.value),
        message=f"Revision {revision} is history.",
        started_at=NOW - 60 * MINUTE,
        seconds=120.0,
        peak=300,
        requests=1000.0,
        failures=7.0,
    )


def counts(
    canary_side: tuple[float, float], stable_side: tuple[float, float], *, metric: Metric = Metric.SUCCESS_RATE
) -> Counts:
    """Make the increments of one interval, (requests, failures or slow ones), of the service."""
    made = Counts()
    for version, (requests, failures) in ((Version.CANARY, canary_side), (Version.STABLE, stable_side)):
        made.sums[version, "", What.SENT] = requests
        made.sums[version, "", What.ANSWERED] = requests
        made.sums[version, "", What.FAILED if metric is Metric.SUCCESS_RATE else What.TIMED] = (
            failures if metric is Metric.SUCCESS_RATE else requests
        )
        if metric is Metric.LATENCY:
            for bound in BOUNDS:
                made.fast[version, "", bound] = requests - failures
    return made


def a_book(
    *intervals: Counts,
    weight: Weight = 100,
    of: Iterable[Gate] | None = None,
    rule: Threshold | None = None,
    **fields: object,
) -> Book:
    """Keep a book over these intervals."""
    found = tuple(gates(a_spec(), ()) if of is None else of)
    book = Book(at=SCRAPED, manner=Manner(client=True, bounds=frozenset(), routes=False))
    for interval in intervals:
        book = books.fold(book, found, interval, weight, rule)
    return replace(book, **fields)  # type: ignore[arg-type] # a table's own columns


CALM = tuple(counts((100, 0), (900, 1)) for _ in range(2))
"""Evidence on the release's side, too little for PASS."""
GOOD = tuple(counts((500, 0), (4500, 4)) for _ in range(8))
"""Evidence for PASS."""
BAD = tuple(counts((200, 40), (1800, 2)) for _ in range(4))
"""Evidence to roll back."""
SUSPECT = (counts((200, 6), (1800, 2)),)
"""Evidence on neither side."""


class Remembered(TypedDict, total=False):
    """Fields of a status and of its rollout that tests set."""

    step: int
    level: Weight
    needed: int
    stable_replicas: int
    dwelt: timedelta
    spent: timedelta
    baked: timedelta
    exposed: timedelta
    silent: int
    silence: tuple[Reason, str]
    lost: bool
    peak: Weight
    overdue: bool
    copying: bool
    copied: bool
    fault: Reason
    fault_message: str
    outcome: Outcome
    baseline: str
    revision: str
    number: int
    id: str
    found_replicas: int
    learned: Mapping[str, Demand]


STEPS = (100, 200, 300, 400, 500, 1000)


def a_status(phase: Phase, weight: Weight, **rollout: Unpack[Remembered]) -> CanaryStatus:
    """Make what is remembered in a phase, with a rollout wherever one runs."""
    made = CanaryStatus(
        phase=phase,
        weight=weight,
        promoted="c1",
        count=1,
        reason=_RESTING[phase],
        message="as before",
        generation=1,
        saved_at=NOW - TICK,
        history=(a_past("c1", Outcome.PROMOTED),) if phase is Phase.IDLE else (),
    )
    if phase is Phase.IDLE:
        return made
    step = STEPS.index(weight) if weight in STEPS else -1
    ending = phase in (Phase.FINALISING, Phase.ROLLING_BACK)
    level = max(0, weight)
    fields: Remembered = {
        "step": 4 if ending else step,
        "level": 500 if ending else level,
        "needed": 0 if level == 0 else max(1, -(-4 * level // FULL)),
        "stable_replicas": 4,
        "dwelt": MINUTE,
        "exposed": 3 * MINUTE if weight else timedelta(),
        "peak": 500 if ending else level,
        "copying": phase in (Phase.PROMOTING, Phase.FINALISING),
    }
    if phase is Phase.FINALISING:
        fields["outcome"] = Outcome.PROMOTED
    if phase is Phase.ROLLING_BACK:
        fields["outcome"] = Outcome.ROLLED_BACK
        fields["fault"] = Reason.SUCCESS_RATE
        fields["fault_message"] = "too many failed"
    return replace(made, rollout=a_rollout(**{**fields, **rollout}), book=a_book(*CALM, answered=200.0))


_RESTING: Mapping[Phase, Reason] = {
    Phase.IDLE: Reason.PROMOTED,
    Phase.PROGRESSING: Reason.GATHERING,
    Phase.BAKING: Reason.BAKING,
    Phase.PROMOTING: Reason.PROMOTING,
    Phase.FINALISING: Reason.FINALISING,
    Phase.ROLLING_BACK: Reason.SUCCESS_RATE,
}


class Looked(TypedDict, total=False):
    """Fields of a snapshot that tests set."""

    at: datetime
    elapsed: timedelta
    generation: int
    counters: Counters | None
    saved: CanaryStatus
    problems: tuple[Problem, ...]
    stable: Workload | None
    canary: Workload | None
    split: Split | None
    wiring: Wiring
    deleted_at: datetime | None
    guarded: bool
    refused: tuple[Reason, str]
    blind: str


def a_snapshot(
    status: CanaryStatus | None = None,
    *,
    spec: Mapping[str, object] | None = None,
    **seen: Unpack[Looked],
) -> Snapshot:
    """Look at a calm world in which only `status`, the spec's fields and what else is named are special.

    The rollout follows the spec that is seen, and what is remembered was saved and settled.
    """
    status = a_status(Phase.PROGRESSING, 100) if status is None else status
    raw = a_raw_spec(**(spec or {}))
    if status.rollout is not None and status.rollout.spec == a_raw_spec():
        status = replace(status, rollout=replace(status.rollout, spec=without_urls(raw)))
    made = Snapshot(
        key=Key("shop", "web"),
        at=NOW,
        elapsed=TICK,
        generation=1,
        spec=parse_spec(as_object(raw, "web")),
        raw_spec=raw,
        status=status,
        saved=status,
        counters=read_before(),
        stable=stable(),
        canary=canary("c1", desired=1) if status.phase is Phase.IDLE else canary(),
        split=a_split(status.weight),
        guarded=True,
    )
    made = replace(made, **seen)
    if "saved" in seen:
        return made
    # what is remembered was decided by the same program, so its conditions are those it would set now
    status = conditions(Facts(seen=made, status=made.status, counters=None), made.status)
    return replace(made, status=status, saved=status)


def settled(seen: Snapshot, **reading: Unpack["Answered"]) -> Snapshot:
    """Tick once and look again a tick later, as if all effects but nothing else had happened."""
    decided = tick(seen, **reading)
    status = decided.status
    return replace(
        seen,
        at=seen.at + TICK,
        status=status,
        saved=status if decided.save else seen.saved,
        counters=decided.counters,
        split=a_split(status.weight),
        guarded=True,
    )


# what is answered


class Answered(TypedDict, total=False):
    """What is answered in a tick; a question without an answer named here gets a calm one."""

    reading: Reading | Unanswered
    recalled: Reading | Unanswered
    history: History | Unanswered
    bounds: Bounds | Unanswered
    hooks: Mapping[str, GateReply | Unanswered]
    numbers: Mapping[str, Numbers | Unanswered]


QUIET = a_reading(since(c2=Load(sent=100), s1=Load(sent=900, failed=1)))
"""Ten good seconds."""
YES, NO = GateReply(yes=True, detail="200"), GateReply(yes=False, detail="409: not today")
DOWN = Unanswered(detail="connection refused")


def answers(seen: Snapshot, **given: Unpack[Answered]) -> Answers:
    """Answer what is asked about `seen`."""
    return {question: _answer(question, given) for question in questions(seen)}


def _answer(question: Question, given: Answered) -> Answer:
    match question:
        case ReadCounters(at=None):
            return given.get("reading", QUIET)
        case ReadCounters():
            return given.get("recalled", a_reading(BEFORE, at=SCRAPED))
        case ReadHistory():
            return given.get("history", History(demand={}))
        case FindBounds():
            return given.get("bounds", Bounds(bounds=BOUNDS))
        case RunQuery(query=query):
            return given.get("numbers", {}).get(query.name, Numbers(numbers=(1.0,)))
        case CallGate(webhook=hook):
            return given.get("hooks", {}).get(hook.name, NO)


def tick(seen: Snapshot, **given: Unpack[Answered]) -> Decision:
    """Ask and decide."""
    return decide(seen, answers(seen, **given))


def scaled(load: Load, by: float) -> Load:
    """Send so many times as much."""
    return Load(sent=load.sent * by, failed=load.failed * by, hanging=load.hanging * by, slow=load.slow * by)


@dataclass
class Story:
    """A run of ticks on an obedient world, for tests that need more than one. Totals grow by `per_tick`."""

    seen: Snapshot
    per_tick: dict[str, Load] = field(default_factory=lambda: {"c2": Load(sent=100), "s1": Load(sent=900, failed=1)})
    totals: dict[str, Load] = field(default_factory=lambda: dict(BEFORE))
    now: float = SCRAPED
    decided: list[Decision] = field(default_factory=list)

    def _by_weight(self) -> dict[str, Load]:
        """Send each side what the split gives it, where both get something."""
        weight = 0 if self.seen.split is None else self.seen.split.weights["web-canary"]
        sent = {revision: load.sent for revision, load in self.per_tick.items()}
        if not 0 < weight < FULL or not all(sent.get(revision) for revision in ("c2", "s1")):
            return self.per_tick
        total = sent["c2"] + sent["s1"]
        wanted = {"c2": total * weight / FULL, "s1": total - total * weight / FULL}
        return {revision: scaled(load, wanted[revision] / load.sent) for revision, load in self.per_tick.items()}

    def go(self, ticks: int = 1, **answered: Unpack[Answered]) -> Decision:
        """Let it tick; every effect happens at once."""
        for _ in range(ticks):
            given = answered.copy()
            self.now += TICK.total_seconds()
            for revision, load in self._by_weight().items():
                self.totals[revision] = self.totals.get(revision, Load()) + load
            reading = a_reading(self.totals, at=self.now, bounds=(*BOUNDS,))
            given.setdefault("reading", reading)
            decision = tick(self.seen, **given)
            self.decided.append(decision)
            self.seen = replace(
                self.seen,
                at=self.seen.at + TICK,
                status=decision.status,
                saved=decision.status if decision.save else self.seen.saved,
                counters=decision.counters,
                split=a_split(decision.status.weight),
            )
        return self.decided[-1]
