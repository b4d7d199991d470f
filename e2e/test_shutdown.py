"""How a controller ends and another takes over, on the embedded control plane: in time, with nothing half done.

The scenes are played at once, each with controllers of its own for a namespace of its own. Those of the real control
plane are rows of the faults (`faults.rows.leaders` and `controlplane`).
"""

import asyncio
import contextlib
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self, cast

import aiohttp
import pytest
from aiohttp import web

from canary.adapters.api import Json
from canary.lab import seed
from canary.lab.apiserver.faults import Fault
from canary.lab.apiserver.plane import EmbeddedPlane
from canary.lab.lab import Lab, LabSettings
from e2e.stage import SECOND, Controller, Scene, Stage
from e2e.weights import RISE, Weights

ENDS = 2.0  # seconds from SIGTERM to the end
HANDS_OVER = 3.5  # seconds from a clean end to another's lead: one retry of the lease and a tick
TAKES_OVER = 20.0  # seconds from a kill to another's lead


class Town(Stage):
    """A lab without a controller: each scene brings its own."""

    async def __aenter__(self) -> Self:
        self.lab = Lab(self.home, LabSettings(control_plane=self.plane, scrape_interval=SECOND))
        await self.lab.__aenter__()
        self.api = self.lab.api
        self.starting, self.quiet = asyncio.Lock(), asyncio.Event()
        self.controller = self.another("nobody")
        self.controller.log.touch()
        return self

    def another(self, name: str, *options: str, prometheus: str = "") -> Controller:
        url = prometheus or self.lab.prometheus.url
        return Controller(self.lab.kubeconfig, url, self.home / f"{name}.log", options)


@dataclass
class Dripping:
    """A Prometheus behind a proxy that can be told to let its answers drip, a byte at a time."""

    behind: str
    drips: bool = False
    under_way: int = 0
    url: str = ""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if not self.drips:
            form = await request.post()
            async with (
                aiohttp.ClientSession() as client,
                client.request(
                    request.method, self.behind + request.path_qs, data=cast("Json", dict(form)) or None
                ) as answer,
            ):
                return web.Response(body=await answer.read(), status=answer.status, content_type=answer.content_type)
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "100000"})
        await response.prepare(request)
        self.under_way += 1
        try:
            for _ in range(100_000):
                await response.write(b" ")
                await asyncio.sleep(0.02)
        finally:
            self.under_way -= 1
        return response

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self.serve)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()


@contextlib.asynccontextmanager
async def started(town: Town, *controllers: Controller) -> AsyncIterator[None]:
    """Start them one after the other: ten at once take too long on two cores."""
    try:
        for controller in controllers:
            async with town.starting:
                await controller.start()
        yield
    finally:
        for controller in controllers:
            await controller.stop()


async def begun(scene: Scene, weight: int = 100) -> None:
    """Ship a good release and wait until it has some traffic."""
    path = scene.path("deployments", seed.CANARY)
    shipped = seed.with_env(await scene.stage.api.get(path), {"RELEASE": "2"})["spec"]
    await scene.stage.api.patch(path, {"spec": shipped})
    await scene.at_least(weight)


async def ends_well(controller: Controller) -> float:
    """Send SIGTERM; it must end in time, without an error."""
    seconds = await controller.stop(within=10)
    assert controller.process is not None
    log = controller.log.read_text()
    assert controller.process.returncode == 0, log[-2000:]
    assert seconds < ENDS, (seconds, log[-2000:])
    assert "Traceback" not in log, log[-4000:]
    return seconds


async def whole(scene: Scene) -> None:
    """Assert that intent and traffic agree: a weight is saved before it is set, and nothing else may differ."""
    status, weight = await scene.status(), await scene.weight()
    said = int(str(status["weight"]).removesuffix("m"))
    steps = (0, *RISE)
    assert weight == said or steps.index(said) - steps.index(weight) == 1, (said, weight)
    assert status["phase"] in ("Progressing", "Baking"), status["phase"]


async def goes_on(scene: Scene, controller: Controller) -> None:
    """Start again; the same rollout must get its next step."""
    before, weight = await scene.rollout(), await scene.weight()
    await controller.start()
    await scene.at_least(RISE[RISE.index(weight) + 1], within=75)
    assert (await scene.rollout())["id"] == before["id"]


async def idle(town: Town) -> str:
    scene = Scene(town, "idle")
    await town.lab.apply(seed.yamtam(namespace=scene.namespace, clients=0))
    controller = town.another("idle", "--namespace", "idle", "--lease-namespace", "idle")
    async with started(town, controller):
        await scene.canary()
        return f"{await ends_well(controller):.2f} s"


async def in_mid_rollout(town: Town) -> str:
    scene = await town.scene("mid-rollout", rps=20)
    controller = town.another("mid-rollout", "--namespace", scene.namespace)
    async with started(town, controller), Weights(scene).watched() as weights:
        await scene.canary()
        await begun(scene)
        seconds = await ends_well(controller)
        await whole(scene)
        await goes_on(scene, controller)
        weights.rises_one_step_at_a_time()
        return f"{seconds:.2f} s"


async def while_prometheus_drips(town: Town) -> str:
    scene = await town.scene("dripping", rps=20)
    async with Dripping(town.lab.prometheus.url).running() as prometheus:
        controller = town.another("dripping", "--namespace", scene.namespace, prometheus=prometheus.url)
        async with started(town, controller):
            await scene.canary()
            await begun(scene)
            prometheus.drips = True

            async def drips() -> bool:
                return prometheus.under_way > 0

            await scene.until(drips, "an answer to drip", within=10)
            await asyncio.sleep(0.5)
            seconds = await ends_well(controller)
            await whole(scene)
            prometheus.drips = False
            await goes_on(scene, controller)
            return f"{seconds:.2f} s"


async def hand_over(town: Town) -> str:
    """The leader ends well: the next one leads at once, and goes on."""
    scene = await town.scene("hand-over", rps=20)
    first, second = (
        town.another(f"hand-over-{n}", "--namespace", scene.namespace, "--lease-namespace", scene.namespace)
        for n in (1, 2)
    )
    async with started(town, first, second), Weights(scene).watched() as weights:
        await scene.canary()
        await begun(scene)
        await leads(scene, first)
        assert not led(second)
        await ends_well(first)
        loop = asyncio.get_running_loop()
        ended = loop.time()
        await leads(scene, second)
        seconds = loop.time() - ended
        assert seconds < HANDS_OVER
        await scene.at_least(RISE[RISE.index(await scene.weight()) + 1], within=75)
        weights.rises_one_step_at_a_time()
        return f"led after {seconds:.2f} s"


async def take_over(town: Town) -> str:
    """The leader is killed: the next one leads when the lease has run out, and goes on without an extra step."""
    scene = await town.scene("take-over", rps=20)
    first, second = (
        town.another(f"take-over-{n}", "--namespace", scene.namespace, "--lease-namespace", scene.namespace)
        for n in (1, 2)
    )
    async with started(town, first, second), Weights(scene).watched() as weights:
        await scene.canary()
        await begun(scene)
        before = await scene.rollout()
        await first.kill()
        loop = asyncio.get_running_loop()
        killed, weight = loop.time(), await scene.weight()
        await leads(scene, second)
        seconds = loop.time() - killed
        assert seconds < TAKES_OVER
        assert await scene.weight() == weight
        await scene.at_least(RISE[RISE.index(weight) + 1], within=75)
        assert (await scene.rollout())["id"] == before["id"]
        weights.rises_one_step_at_a_time()
        return f"led after {seconds:.2f} s"


async def two_without_a_lease(town: Town) -> str:
    """Nobody keeps them apart but resourceVersions: still never two steps."""
    scene = await town.scene("two", rps=20)
    both = [town.another(f"two-{n}", "--namespace", scene.namespace) for n in (1, 2)]
    async with started(town, *both), Weights(scene).watched() as weights:
        await scene.canary()
        await begun(scene, 400)
        weights.rises_one_step_at_a_time()
        crashed = [line for each in both for line in each.lines() if line["event"] == "tick.crashed"]
        assert crashed == []
        ticked = [sum(line["event"] == "tick.decided" for line in each.lines()) for each in both]
        assert min(ticked) > 3, ticked
        return f"{len(weights.seen)} weights"


async def while_the_api_server_hangs(town: Town) -> str:
    scene = await town.scene("hanging-api", rps=20)
    options = ("--namespace", scene.namespace, "--lease-namespace", scene.namespace)
    controller = town.another("hanging-api", *options)
    async with started(town, controller):
        await scene.canary()
        await begun(scene)
        await scene.spec(paused=True)
        await town.quiet.wait()
        await scene.spec(paused=False)
        async with hanging(town):
            await asyncio.sleep(1.5)  # a tick is in the midst of it
            seconds = await ends_well(controller)
        await scene.until(lambda: answers(scene), "the API server to answer again", within=75)
        await whole(scene)
        await goes_on(scene, controller)
        return f"{seconds:.2f} s"


@contextlib.asynccontextmanager
async def hanging(town: Town) -> AsyncIterator[None]:
    """Let the API server take requests and never answer them."""
    plane = town.lab.plane
    assert isinstance(plane, EmbeddedPlane)
    fault = plane.faults.add(Fault(answer="hang", agent="canary/|canary$"))
    yield
    plane.faults.remove(fault)


async def answers(scene: Scene) -> bool:
    try:
        return bool(await scene.status())
    except Exception:  # noqa: BLE001 - it wakes up
        return False


def led(controller: Controller) -> bool:
    return any(line["event"] == "lease.acquired" for line in controller.lines())


async def leads(scene: Scene, controller: Controller) -> None:
    async def so() -> bool:
        return led(controller)

    await scene.until(so, f"{controller.log.stem} to lead", within=40)


Play = Callable[[Town], Awaitable[str]]
TOGETHER: tuple[Play, ...] = (
    idle,
    in_mid_rollout,
    while_prometheus_drips,
    hand_over,
    take_over,
    two_without_a_lease,
)
SCENES: tuple[Play, ...] = (*TOGETHER, while_the_api_server_hangs)  # the last one stops the town, when it is quiet


async def play_all(home: Path) -> dict[str, tuple[str, str]]:
    """Play the scenes; returns what each measured, and what went wrong in it."""
    found: dict[str, tuple[str, str]] = {}

    async def play(scene: Play, town: Town) -> None:
        begun = asyncio.get_running_loop().time()
        try:
            measured = await scene(town)
            found[scene.__name__] = (f"{measured}, of {asyncio.get_running_loop().time() - begun:.0f} s", "")
        except Exception:  # noqa: BLE001 - told by the scene's own test
            found[scene.__name__] = ("", traceback.format_exc())

    async with Town("embedded", home) as town:
        last = asyncio.create_task(play(while_the_api_server_hangs, town))
        await asyncio.gather(*(play(scene, town) for scene in TOGETHER))
        town.quiet.set()
        await last
    return found


@pytest.fixture(scope="session")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """Play all scenes."""
    return asyncio.run(play_all(tmp_path_factory.mktemp("shutdown")))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("scene", [scene.__name__ for scene in SCENES])
def test_it_ends_in_time_with_nothing_half_done(
    scene: str, found: dict[str, tuple[str, str]], record_property: Callable[[str, object], None]
) -> None:
    measured, wrong = found[scene]
    record_property("measured", measured)
    print(f"{scene}: {measured}")  # noqa: T201 - shown with -rP
    assert not wrong, wrong
