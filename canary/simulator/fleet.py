"""A Deployment on the virtual clock: one template at a time, whose pods are ready some seconds after it came."""

from dataclasses import dataclass, field, replace
from typing import TypeAlias

from canary.core.snapshot import Pod, Workload
from canary.simulator.mesh import EPOCH, LONG_AGO
from canary.simulator.scenario import Loss

Template: TypeAlias = dict[str, object]


@dataclass(slots=True)
class Fleet:
    """`ready_at` says from when the pods of the present revision serve; until then those of the one before do.

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
    _shown: tuple[tuple[int, bool, int, bool], Workload] | None = None

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
        """Change the replicas; more pods take their time to be ready."""
        if replicas > self.replicas:
            self.ready_at = max(self.ready_at, now + self.start)
            self._before = self._before or self.revision
        kept = {number: at for number, at in self._later.items() if number < replicas}
        self._later = {**kept, **dict.fromkeys(range(self.replicas, replicas), now)}
        self.replicas = replicas
        self.version += 1

    def serving(self, now: float) -> str:
        """Name the revision that answers, "" where there is none."""
        if self.replicas <= self.lost(now):
            return ""
        return self.revision if now >= self.ready_at else self._before

    def lost(self, now: float) -> int:
        """Count the pods that are not ready just now, though they were."""
        lost = [loss.pods for loss in self.losses if loss.at <= now < loss.at + loss.lasts]
        return max((self.replicas if pods is None else pods for pods in lost), default=0)

    def changes(self) -> list[float]:
        """List the moments at which a watch would tell of something."""
        return [self.ready_at, *(at for loss in self.losses for at in (loss.at, loss.at + loss.lasts))]

    def workload(self, now: float) -> Workload:
        """Show it as the cluster's adapter would."""
        ready = now >= self.ready_at
        lost, again = self.lost(now), bool(self.every) and now >= self._pushed + self.start + self.every
        if self._shown is None or self._shown[0] != (self.version, ready, lost, again):
            self._shown = ((self.version, ready, lost, again), self._workload(lost, ready=ready, again=again))
        return self._shown[1]

    def _workload(self, lost: int, *, ready: bool, again: bool) -> Workload:
        born = EPOCH + self.ready_at - self.start
        numbers = range(self.replicas)
        pods = [self._pod(self.revision, number, born, ready=ready and number >= lost) for number in numbers]
        pods = [
            replace(pod, started=0.0 if again else EPOCH + self._later.get(number, self._pushed))
            for number, pod in enumerate(pods)
        ]
        if not ready and self._before and self._before != self.revision:
            pods += [self._pod(self._before, number, EPOCH + LONG_AGO, ready=number >= lost) for number in numbers]
        return Workload(
            name=self.name,
            resource_version=str(self.version),
            desired=self.replicas,
            available=max(0, self.replicas - lost),
            revision=self.revision,
            settled=ready,
            template=self.template,
            templates=dict(self._templates),
            selector={"app": self.name},
            pods=tuple(pods),
        )

    @staticmethod
    def _pod(revision: str, number: int, born: float, *, ready: bool) -> Pod:
        return Pod(name=f"{revision}-{number}", revision=revision, created=born, ready=ready, meshed=True)
