"""One controller and another: who leads, when it ends, and what it may still write when it does not know."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from e2e.faults import metricsproxy
from e2e.faults.apiproxy import ApiProxy, Write
from e2e.faults.table import fault
from e2e.faults.trial import Trial
from e2e.stage import Controller

TAKES_OVER = 15.0  # seconds from a leader's end to the next one's lead
GIVES_UP = 10.0  # seconds until a leader that cannot renew its lease has ended
ENDS = 2.0  # seconds from SIGTERM to the end
HANDS_OVER = 3.0  # seconds from a clean end to the next one's lead


@dataclass
class Pair:
    """A leader, and a second controller that waits for its lease behind a proxy of its own."""

    trial: Trial
    first: Controller
    second: Controller
    proxy: ApiProxy

    async def taken_over(self) -> float:
        """Wait until the second leads; tells how long that took."""
        begun = time.monotonic()

        async def led() -> bool:
            return leads(self.second)

        with self.trial.recovering():
            await self.trial.until(led, "the second to lead", within=40)
        took = time.monotonic() - begun
        assert took < TAKES_OVER, took
        return took

    async def first_ended(self) -> float:
        """Wait until the first has ended by itself, having lost the lease."""
        begun = time.monotonic()
        assert self.first.process is not None
        async with asyncio.timeout(GIVES_UP + 5):
            assert await self.first.process.wait() == 3  # LeaseLost
        return time.monotonic() - begun


def leads(controller: Controller) -> bool:
    """Tell whether a controller has ever led."""
    return any(line["event"] == "lease.acquired" for line in controller.lines())


@contextlib.asynccontextmanager
async def pair(trial: Trial, weight: int = 100, **spec: object) -> AsyncIterator[Pair]:
    """Let two contend for a lease, and begin a rollout."""
    lease = ("--lease-namespace", trial.namespace)
    first, home = trial.first, trial.stage.home
    first.options += lease
    proxy = ApiProxy(trial.stage.lab.kubeconfig, home / f"{trial.namespace}-second.kubeconfig")
    async with proxy.running():
        second = trial.another("second", *lease, proxy=proxy)
        await trial.adopt(**spec)
        await second.start()
        try:
            await trial.ship(RELEASE="2")
            await trial.at_least(weight)
            assert not leads(second)
            yield Pair(trial, first, second, proxy)
        finally:
            await second.stop()


@fault("Controller", "runs twice, and nothing keeps the two apart", wanted="Never two steps; promoted")
async def two_without_lease(trial: Trial) -> None:
    second = trial.another("second")
    await second.start()
    await trial.begun(100)
    await trial.promoted()
    ticks = [sum(line["event"] == "tick.decided" for line in each.lines()) for each in trial.controllers]
    assert min(ticks) > 10, ticks
    trial.see(f"promoted after {ticks[0]} and {ticks[1]} decisions")


@fault(
    "Controller",
    "that leads is killed (SIGKILL); another waits",
    wanted="The other leads within 15 s and goes on, no extra step",
)
async def leader_killed(trial: Trial) -> None:
    async with pair(trial) as two:
        await two.first.kill()
        weight = await trial.weight()
        trial.see(f"the second led after {await two.taken_over():.1f} s")
        assert await trial.weight() == weight
        await trial.promoted()


@fault("Controller", "that leads is stopped cleanly; another waits", wanted="Ends within 2 s; the other leads at once")
async def leader_stopped(trial: Trial) -> None:
    async with pair(trial) as two:
        ended, took = await asyncio.gather(two.first.stop(within=10), two.taken_over())
        assert (ended < ENDS, took < ended + HANDS_OVER) == (True, True), (ended, took)
        trial.see(f"ended in {ended:.1f} s; {took:.1f} s after it was told to, the second led")
        await trial.promoted()


@fault(
    "Controller",
    "that leads loses its connections to the API server (half-open), which come back later; another waits",
    wanted="Stops leading at its deadline, the other leads within 15 s; the first never writes again",
)
async def leader_partitioned(trial: Trial) -> None:
    async with pair(trial) as two:
        with trial.proxy.half_open():
            lost, took = await asyncio.gather(two.first_ended(), two.taken_over())
        over = asyncio.get_running_loop().time()
        assert lost < took, (lost, took)
        await two.first.start()
        await trial.promoted()
        late = [write for write in trial.proxy.writes if write.at > over]
        assert not late, late
        trial.see(f"gave up after {lost:.1f} s, the second led after {took:.1f} s; no late write")


@fault(
    "Controller",
    "that leads is frozen (SIGSTOP) with a write on its way, which arrives when another has ended the rollout",
    wanted="The late write is refused, and the one that wakes writes nothing more",
)
async def leader_frozen(trial: Trial) -> None:
    frozen, ended = asyncio.Event(), asyncio.Event()

    async def hold(write: Write) -> bool:
        if write.what == "deployments/scale" and not frozen.is_set():
            os.kill(two.first.pid, signal.SIGSTOP)
            frozen.set()
            await ended.wait()
        return True

    async with pair(trial) as two:
        trial.proxy.writing = hold
        await frozen.wait()
        trial.see(f"the second led after {await two.taken_over():.1f} s")
        await trial.promoted()
        before = len(trial.proxy.writes)
        ended.set()
        await asyncio.sleep(1)
        os.kill(two.first.pid, signal.SIGCONT)
        await two.first_ended()
        late = [write for write in trial.proxy.writes[before:] if write.what != "events"]
        assert [(write.what, write.code) for write in late] == [("deployments/scale", 409)], late
        trial.see("the late scaling was refused (409)")


@fault(
    "Controller",
    "is stopped cleanly and started again at 100m, at 500m, while it bakes, and while it promotes",
    wanted="Ends each time within seconds; goes on, no extra step; promoted",
)
async def controller_restarted(trial: Trial) -> None:
    await trial.adopt(bake="5s")
    await trial.ship(RELEASE="2", LAB_READY="after 3s")
    took = []
    for at in ("100m", "500m", "Baking", "Promoting"):
        await trial.until(lambda at=at: _is_at(trial, at), at, within=120)  # type: ignore[misc]  # bound by default
        took.append(await trial.first.stop(within=10))
        await trial.first.start()
    assert max(took) < 2 * ENDS, took  # on a machine that is starting pods meanwhile
    trial.see(f"ended within {max(took):.1f} s at 100m, at 500m, Baking and Promoting")
    await trial.promoted()


@fault(
    "Controller",
    "is told to end while Prometheus answers it a byte at a time",
    wanted="Ends within 2 s all the same; the next goes on",
)
async def controller_stopped_amid_a_drip(trial: Trial) -> None:
    await trial.begun(100)
    with trial.prometheus.during(metricsproxy.drips):
        await trial.says("PrometheusUnreachable")
        await asyncio.sleep(0.5)  # the next answer drips already
        ended = await trial.first.stop(within=10)
    assert ended < ENDS, ended
    trial.see(f"ended in {ended:.1f} s")
    await trial.first.start()
    await trial.goes_on()
    await trial.promoted()


async def _is_at(trial: Trial, place: str) -> bool:
    status = await trial.status()
    return place in (status.get("phase"), status.get("weight"))
