"""What one tick saw of the cluster, and when: plain facts, no judgement.

Built by the cluster adapter, read by `questions` and `decide`. One consistent look: nothing in it is read later. Pods
and templates are read for an active rollout only, so that an idle Canary costs nothing beyond the watches.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from canary.core.counters import Counters
from canary.core.spec import CanarySpec, Weight
from canary.core.status import CanaryStatus, Reason
from canary.errors import Problem


class Key(NamedTuple):
    """Names one Canary: the unit of work of the loop."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Write it as kubectl does."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod of a workload. `created` in Unix seconds; `leaving` once it is being deleted.

    `started` is when its last container started, 0 where that was not the first time, or is not known.
    """

    name: str
    revision: str
    created: float
    ready: bool
    meshed: bool
    restarts: int = 0
    leaving: bool = False
    started: float = 0.0

    @property
    def serves(self) -> bool:
        """Whether the mesh may send it requests that the split governs."""
        return self.ready and self.meshed and not self.leaving


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A Deployment and what belongs to it.

    `revision` is the pod-template-hash of its present template, empty while the Deployment's controller has not seen
    it. `templates` maps each revision that still has a ReplicaSet to its pod template (without the hash label).
    `selector` holds the labels by which the Deployment and the leaf Service find their pods. `editor` is who last
    wrote its template besides us. While it is `paused`, its controller rolls no new template out.
    """

    name: str
    resource_version: str
    desired: int
    available: int
    revision: str
    settled: bool
    template: Mapping[str, object] = field(default_factory=dict)
    templates: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    selector: Mapping[str, str] = field(default_factory=dict)
    pods: tuple[Pod, ...] = ()
    autoscaled: bool = False
    paused: bool = False
    editor: str = ""

    def serving(self, revision: str = "") -> int:
        """Count the pods that may get requests, of one revision or of all."""
        return sum(pod.serves and revision in ("", pod.revision) for pod in self.pods)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The live TrafficSplit. `weights` by backend, normalised to thousandths; `editor` is who last wrote its spec."""

    name: str
    resource_version: str
    service: str
    weights: Mapping[str, Weight]
    editor: str = ""
    exact: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What is missing or in the way, found by looking at the other objects. Empty texts mean that nothing is."""

    missing_services: tuple[str, ...] = ()
    rival: str = ""
    unsupported: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look. `elapsed` is monotonic time since this process last decided on the key, zero at first.

    `status` and `counters` are the ledger's where it holds them, else as saved (then `counters` is None). `spec` is
    the one to follow: the last valid one while `problems` is not empty. `refused` says which deed of the last tick the
    API server refused, and why. `blind` says what we have no right to look at; where it does, the workloads are not
    known, which is not that they are gone. `deleted_at` is since when the object is to be let go: because it is being
    deleted, or, where `leaving` says so, because the controller or the namespace goes.
    """

    key: Key
    at: datetime
    elapsed: timedelta
    generation: int
    spec: CanarySpec
    raw_spec: Mapping[str, object]
    status: CanaryStatus
    saved: CanaryStatus
    counters: Counters | None = None
    problems: tuple[Problem, ...] = ()
    refused: tuple[Reason, str] | None = None
    blind: str = ""
    stable: Workload | None = None
    canary: Workload | None = None
    split: Split | None = None
    wiring: Wiring = Wiring()
    deleted_at: datetime | None = None
    leaving: bool = False
    guarded: bool = False
    uid: str = ""
    scrape: timedelta = timedelta(seconds=10)
