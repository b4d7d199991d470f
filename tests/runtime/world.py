"""A small world for the loop: fakes of our own ports that keep a journal of what was done to them, and its Canaries."""

import asyncio
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from canary.core.counters import Series
from canary.core.decision import Decision, Effect
from canary.core.manifest import parse_spec
from canary.core.questions import CallGate, GateReply
from canary.core.snapshot import Key, Pod, Snapshot, Split, Workload
from canary.core.spec import CanarySpec
from canary.core.status import CanaryStatus, Phase, Reason, Rollout
from canary.errors import CanaryError, Conflict, GateUnreachable
from canary.runtime.ask import Oracle
from canary.runtime.ledger import Ledger
from canary.runtime.readings import Readings
from canary.runtime.tick import World
from tests.canaries import GATES, a_canary
from tests.runtime.virtual import NOON, VirtualClock

WEB = Key("town", "web")
SECOND = timedelta(seconds=1)
SCRAPE = timedelta(seconds=10)
TELL_THE_TIME = "vector(time())"
PROMETHEUS = 5_000_000.0
"""What Prometheus' clock is ahead of ours."""


def a_spec(**fields: object) -> CanarySpec:
    return parse_spec(a_canary(**fields))


def a_workload(name: str, revision: str, replicas: int = 2, **fields: object) -> Workload:
    pods = tuple(
        Pod(name=f"{name}-{revision}-{number}", revision=revision, created=0.0, ready=True, meshed=True)
        for number in range(replicas)
    )
    least = Workload(
        name=name,
        resource_version="7",
        desired=replicas,
        available=replicas,
        revision=revision,
        settled=True,
        template={"spec": revision},
        templates={revision: {"spec": revision}},
        selector={"app": name},
        pods=pods,
    )
    return replace(least, **fields)  # type: ignore[arg-type]


def a_split(weight: int, version: str = "5") -> Split:
    return Split(
        name="web",
        resource_version=version,
        service="web",
        weights={"web-stable": 1000 - weight, "web-canary": weight},
        editor="canary",
    )


def idle() -> CanaryStatus:
    return CanaryStatus(promoted="old", reason=Reason.ADOPTED, message="Adopted.")


def progressing(weight: int = 100, **fields: object) -> CanaryStatus:
    rollout = Rollout(
        id="web-new-1",
        number=1,
        revision="new",
        baseline="base",
        started_at=NOON,
        spec={},
        found_replicas=1,
        step=0,
        level=weight,
        needed=1,
        stable_replicas=2,
        peak=weight,
    )
    status = CanaryStatus(
        phase=Phase.PROGRESSING,
        weight=weight,
        promoted="old",
        count=1,
        reason=Reason.GATHERING,
        message="At 100m.",
        rollout=rollout,
    )
    return replace(status, **fields)  # type: ignore[arg-type]


def a_snapshot(key: Key = WEB, status: CanaryStatus | None = None, **fields: object) -> Snapshot:
    """Make a Canary in mid-rollout at 100m, its split as it should be, or with another status."""
    status = progressing() if status is None else status
    spec = a_spec()
    revision = status.rollout.revision if status.rollout is not None and status.active else status.promoted or "old"
    least = Snapshot(
        key=key,
        at=NOON,
        elapsed=timedelta(),
        generation=1,
        spec=spec,
        raw_spec={"gates": GATES},
        status=status,
        saved=status,
        stable=a_workload("web-stable", "base"),
        canary=a_workload("web-canary", revision, 1),
        split=a_split(status.weight),
        guarded=True,
        uid=f"uid-{key.name}",
    )
    return replace(least, **fields)  # type: ignore[arg-type]


@dataclass
class Town:
    """The port `Cluster`: the looks it gives are put in by hand."""

    journal: list[str]
    looks: dict[Key, Snapshot] = field(default_factory=dict)
    saved: list[Decision] = field(default_factory=list)
    troubles: dict[str, deque[Exception]] = field(default_factory=dict)
    """What goes wrong, by the journal's word: "look", "save", or an effect's name."""
    pause: float = 0.0
    """Seconds that each look takes."""

    def trouble(self, word: str, *errors: Exception) -> None:
        self.troubles[word] = deque(errors)

    async def snapshot(self, key: Key) -> Snapshot | None:
        await self._happens("look")
        return self.looks.get(key)

    async def save_status(self, seen: Snapshot, decision: Decision) -> Snapshot:
        await self._happens("save")
        if self.looks[seen.key].saved != seen.saved:
            raise Conflict("someone wrote")
        self.saved.append(decision)
        self.looks[seen.key] = replace(self.looks[seen.key], status=decision.status, saved=decision.status)
        return replace(seen, saved=decision.status)

    async def perform(self, seen: Snapshot, effect: Effect) -> None:
        await self._happens(type(effect).__name__)

    async def _happens(self, word: str) -> None:
        self.journal.append(word)
        if self.pause:
            await asyncio.sleep(self.pause)
        errors = self.troubles.get(word)
        if errors:
            raise errors.popleft()


@dataclass
class Prometheus:
    """The port `Metrics`: evaluates selectors over `series`, unless an error of `errors` matches the query."""

    journal: list[str]
    series: list[Series] = field(default_factory=list)
    errors: dict[str, Exception] = field(default_factory=dict)
    """By a part of the query's text; "" fails every one."""
    pause: float = 0.0
    """Seconds that each answer takes."""
    ahead: float = PROMETHEUS
    """What its clock is ahead of ours."""
    mute: bool = False
    """It does not tell the time."""
    tells: float | None = None
    """The time that it tells, where it is wrong."""
    asked: list[tuple[str, float | None]] = field(default_factory=list)
    syncs: int = 0

    async def query(self, promql: str, at: float | None) -> tuple[Series, ...]:
        if promql == TELL_THE_TIME:
            self.syncs += 1
        else:
            self.journal.append("ask")
            self.asked.append((promql, at))
        await asyncio.sleep(self.pause)
        for part, error in self.errors.items():
            if part in promql:
                raise error
        if promql == TELL_THE_TIME:
            now = asyncio.get_running_loop().time() + self.ahead
            told = now if self.tells is None else self.tells
            return () if self.mute else (Series({}, ((now, told),)),)
        return tuple(series for series in self.series if selects(promql, series.labels))

    def families(self) -> list[str]:
        """Name the families it was asked for, once for each query."""
        return [query.partition("{")[0] for query, _ in self.asked]


MATCHER = re.compile(r'(\w+)(=~|!=|=)"((?:[^"\\]|\\.)*)"')


def selects(promql: str, labels: Mapping[str, str]) -> bool:
    """Evaluate a selector as Prometheus does: an absent label is empty, a pattern must match all of it."""
    name, _, rest = promql.partition("{")
    family = name.rpartition("(")[2]
    if labels.get("__name__") != family:
        return False
    for label, operator, quoted in MATCHER.findall(rest):
        wanted, value = re.sub(r"\\(.)", r"\1", quoted), labels.get(label, "")
        if not {"=": value == wanted, "!=": value != wanted, "=~": bool(re.fullmatch(wanted, value))}[operator]:
            return False
    return True


@dataclass
class Gates:
    """The port `Gatekeeper`: webhooks that say yes, hang, or are not there."""

    yes: bool = True
    pause: float = 0.0
    down: bool = False
    asked: list[CallGate] = field(default_factory=list)

    async def call(self, gate: CallGate) -> GateReply:
        self.asked.append(gate)
        await asyncio.sleep(self.pause)
        if self.down:
            raise GateUnreachable(f"webhook {gate.webhook.name}: refused")
        return GateReply(yes=self.yes, detail="because")


@dataclass
class Crier:
    """The port `Herald`: remembers what it was told."""

    journal: list[str]
    told: list[tuple[Snapshot, Decision, timedelta]] = field(default_factory=list)
    faults: list[tuple[Key, Exception]] = field(default_factory=list)
    refusals: list[CanaryError] = field(default_factory=list)
    left: list[Key] = field(default_factory=list)

    def tell(self, seen: Snapshot, decision: Decision, took: timedelta) -> None:
        self.journal.append("tell")
        self.told.append((seen, decision, took))

    def fault(self, key: Key, error: Exception) -> None:
        self.journal.append("fault")
        self.faults.append((key, error))

    def refused(self, seen: Snapshot, error: CanaryError) -> None:
        self.refusals.append(error)

    def gone(self, key: Key) -> None:
        self.left.append(key)


class Everything:
    """All ports together, one journal for them, and the `World` that is made of them."""

    def __init__(self) -> None:
        self.journal: list[str] = []
        self.town, self.prometheus = Town(self.journal), Prometheus(self.journal)
        self.gates, self.crier, self.clock = Gates(), Crier(self.journal), VirtualClock()
        readings = Readings(self.prometheus, self.clock, SCRAPE)
        self.world = World(self.town, Oracle(readings, self.gates), self.crier, self.clock, Ledger())

    def holds(self, *looks: Snapshot) -> None:
        for look in looks:
            self.town.looks[look.key] = look
