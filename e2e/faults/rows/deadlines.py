"""Prometheus is gone where it matters most: at the start, at a deadline, in the bake, in the promotion."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from e2e.faults.table import fault
from e2e.faults.trial import Trial

DEADLINE = 20  # seconds


@asynccontextmanager
async def outage_at(trial: Trial, weight: int, **spec: object) -> AsyncIterator[None]:
    """Begin a rollout and take Prometheus away from it once it has this weight."""
    await trial.begun(weight, **spec)
    async with trial.prometheus.refusing():
        await trial.says("PrometheusUnreachable")
        yield


@fault("Prometheus", "is gone when a release is shipped", wanted="No weight before it answers; then it begins")
async def prometheus_gone_at_start(trial: Trial) -> None:
    await trial.adopt()
    async with trial.prometheus.refusing():
        await trial.ship(RELEASE="2")
        await trial.says("PrometheusUnreachable")
        await trial.stays(12, 0)
    await trial.goes_on()
    trial.see("stayed at 0m")


@fault(
    "Prometheus",
    "is gone past the step's deadline, onInconclusive: Rollback",
    wanted="No canary weight is left past the deadline: rolled back as StepTimeout, saying that Prometheus was gone",
)
async def outage_past_deadline_rollback(trial: Trial) -> None:
    async with outage_at(trial, 100, stepTimeout=f"{DEADLINE}s"):
        await trial.stays(DEADLINE - 8, 100)
        past = await trial.rolled_back("StepTimeout", within=30)
    assert "Prometheus" in str(past["message"]), past
    trial.see(f"rolled back after {past['seconds']} s: {past['message']}")


@fault(
    "Prometheus",
    "is gone past the step's deadline, onInconclusive: Hold",
    wanted="As the user chose: held at its weight, said again at each deadline; then it goes on",
)
async def outage_past_deadline_hold(trial: Trial) -> None:
    async def inconclusive() -> bool:
        return await trial.told("Inconclusive") > 0

    async with outage_at(trial, 100, stepTimeout="10s", onInconclusive="Hold"):
        await trial.until(inconclusive, "the end of the step's time to be told", within=20)
        await trial.stays(22, 100)
        assert await trial.condition("Held") == "True"
    told = await trial.told("Inconclusive")
    assert told in (2, 3, 4), told
    await trial.goes_on()
    trial.see(f"held at 100m, Inconclusive {told} times in 32 s, one for each deadline")


@fault(
    "Prometheus",
    "is gone past the step's deadline, onInconclusive: Promote",
    wanted="As the user chose: one step at each deadline, none sooner",
)
async def outage_past_deadline_promote(trial: Trial) -> None:
    async with outage_at(trial, 100, stepTimeout=f"{DEADLINE}s", onInconclusive="Promote"):
        await trial.stays(DEADLINE - 8, 100)
        await trial.at_least(500, within=20)
        await trial.stays(DEADLINE - 4, 500)
        await trial.at_least(1000, within=20)
        trial.see(f"500m and 1000m {DEADLINE} s after each other")
    await trial.promoted()


@fault("Prometheus", "is gone for 15 s in the bake", wanted="The bake stops, and is not cut short; then promoted")
async def outage_in_bake(trial: Trial) -> None:
    async with outage_at(trial, 1000):
        await trial.stays(15, 1000)
        assert (await trial.status())["phase"] == "Baking"
        trial.see(f"baked {float(str((await trial.rollout())['baked'])):.1f} of 3 s when it was back")
    with trial.recovering():
        await trial.promoted()


@fault("Prometheus", "is gone while stable gets the release", wanted="The promotion goes to its end; nothing is undone")
async def outage_while_promoting(trial: Trial) -> None:
    await trial.begun(1000)

    async def promoting() -> bool:
        return (await trial.status()).get("phase") == "Promoting"

    await trial.until(promoting, "the promotion", within=60)
    async with trial.prometheus.refusing():
        past = await trial.promoted()
        await asyncio.sleep(2)
        assert await trial.weight() == 0
    trial.see(f"promoted after {past['seconds']} s without Prometheus at its end")
