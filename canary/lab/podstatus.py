"""The status of a Pod as a kubelet would write it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from canary.adapters.api import Json
from canary.lab.fields import text
from canary.lab.pods import PROXY, Pod


def stamp() -> str:
    """Return the present as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A container that does not run, and why."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What the node agent knows of a pod at one moment."""

    ready: bool = False  # what the app's readiness probe said
    app: Waiting | None = None
    proxy: Waiting | None = None
    restarts: int = 0
    died: str = ""  # when the app died last


class StatusWriter:
    """Renders the conditions of one pod; remembers since when each of them holds."""

    def __init__(self, pod: Pod, node: str) -> None:
        self._pod, self._node = pod, node
        self._born = stamp()
        self._since: dict[str, tuple[str, str]] = {}

    def render(self, ip: str, now: Condition) -> Json:
        """Return the pod's whole status."""
        states = [self._container(container, now) for container in self._pod.containers]
        sidecars = [
            state for state, container in zip(states, self._pod.containers, strict=True) if "restartPolicy" in container
        ]
        ready = all(state["ready"] is True for state in states)
        waiting = next((wait for wait in (now.app, now.proxy) if wait), None)
        unready = (
            {}
            if ready
            else {"reason": "ContainersNotReady", "message": waiting.message if waiting else "not ready yet"}
        )
        conditions = [
            self._condition("PodScheduled", holds=True),
            self._condition("Initialized", holds=True),
            self._condition("ContainersReady", holds=ready, detail=unready),
            self._condition("Ready", holds=ready, detail=unready),
        ]
        started = waiting is None or now.restarts > 0
        return {
            "phase": "Running" if started else "Pending",
            "hostIP": self._node,
            "podIP": ip,
            "podIPs": [{"ip": ip}],
            "startTime": self._born,
            "conditions": conditions,
            "containerStatuses": [state for state in states if state not in sidecars],
            **({"initContainerStatuses": sidecars} if sidecars else {}),
        }

    def _condition(self, kind: str, *, holds: bool, detail: Mapping[str, str] | None = None) -> Json:
        said = "True" if holds else "False"
        if self._since.get(kind, ("", ""))[0] != said:
            self._since[kind] = said, stamp()
        return {"type": kind, "status": said, "lastTransitionTime": self._since[kind][1], **(detail or {})}

    def _container(self, container: Json, now: Condition) -> Json:
        name = text(container, "name")
        waiting = now.proxy if name == PROXY else now.app
        ready = waiting is None and (now.ready or name == PROXY)
        running: Json = {"running": {"startedAt": self._born}}
        held: Json = {} if waiting is None else {"waiting": {"reason": waiting.reason, "message": waiting.message}}
        last: Json = {}
        if now.died and (name != PROXY or now.proxy is not None):
            last = {"terminated": {"exitCode": 137, "reason": "Error", "finishedAt": now.died}}
        return {
            "name": name,
            "image": text(container, "image"),
            "imageID": text(container, "image"),
            "ready": ready,
            "started": waiting is None,
            "restartCount": now.restarts if name != PROXY or now.proxy is not None else 0,
            "state": held or running,
            **({"lastState": last} if last else {}),
        }
