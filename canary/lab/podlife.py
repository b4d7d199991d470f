"""One pod from its binding to its deletion, as the node agent sees it.

States follow a kubelet's: waiting for a configuration error, running, not ready, dead and started again with a
growing pause.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace

from canary.adapters.api import Api
from canary.errors import ClusterUnreachable, Conflict, InvalidSpec, NotFound
from canary.lab.behaviour import CLIENT, Behaviour, parse_behaviour
from canary.lab.clients import Load, parse_load
from canary.lab.pods import MESH_LABEL, OWNER_LABEL, Pod, parse_pod
from canary.lab.podstatus import Condition, StatusWriter, Waiting, stamp
from canary.lab.probing import Prober
from canary.lab.sandbox import Sandbox, Surroundings

NODE = "lab"
NOTICE = 1.0  # seconds until a kubelet sees that a container died
STARTING = 0.1  # seconds between probes of a pod that is not ready yet
PROXY_PERIOD = 10.0  # seconds between probes of the proxy
BACKOFF = (5.0, 60.0)  # first and longest pause before a restart; half of a kubelet's
DRAIN = 2.0  # seconds that a pod gets at most for requests under way
TRIES = 5


class PodLife:
    """Runs one pod. `leaving` says that it is to be deleted, `removed` that it is gone already."""

    def __init__(self, pod: Pod, api: Api, around: Surroundings, prober: Prober) -> None:
        self.leaving, self.removed = asyncio.Event(), asyncio.Event()
        self._pod, self._api, self._around, self._prober = pod, api, around, prober
        self._path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
        self._now = Condition()
        self._written: Condition | None = None
        self._sandbox: Sandbox | None = None

    @property
    def name(self) -> str:
        """The pod's name, for the log."""
        return f"{self._pod.namespace}/{self._pod.name}"

    def alter(self, env: Mapping[str, str]) -> bool:
        """Let a running pod behave as if its environment had these variables too, LAB_CRASH apart."""
        if self._sandbox is None or self.leaving.is_set():
            return False
        self._sandbox.alter(parse_behaviour({**self._pod.env, **env}))
        return True

    async def run(self, ip: str, node: str) -> None:
        """Follow the pod to its end. Raises CanaryError where the API server does not let us; may be called again."""
        self._now = Condition(restarts=self._now.restarts)
        if not self.leaving.is_set():
            await self._inject()
        if not self._pod.node and not self.leaving.is_set():
            await self._bind()
        self._pod = replace(self._pod, ip=ip)
        self._writer = StatusWriter(self._pod, node)
        try:
            behaviour = parse_behaviour(self._pod.env)
            load = parse_load(self._pod.env[CLIENT]) if CLIENT in self._pod.env else None
        except InvalidSpec as error:
            await self._stay(Waiting("CreateContainerConfigError", error.hint))
        else:
            await self._live(behaviour, load)
        await self._remove()

    async def _inject(self) -> None:
        """Label the pod as Linkerd's injector does. The pod, not its template: a template is copied at promotions."""
        if not self._pod.asks_for_mesh or self._pod.meshed:
            return
        owner = {OWNER_LABEL: self._pod.owner} if self._pod.owner else {}
        labels = {MESH_LABEL: "linkerd", "linkerd.io/workload-ns": self._pod.namespace, **owner}
        self._pod = parse_pod(await self._api.patch(self._path, {"metadata": {"labels": labels}}))

    async def _bind(self) -> None:
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": self._pod.name}}
        try:
            await self._api.create(
                f"{self._path}/binding", {**body, "target": {"apiVersion": "v1", "kind": "Node", "name": NODE}}
            )
        except Conflict:
            return  # bound in an earlier attempt whose answer was lost

    async def _stay(self, why: Waiting) -> None:
        await self._say(app=why, ready=False)
        await self.leaving.wait()

    async def _live(self, behaviour: Behaviour, load: Load | None) -> None:
        sandbox = self._sandbox = Sandbox(self._pod, behaviour, load, self._around)
        try:
            await sandbox.start()
            while await self._until_death(sandbox, behaviour):
                if behaviour.crash and behaviour.crash.app_only:
                    sandbox.inbound.kill_app()
                    await self._pause(Waiting("CrashLoopBackOff", "the app died"), whole=False)
                    sandbox.restart_app()
                else:
                    await sandbox.stop()
                    await self._pause(Waiting("CrashLoopBackOff", "the pod died"), whole=True)
                    sandbox = self._sandbox = Sandbox(self._pod, behaviour, load, self._around)
                    await sandbox.start()
                if not self.leaving.is_set():
                    await self._say(app=None, proxy=None, ready=False)
            if not self.removed.is_set():
                await sandbox.drain(min(DRAIN, self._pod.grace))
        except OSError as error:
            await self._stay(Waiting("RunContainerError", f"{self.name} cannot open its ports: {error}"))
        finally:
            await sandbox.stop()

    async def _pause(self, why: Waiting, *, whole: bool) -> None:
        await self._sleep(NOTICE)
        restarts = self._now.restarts + 1
        await self._say(app=why, proxy=why if whole else None, ready=False, restarts=restarts, died=stamp())
        await self._sleep(min(BACKOFF[0] * 2 ** (restarts - 1), BACKOFF[1]))

    async def _until_death(self, sandbox: Sandbox, behaviour: Behaviour) -> bool:
        """Probe the pod until it dies (True) or leaves (False)."""
        dies = time.monotonic() + behaviour.crash.after if behaviour.crash else None
        misses, proxy_due = 0, 0.0
        while not self.leaving.is_set():
            if self._pod.meshed and time.monotonic() >= proxy_due:
                await self._prober.ask_proxy(self._pod.ip)
                proxy_due = time.monotonic() + PROXY_PERIOD
            answered = await self._prober.ask_app(self._pod, self._pod.ip) if self._pod.probe else sandbox.ready()
            misses = 0 if answered else misses + 1
            if answered or misses >= self._threshold or not self._now.ready:
                await self._say(ready=answered)
            wait = self._period if self._now.ready else STARTING
            await self._sleep(wait if dies is None else min(wait, max(0.0, dies - time.monotonic())))
            if dies is not None and time.monotonic() >= dies:
                return not self.leaving.is_set()
        return False

    @property
    def _period(self) -> float:
        return self._pod.probe.period if self._pod.probe else 0.5

    @property
    def _threshold(self) -> int:
        return self._pod.probe.threshold if self._pod.probe else 1

    async def _sleep(self, seconds: float) -> None:
        """Sleep, but wake up when the pod has to leave."""
        leaving = asyncio.ensure_future(self.leaving.wait())
        try:
            await asyncio.wait([leaving], timeout=seconds)
        finally:
            leaving.cancel()

    async def _say(self, **changes: object) -> None:
        """Write the pod's status if it changed."""
        self._now = replace(self._now, **changes)  # type: ignore[arg-type]  # fields of Condition
        if self._now == self._written:
            return
        body = {"status": self._writer.render(self._pod.ip, self._now)}
        for attempt in range(TRIES):
            try:
                await self._api.patch(f"{self._path}/status", body)
                break
            except ClusterUnreachable:
                if attempt == TRIES - 1:
                    raise
                await self._sleep(0.2 * 2**attempt)
        self._written = self._now

    async def _remove(self) -> None:
        if self.removed.is_set():
            return
        preconditions = {"uid": self._pod.uid}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "preconditions": preconditions}
        try:
            await self._api.delete(self._path, body)
        except NotFound:
            return
