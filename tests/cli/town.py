"""A cluster for the commands' tests: the embedded API server over real HTTP, and a controller's part played by hand.

The commands run in the test's thread, as they run in a process of their own; the API server has a thread and a loop.
"""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import TypeVar, cast

import yaml
from click.testing import CliRunner, Result

from canary.adapters import workloads
from canary.adapters.api import MERGE, Api, Json
from canary.cli import main
from canary.core.record import render_status
from canary.core.status import CanaryStatus, Outcome, Past, Phase, Reason, Rollout
from canary.lab.apiserver.plane import EmbeddedPlane
from canary.lab.kube import apply
from tests.canaries import a_canary

T = TypeVar("T")

AT = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
WITHIN = 20.0


def a_rollout(revision: str = "new", number: int = 1, **fields: object) -> Rollout:
    least = Rollout(
        id=f"web-{revision}-{number}",
        number=number,
        revision=revision,
        baseline="old",
        started_at=AT,
        spec={},
        found_replicas=1,
    )
    return replace(least, **fields)  # type: ignore[arg-type]  # the tests' own rows


def a_past(revision: str = "new", number: int = 1, outcome: Outcome = Outcome.PROMOTED, **fields: object) -> Past:
    reason = {Outcome.PROMOTED: Reason.PROMOTED, Outcome.SUPERSEDED: Reason.SUPERSEDED}.get(
        outcome, Reason.SUCCESS_RATE
    )
    least = Past(
        id=f"web-{revision}-{number}",
        revision=revision,
        outcome=outcome,
        reason=reason,
        message=f"{revision} ended.",
        started_at=AT,
        seconds=90.0,
        peak=1000 if outcome is Outcome.PROMOTED else 100,
        requests=1000.0,
        failures=3.0,
    )
    return replace(least, **fields)  # type: ignore[arg-type]


def a_running(rollout: Rollout | None = None, **fields: object) -> CanaryStatus:
    """Make the status of a Canary in mid-rollout."""
    least = CanaryStatus(
        phase=Phase.PROGRESSING,
        weight=100,
        promoted="old",
        reason=Reason.GATHERING,
        message="At 100m: waiting for the dwell.",
        rollout=rollout or a_rollout(),
    )
    return replace(least, **fields)  # type: ignore[arg-type]


def an_idle(*history: Past, **fields: object) -> CanaryStatus:
    """Make the status of a Canary between rollouts; like the controller's, it keeps the last rollout."""
    last = history[-1] if history else None
    least = CanaryStatus(
        promoted="old",
        history=history,
        rollout=a_rollout(last.revision, int(last.id.rpartition("-")[2])) if last else None,
        reason=last.reason if last else Reason.ADOPTED,
        message=last.message if last else "Adopted.",
    )
    return replace(least, **fields)  # type: ignore[arg-type]


def a_deployment(name: str, *, image: str = "web:1", containers: Sequence[str] = ("app",)) -> Json:
    labels = {"app": name}
    pod = {"containers": [{"name": each, "image": image} for each in containers]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


@dataclass
class Town:
    """One namespace of the cluster, and what the controller would do in it."""

    server: "Server"
    namespace: str
    tasks: list["Future[None]"] = field(default_factory=list)

    @property
    def api(self) -> Api:
        return self.server.api

    def canary(self, *arguments: str, env: dict[str, str] | None = None) -> Result:
        """Run the command in this namespace."""
        place = {"CANARY_KUBECONFIG": str(self.server.kubeconfig), "CANARY_NAMESPACE": self.namespace}
        result = CliRunner().invoke(main, arguments, env={**place, **(env or {})}, prog_name="canary")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def apply(self, *objects: Json) -> None:
        placed = [
            {**obj, "metadata": {**cast("Json", obj["metadata"]), "namespace": self.namespace}} for obj in objects
        ]
        self.server.run(apply(self.api, placed))

    def found(self, **spec: object) -> None:
        """Create a Canary `web` with both its Deployments; it has not been seen by a controller."""
        self.apply(a_deployment("web-stable"), a_deployment("web-canary"), a_canary(**spec))

    def write(self, status: CanaryStatus) -> None:
        """Write the status as the controller does."""
        self.server.run(self.save(status))

    def spec(self) -> Json:
        return cast("Json", self.server.run(self.api.get(self.path))["spec"])

    def revision(self) -> str:
        """Read the revision of the canary Deployment, once its controller knows it."""
        return self.server.run(self.until(bool))

    def meanwhile(self, deed: Coroutine[None, None, None]) -> None:
        """Do something while a command runs."""
        self.tasks.append(asyncio.run_coroutine_threadsafe(deed, self.server.loop))

    def finish(self) -> None:
        for task in self.tasks:
            task.result(WITHIN)

    @property
    def path(self) -> str:
        return f"/apis/canary.dev/v1alpha1/namespaces/{self.namespace}/canaries/web"

    async def save(self, status: CanaryStatus) -> None:
        await self.api.patch(f"{self.path}/status", {"status": render_status(status)}, MERGE)

    async def begin(self, *, after: str, status: Callable[[str], CanaryStatus]) -> None:
        """Wait for a revision other than `after`, and write what `status` makes of it."""
        revision = await self.until(lambda found: found not in ("", after))
        await self.save(status(revision))

    async def until(self, wanted: Callable[[str], bool]) -> str:
        apps = f"/apis/apps/v1/namespaces/{self.namespace}"
        async with asyncio.timeout(WITHIN):
            while True:
                deployment = await self.api.get(f"{apps}/deployments/web-canary")
                sets = cast("list[Json]", (await self.api.get(f"{apps}/replicasets"))["items"])
                revision = workloads.revision(deployment, workloads.templates(deployment, sets))
                if wanted(revision):
                    return revision
                await asyncio.sleep(0.02)


class Server:
    """The API server in a thread of its own."""

    def __init__(self, home: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.plane = EmbeddedPlane(home)
        self.api: Api
        self._towns = 0
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    @property
    def kubeconfig(self) -> Path:
        return self.plane.kubeconfig

    def run(self, deed: Coroutine[None, None, T] | Awaitable[T]) -> T:
        return asyncio.run_coroutine_threadsafe(cast("Coroutine[None, None, T]", deed), self.loop).result(WITHIN)

    def town(self) -> Town:
        self._towns += 1
        namespace = f"town-{self._towns}"
        self.run(apply(self.api, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}]))
        return Town(self, namespace)

    async def _start(self) -> None:
        await self.plane.start()
        self.api = await Api.connect(self.plane.kubeconfig, agent="tests")
        crd = cast("Json", yaml.safe_load((files("canary") / "crds" / "canaries.yaml").read_text()))
        await apply(self.api, [crd])

    async def _stop(self) -> None:
        await self.api.close()
        await self.plane.stop()


@contextmanager
def serving(home: Path) -> Iterator[Server]:
    server = Server(home)
    server._thread.start()
    try:
        server.run(server._start())
        try:
            yield server
        finally:
            server.run(server._stop())
    finally:
        server.loop.call_soon_threadsafe(server.loop.stop)
        server._thread.join(WITHIN)
        server.loop.close()


def said(result: Result) -> Json:
    """Read the one JSON document on stdout."""
    return cast("Json", json.loads(result.stdout))
