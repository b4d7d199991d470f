"""Clocks that are wrong: the controller's jumps by an hour, Prometheus' is an hour away."""

import asyncio
from datetime import UTC, datetime
from typing import cast

from canary.adapters.api import Json
from canary.core.formats import instant
from e2e.faults import metricsproxy
from e2e.faults.faketime import WallClock, wall_clock
from e2e.faults.table import fault
from e2e.faults.trial import Trial

HOUR = 3600
LEASE = "/apis/coordination.k8s.io/v1/namespaces/{}/leases/canary-controller"
GOES_ON = "No dwell is cut short, no deadline is hit, every request is counted once; promoted"


async def clocked(trial: Trial, weight: int = 100, **spec: object) -> WallClock:
    """Begin a rollout with a controller whose clock can be moved."""
    clock = await wall_clock(trial.stage.home / f"{trial.namespace}.clock")
    trial.first = trial.another("clocked", proxy=trial.proxy, **clock.environment)
    await trial.begun(weight, **spec)
    return clock


async def jumped(trial: Trial, seconds: int) -> None:
    """Wait until the controller has written a time that is as wrong as it should be."""

    async def wrong() -> bool:
        saved = instant((await trial.status()).get("savedAt"))
        return saved is not None and abs((saved - datetime.now(UTC)).total_seconds() - seconds) < 60

    await trial.until(wrong, f"a time {seconds} s off", within=40)


async def ends_well(trial: Trial) -> None:
    """Let the rollout come to its end, and look at what was counted."""
    past = await trial.promoted()
    counted = trial.audit.once(past["id"])
    assert float(str(past["seconds"])) >= 0, past
    told = [await trial.told(reason) for reason in ("StepTimeout", "Inconclusive")]
    assert not any(told), await trial.events()
    trial.see(f"promoted; {counted}")


@fault("Controller", "its clock jumps one hour ahead in mid-rollout", wanted=GOES_ON)
async def clock_ahead(trial: Trial) -> None:
    clock = await clocked(trial)
    clock.step(HOUR)
    await trial.goes_on()
    await jumped(trial, HOUR)
    await ends_well(trial)


@fault("Controller", "its clock jumps one hour back in mid-rollout", wanted=GOES_ON)
async def clock_back(trial: Trial) -> None:
    clock = await clocked(trial)
    clock.step(-HOUR)
    await trial.goes_on()
    await jumped(trial, -HOUR)
    await ends_well(trial)


async def restarted(trial: Trial, clock: WallClock, seconds: int) -> None:
    """Kill the controller, and start it by another time of day, which it then writes."""
    await trial.first.kill()
    weight = await trial.weight()
    clock.step(seconds)
    await trial.first.start()
    await trial.stays(2, weight)
    await trial.goes_on(within=90)
    await jumped(trial, seconds)


@fault("Controller", "is killed, and starts with its clock one hour ahead", wanted=GOES_ON)
async def clock_ahead_restart(trial: Trial) -> None:
    await restarted(trial, await clocked(trial, 500), HOUR)
    await ends_well(trial)


@fault("Controller", "is killed, and starts with its clock one hour back", wanted=GOES_ON)
async def clock_back_restart(trial: Trial) -> None:
    await restarted(trial, await clocked(trial, 500), -HOUR)
    await ends_well(trial)


@fault("Controller", "goes by a clock one hour behind Prometheus'", wanted=GOES_ON)
async def prometheus_clock_ahead(trial: Trial) -> None:
    await apart(trial, HOUR)


@fault("Controller", "goes by a clock one hour ahead of Prometheus'", wanted=GOES_ON)
async def prometheus_clock_behind(trial: Trial) -> None:
    await apart(trial, -HOUR)


async def apart(trial: Trial, seconds: int) -> None:
    """Let everything that Prometheus says of time be off, and restart the controller on top of that."""
    trial.audit.ahead = seconds
    with trial.prometheus.during(metricsproxy.ahead(seconds)):
        await trial.begun(500)
        await trial.first.kill()
        await trial.first.start()
        await trial.goes_on(within=90)
        await ends_well(trial)


@fault(
    "Controller",
    "of two, the leader's clock jumps one hour ahead and then one hour back",
    wanted="The other one does not take over; no step is taken twice",
)
async def clock_of_leader(trial: Trial) -> None:
    clock = await wall_clock(trial.stage.home / f"{trial.namespace}.clock")
    options = ("--lease-namespace", trial.namespace)
    trial.first = trial.another("leader", *options, proxy=trial.proxy, **clock.environment)
    second = trial.another("second", *options)
    await trial.begun(100)
    await second.start()
    for seconds in (HOUR, -HOUR):
        clock.step(seconds)
        await asyncio.sleep(12)
        lease = await trial.stage.api.get(LEASE.format(trial.namespace))
        renewed = instant(cast("Json", lease["spec"])["renewTime"])
        assert renewed is not None
        assert abs((renewed - datetime.now(UTC)).total_seconds() - seconds) < 60, renewed
    assert "lease.acquired" not in [line.get("event") for line in second.lines()]
    assert trial.first.process is not None
    assert trial.first.process.returncode is None
    await trial.promoted()
    trial.see("the leader led to the end")
