"""A Deployment in memory: its ReplicaSets, its pods, and a controller that works in rounds. Part of `world`."""

from dataclasses import dataclass, field

from canary.core.snapshot import Pod, Workload
from tests.build import a_template
from tests.load import SCRAPED


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


def deployment(name: str, prefix: str, revision: str, replicas: int) -> Deployment:
    """Make a Deployment that is rolled out."""
    image = revision.split("-", 1)[1]
    return Deployment(
        name=name, prefix=prefix, replicas=replicas, template=a_template(image, app=name), revision=revision
    )
