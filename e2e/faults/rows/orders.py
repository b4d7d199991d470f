"""Orders to a Canary (pause, abort, retry, approve), a second one, and its finalizer."""

import asyncio
import time
from typing import cast

from canary.adapters.api import JSON_PATCH, Json
from canary.lab import seed
from e2e.faults.hands import at, baking, create, promoting, read, remove, rollout_id, there
from e2e.faults.table import fault
from e2e.faults.trial import GATES, Trial

NOWHERE = {"name": "hook", "type": "notify", "url": "http://127.0.0.1:0/"}  # the CRD takes it, the parser refuses it
FINALIZER = "canary.dev/traffic"
SIDES = {"stable": seed.STABLE, "canary": seed.CANARY}


@fault(
    "Canary object",
    "is paused while a bad release (every fifth request fails) has 100m",
    wanted="Gates stay armed: rolled back for its success rate",
    rps=40,
)
async def paused_bad_release(trial: Trial) -> None:
    await trial.adopt()
    await trial.ship(RELEASE="2", LAB_FAILURES="*=20%")
    await trial.at_least(100)
    await trial.spec(paused=True)
    with trial.recovering():
        await trial.rolled_back("SuccessRate", within=60)
    trial.see("rolled back while paused")


@fault("Canary object", "is paused past its deadline", wanted="Frozen at 100m, no deadline; goes on when resumed")
async def paused_past_deadline(trial: Trial) -> None:
    await trial.begun(100, stepTimeout="15s", dwell="4s")
    await trial.spec(paused=True)
    await trial.says("Paused")
    await trial.stays(20, 100)
    await trial.spec(paused=False)
    await trial.goes_on()
    trial.see("stayed for 20 s, then went on")


@fault("Canary object", "abort names a rollout at 100m", wanted="Weight 0 at once, Aborted; not tried again by itself")
async def abort_progressing(trial: Trial) -> None:
    await trial.begun(100, dwell="60s")
    await aborted(trial)


@fault("Canary object", "abort names a rollout in the bake", wanted="Weight 0 at once, Aborted")
async def abort_baking(trial: Trial) -> None:
    await baking(trial)
    await aborted(trial)


@fault(
    "Canary object",
    "abort names a rollout that is promoted",
    wanted="Weight 0 at once, Aborted; stable's former template restored",
)
async def abort_promoting(trial: Trial) -> None:
    await promoting(trial)
    before = (await trial.rollout())["baseline"]
    await aborted(trial)
    assert "'RELEASE'" not in str((await read(trial, "deployments", seed.STABLE))["spec"])
    trial.see(f"stable has {before} again")


async def aborted(trial: Trial) -> None:
    """Abort the present rollout."""
    begun = time.monotonic()
    await trial.spec(abort=await rollout_id(trial))
    await at(trial, 0, within=6)
    trial.see(f"weight 0 after {time.monotonic() - begun:.1f} s")
    await trial.rolled_back("Aborted", within=40)
    await trial.stays(4, 0)


@fault(
    "Canary object",
    "abort, approve and retry name other rollouts",
    wanted="Nothing follows but one Event for the retry; the right id is obeyed",
)
async def orders_for_others(trial: Trial) -> None:
    await baking(trial, bake="2s", promotion={"approval": "Manual"})
    await trial.says("AwaitingApproval")
    await trial.spec(approve="another-1", abort="another-1", retry="another-1")
    await asyncio.sleep(5)
    assert (await trial.status())["reason"] == "AwaitingApproval"
    assert await trial.weight() == 1000
    await trial.spec(approve=await rollout_id(trial))
    await trial.promoted()
    await asyncio.sleep(2)
    assert await trial.told("RetryRefused") == 1
    trial.see("waited on, then promoted by the right id; the retry was refused once")


@fault("Canary object", "its finalizer is removed by hand", wanted="Put back at the next tick; the rollout goes on")
async def finalizer_removed(trial: Trial) -> None:
    await trial.begun(100, dwell="10s")
    patch = [{"op": "remove", "path": "/metadata/finalizers"}]
    await trial.stage.api.patch(trial.path("canaries", seed.APEX), patch, JSON_PATCH)

    async def guarded() -> bool:
        meta = cast("Json", (await read(trial, "canaries", seed.APEX))["metadata"])
        return FINALIZER in cast("list[str]", meta.get("finalizers") or [])

    await trial.until(guarded, "the finalizer to be put back", within=5)
    await trial.goes_on()
    trial.see("put back, went on")


@fault(
    "Canary object",
    "a second, younger one claims the same Services",
    wanted="It says Conflict and touches nothing; the older one's rollout goes on; it takes over when the older goes",
)
async def second_canary(trial: Trial) -> None:
    await trial.begun(100, dwell="10s")
    body = seed.canary({"gates": GATES}, namespace=trial.namespace)
    await create(trial, "canaries", {**body, "metadata": {"name": "younger", "namespace": trial.namespace}})

    async def yields() -> bool:
        return "'Conflict'" in str((await read(trial, "canaries", "younger")).get("status"))

    await trial.until(yields, "the younger to yield", within=10)
    await trial.goes_on()
    await trial.promoted()
    await remove(trial, "canaries", seed.APEX)

    async def owns() -> bool:
        return bool(cast("Json", (await read(trial, "canaries", "younger")).get("status") or {}).get("promoted"))

    with trial.recovering():
        await trial.until(owns, "the younger to take over", within=15)
    splits = [str(cast("Json", each["metadata"])["name"]) for each in await there(trial, "trafficsplits")]
    assert splits == ["yamtam-canary"], splits
    trial.see("Conflict, untouched; took over after the older was deleted")
