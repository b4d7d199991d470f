"""Hands on the TrafficSplit in mid-rollout."""

import asyncio
import time
from typing import cast

from canary.adapters.api import Json
from canary.lab import seed
from e2e.faults.apiproxy import Toxin
from e2e.faults.hands import SPLIT, at, create, edit, read, remove, there, weigh
from e2e.faults.table import fault
from e2e.faults.trial import Trial

PUT_BACK = "Put back within a tick, one Event that says who; no step, no rollback; promoted"
CREATE = Toxin(answer=503, method="POST", path=".*/trafficsplits")


def split(trial: Trial, stable: object, canary: object, service: str = seed.APEX) -> Json:
    """Make a whole TrafficSplit by hand."""
    backends = [{"service": seed.STABLE, "weight": stable}, {"service": seed.CANARY, "weight": canary}]
    return {
        "apiVersion": "split.smi-spec.io/v1alpha1",
        "kind": "TrafficSplit",
        "metadata": {"name": SPLIT, "namespace": trial.namespace},
        "spec": {"service": service, "backends": backends},
    }


async def put_back(trial: Trial, spec: Json) -> None:
    """Edit the split as somebody at 100m: it is put back, said once, and the rollout goes on."""
    await trial.begun(100, dwell="6s")
    await edit(trial, "trafficsplits", SPLIT, spec)
    await restored(trial)
    await trial.goes_on()
    told = await messages(trial)
    assert len(told) == 1, told
    assert "somebody" in told[0], told
    await trial.promoted()
    trial.see("one Event names the editor; promoted")


async def restored(trial: Trial, weight: int = 100) -> None:
    """Wait until the split is exactly ours again, and measure how long that took."""
    begun = time.monotonic()

    async def whole() -> bool:
        return await backends(trial) == [(seed.STABLE, f"{1000 - weight}m"), (seed.CANARY, f"{weight}m")]

    await trial.until(whole, "the split to be put back", within=8)
    trial.see(f"put back after {time.monotonic() - begun:.1f} s")


async def backends(trial: Trial) -> list[tuple[str, str]]:
    """Read the backends of the live split."""
    spec = cast("Json", (await read(trial, "trafficsplits", SPLIT)).get("spec") or {})
    return [(str(b["service"]), str(b["weight"])) for b in cast("list[Json]", spec.get("backends") or [])]


async def messages(trial: Trial) -> list[str]:
    """List what was said of repairs."""
    return [message for reason, message in await trial.events() if reason == "SplitRestored"]


def backend(service: str, weight: object) -> Json:
    """Make one backend."""
    return {"service": service, "weight": weight}


@fault("Traffic split", "its weights are edited by hand from 100m to 900m", wanted=PUT_BACK)
async def split_weight_raised(trial: Trial) -> None:
    await put_back(trial, {"backends": [backend(seed.STABLE, "100m"), backend(seed.CANARY, "900m")]})


@fault("Traffic split", "its weights are edited by hand from 100m to 0", wanted=PUT_BACK)
async def split_weight_lowered(trial: Trial) -> None:
    await put_back(trial, {"backends": [backend(seed.STABLE, 1), backend(seed.CANARY, 0)]})


@fault("Traffic split", "all its weights are edited to 0", wanted=PUT_BACK)
async def split_all_zero(trial: Trial) -> None:
    await put_back(trial, {"backends": [backend(seed.STABLE, "0"), backend(seed.CANARY, "0")]})


@fault("Traffic split", "its list of backends is emptied", wanted=PUT_BACK)
async def split_emptied(trial: Trial) -> None:
    await put_back(trial, {"backends": []})


@fault("Traffic split", "gets another backend in the place of stable", wanted=PUT_BACK)
async def split_backend_replaced(trial: Trial) -> None:
    await put_back(trial, {"backends": [backend("elsewhere", "900m"), backend(seed.CANARY, "100m")]})


@fault("Traffic split", "gets weights of another kind: 1Ki and 100", wanted=PUT_BACK)
async def split_odd_quantities(trial: Trial) -> None:
    await put_back(trial, {"backends": [backend(seed.STABLE, "1Ki"), backend(seed.CANARY, 100)]})


@fault("Traffic split", "gets weights that are none: 'most' and 'few'", wanted=PUT_BACK)
async def split_nonsense(trial: Trial) -> None:
    await put_back(trial, {"backends": [backend(seed.STABLE, "most"), backend(seed.CANARY, "few")]})


@fault(
    "Traffic split",
    "is made another service's by hand for 10 s",
    wanted="Held as NotOurs, nothing is written to it; goes on once it is ours again",
)
async def split_apex_edited(trial: Trial) -> None:
    await trial.begun(100, dwell="6s")
    await edit(trial, "trafficsplits", SPLIT, {"service": "elsewhere"})
    await trial.says("NotOurs")
    version = cast("Json", (await read(trial, "trafficsplits", SPLIT))["metadata"])["resourceVersion"]
    await asyncio.sleep(10)
    assert cast("Json", (await read(trial, "trafficsplits", SPLIT))["metadata"])["resourceVersion"] == version
    await edit(trial, "trafficsplits", SPLIT, {"service": seed.APEX})
    await trial.goes_on()
    assert await trial.told("NotOurs") == 1
    await trial.promoted()
    trial.see("held for 10 s, not written to, one Event; promoted")


@fault(
    "Traffic split",
    "is made another service's for good",
    wanted="Held as NotOurs; taken back at the deadline as far as it is ours; goes on once it is ours again",
)
async def split_apex_lost(trial: Trial) -> None:
    await trial.begun(100, dwell="60s", stepTimeout="15s")
    await edit(trial, "trafficsplits", SPLIT, {"service": "elsewhere"})
    await trial.says("NotOurs")

    async def given_up() -> bool:
        return (await trial.status()).get("weight") == "0m"

    await trial.until(given_up, "the weight to be given up", within=30)
    assert await backends(trial) == [(seed.STABLE, "900m"), (seed.CANARY, "100m")]
    await edit(trial, "trafficsplits", SPLIT, {"service": seed.APEX})
    with trial.recovering():
        await trial.rolled_back("StepTimeout")
    trial.see("meant 0m at the deadline, wrote nothing while it was another's, 0m once it was ours")


@fault(
    "Traffic split",
    "is deleted",
    wanted="Created again with the intended weights within a tick, one Event; rollout and evidence go on; promoted",
)
async def split_deleted(trial: Trial) -> None:
    await trial.begun(100, dwell="6s")
    await remove(trial, "trafficsplits", SPLIT)
    await restored(trial)
    await trial.goes_on()
    await trial.promoted()
    told = await messages(trial)
    assert len(told) == 1, told
    assert "gone" in told[0], told
    trial.see("one Event; promoted")


@fault("Traffic split", "is deleted, and created again by someone at 600m", wanted=PUT_BACK)
async def split_recreated(trial: Trial) -> None:
    await trial.begun(100, dwell="6s")
    with trial.proxy.during(CREATE):
        await remove(trial, "trafficsplits", SPLIT)
        await create(trial, "trafficsplits", split(trial, "400m", "600m"))
    await restored(trial)
    await trial.goes_on()
    await trial.promoted()
    told = await messages(trial)
    assert any("somebody" in message for message in told), told
    assert len(told) <= 2, told
    trial.see(f"{len(told)} Events; promoted")


@fault(
    "Traffic split",
    "is deleted, and created again by someone for another service",
    wanted="Held as NotOurs, nothing is written to it",
)
async def split_taken_away(trial: Trial) -> None:
    await trial.begun(100, dwell="60s")
    with trial.proxy.during(CREATE):
        await remove(trial, "trafficsplits", SPLIT)
        await create(trial, "trafficsplits", split(trial, "400m", "600m", service="elsewhere"))
    await trial.says("NotOurs")
    await asyncio.sleep(5)
    assert await backends(trial) == [(seed.STABLE, "400m"), (seed.CANARY, "600m")]
    await remove(trial, "trafficsplits", SPLIT)
    with trial.recovering():
        await at(trial, 100)
    trial.see("held, not written to; created again once it was gone")


@fault(
    "Traffic split",
    "is edited every second for 15 s by another controller, to 300m",
    wanted="Put back each time, with few Events; no rollback; goes on when the other stops",
)
async def split_fought_over(trial: Trial) -> None:
    await trial.begun(100, dwell="6s")
    wrong, steps = 0.0, trial.weights.values
    for _ in range(15):
        await weigh(trial, "700m", "300m")
        begun = time.monotonic()
        await at(trial, 100, within=4)
        wrong += time.monotonic() - begun
        await asyncio.sleep(max(0.0, 1 - (time.monotonic() - begun)))
    assert trial.weights.values == steps
    told = await trial.told("SplitRestored")
    await trial.goes_on()
    await trial.promoted()
    objects = [e for e in await there(trial, "events") if e.get("reason") == "SplitRestored"]
    assert len(objects) <= 3, len(objects)
    trial.see(f"{wrong:.1f} of 15 s at 300m; told {told} times in {len(objects)} Events; promoted")


@fault(
    "Traffic split",
    "is edited while the API server refuses our writes to it for 12 s",
    wanted="Put back as soon as it can be; the evidence counts what the canary got; promoted",
)
async def split_edited_unwritable(trial: Trial) -> None:
    await trial.begun(100, dwell="6s")
    with trial.proxy.during(Toxin(answer=500, method="PATCH", path=".*/trafficsplits/.*")):
        await weigh(trial, "500m", "500m")
        await asyncio.sleep(12)
    with trial.recovering():
        await at(trial, 100, within=15)
    past = await trial.promoted()
    trial.see(f"promoted; {trial.audit.once(past['id'])}")


@fault(
    "Traffic split",
    "of the same apex: someone adds a second one, which sends all to stable",
    wanted="Held as NoTraffic: nobody is judged by requests that do not come; goes on when it is gone",
)
async def split_shadowed(trial: Trial) -> None:
    await trial.begun(100, dwell="30s")
    other = split(trial, "1000m", "0m")
    other["metadata"] = {"name": "another", "namespace": trial.namespace}
    await create(trial, "trafficsplits", other)
    await trial.says("NoTraffic", within=30)
    await trial.stays(5, 100)
    await remove(trial, "trafficsplits", "another")
    await trial.goes_on()
    assert await trial.told("NoTraffic") == 1
    trial.see("held at 100m, one Event")
