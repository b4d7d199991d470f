"""What a tick knows once it has looked and listened: time accounted, evidence folded, everything judged.

Called by `decide` before any rule. It changes what is remembered (times, evidence) but never what is intended: phase,
weight and step are the rules' to change.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from canary.core import book as books
from canary.core import counters as counting
from canary.core.counters import Counters
from canary.core.counts import SERVICE, Counts, Revisions, Version, What, at_client, count, standing
from canary.core.decision import Notice
from canary.core.gates import Gate, gates
from canary.core.judgement import Judgement, judge
from canary.core.manifest import as_object, parse_spec
from canary.core.promotion import carries
from canary.core.questions import (
    Answers,
    Bounds,
    CallGate,
    FindBounds,
    GateReply,
    ReadCounters,
    Reading,
    Scope,
    Unanswered,
)
from canary.core.snapshot import Snapshot, Workload
from canary.core.spec import FULL, CanarySpec, WebhookKind
from canary.core.status import CanaryStatus, Phase, Reason, Rollout
from canary.errors import InvalidSpec

STALE = 2.5  # scrape intervals after which a sample says nothing about now
SILENT = 6  # intervals without canary requests before that is worth saying
RESTART_GAP = timedelta(
    minutes=10
)  # the most that a restart adds to a deadline: a stepped clock must not end a rollout


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything the rules may look at."""

    seen: Snapshot
    status: CanaryStatus
    counters: Counters | None
    judgement: Judgement | None = None
    replies: dict[WebhookKind, list[tuple[str, GateReply | Unanswered]]] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()

    @property
    def spec(self) -> CanarySpec:
        """The spec to follow."""
        return self.seen.spec

    @property
    def rollout(self) -> Rollout:
        """The rollout that runs. Only rules of active phases ask."""
        if self.status.rollout is None:
            raise AssertionError(f"{self.status.phase} without a rollout")
        return self.status.rollout

    @property
    def serving(self) -> int:
        """How many canary pods of the revision may get requests."""
        return 0 if self.seen.canary is None else self.seen.canary.serving(self.rollout.revision)

    @property
    def settled(self) -> bool:
        """Whether the live split is as intended."""
        split = self.seen.split
        return split is not None and split.exact and split.weights.get(self.spec.canary.service) == self.status.weight


def scope_of(seen: Snapshot) -> Scope:
    """Say whose counters the Canary needs, and at which latency bounds."""
    bounds = frozenset(
        b for g in gates(seen.spec, seen.status.book.bounds) for b in (g.over, g.within) if b is not None
    )
    return Scope(
        namespace=seen.key.namespace,
        apex=seen.spec.service,
        stable=seen.spec.stable,
        canary=seen.spec.canary,
        bounds=bounds,
        routes=any(place.route for place in seen.spec.places),
    )


def reading_due(seen: Snapshot) -> bool:
    """Tell whether an interval has passed since the last reading. Looks in between (a pod died) fold nothing."""
    waited = seen.status.book.waited + seen.elapsed.total_seconds()
    return seen.counters is None or waited >= 0.5 * seen.spec.interval.total_seconds()


def gather(seen: Snapshot, answers: Answers) -> Facts:
    """Account for time, fold the answers into the evidence, judge it."""
    status = seen.status
    if not status.active or status.rollout is None:
        return Facts(seen=seen, status=status, counters=None)
    status = replace(status, book=replace(status.book, waited=status.book.waited + seen.elapsed.total_seconds()))
    facts = Facts(seen=seen, status=status, counters=seen.counters, replies=_replies(answers))
    facts = _read(_restarted_evidence(_with_bounds(facts, answers)), answers)
    facts = _timed(facts)
    judgement = judge(facts.status.book, gates(seen.spec, facts.status.book.bounds), seen.spec)
    return replace(facts, judgement=judgement)


def _replies(answers: Answers) -> dict[WebhookKind, list[tuple[str, GateReply | Unanswered]]]:
    replies: dict[WebhookKind, list[tuple[str, GateReply | Unanswered]]] = {}
    for question, answer in answers.items():
        if isinstance(question, CallGate) and isinstance(answer, GateReply | Unanswered):
            replies.setdefault(question.webhook.kind, []).append((question.webhook.name, answer))
    return replies


def _with_bounds(facts: Facts, answers: Answers) -> Facts:
    for question, answer in answers.items():
        if isinstance(question, FindBounds) and isinstance(answer, Bounds) and answer.bounds:
            return _remember(facts, replace(facts.status.book, bounds=answer.bounds))
    return facts


def _remember(facts: Facts, book: books.Book) -> Facts:
    return replace(facts, status=replace(facts.status, book=book))


def _restarted_evidence(facts: Facts) -> Facts:
    """Start evidence over where what it compares or promises is no longer the same, and say so."""
    rollout, seen, book = facts.rollout, facts.seen, facts.status.book
    found = gates(seen.spec, book.bounds)
    if rollout.spec != seen.raw_spec and not seen.problems:
        changed = _changed_gates(facts, found)
        rollout = replace(rollout, spec=seen.raw_spec)
        book = books.forget(book, changed)
        told = f"The spec changed in mid-rollout; evidence starts over for: {', '.join(changed) or 'nothing'}."
        facts = replace(facts, notices=(*facts.notices, Notice(reason=Reason.SPEC_CHANGED, message=told)))
    stable = seen.stable
    if stable is not None and _baseline_changed(facts, stable):
        told = (
            f"Stable's template changed from {rollout.baseline} to {stable.revision} in mid-rollout;"
            " the comparison with stable starts over."
        )
        rollout = replace(rollout, baseline=stable.revision)
        book = books.forget(book, [gate.name for gate in found])
        facts = replace(
            facts, notices=(*facts.notices, Notice(reason=Reason.STABLE_CHANGED, message=told, warning=True))
        )
    return replace(facts, status=replace(facts.status, rollout=rollout, book=book))


def _changed_gates(facts: Facts, found: tuple[Gate, ...]) -> list[str]:
    try:
        followed = parse_spec(as_object(facts.rollout.spec))
    except InvalidSpec:  # written by another version of this program
        return [gate.name for gate in found]
    before = {gate.name: gate for gate in gates(followed, facts.status.book.bounds)}
    return [
        g.name
        for g in found
        if g.name in before and (before[g.name].promise, before[g.name].limit) != (g.promise, g.limit)
    ]


def _baseline_changed(facts: Facts, stable: Workload) -> bool:
    rollout, canary = facts.rollout, facts.seen.canary
    if facts.status.phase not in (Phase.PROGRESSING, Phase.BAKING) or stable.revision in ("", rollout.baseline):
        return False
    analysed = None if canary is None else canary.templates.get(rollout.revision)
    return analysed is None or not carries(stable, analysed, facts.spec.promotion)


def _read(facts: Facts, answers: Answers) -> Facts:
    asked = {q.at: answer for q, answer in answers.items() if isinstance(q, ReadCounters)}
    if None not in asked:
        return facts
    now, then = asked.pop(None), next(iter(asked.values()), None)
    for answer in (now, then):
        if isinstance(answer, Unanswered):
            return _unread(facts, Reason.METRICS_UNREACHABLE, answer.detail)
    if not isinstance(now, Reading):
        return _unread(facts, Reason.METRICS_UNREACHABLE, "no answer")
    counters = facts.counters
    if counters is None:
        base = then.series if isinstance(then, Reading) else ()
        counters = Counters.fresh()
        if base:  # what was counted up to the checkpoint; without it (Prometheus lost it) go on from now
            counters, _ = counting.advance(counters, base, at=facts.status.book.at, born={})
    return _folded(facts, now, counters)


def _unread(facts: Facts, reason: Reason, detail: str) -> Facts:
    """Take in an interval without a reading: a tick of zeros."""
    book = books.fold(facts.status.book, gates(facts.spec, facts.status.book.bounds), Counts(), facts.status.weight)
    facts = _remember(facts, replace(book, waited=0.0))
    return _silenced(facts, (reason, detail))


def _folded(facts: Facts, now: Reading, before: Counters) -> Facts:
    seen, rollout, book = facts.seen, facts.rollout, facts.status.book
    scope, revisions = scope_of(seen), Revisions(stable=rollout.baseline, canary=rollout.revision)
    client = at_client(now.series, scope)
    counters, increments = counting.advance(before, now.series, at=now.at, born=_births(seen))
    if scope.bounds != book.cut:  # buckets that were not asked for before would count all they ever held
        increments = [i for i in increments if "le" not in i.labels]
    baseline = before.taken is None
    counts = Counts() if baseline else count(increments, scope, revisions, client=client)
    interval = seen.spec.interval.total_seconds()
    seconds = interval if baseline else max(0.1, now.at - (before.taken or now.at))
    book = books.fold(book, gates(seen.spec, book.bounds), counts, facts.status.weight)
    if not baseline:
        stands = standing(now.series, scope, revisions, client=client)
        span = books.Span(seconds=seconds, weight=facts.status.weight)
        book = books.observe_open(book, gates(seen.spec, book.bounds), counts, stands, span)
    sent = counts.of(Version.CANARY, SERVICE, What.SENT)
    baking = facts.status.phase is Phase.BAKING and facts.settled and facts.status.weight == FULL
    rollout = replace(
        rollout,
        silent=0 if sent > 0 or facts.status.weight == 0 else rollout.silent + 1,
        # an interval that follows an outage counts once, however long it was: an outage does not bake
        baked=rollout.baked + timedelta(seconds=min(seconds, 1.5 * interval) if baking else 0),
    )
    status = replace(facts.status, book=replace(book, at=now.at, waited=0.0, cut=scope.bounds), rollout=rollout)
    facts = replace(facts, status=status, counters=counters)
    return _silenced(facts, _silence(facts, now))


def _births(seen: Snapshot) -> dict[str, float]:
    sides = (side for side in (seen.stable, seen.canary) if side is not None)
    return {pod.name: pod.created for side in sides for pod in side.pods}


def _silenced(facts: Facts, silence: tuple[Reason, str] | None) -> Facts:
    return replace(facts, status=replace(facts.status, rollout=replace(facts.rollout, silence=silence)))


def _silence(facts: Facts, now: Reading) -> tuple[Reason, str] | None:
    """Say why an answered reading tells nothing."""
    if not now.series:
        where = f"{facts.spec.stable.service} and {facts.spec.canary.service}"
        return (
            Reason.NO_DATA,
            f"Prometheus has no requests for {where}: no meshed client, or nobody scrapes the proxies",
        )
    age = now.at - max((s.samples[-1][0] for s in now.series if s.samples), default=0.0)
    if age > STALE * facts.seen.scrape.total_seconds():
        return Reason.STALE_DATA, f"the newest sample is {age:.0f} s old"
    if facts.rollout.silent >= SILENT:
        sent = f"no request reached the canary at {facts.status.weight}m in {facts.rollout.silent} intervals"
        return Reason.NO_TRAFFIC, f"{sent}; clients without the mesh, or with a cached profile, do not obey the split"
    return None


def _timed(facts: Facts) -> Facts:
    """Add the time since the last look to what it counts for."""
    seen, status, rollout = facts.seen, facts.status, facts.rollout
    elapsed = seen.elapsed
    at_step = facts.settled and status.weight == facts.rollout.level and rollout.step >= 0
    stopped = (
        seen.spec.paused and status.phase in (Phase.PROGRESSING, Phase.BAKING)
    ) or status.reason is Reason.AWAITING_APPROVAL
    gap = timedelta()
    if seen.counters is None and status.saved_at is not None:
        gap = min(max(seen.at - status.saved_at, timedelta()), RESTART_GAP)
    return replace(
        facts,
        status=replace(
            status,
            rollout=replace(
                rollout,
                dwelt=rollout.dwelt + elapsed if at_step else timedelta(),
                spent=rollout.spent if stopped else rollout.spent + elapsed + gap,
                exposed=rollout.exposed + (elapsed if status.weight > 0 else timedelta()),
            ),
        ),
    )
