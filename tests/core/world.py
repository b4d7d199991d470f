"""A small world in memory around `questions` and `decide`: what a cluster, its traffic and a Prometheus would do.

Traffic follows the live split as Linkerd does, counters follow the traffic, the status store keeps JSON and refuses
writes that did not see the last one. A process can die between any two writes. Everything is exact and nothing is
drawn: chance is the test's.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from canary.core.decide import questions
from canary.core.decision import Decision, Effect, Guard, Scale, SetTemplate, SetWeights, Unguard
from canary.core.demand import Demand
from canary.core.history import armed_gates
from canary.core.manifest import as_object, last_valid, parse_spec, placeholder
from canary.core.promotion import promoted
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
    RunQuery,
    Unanswered,
)
from canary.core.record import parse_status, render_status
from canary.core.snapshot import Key, Snapshot, Split, Wiring
from canary.core.spec import FULL, CanarySpec, PromotionMode
from canary.core.status import CanaryStatus
from canary.errors import Conflict, InvalidSpec, Problem
from canary.runtime.ledger import Ledger
from tests.build import NOW, a_template
from tests.core.deployment import Deployment, deployment
from tests.core.mesh import RATE, Mesh
from tests.load import BOUNDS, SCRAPED

KEY = Key("shop", "web")
PAST = History(demand={"service: success rate": Demand(rps=10.0, failure=0.001, icc=0.01)})


class Crash(Exception):
    """The process died."""


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
    unsplit: float = 0.0
    hidden: str = ""
    wiring: Wiring = field(default_factory=Wiring)
    numbers: Numbers = field(default_factory=lambda: Numbers(numbers=(1.0,)))
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
        weight = (1 - self.unsplit) * self.live
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
            split=None if self.wiring.unsupported else self.split,
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
            case ReadHistory():
                return Unanswered(detail="503") if self.mesh.mode == "down" else PAST
            case FindBounds():
                return Unanswered(detail="503") if self.mesh.mode == "down" else Bounds(bounds=BOUNDS)
            case RunQuery():
                return Unanswered(detail="503") if self.mesh.mode == "down" else self.numbers
            case CallGate(webhook=hook):
                return self.hooks.get(hook.name, GateReply(yes=False, detail="404"))

    # what a process does

    def save(self, seen: Snapshot, decision: Decision, version: int) -> None:
        """PUT the status. Raises Conflict where someone wrote since `version`."""
        if version != self.version:
            raise Conflict("the Canary changed")
        shown = armed_gates(seen.spec, decision.status)
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
