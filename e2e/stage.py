"""Where stories are played: a lab, the shipped controller as its own process, and a namespace for each story.

Used by the stories and by the figures in `measure.py`. Everything a story does, it does as a user would: objects
applied and patched through the API server, state read from the Canary's status, harm counted by the clients
themselves.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Self, cast

import aiohttp

from canary.adapters.api import Api, Json
from canary.lab import seed
from canary.lab.lab import Lab, LabSettings

SECOND = timedelta(seconds=1)
QUICK: Mapping[str, object] = {"interval": "1s", "dwell": "2s", "bake": "10s", "stepTimeout": "3m"}


class Late(AssertionError):
    """Something did not happen in time; says what was seen instead."""


@dataclass
class Controller:
    """`canary run` as its own process, logging JSON lines to a file."""

    kubeconfig: Path
    prometheus: str
    log: Path
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    scrape: timedelta = SECOND
    process: asyncio.subprocess.Process | None = None
    port: int = 0

    async def start(self) -> None:
        """Start it and wait for its first log line."""
        command = [sys.executable, "-m", "canary", "run", "--kubeconfig", str(self.kubeconfig), "--log-format", "json"]
        scrape = f"{self.scrape.total_seconds():g}s"
        command += ["--prometheus-url", self.prometheus, "--scrape-interval", scrape, "--listen", "127.0.0.1:0"]
        before = len(self.lines())
        with self.log.open("ab") as out:
            self.process = await asyncio.create_subprocess_exec(
                *command, *self.options, stdout=out, stderr=out, env=os.environ | self.environment
            )
        async with asyncio.timeout(60):
            while not (
                started := [line for line in self.lines()[before:] if line.get("event") == "controller.started"]
            ):
                if self.process.returncode is not None:
                    raise Late(f"the controller ended at once: {self.log.read_text()[-2000:]}")
                await asyncio.sleep(0.05)
        self.port = int(str(started[0]["probes"]))

    @property
    def pid(self) -> int:
        """Its process id."""
        if self.process is None:
            raise Late("the controller was not started")
        return self.process.pid

    async def kill(self) -> None:
        """End it as the kernel would: at any instruction."""
        os.kill(self.pid, signal.SIGKILL)
        if self.process is not None:
            await self.process.wait()

    async def stop(self, within: float = 5.0) -> float:
        """End it cleanly; returns the seconds that took."""
        if self.process is None or self.process.returncode is not None:
            return 0.0
        loop = asyncio.get_running_loop()
        begun = loop.time()
        self.process.terminate()
        try:
            async with asyncio.timeout(within):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
        return loop.time() - begun

    def lines(self) -> list[dict[str, object]]:
        """Read its log."""
        if not self.log.exists():
            return []
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    async def metrics(self) -> str:
        """Read its own metrics."""
        url = f"http://127.0.0.1:{self.port}/metrics"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return await answer.text()


@dataclass
class Stage:
    """A lab with a controller. `plane` is "embedded" or "real"."""

    plane: str
    home: Path
    without: frozenset[str] = frozenset()
    suffix: str = ""  # of the namespaces of scenes, where a story is played once more
    scrape: timedelta = SECOND
    scenes: "list[Scene]" = field(default_factory=list)
    lab: Lab = field(init=False)
    controller: Controller = field(init=False)
    api: Api = field(init=False)

    async def __aenter__(self) -> Self:
        """Bring the lab and the controller up."""
        settings = LabSettings(control_plane=self.plane, scrape_interval=self.scrape, without=self.without)
        self.lab = Lab(self.home, settings)
        await self.lab.__aenter__()
        try:
            self.api = self.lab.api
            url = self.lab.prometheus.url
            self.controller = Controller(self.lab.kubeconfig, url, self.home / "controller.log", scrape=self.scrape)
            await self.controller.start()
        except BaseException:
            await self.lab.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Take both down."""
        try:
            await self.controller.stop()
        finally:
            await self.lab.__aexit__(None, None, None)

    async def mend(self) -> None:
        """Bring back what a story that did not hold may have left dead."""
        if self.controller.process is None or self.controller.process.returncode is not None:
            await self.controller.start()
        await self.lab.prometheus.restart()

    async def ask(self, promql: str, at: float, prometheus: str = "") -> list[Any]:
        """Ask the lab's Prometheus, or another one, directly."""
        url = f"{prometheus or self.lab.prometheus.url}/api/v1/query"
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, params={"query": promql, "time": str(at)}) as answer,
        ):
            found = await answer.json()
        return cast("list[Any]", found["data"]["result"])

    def shared(self) -> Self:
        """Give one story the same lab and controller, with scenes of its own."""
        own = copy(self)
        own.scenes = []
        return own

    async def scene(self, namespace: str, **service: object) -> "Scene":
        """Apply the seed's service in a namespace of its own and wait until Prometheus sees it."""
        namespace += self.suffix
        manifests = seed.yamtam(namespace=namespace, **service)  # type: ignore[arg-type]
        await self.lab.apply(manifests)
        scene = Scene(self, namespace)
        self.scenes.append(scene)
        await scene.until(scene.serving, "the pods to serve", within=60)
        return scene


@dataclass
class Scene:
    """One story's namespace."""

    stage: Stage
    namespace: str

    @property
    def controller(self) -> Controller:
        """The controller that is responsible here."""
        return self.stage.controller

    def path(self, kind: str, name: str = "") -> str:
        """Give an API path in this namespace."""
        group = {
            "canaries": "/apis/canary.dev/v1alpha1",
            "deployments": "/apis/apps/v1",
            "events": "/api/v1",
            "pods": "/api/v1",
        }
        base = group.get(kind, "/apis/split.smi-spec.io/v1alpha1")
        return f"{base}/namespaces/{self.namespace}/{kind}" + (f"/{name}" if name else "")

    async def serving(self) -> bool:
        """Tell whether clients get answers from stable, and Prometheus has counted some."""
        where = f'dst_namespace="{self.namespace}",dst_service="{seed.STABLE}"'
        found = await self.stage.ask(f"sum(response_total{{{where}}})", time.time())
        return bool(found) and float(found[0]["value"][1]) >= 20

    async def canary(self, **spec: object) -> None:
        """Apply the Canary and wait until it is adopted."""
        obj = seed.canary({**QUICK, **spec}, namespace=self.namespace)
        await self.stage.lab.apply([obj])
        await self.until(self.adopted, "the Canary to be adopted", within=20)

    async def adopted(self) -> bool:
        """Tell whether the controller has taken the Canary over."""
        return bool((await self.status()).get("promoted"))

    async def ship(self, **env: str) -> None:
        """Change the canary Deployment's template, as `kubectl set env` does."""
        path = self.path("deployments", seed.CANARY)
        shipped = seed.with_env(await self.stage.api.get(path), env)["spec"]
        await self.stage.api.patch(path, {"spec": {"template": cast("Json", shipped)["template"]}})

    async def silence(self) -> None:
        """Send the clients home: what is over is not to load the machine for those that go on."""
        await self.stage.api.patch(self.path("deployments", "load"), {"spec": {"replicas": 0}})

    async def spec(self, **fields: object) -> None:
        """Patch the Canary's spec."""
        await self.stage.api.patch(self.path("canaries", seed.APEX), {"spec": fields})

    async def status(self) -> Json:
        """Read the Canary's status."""
        obj = await self.stage.api.get(self.path("canaries", seed.APEX))
        return cast("Json", obj.get("status") or {})

    async def condition(self, kind: str) -> str:
        """Read the status of one condition."""
        found = cast("list[Json]", (await self.status()).get("conditions") or [])
        return next((str(c["status"]) for c in found if c["type"] == kind), "absent")

    async def rollout(self) -> Json:
        """Read the present rollout."""
        return cast("Json", (await self.status()).get("rollout") or {})

    async def history(self) -> list[Json]:
        """Read the finished rollouts."""
        return cast("list[Json]", (await self.status()).get("history") or [])

    async def weight(self) -> int:
        """Read the canary's weight from the live split, in thousandths; 0 where it is no backend."""
        split = await self.stage.api.get(self.path("trafficsplits", "yamtam-canary"))
        backends = cast("list[Json]", cast("Json", split["spec"])["backends"])
        return next((int(str(b["weight"]).removesuffix("m")) for b in backends if b["service"] == seed.CANARY), 0)

    async def events(self) -> list[tuple[str, str]]:
        """Read the Events, oldest first, as (reason, message)."""
        found = cast("list[Json]", (await self.stage.api.get(self.path("events"))).get("items") or [])
        ours = [e for e in found if cast("Json", e.get("involvedObject") or {}).get("kind") == "Canary"]
        return [
            (str(e.get("reason")), str(e.get("message")))
            for e in sorted(ours, key=lambda e: str(e.get("lastTimestamp")))
        ]

    async def ended(self, count: int = 1, within: float = 150) -> Json:
        """Wait until that many rollouts have ended; returns the last."""

        async def over() -> bool:
            return len(await self.history()) >= count

        await self.until(over, f"{count} rollouts to end", within=within)
        return (await self.history())[-1]

    async def at_least(self, weight: int, within: float = 90) -> None:
        """Wait until the canary has a weight."""

        async def reached() -> bool:
            return await self.weight() >= weight

        await self.until(reached, f"{weight}m", within=within)

    async def until(self, holds: Callable[[], Awaitable[bool]], what: str, *, within: float) -> None:
        """Poll until something holds. Raises Late with what the Canary said last."""
        try:
            async with asyncio.timeout(within):
                while not await holds():  # noqa: ASYNC110 - asks other processes
                    await asyncio.sleep(0.2)
        except TimeoutError:
            try:
                status = await self.status()
            except Exception:  # noqa: BLE001 - only words for the failure
                status = {}
            last = self.controller.log.read_text()[-1500:]
            said = f"{status.get('phase')} {status.get('weight')} {status.get('reason')}: {status.get('message')}"
            raise Late(
                f"{self.namespace}: waited {within:.0f} s for {what}; it says {said}; log ends: {last}"
            ) from None
