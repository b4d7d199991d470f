"""The parts of the control plane killed, frozen and set back, under several rollouts at once in a lab of their own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from e2e.faults.rows.leaders import ENDS, pair
from e2e.faults.table import Play, fault
from e2e.faults.trial import Trial

SERVER, ETCD, MANAGER = "kube-apiserver", "etcd", "kube-controller-manager"
RPS = 15
PATIENCE = 500
BAD = {"RELEASE": "2", "LAB_FAILURES": "*=40%"}
WANTED = "Good ones are promoted, the bad one is rolled back; no extra step, nothing lost"


@dataclass
class Town:
    """Rollouts in one lab: one that begins, one that is bad, one that bakes, and one that is told to promote."""

    young: Trial
    bad: Trial
    baking: Trial
    promoting: Trial

    @property
    def all(self) -> tuple[Trial, ...]:
        """All of them."""
        return self.young, self.bad, self.baking, self.promoting

    async def end(self) -> None:
        """Wait until each has ended as it deserves; the recovery is that of the bad one."""
        with self.young.recovering():
            await self.young.answers(within=90)
            await self.bad.rolled_back("SuccessRate", within=150)
        for each in (self.promoting, self.baking, self.young):
            await each.promoted(within=240)
        self.young.see(
            f"promoted from 100m, Baking and Promoting; rolled back {self.young.outcome.recovery} s after it was over"
        )


@contextlib.asynccontextmanager
async def town(trial: Trial) -> AsyncIterator[Town]:
    """Bring four rollouts to where they shall be."""
    async with contextlib.AsyncExitStack() as stack:
        more = [
            await stack.enter_async_context(trial.ground.trial(f"{trial.namespace}-{name}", trial.outcome, RPS))
            for name in ("bad", "baking", "promoting")
        ]
        here = Town(trial, *more)
        await asyncio.gather(
            here.promoting.begun(1000, promotion={"approval": "Manual"}),
            here.baking.begun(1000, bake="60s"),
            here.young.adopt(),
            here.bad.adopt(),
        )
        await here.promoting.says("AwaitingApproval", within=90)
        await asyncio.gather(here.young.ship(RELEASE="2"), here.bad.ship(**BAD))
        await asyncio.gather(here.young.at_least(100), here.bad.at_least(100))
        await here.promoting.spec(approve=str((await here.promoting.rollout())["id"]))
        yield here


Heal = Callable[[], Awaitable[None]]


async def broken(trial: Trial, breaks: Heal, seconds: float, heals: Heal) -> None:
    """Break something for a while under four rollouts, and let them end."""
    async with town(trial) as here:
        await breaks()
        await asyncio.sleep(seconds)
        await heals()
        await here.end()


def plane(what: str, wanted: str = WANTED) -> Callable[[Play], Play]:
    """Register a row with a control plane of its own."""
    return fault("Control plane", what, wanted=wanted, own=True, rps=RPS, patience=PATIENCE)


@plane("kube-apiserver is killed, and back after 5 s")
async def plane_apiserver_killed(trial: Trial) -> None:
    real = trial.ground.real
    await broken(trial, real.processes[SERVER].kill, 5, partial(real.restart, SERVER))


@plane("etcd is killed, and back after 5 s")
async def plane_etcd_killed(trial: Trial) -> None:
    real = trial.ground.real
    await broken(trial, real.processes[ETCD].kill, 5, partial(real.restart, ETCD))


@plane("etcd is frozen (SIGSTOP) for 15 s")
async def plane_etcd_frozen(trial: Trial) -> None:
    etcd = trial.ground.real.processes[ETCD]
    await broken(trial, quickly(etcd.freeze), 15, quickly(etcd.thaw))


@plane("API server and Prometheus are down at once, for 15 s")
async def plane_and_prometheus_down(trial: Trial) -> None:
    real, prometheus = trial.ground.real, trial.ground.lab.prometheus

    async def breaks() -> None:
        await asyncio.gather(real.processes[SERVER].kill(), prometheus.stop())

    async def heals() -> None:
        await asyncio.gather(real.restart(SERVER), prometheus.start())

    await broken(trial, breaks, 15, heals)


@plane("the API server loses 30 s: it is set back to a copy of etcd's data from before")
async def plane_loses_half_a_minute(trial: Trial) -> None:
    real, copy = trial.ground.real, trial.stage.home / "etcd-copy"
    async with town(trial) as here:
        real.save(copy)
        await asyncio.sleep(30)
        await real.restore(copy)
        await here.end()
        trial.outcome.lost.clear()  # of the status; Prometheus still has what is to be counted again
        for each in (here.young, here.baking):
            trial.see(each.audit.once((await each.history())[-1]["id"]))


@plane(
    "kube-apiserver is frozen (SIGSTOP) for 20 s under two controllers with a lease; another is told to end meanwhile",
    wanted="The leader stops at its deadline, then one leads, no extra step; the one that is told ends within 2 s",
)
async def plane_apiserver_frozen(trial: Trial) -> None:
    server = trial.ground.real.processes[SERVER]
    async with trial.ground.trial(f"{trial.namespace}-alone", trial.outcome, RPS) as alone, pair(trial) as two:
        await alone.begun(100)
        server.freeze()
        await asyncio.sleep(1.5)  # a tick is in the midst of it
        ended = await alone.first.stop(within=10)
        assert ended < ENDS, ended
        lost = await two.first_ended()
        await asyncio.sleep(max(0.0, 20 - lost))
        server.thaw()
        await alone.answers()
        with trial.recovering():
            await two.taken_over()
        trial.see(f"gave up after {lost:.1f} s; the one told to end did within {ended:.1f} s")
        await alone.first.start()
        await trial.promoted()
        await alone.promoted()


@plane(
    "kube-controller-manager is down for 20 s while a release is pushed, and while stable is to be rolled",
    wanted="Waits; nothing is rolled back before its deadline; promoted",
)
async def plane_manager_stopped(trial: Trial) -> None:
    real = trial.ground.real
    await trial.adopt(promotion={"approval": "Manual"})
    await real.processes[MANAGER].kill()
    await trial.ship(RELEASE="2")
    await trial.stays(20, 0)
    await real.restart(MANAGER)
    with trial.recovering():
        await trial.at_least(100, within=60)
    await trial.says("AwaitingApproval", within=120)
    await real.processes[MANAGER].kill()
    await trial.spec(approve=str((await trial.rollout())["id"]))
    await trial.says("Promoting")
    await trial.stays(20, 1000)
    trial.see("no step without new pods; served at 1000m while stable was not rolled")
    await real.restart(MANAGER)
    with trial.recovering():
        await trial.promoted()


def quickly(does: Callable[[], None]) -> Heal:
    """Make something awaitable that is done at once."""

    async def done() -> None:
        does()

    return done
