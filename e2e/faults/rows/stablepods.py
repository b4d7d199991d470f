"""What befalls stable's pods in mid-rollout: nobody may be blamed for it, and nobody profit."""

import asyncio
import time

from canary.lab import seed
from e2e.faults.hands import (
    at,
    behave,
    named,
    not_ready,
    pods_of,
    promoting,
    ready,
    replicas,
    revision,
    scale,
)
from e2e.faults.table import fault
from e2e.faults.trial import Trial

UNREADY = "false"


@fault(
    "Pods",
    "of stable are all not ready for 12 s while the canary is well",
    wanted="Held as StableNotReady, one Event; the split is not moved onto stable; goes on after it",
)
async def stable_all_unready(trial: Trial) -> None:
    await trial.begun(100, dwell="6s")
    await behave(trial, seed.STABLE, LAB_READY=UNREADY)
    await trial.says("StableNotReady")
    await trial.stays(12, 100)
    await behave(trial, seed.STABLE, LAB_READY="true")
    await trial.goes_on()
    assert await trial.told("StableNotReady") == 1
    trial.see("held at 100m, one Event")


@fault(
    "Pods",
    "of stable are scaled to 0 by hand for 12 s while a bad release has 100m",
    wanted="Not a request more is moved onto a side without pods; weight 0 as soon as stable has pods",
)
async def stable_gone_bad_release(trial: Trial) -> None:
    await trial.adopt(dwell="60s")
    await scale(trial, seed.STABLE, 0)
    await ready(trial, seed.STABLE, 0)
    await trial.ship(RELEASE="2", LAB_FAILURES="*=30%")
    await asyncio.sleep(5)
    assert await trial.weight() == 0  # no step up without stable
    await scale(trial, seed.STABLE, 2)
    await trial.at_least(100)
    await scale(trial, seed.STABLE, 0)
    await trial.says("StableNotReady", "SuccessRate")
    await trial.stays(8, 100)
    trial.see(f"stayed at 100m: {(await trial.status())['reason']}")
    await scale(trial, seed.STABLE, 2)
    with trial.recovering():
        await at(trial, 0)
    await trial.rolled_back("SuccessRate")


@fault(
    "Pods",
    "of stable: one of two dies and stays dead",
    wanted="No hold without need, no rollback; the good release is promoted",
)
async def one_stable_pod_dead(trial: Trial) -> None:
    await trial.begun(100)
    await behave(trial, seed.STABLE, 1, LAB_READY=UNREADY)
    await not_ready(trial, seed.STABLE, 1)
    past = await trial.promoted()
    trial.see(f"promoted after {past['seconds']} s")


@fault(
    "Pods",
    "of stable: one of two fails all its requests while a good release is under way",
    wanted="No rollback of the good release; promoted",
)
async def one_stable_pod_fails_good_release(trial: Trial) -> None:
    await trial.begun(100)
    await behave(trial, seed.STABLE, 1, LAB_FAILURES="*=100%")
    past = await trial.promoted()
    trial.see(f"promoted after {past['seconds']} s")


@fault(
    "Pods",
    "of stable: one of two fails all its requests while a bad release (every fifth request) is under way",
    wanted="The bad release does not look good for it: never above 500m, rolled back at the latest at stepTimeout",
)
async def one_stable_pod_fails_bad_release(trial: Trial) -> None:
    await trial.adopt(stepTimeout="30s")
    await trial.ship(RELEASE="2", LAB_FAILURES="*=20%")
    await trial.at_least(100)
    await behave(trial, seed.STABLE, 1, LAB_FAILURES="*=100%")
    past = await trial.rolled_back("SuccessRate", "StepTimeout")
    assert past["peak"] != "1000m", past
    trial.see(f"{past['reason']} after {past['seconds']} s, at most {past['peak']}")


@fault(
    "Pods",
    "of stable become six in mid-rollout",
    wanted="The canary is scaled ahead of its weight; no weight is lost; promoted",
)
async def stable_scaled_up(trial: Trial) -> None:
    await trial.begun(500)
    await scale(trial, seed.STABLE, 6)
    past = await trial.promoted()
    assert await trial.told("CapacityWithdrawn") == 0
    assert max(trial.weights.values) == 1000
    assert await replicas(trial, seed.CANARY) == 1  # as found
    trial.see(f"promoted after {past['seconds']} s, the canary scaled back to 1")


@fault(
    "Pods",
    "of stable never become ready with the release, while it is promoted",
    wanted="StepTimeout; stable has its former template again, weight 0",
)
async def stable_unready_with_release(trial: Trial) -> None:
    await promoting(trial, stepTimeout="25s")
    before = (await trial.rollout())["baseline"]
    end = time.monotonic() + 60
    while not await trial.history() and time.monotonic() < end:
        await spoil_new(trial)
        await asyncio.sleep(0.3)
    await trial.rolled_back("StepTimeout")
    await ready(trial, seed.STABLE, 2)
    kept = {revision(pod) for pod in await pods_of(trial, seed.STABLE)}
    assert kept == {before}, (kept, before)
    trial.see(f"rolled back; stable's pods are {before} again")


async def spoil_new(trial: Trial) -> None:
    """Let no pod of stable's newer revision become ready."""
    before = (await trial.rollout()).get("baseline")
    for pod in await pods_of(trial, seed.STABLE):
        if revision(pod) != before:
            trial.stage.lab.node.alter(trial.namespace, named(pod), {"LAB_READY": UNREADY})
