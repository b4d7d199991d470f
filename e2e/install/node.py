"""A node for the chart's own pods: their image does not exist here, so each container is a process of this checkout.

What a pod says is done as a kubelet does it: arguments, environment from its ConfigMap, the account's token, probes,
restarts, the grace period. In place of a network of its own a pod has an address on loopback, which takes the place of
0.0.0.0 in its environment.
"""

import asyncio
import contextlib
import os
import random
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, cast

import aiohttp
import yaml

from canary.adapters.api import Api, Json
from canary.errors import CanaryError, NotFound
from canary.lab.fields import look, number, rows, strings, table, text
from canary.lab.kube import Mirror
from canary.lab.realplane import RealPlane

LOOK = 0.2  # seconds between two looks at a process or a probe
BACKOFF = 0.5  # seconds until a container is started again


class Node:
    """Runs the pods of one namespace. `logs` has what their containers wrote."""

    def __init__(self, plane: RealPlane, api: Api, namespace: str, logs: Path) -> None:
        self.namespace, self.logs = namespace, logs
        self._plane, self._api = plane, api
        self._block = f"127.{random.randrange(200, 250)}.{random.randrange(1, 250)}"
        self._pods: dict[str, Pod] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.failed: list[str] = []

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Follow the pods until the end; what runs then is killed."""
        mirror = Mirror(self._api, f"/api/v1/namespaces/{self.namespace}/pods", "Pod", self._sees)
        following = asyncio.create_task(mirror.run())
        try:
            yield self
        finally:
            tasks = [following, *self._tasks.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def ready(self) -> list["Pod"]:
        """Give the pods that are ready."""
        return [pod for pod in self._pods.values() if pod.ready]

    def _sees(self, kind: str, obj: Json, *, deleted: bool) -> None:
        uid = text(obj, "metadata", "uid")
        pod = self._pods.get(uid)
        if pod is None and not deleted:
            address = f"{self._block}.{len(self._tasks) + 1}"
            pod = self._pods[uid] = Pod(self._api, self._plane, obj, address, self.logs)
            self._tasks[uid] = asyncio.create_task(self._follow(uid, pod))
        if pod is not None and (deleted or look(obj, "metadata", "deletionTimestamp") is not None):
            pod.leaving.set()

    async def _follow(self, uid: str, pod: "Pod") -> None:
        try:
            await pod.live()
        except NotFound:  # it was deleted before it could begin, or its account was
            pass
        except CanaryError as error:
            self.failed.append(f"{pod.name}: {error.hint}")
        finally:
            self._pods.pop(uid, None)


@dataclass
class Pod:
    """One pod's life."""

    api: Api
    plane: RealPlane
    obj: Json
    address: str
    logs: Path
    ready: bool = False
    restarts: int = 0
    leaving: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        """Its name."""
        return text(self.obj, "metadata", "name")

    @property
    def path(self) -> str:
        """Where the API server has it."""
        return f"/api/v1/namespaces/{text(self.obj, 'metadata', 'namespace')}/pods/{self.name}"

    def log(self, container: str = "controller") -> str:
        """Read what a container wrote."""
        return (self.logs / f"{self.name}-{container}.log").read_text()

    async def live(self) -> None:
        """Run it from its binding to its end."""
        target = {"apiVersion": "v1", "kind": "Node", "name": "chart"}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": self.name}, "target": target}
        await self.api.create(f"{self.path}/binding", body)
        containers = rows(self.obj, "spec", "containers")
        environment = await self._account()
        if text(self.obj, "spec", "restartPolicy") == "Never":
            codes = await asyncio.gather(*(self._to_its_end(each, environment) for each in containers))
            await self._tell("Failed" if any(codes) else "Succeeded", ready=False)
            await self.leaving.wait()
        else:
            async with asyncio.TaskGroup() as group:
                for each in containers:
                    group.create_task(self._again_and_again(each, environment))
        with contextlib.suppress(CanaryError):  # it may be gone already
            await self.api.delete(self.path, {"gracePeriodSeconds": 0})

    async def _account(self) -> dict[str, str]:
        """Give the processes the account's token, by a kubeconfig: the service account's files have a fixed place."""
        name = text(self.obj, "spec", "serviceAccountName")
        kubeconfig = await account(self.api, self.plane, text(self.obj, "metadata", "namespace"), name, self.logs)
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("CANARY_", "KUBECONFIG"))}
        return inherited | {"CANARY_RUN_KUBECONFIG": str(kubeconfig), "CANARY_KUBECONFIG": str(kubeconfig)}

    async def _start(self, container: Json, environment: dict[str, str]) -> asyncio.subprocess.Process:
        given: dict[str, str] = {}
        for source in rows(container, "envFrom"):
            namespace = text(self.obj, "metadata", "namespace")
            name = text(source, "configMapRef", "name")
            given |= strings(await self.api.get(f"/api/v1/namespaces/{namespace}/configmaps/{name}"), "data")
        given = {key: value.replace("0.0.0.0", self.address) for key, value in given.items()}  # noqa: S104 - is replaced
        args = [str(arg) for arg in cast("list[object]", container["args"])]
        with (self.logs / f"{self.name}-{text(container, 'name')}.log").open("ab") as out:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-m", "canary", *args, stdout=out, stderr=out, env=environment | given
            )

    async def _to_its_end(self, container: Json, environment: dict[str, str]) -> int:
        process = await self._start(container, environment)
        await self._tell("Running", ready=True)
        try:
            return await process.wait()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise

    async def _again_and_again(self, container: Json, environment: dict[str, str]) -> None:
        while not self.leaving.is_set():
            process = await self._start(container, environment)
            try:
                while process.returncode is None and not self.leaving.is_set():
                    await self._probe(container)
                    await asyncio.sleep(LOOK)
            finally:
                await self._end(process)
            if not self.leaving.is_set():
                self.restarts += 1
                await self._ready(ready=False)
                await asyncio.sleep(BACKOFF)
        self.ready = False

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(number(self.obj, "spec", "terminationGracePeriodSeconds", default=30.0)):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _probe(self, container: Json) -> None:
        ports = {text(port, "name"): int(number(port, "containerPort", default=0)) for port in rows(container, "ports")}
        probe = table(container, "readinessProbe", "httpGet")
        url = f"http://{self.address}:{ports[text(probe, 'port')]}{text(probe, 'path')}"
        try:
            async with aiohttp.ClientSession() as session, session.get(url) as answer:
                await self._ready(ready=answer.ok)
        except aiohttp.ClientError:
            await self._ready(ready=False)

    async def _ready(self, *, ready: bool) -> None:
        if ready != self.ready:
            self.ready = ready
            await self._tell("Running", ready=ready)

    async def _tell(self, phase: str, *, ready: bool) -> None:
        condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-01-01T00:00:00Z"}
        status = {"phase": phase, "podIP": self.address, "conditions": [condition]}
        with contextlib.suppress(CanaryError):  # it may be gone already
            await self.api.patch(f"{self.path}/status", {"status": status})


async def account(api: Api, plane: RealPlane, namespace: str, name: str, home: Path) -> Path:
    """Write a kubeconfig of a service account, with a token of its own."""
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    answer = await api.create(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", asked)
    config = yaml.safe_load(plane.kubeconfig.read_text())
    config["users"][0]["user"]["token"] = text(answer, "status", "token")
    path = home / f"{namespace}-{name}.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path
