"""A Deployment on the virtual clock: one template at a time, whose pods are ready some seconds after it came."""

from dataclasses import dataclass, field, replace
from typing import TypeAlias

from canary.core.snapshot import Pod, Workload
from canary.simulator.mesh import EPOCH, LONG_AGO
from canary.simulator.scenario import Loss

Template: TypeAlias = dict[str, object]


@dataclass(slots=True)
class Fleet:
    """Until `ready_at` the pods of the revision before serve, from then on those of the present one.

    With `every` they start again so often.
    """

    name: str
    template: Template
    revision: str
    replicas: int
    start: float
    losses: tuple[Loss, ...] = ()
    version: int = 1
    ready_at: float = LONG_AGO
    every: float = 0.0
    _before: str = ""
    _pushed: float = LONG_AGO
    _later: dict[int, float] = field(default_factory=dict)  # pods of the present revision that came by scaling
    _templates: dict[str, Template] = field(default_factory=dict)
    _shown: tuple[tuple[int, int, int, bool], Workload] | None = None

    def __post_init__(self) -> None:
        """Begin rolled out."""
        self._templates[self.revision] = self.template

    def push(self, template: Template, revision: str, now: float, start: float) -> None:
        """Roll out another template."""
        self._before, self.template, self.revision = self.revision, template, revision
        self._templates[revision] = template
        self._pushed, self._later = now, {}
        self.ready_at = now + start
        self.start = start
        self.version += 1

    def scale(self, replicas: int, now: float) -> None:
        """Change the replicas; those that are new take their time to be ready."""
        kept = {number: at for number, at in self._later.items() if number < replicas}
        self._later = {**kept, **dict.fromkeys(range(self.replicas, replicas), now)}
        self.replicas = replicas
        self.version += 1

    def serving(self, now: float) -> str:
        """Name the revision that answers, "" where there is none."""
        if now < self.ready_at:
            return self._before if self.replicas > self.lost(now) else ""
        return self.revision if any(self._ready(number, now) for number in self._left(now)) else ""

    def _left(self, now: float) -> range:
        """List the numbers of the pods that are not lost."""
        return range(self.lost(now), self.replicas)

    def _ready(self, number: int, now: float) -> bool:
        """Tell whether a pod of the present revision has started."""
        return now >= max(self.ready_at, self._later.get(number, LONG_AGO) + self.start)

    def lost(self, now: float) -> int:
        """Count the pods that are not ready just now, though they were."""
        lost = [loss.pods for loss in self.losses if loss.at <= now < loss.at + loss.lasts]
        return max((self.replicas if pods is None else pods for pods in lost), default=0)

    def changes(self) -> list[float]:
        """List the moments at which a watch would tell of something."""
        started = {at + self.start for at in self._later.values()}
        return [self.ready_at, *started, *(at for loss in self.losses for at in (loss.at, loss.at + loss.lasts))]

    def workload(self, now: float) -> Workload:
        """Show it as the cluster's adapter would."""
        started = sum(self._ready(number, now) for number in range(self.replicas))
        again = bool(self.every) and now >= self._pushed + self.start + self.every
        seen = (self.version, started, self.lost(now), again)
        if self._shown is None or self._shown[0] != seen:
            self._shown = (seen, self._workload(now, settled=started == self.replicas, again=again))
        return self._shown[1]

    def _workload(self, now: float, *, settled: bool, again: bool) -> Workload:
        left, numbers = self._left(now), range(self.replicas)
        pods = []
        for number in numbers:
            begun = EPOCH + self._later.get(number, self._pushed)
            pod = self._pod(self.revision, number, begun, ready=number in left and self._ready(number, now))
            pods.append(replace(pod, started=0.0 if again else begun))
        if now < self.ready_at and self._before and self._before != self.revision:
            pods += [self._pod(self._before, number, EPOCH + LONG_AGO, ready=number in left) for number in numbers]
        return Workload(
            name=self.name,
            resource_version=str(self.version),
            desired=self.replicas,
            available=len(left),
            revision=self.revision,
            settled=settled,
            template=self.template,
            templates=dict(self._templates),
            selector={"app": self.name},
            pods=tuple(pods),
        )

    @staticmethod
    def _pod(revision: str, number: int, born: float, *, ready: bool) -> Pod:
        return Pod(name=f"{revision}-{number}", revision=revision, created=born, ready=ready, meshed=True)
