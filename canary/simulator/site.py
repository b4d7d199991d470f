"""One Canary and all around it: what `decide` sees in a tick, and what becomes of what it decides."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import assert_never, cast

from canary.core.counts import Version
from canary.core.decide import decide, questions
from canary.core.decision import Decision, Effect, Guard, Scale, SetTemplate, SetWeights, Unguard
from canary.core.gates import PROXY_BOUNDS
from canary.core.questions import (
    Answer,
    Bounds,
    CallGate,
    FindBounds,
    GateReply,
    Numbers,
    Question,
    ReadCounters,
    ReadHistory,
    RunQuery,
)
from canary.core.snapshot import Key, Snapshot, Split
from canary.core.spec import FULL, CanarySpec
from canary.core.status import CanaryStatus
from canary.runtime.ledger import Ledger
from canary.runtime.queue import aligned
from canary.simulator.fleet import Fleet, Template
from canary.simulator.mesh import EPOCH, Mesh
from canary.simulator.past import recall

OLD, NEW = "old", "new"
STABLE_PODS = 4
SPREAD = 1.0  # seconds until the proxies follow a new weight


@dataclass(slots=True)
class Site:
    """The world of one run. Seconds count from the moment the release is shipped."""

    key: Key
    spec: CanarySpec
    raw: Mapping[str, object]
    mesh: Mesh
    past: int
    """Number of the past that Prometheus has of stable."""
    status: CanaryStatus = field(default_factory=CanaryStatus)
    guarded: bool = False
    ledger: Ledger = field(default_factory=Ledger)
    scraped: float = 0.0
    stable: Fleet = field(init=False)
    canary: Fleet = field(init=False)
    split: Split = field(init=False)
    _weight: int = 0  # that the proxies follow
    _follows: tuple[float, int] = (0.0, 0)  # from when they follow which

    def __post_init__(self) -> None:
        """Begin with the old release on both sides and all traffic on stable."""
        stable, canary = self.spec.stable, self.spec.canary
        start = self.mesh.scenario.stable.start
        self.stable = Fleet(stable.deployment, _template(OLD, stable.deployment), f"stable-{OLD}", STABLE_PODS, start)
        self.canary = Fleet(canary.deployment, _template(OLD, canary.deployment), f"canary-{OLD}", 1, start)
        for side, fleet in ((Version.STABLE, self.stable), (Version.CANARY, self.canary)):
            fleet.losses = tuple(loss for loss in self.mesh.scenario.losses if loss.side is side)
        self.split = Split(
            name=self.spec.route_name,
            resource_version="1",
            service=self.spec.service,
            weights={stable.service: FULL, canary.service: 0},
            editor="canary",
        )
        self.scraped = self.mesh.now

    def ship(self) -> None:
        """Push the release to the canary's Deployment."""
        template, cold = _template(NEW, self.canary.name), self.mesh.scenario.canary.warmup
        self.canary.every = 0.0 if cold is None else cold.every
        self.canary.push(template, f"canary-{NEW}", self.mesh.now, self.mesh.scenario.canary.start)

    def tick(self) -> Decision:
        """Run one tick: see, ask, decide, save, perform."""
        seen = self.ledger.recall(self.look(), self.mesh.now)
        decision = decide(seen, {question: self._answer(question) for question in questions(seen)})
        if decision.save:
            self.status = decision.status
            seen = replace(seen, saved=decision.status)
        self.ledger.keep(seen, decision, self.mesh.now)
        for effect in decision.effects:
            self._perform(effect)
        return decision

    def sleep(self, decision: Decision) -> None:
        """Let time pass until the next tick: the one that was asked for, or a change that a watch would tell of."""
        interval = self.spec.interval
        after = aligned(self.mesh.now, decision.requeue_after or interval, interval).total_seconds()
        until = self.mesh.now + max(0.05, after)
        changes = [at for fleet in (self.stable, self.canary) for at in fleet.changes() if at > self.mesh.now]
        self.pass_time(min([until, *changes]))

    def pass_time(self, until: float) -> None:
        """Let requests flow and Prometheus scrape."""
        pace = self.mesh.scenario.scrape.total_seconds()
        while self.mesh.now < until:
            end = min(until, self.scraped + pace)
            self._flow(end)
            if end == self.scraped + pace:
                self.mesh.scrape()
                self.scraped = end

    def _flow(self, end: float) -> None:
        at, weight = self._follows
        if weight != self._weight and at < end:
            self.mesh.pass_time(max(at, self.mesh.now), self._weight, self._serving())
            self._weight = weight
        self.mesh.pass_time(end, self._weight, self._serving())

    def _serving(self) -> dict[str, tuple[str, bool]]:
        now = self.mesh.now
        sides = {"stable": self.stable.serving(now), "canary": self.canary.serving(now)}
        return {side: (revision, revision.endswith(NEW)) for side, revision in sides.items() if revision}

    def look(self) -> Snapshot:
        """See as the cluster's adapter would."""
        now = self.mesh.now
        return Snapshot(
            key=self.key,
            at=datetime.fromtimestamp(EPOCH + now, UTC),
            elapsed=timedelta(),
            generation=1,
            spec=self.spec,
            raw_spec=self.raw,
            status=self.status,
            saved=self.status,
            stable=self.stable.workload(now),
            canary=self.canary.workload(now),
            split=self.split,
            guarded=self.guarded,
            uid="simulated",
            scrape=self.mesh.scenario.scrape,
        )

    def _answer(self, question: Question) -> Answer:
        match question:
            case ReadCounters(scope=scope):
                return self.mesh.read(scope)
            case ReadHistory():
                return recall(self.mesh.scenario, question, self.past)
            case FindBounds():
                return Bounds(bounds=PROXY_BOUNDS)
            case RunQuery(query=query):
                return Numbers(numbers=((query.most if query.least is None else query.least) or 0.0,))
            case CallGate():
                return GateReply(yes=True, detail="simulated")
            case _:
                assert_never(question)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Guard() | Unguard():
                self.guarded = isinstance(effect, Guard)
            case SetWeights(weights=weights):
                self.split = replace(self.split, weights=weights, resource_version=f"{self.mesh.now:.3f}")
                self._follows = (self.mesh.now + SPREAD, weights[self.spec.canary.service])
            case Scale(deployment=name, replicas=replicas):
                self._fleet(name).scale(replicas, self.mesh.now)
            case SetTemplate(deployment=name, template=template):
                image = NEW if _image(template) == _image(_template(NEW, "")) else OLD
                start = (self.mesh.scenario.canary if image == NEW else self.mesh.scenario.stable).start
                side = "stable" if name == self.stable.name else "canary"
                self._fleet(name).push(dict(template), f"{side}-{image}", self.mesh.now, start)
            case _:
                assert_never(effect)

    def _fleet(self, name: str) -> Fleet:
        return self.stable if name == self.stable.name else self.canary


def _template(image: str, app: str) -> Template:
    container = {"name": "app", "image": f"app:{image}"}
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": [container]}}


def _image(template: Mapping[str, object]) -> object:
    return cast("Mapping[str, object]", template["spec"])["containers"]
