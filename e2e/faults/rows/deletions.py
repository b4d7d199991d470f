"""The Canary is deleted: traffic goes back to stable, then the object goes, and what users own stays."""

import asyncio
import time

from canary.lab import seed
from e2e.faults.apiproxy import Toxin
from e2e.faults.hands import (
    SPLIT,
    at,
    baking,
    create,
    gone,
    phase,
    promoting,
    read,
    ready,
    remove,
    replicas,
    there,
)
from e2e.faults.table import fault
from e2e.faults.trial import SPEC, Trial

CLEAN = "Weight 0, then the object goes; Deployments, Services and the split stay"
SPLIT_WRITES = ".*/trafficsplits/.*"


async def deleted(trial: Trial, within: float = 20) -> None:
    """Delete the Canary: weight 0 before it goes, and everything else is there as before."""
    began = time.monotonic()
    await trial.stage.api.delete(trial.path("canaries", seed.APEX))
    await gone_cleanly(trial, within)
    trial.see(f"gone after {time.monotonic() - began:.1f} s")


async def deleted_in(trial: Trial, name: str) -> None:
    """Delete the Canary in a phase that lasts while the split cannot be written."""
    await phase(trial, name)
    await trial.stage.api.delete(trial.path("canaries", seed.APEX))
    await asyncio.sleep(2)


async def gone_cleanly(trial: Trial, within: float = 30) -> None:
    """Wait until the Canary has gone, with no weight left and everything else as it was."""
    with trial.recovering():
        await gone(trial, "canaries", seed.APEX, within=within)
    assert await trial.weight() == 0
    await left_alone(trial)


async def left_alone(trial: Trial) -> None:
    """Check that what users own is there and serves."""
    for kind, name in (("services", seed.APEX), ("services", seed.STABLE), ("services", seed.CANARY)):
        assert await read(trial, kind, name), name
    assert [each["kind"] for each in await there(trial, "trafficsplits")] or await read(trial, "trafficsplits", SPLIT)
    await ready(trial, seed.STABLE, 2, within=60)
    count = await replicas(trial, seed.CANARY)
    trial.see(f"the canary has {count} replicas")
    await trial.stays(3, 0)


@fault("Canary object", "is deleted when idle", wanted=CLEAN)
async def deleted_idle(trial: Trial) -> None:
    await trial.adopt()
    await deleted(trial)


@fault("Canary object", "is deleted at 100m", wanted=CLEAN)
async def deleted_progressing(trial: Trial) -> None:
    await trial.begun(100, dwell="60s")
    await deleted(trial)


@fault("Canary object", "is deleted in the bake", wanted=CLEAN)
async def deleted_baking(trial: Trial) -> None:
    await baking(trial)
    await deleted(trial)


@fault("Canary object", "is deleted while it promotes", wanted=CLEAN)
async def deleted_promoting(trial: Trial) -> None:
    await promoting(trial)
    await deleted(trial)


@fault("Canary object", "is deleted while traffic returns to stable after a promotion", wanted=CLEAN)
async def deleted_finalising(trial: Trial) -> None:
    await promoting(trial)
    with trial.proxy.during(Toxin(answer=500, method="PATCH", path=SPLIT_WRITES)):
        await deleted_in(trial, "Finalising")
    await gone_cleanly(trial)


@fault("Canary object", "is deleted while a release is taken back", wanted=CLEAN)
async def deleted_rolling_back(trial: Trial) -> None:
    await trial.begun(100, dwell="60s")
    with trial.proxy.during(Toxin(answer=500, method="PATCH", path=SPLIT_WRITES)):
        await trial.spec(abort=str((await trial.rollout())["id"]))
        await deleted_in(trial, "RollingBack")
    await gone_cleanly(trial)


@fault(
    "Canary object",
    "is deleted at 100m while the API server answers 500 to our writes of the split for 12 s",
    wanted="It does not go before the split is back at 0; then it goes",
)
async def deleted_unwritable(trial: Trial) -> None:
    await trial.begun(100, dwell="60s")
    with trial.proxy.during(Toxin(answer=500, method="PATCH", path=SPLIT_WRITES)):
        await trial.stage.api.delete(trial.path("canaries", seed.APEX))
        await trial.stays(12, 100)
        assert await read(trial, "canaries", seed.APEX)
    with trial.recovering():
        await at(trial, 0, within=30)
        await gone(trial, "canaries", seed.APEX)
    trial.see("kept for 12 s, then weight 0 and gone")


@fault(
    "Canary object",
    "is deleted at 100m together with its split",
    wanted="It goes; the split is not created again",
)
async def deleted_with_split(trial: Trial) -> None:
    await trial.begun(100, dwell="60s")
    await trial.stage.api.delete(trial.path("canaries", seed.APEX))
    await trial.stage.api.delete(trial.path("trafficsplits", SPLIT))
    await gone(trial, "canaries", seed.APEX)
    await asyncio.sleep(2)
    assert not await there(trial, "trafficsplits")
    trial.see("gone; no split left behind")


@fault(
    "Canary object",
    "is deleted and created again in mid-rollout",
    wanted="Weight 0; what runs is adopted as the baseline; the next release is rolled out",
)
async def deleted_and_created(trial: Trial) -> None:
    await trial.begun(100, dwell="60s")
    await remove(trial, "canaries", seed.APEX)
    await gone(trial, "canaries", seed.APEX)
    assert await trial.weight() == 0
    await create(trial, "canaries", seed.canary(SPEC, namespace=trial.namespace))
    await trial.until(trial.adopted, "it to be adopted", within=15)
    await trial.stays(4, 0)
    await trial.ship(RELEASE="3")
    with trial.recovering():
        await trial.at_least(500)
    trial.see("weight 0, adopted; the next release got its 500m")


@fault(
    "Canary object",
    "goes with its whole namespace in mid-rollout",
    wanted="Nothing is stuck: the namespace is gone",
)
async def namespace_deleted(trial: Trial) -> None:
    await trial.begun(100, dwell="60s")
    where = f"/api/v1/namespaces/{trial.namespace}"
    await trial.stage.api.delete(where)
    begun = time.monotonic()
    await gone(trial, "canaries", seed.APEX, within=40)

    async def went() -> bool:
        return trial.namespace not in str((await trial.stage.api.get("/api/v1/namespaces"))["items"])

    await trial.until(went, "the namespace to go", within=60)
    trial.see(f"gone after {time.monotonic() - begun:.0f} s")
