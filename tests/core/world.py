"""A small world in memory around `questions` and `decide`: what a cluster, its traffic and a Prometheus would do.

Traffic follows the live split as Linkerd does, counters follow the traffic, the status store keeps JSON and refuses
writes that did not see the last one. A process can die between any two writes. Everything is exact and nothing is
drawn: chance is the test's.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from canary.core.counters import Series
from canary.core.decide import questions
from canary.core.decision import Decision, Effect, Guard, Scale, SetTemplate, SetWeights, Unguard
from canary.core.gates import gates
from canary.core.manifest import as_object, last_valid, parse_spec, placeholder
from canary.core.promotion import promoted
from canary.core.questions import (
    Answer,
    Answers,
    Bounds,
    CallGate,
    FindBounds,
    GateReply,
    Question,
    ReadCounters,
    Reading,
    Unanswered,
)
from canary.core.record import parse_status, render_status
from canary.core.snapshot import Key, Pod, Snapshot, Split, Wiring, Workload
from canary.core.spec import FULL, CanarySpec, PromotionMode
from canary.core.status import CanaryStatus
from canary.errors import Conflict, InvalidSpec, Problem
from canary.runtime.ledger import Ledger
from tests.build import NOW, a_template
from tests.load import BOUNDS, SCRAPED, Load, at_client

KEY = Key("shop", "web")
RATE = 100.0  # requests per second to the apex
FAILS = {"good": 0.0, "fair": 0.0005, "bad": 0.3, "awful": 1.0, "hangs": 0.0, "slow": 0.0}
HANGS = {"hangs": 0.5}
SLOW = {"slow": 0.3}


def kind_of(revision: str) -> str:
    """Say how a revision behaves: its name is side, kind and number, as `c-bad-3`."""
    return revision.split("-")[1]


class Crash(Exception):
    """The process died."""


@dataclass
class Deployment:
    """A Deployment, its ReplicaSets and its pods; `round` is one round of the controllers."""

    name: str
    prefix: str
    replicas: int
    template: dict[str, object]
    revision: str
    templates: dict[str, dict[str, object]] = field(default_factory=dict)
    pods: dict[str, int] = field(default_factory=dict)
    sick: int = 0
    observed: bool = True
    version: int = 1
    born: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin rolled out."""
        self.templates[self.revision] = self.template
        self.pods = {self.revision: self.replicas}

    def push(self, template: dict[str, object], revision: str) -> None:
        """Change the pod template."""
        if template != self.template:
            self.template, self.revision, self.observed = template, revision, False
            self.version += 1

    def scale(self, replicas: int) -> None:
        """Change the replicas."""
        if replicas != self.replicas:
            self.replicas, self.observed = replicas, False
            self.version += 1

    def round(self, now: float) -> None:
        """Let the controllers work: half of the pods in the first round of a new template, all in the next."""
        if self.revision not in self.pods:
            self.born[self.revision] = now
        if not self.observed:
            self.observed = True
            self.templates[self.revision] = self.template
            kept = {r: n for r, n in self.pods.items() if r != self.revision and n > 0}
            if kept and self.replicas > 1:
                old = next(iter(kept))
                self.pods = {self.revision: self.replicas // 2, old: self.replicas - self.replicas // 2}
                return
        self.pods = {self.revision: self.replicas}

    def ready(self, revision: str) -> int:
        """Count the ready pods of a revision."""
        return max(0, self.pods.get(revision, 0) - self.sick)

    def serving(self) -> int:
        """Count the ready pods."""
        return sum(self.ready(revision) for revision in self.pods)

    def workload(self) -> Workload:
        """Show it as the adapter would."""
        pods = tuple(
            Pod(
                name=f"{revision}-{i}",
                revision=revision,
                created=self.born.get(revision, SCRAPED - 3600),
                ready=i < self.ready(revision),
                meshed=True,
            )
            for revision, count in self.pods.items()
            for i in range(count)
        )
        done = self.observed and self.pods == {self.revision: self.replicas} and self.sick == 0
        return Workload(
            name=self.name,
            resource_version=str(self.version),
            desired=self.replicas,
            available=self.serving(),
            revision=self.revision if self.observed else "",
            settled=done,
            template=self.template,
            templates=dict(self.templates) if self.observed else {},
            selector={"app": self.name},
            pods=pods,
        )


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


@dataclass
class World:
    """One Canary and all around it. `mono` counts seconds; the clock on the wall may be wrong by `skew`."""

    raw: dict[str, object]
    mono: float = 0.0
    skew: timedelta = timedelta()
    generation: int = 1
    stored: str = "null"
    parsed: tuple[str, CanaryStatus] | None = None
    version: int = 1
    followed: tuple[dict[str, object], CanarySpec] | None = None
    guarded: bool = False
    deleted_at: datetime | None = None
    split: Split | None = None
    split_version: int = 1
    rate: float = RATE
    unsplit: bool = False
    hidden: str = ""
    wiring: Wiring = field(default_factory=Wiring)
    hooks: dict[str, GateReply | Unanswered] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    mesh: Mesh = field(default_factory=Mesh)
    stable: Deployment = field(default_factory=lambda: deployment("web-stable", "s", "s-good-0", 4))
    canary: Deployment = field(default_factory=lambda: deployment("web-canary", "c", "c-good-0", 1))

    # time and traffic

    @property
    def now(self) -> datetime:
        """The time of day as this process believes it."""
        return NOW + timedelta(seconds=self.mono) + self.skew

    def pass_time(self, seconds: float) -> None:
        """Let requests be sent for a while; a backend without ready pods loses its share to the other."""
        self.mono += seconds
        weight = 0 if self.unsplit else self.live
        canary = 0 if self.hidden == "canary" else self.canary.serving()
        stable = 0 if self.hidden == "stable" else self.stable.serving()
        total = round(self.rate * seconds)
        share = 0 if canary == 0 else total if stable == 0 else round(total * weight / FULL)
        for side, requests in ((self.canary, share), (self.stable, total - share if stable else 0)):
            for revision in side.pods:
                if side.serving():
                    self.mesh.add(revision, requests * side.ready(revision) // side.serving())
        self.mesh.scrape(self.prometheus)

    @property
    def prometheus(self) -> float:
        """The time on Prometheus' clock."""
        return SCRAPED + self.mono

    @property
    def live(self) -> int:
        """The canary's weight in the live split."""
        return 0 if self.split is None else self.split.weights.get("web-canary", 0)

    # what a process sees

    @property
    def saved(self) -> CanaryStatus:
        """What the API server has."""
        if self.parsed is None or self.parsed[0] != self.stored:
            self.parsed = (self.stored, parse_status(json.loads(self.stored)))
        return self.parsed[1]

    def look(self, ledger: Ledger | None = None) -> Snapshot:
        """See everything, with the memory of a process."""
        saved = self.saved
        spec, problems = self._spec(saved)
        seen = Snapshot(
            key=KEY,
            at=self.now,
            elapsed=timedelta(),
            generation=self.generation,
            spec=spec,
            raw_spec=self.raw,
            status=saved,
            saved=saved,
            problems=problems,
            split=self.split,
            wiring=self.wiring,
            deleted_at=self.deleted_at,
            guarded=self.guarded,
            stable=None if self.hidden == "stable" else self.stable.workload(),
            canary=None if self.hidden == "canary" else self.canary.workload(),
        )
        return (ledger or self.ledger).recall(seen, self.mono)

    def _spec(self, saved: CanaryStatus) -> tuple[CanarySpec, tuple[Problem, ...]]:
        if self.followed is not None and self.followed[0] is self.raw:
            return self.followed[1], ()
        try:
            self.followed = (self.raw, parse_spec(as_object(self.raw, "web")))
        except InvalidSpec as error:
            problems = error.problems
        else:
            return self.followed[1], ()
        if saved.active and saved.rollout is not None:
            return last_valid(saved.rollout.spec, self.raw, "web"), problems
        return placeholder("web"), problems

    def answer(self, seen: Snapshot) -> Answers:
        """Answer what is asked."""
        return {question: self._answer(question) for question in questions(seen)}

    def _answer(self, question: Question) -> Answer:
        match question:
            case ReadCounters(at=at, scope=scope):
                return self.mesh.read(self.prometheus if at is None else at, scope.bounds, past=at is not None)
            case FindBounds():
                return Unanswered(detail="503") if self.mesh.mode == "down" else Bounds(bounds=BOUNDS)
            case CallGate(webhook=hook):
                return self.hooks.get(hook.name, GateReply(yes=False, detail="404"))

    # what a process does

    def save(self, seen: Snapshot, decision: Decision, version: int) -> None:
        """PUT the status. Raises Conflict where someone wrote since `version`."""
        if version != self.version:
            raise Conflict("the Canary changed")
        shown = gates(seen.spec, decision.status.book.bounds)
        self.stored = json.dumps(render_status(decision.status, decision.judgement, shown))
        self.version += 1

    def keep(self, seen: Snapshot, decision: Decision, ledger: Ledger | None = None) -> None:
        """Remember the decision in a process."""
        (ledger or self.ledger).keep(replace(seen, saved=self.saved), decision, self.mono)

    def perform(self, effect: Effect) -> None:
        """Do one effect."""
        match effect:
            case Guard() | Unguard():
                self.guarded = isinstance(effect, Guard)
                self.version += 1
            case SetWeights():
                seen = "" if self.split is None else self.split.resource_version
                if effect.resource_version != seen:
                    raise Conflict("the split changed")
                self.put_split(dict(effect.weights), editor="canary")
            case Scale():
                self._side(effect.deployment).scale(effect.replicas)
            case SetTemplate():
                side = self._side(effect.deployment)
                if effect.resource_version != str(side.version):
                    raise Conflict("the Deployment changed")
                template = dict(effect.template)
                side.push(template, self.revision_of(side, template))

    def put_split(self, weights: dict[str, int] | None, editor: str, service: str = "web") -> None:
        """Write or delete the split, as anyone may."""
        self.split_version += 1
        self.split = None
        if weights is not None:
            self.split = Split(
                name="web",
                resource_version=str(self.split_version),
                service=service,
                weights=weights,
                editor=editor,
                exact=sum(weights.values()) == FULL,
            )

    def revision_of(self, side: Deployment, template: dict[str, object]) -> str:
        """Name a template's ReplicaSet: the same template has the same one."""
        known = {revision: t for revision, t in side.templates.items() if t == template}
        image = str(template["spec"]).split("web:")[1].split("'")[0]
        return next(iter(known), f"{side.prefix}-{image}")

    def _side(self, name: str) -> Deployment:
        return self.stable if name == self.stable.name else self.canary

    # what people do

    def edit(self, change: Callable[[dict[str, object]], dict[str, object]]) -> None:
        """Edit the spec."""
        raw = {key: value for key, value in change(dict(self.raw)).items() if value is not None}
        if raw != self.raw:
            self.raw = raw
            self.generation += 1
            self.version += 1

    def ship(self, image: str) -> None:
        """Push an image to the canary Deployment."""
        self.canary.push(a_template(image, app="web-canary"), f"c-{image}")

    def patch_stable(self, image: str) -> None:
        """Push an image to stable, past the controller."""
        template = a_template(image, app="web-stable")
        self.stable.push(template, self.revision_of(self.stable, template))

    def promote_from_outside(self, revision: str) -> None:
        """Do what a pipeline does in mode External."""
        template = dict(promoted(self.stable.workload(), self.canary.templates[revision], PromotionMode.COPY))
        self.stable.push(template, self.revision_of(self.stable, template))


def deployment(name: str, prefix: str, revision: str, replicas: int) -> Deployment:
    """Make a Deployment that is rolled out."""
    image = revision.split("-", 1)[1]
    return Deployment(
        name=name, prefix=prefix, replicas=replicas, template=a_template(image, app=name), revision=revision
    )
