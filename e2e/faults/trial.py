"""One fault's place: a namespace with a service under traffic, and a controller of its own behind two proxies.

A row drives it and says what must hold; the trial measures beside it what no fault may do.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, cast

from canary.adapters.api import Json
from canary.errors import CanaryError, NotFound
from canary.lab import seed
from canary.lab.fields import rows, text
from canary.lab.lab import Lab, LabSettings
from canary.lab.realplane import RealPlane
from canary.lab.truth import Tally
from e2e.faults.apiproxy import ApiProxy
from e2e.faults.audit import Audit
from e2e.faults.metricsproxy import MetricsProxy
from e2e.faults.outcome import Outcome
from e2e.stage import SECOND, Controller, Scene, Stage
from e2e.weights import Weights

GATES: Mapping[str, object] = {"successRate": {"min": "95%"}}  # wide, so that few requests are enough
STEPS = (100, 500, 1000)
SPEC: Mapping[str, object] = {
    "interval": "1s",
    "dwell": "3s",
    "bake": "3s",
    "stepTimeout": "3m",
    "steps": [f"{step}m" for step in STEPS],
    "gates": GATES,
}
GATE = "service: success rate"


class Ground(Stage):
    """A lab on the real control plane without a controller: each trial brings its own."""

    async def __aenter__(self) -> Self:
        settings = LabSettings(control_plane=self.plane, scrape_interval=SECOND, retain_idle=15 * SECOND)
        self.lab = Lab(self.home, settings)
        await self.lab.__aenter__()
        self.api, self.starting = self.lab.api, asyncio.Lock()
        nobody = self.home / "nobody.log"  # is read where the service does not come up
        nobody.touch()
        self.controller = Controller(self.lab.kubeconfig, self.lab.prometheus.url, nobody)
        return self

    @property
    def real(self) -> RealPlane:
        """The control plane, for those faults that are its own."""
        assert isinstance(self.lab.plane, RealPlane)
        return self.lab.plane

    @contextlib.asynccontextmanager
    async def trial(self, name: str, outcome: Outcome, rps: float) -> AsyncIterator["Trial"]:
        """Make the namespace, its traffic, the proxies and the watch of the weights; no controller runs yet."""
        namespace = name.replace("_", "-") + self.suffix
        try:
            await self.lab.apply(seed.yamtam(namespace=namespace, rps=rps))
            trial = Trial(self, namespace, outcome)
            await trial.until(trial.serving, "the pods to serve", within=90)
            metrics = MetricsProxy([self.lab.prometheus.url])
            api = ApiProxy(self.lab.kubeconfig, self.home / f"{namespace}.kubeconfig")
            async with api.running() as trial.proxy, metrics.running() as trial.prometheus:
                trial.first = trial.another("first")
                async with Weights(trial, STEPS, 3.0).watched() as trial.weights, trial.books():
                    try:
                        yield trial
                    finally:
                        trial.measure()
                        for controller in trial.controllers:
                            await controller.stop()
        finally:
            await self._clear(namespace)

    async def _clear(self, namespace: str) -> None:
        """Leave nothing that the next trials pay for: no traffic, and no namespace that waits for a controller."""
        canaries = f"/apis/canary.dev/v1alpha1/namespaces/{namespace}/canaries"
        for canary in rows(await self.lab.api.get(canaries), "items"):
            with contextlib.suppress(NotFound):
                await self.lab.api.patch(
                    f"{canaries}/{text(canary, 'metadata', 'name')}", {"metadata": {"finalizers": None}}
                )
        with contextlib.suppress(NotFound):  # a row may have deleted it
            await self.lab.api.delete(f"/api/v1/namespaces/{namespace}")


@dataclass
class Trial(Scene):
    """What a row works with. `spec` patches the Canary, `ship` ships a release, `until` waits; see Scene for more."""

    outcome: Outcome
    proxy: ApiProxy = field(init=False)
    prometheus: MetricsProxy = field(init=False)
    weights: Weights = field(init=False)
    first: Controller = field(init=False)
    audit: Audit = field(init=False)
    controllers: list[Controller] = field(default_factory=list)
    _counted: dict[str, float] = field(default_factory=dict)  # by rollout: canary requests in the evidence

    @property
    def controller(self) -> Controller:
        """The controller that was started last."""
        return self.controllers[-1] if self.controllers else self.stage.controller

    @property
    def ground(self) -> Ground:
        """The lab around."""
        assert isinstance(self.stage, Ground)
        return self.stage

    @property
    def truth(self) -> Tally:
        """What the clients here saw of the canary."""
        return self.stage.lab.truth.total(namespace=self.namespace, service=seed.CANARY)

    def another(self, name: str, *options: str, proxy: ApiProxy | None = None, **environment: str) -> Controller:
        """Make one more controller for this namespace; whoever starts it need not stop it."""
        log: Path = self.stage.home / f"{self.namespace}-{name}.log"
        log.touch()
        kubeconfig = (proxy or self.proxy).kubeconfig
        options = ("--namespace", self.namespace, *options)
        controller = Controller(kubeconfig, self.prometheus.url, log, options, environment)
        self.controllers.append(controller)
        return controller

    async def begun(self, weight: int = 100, **spec: object) -> None:
        """Start the controller, let it adopt the Canary, ship a good release and wait until it has a weight."""
        await self.adopt(**spec)
        await self.ship(RELEASE="2")
        await self.at_least(weight)

    async def adopt(self, **spec: object) -> None:
        """Start the controller and let it adopt the Canary, whose fields are `SPEC` and `spec`."""
        async with self.ground.starting:  # several at once take too long on two cores
            await self.first.start()
        await self.stage.lab.apply([seed.canary({**SPEC, **spec}, namespace=self.namespace)])
        await self.until(self.adopted, "the Canary to be adopted", within=90)

    async def says(self, *reasons: str, within: float = 30) -> None:
        """Wait until the status gives one of these reasons."""

        async def said() -> bool:
            return (await self.status()).get("reason") in reasons

        await self.until(said, " or ".join(reasons), within=within)

    async def stays(self, seconds: float, weight: int) -> None:
        """Look on for a while: the live weight may not move."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert await self.weight() == weight, (await self.weight(), weight)
            await asyncio.sleep(0.25)

    async def answers(self, within: float = 60) -> None:
        """Wait until the API server answers again."""

        async def answered() -> bool:
            with contextlib.suppress(CanaryError):
                return bool(await self.status())
            return False

        await self.until(answered, "the API server to answer", within=within)

    async def goes_on(self, within: float = 60) -> None:
        """Wait until the next weight, or the next phase where there is none; that is the recovery."""
        weight, phase = await self.weight(), (await self.status()).get("phase")

        async def moved() -> bool:
            return await self.weight() > weight or (await self.status()).get("phase") != phase

        with self.recovering():
            await self.until(moved, f"the step after {weight}m", within=within)

    async def promoted(self, count: int = 1, within: float = 180) -> Json:
        """Wait until so many rollouts have ended; the last must be promoted, with nobody's request lost to it."""
        past = await self.ended(count, within=within)
        assert past["outcome"] == "Promoted", past
        assert await self.weight() == 0
        return past

    async def rolled_back(self, *reasons: str, count: int = 1, within: float = 120) -> Json:
        """Wait until so many rollouts have ended; the last must be rolled back for one of these reasons."""
        past = await self.ended(count, within=within)
        assert (past["outcome"], past["reason"]) in [("RolledBack", reason) for reason in reasons], past
        assert await self.weight() == 0
        return past

    @contextlib.contextmanager
    def recovering(self) -> Iterator[None]:
        """Measure how long what is inside takes, as the recovery; the longest counts."""
        begun = time.monotonic()
        yield
        self.outcome.recovery = max(self.outcome.recovery or 0.0, round(time.monotonic() - begun, 1))

    async def told(self, reason: str) -> int:
        """Count how often an Event had this reason, with the counts of series."""
        found = cast("list[Json]", (await self.stage.api.get(self.path("events"))).get("items") or [])
        return sum(int(str(each.get("count") or 1)) for each in found if each.get("reason") == reason)

    def see(self, text: str) -> None:
        """Add to what the row says it saw."""
        self.outcome.saw = "; ".join(filter(None, (self.outcome.saw, text)))

    @contextlib.asynccontextmanager
    async def books(self) -> AsyncIterator[None]:
        """Follow the evidence in status: what was counted of a rollout may never be forgotten."""
        self.audit = Audit(lambda: self.truth.answered)
        tasks = [asyncio.create_task(self._keep_books()), asyncio.create_task(self._keep_truth())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _keep_truth(self) -> None:
        while True:
            self.audit.look()
            await asyncio.sleep(0.05)

    async def _keep_books(self) -> None:
        while True:
            with contextlib.suppress(CanaryError):
                self._audit(await self.status())
            await asyncio.sleep(0.5)

    def _audit(self, status: Json) -> None:
        rollout = str(cast("Json", status.get("rollout") or {}).get("id"))
        if rollout not in self._counted:
            self.weights.again()
        evidence = cast("Json", status.get("evidence") or {})
        line = str(cast("Json", evidence.get("counted") or {}).get(GATE) or "").split()
        counted, before = float(line[0]) if line else 0.0, self._counted.get(rollout, 0.0)
        self.audit.note(rollout, float(str(evidence.get("at") or 0)), counted if line else None)
        if line and counted < before:
            self.outcome.lost.append(f"the evidence of {rollout} fell from {before:.0f} to {counted:.0f} requests")
        self._counted[rollout] = max(before, counted)

    def measure(self) -> None:
        """Write down what was measured beside the row, on top of what its other trials measured."""
        here = self.truth
        self.outcome.harmed += here.hurt
        self.outcome.sent += here.sent
        self.outcome.strange += self.weights.strange()
        for verb, count in self.proxy.requests.items():
            self.outcome.requests[verb] = self.outcome.requests.get(verb, 0) + count
        for controller in self.controllers:
            crashed = [line for line in controller.lines() if line.get("event") == "tick.crashed"]
            self.outcome.strange += [f"a tick crashed: {line.get('exception')}" for line in crashed[:1]]
