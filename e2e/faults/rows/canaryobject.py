"""Hands on the Canary itself: its spec and its status."""

import asyncio
import time

from canary.adapters.api import Json
from canary.lab import seed
from e2e.faults.hands import at, rollout_id, write_status
from e2e.faults.table import fault
from e2e.faults.trial import GATES, Trial

NOWHERE = {"name": "hook", "type": "notify", "url": "http://127.0.0.1:0/"}  # the CRD takes it, the parser refuses it
FINALIZER = "canary.dev/traffic"
SIDES = {"stable": seed.STABLE, "canary": seed.CANARY}


@fault(
    "Canary object",
    "its spec is made invalid in mid-rollout",
    wanted="One Event; the rollout goes on with the last valid spec and is promoted; Ready is False meanwhile",
)
async def spec_invalid(trial: Trial) -> None:
    await trial.begun(100)
    await trial.spec(gates={**GATES, "webhooks": [NOWHERE]}, dwell="50s")

    async def said() -> bool:
        return await trial.condition("Ready") == "False"

    await trial.until(said, "Ready to be False", within=20)
    await trial.goes_on(within=40)
    await trial.promoted()
    assert await trial.told("InvalidSpec") <= 2
    trial.see(f"promoted by the last valid spec, told {await trial.told('InvalidSpec')} times")


@fault("Canary object", "its spec is invalid, and someone aborts", wanted="Aborted at once all the same")
async def spec_invalid_abort(trial: Trial) -> None:
    await trial.begun(100, dwell="60s")
    await trial.spec(gates={**GATES, "webhooks": [NOWHERE]})
    await trial.spec(abort=await rollout_id(trial))
    with trial.recovering():
        await trial.rolled_back("Aborted", within=15)
    trial.see("rolled back")


@fault(
    "Canary object",
    "a gate is added in mid-rollout, and then a promise is changed",
    wanted="Said each time with what starts over; evidence of the others is kept; promoted",
)
async def gates_changed(trial: Trial) -> None:
    await trial.begun(100, dwell="10s")
    route = {"name": "POST /api/task", "successRate": {"min": "90%"}}
    await trial.spec(gates={**GATES, "routes": [route]})
    await changed(trial, "starts over for: nothing")
    assert not trial.outcome.lost
    await trial.spec(gates={"successRate": {"min": "90%"}, "routes": [route]})
    await changed(trial, "starts over for: service: success rate")
    await trial.promoted()
    trial.outcome.lost.clear()  # the promise that changed knows nothing any more: that is wanted
    assert await trial.told("SpecChanged") == 2
    trial.see("2 Events, promoted")


async def changed(trial: Trial, words: str) -> None:
    """Wait until an Event says what a changed spec means."""

    async def told() -> bool:
        return any(reason == "SpecChanged" and words in message for reason, message in await trial.events())

    await trial.until(told, f"an Event with {words!r}", within=15)


@fault(
    "Canary object",
    "its steps are changed at 100m: 100m is no step any more",
    wanted="The weight stays until the step may be left, then the next greater one; promoted",
)
async def steps_changed(trial: Trial) -> None:
    await trial.begun(100, dwell="8s")
    trial.weights.steps = (100, 300, 1000)
    await trial.spec(steps=["50m", "300m", "1000m"])
    await trial.promoted()
    assert set(trial.weights.values) == {0, 100, 300, 1000}, trial.weights.values
    trial.see("100m, 300m, 1000m, promoted")


@fault(
    "Canary object",
    "its interval is changed from 1 s to 5 s and back",
    wanted="Read at the new pace from the next tick on: no extra reading, never two ticks at once",
)
async def interval_changed(trial: Trial) -> None:
    await trial.begun(100, dwell="60s", bake="5s")
    await trial.spec(interval="5s")
    await asyncio.sleep(6)
    asked, begun = trial.prometheus.asked, time.monotonic()
    await asyncio.sleep(15)
    slow = (trial.prometheus.asked - asked) / (time.monotonic() - begun)
    await trial.spec(interval="1s")
    await asyncio.sleep(2)
    asked, begun = trial.prometheus.asked, time.monotonic()
    await asyncio.sleep(10)
    fast = (trial.prometheus.asked - asked) / (time.monotonic() - begun)
    assert slow < fast / 3, (slow, fast)
    await trial.spec(dwell="5s")
    await trial.goes_on()
    trial.see(f"{slow:.1f}, then {fast:.1f} queries a second")


@fault(
    "Canary object",
    "stepTimeout is shortened below what has elapsed",
    wanted="onInconclusive at once: StepTimeout",
)
async def timeout_shortened(trial: Trial) -> None:
    await trial.begun(100, dwell="60s")
    await asyncio.sleep(10)
    await trial.spec(stepTimeout="5s")
    with trial.recovering():
        await trial.rolled_back("StepTimeout", within=10)
    trial.see("rolled back")


@fault(
    "Canary object",
    "spec.canary.service is changed in mid-rollout to a Service that does not exist, for 10 s",
    wanted="Held as ServiceMissing; no request is sent to where nobody is; goes on when it is put back",
)
async def canary_renamed(trial: Trial) -> None:
    await renamed(trial, canary={"service": "typo", "deployment": seed.CANARY})


@fault(
    "Canary object",
    "spec.stable.service is changed in mid-rollout to a Service that does not exist, for 10 s",
    wanted="Held as ServiceMissing; no request is sent to where nobody is; goes on when it is put back",
)
async def stable_renamed(trial: Trial) -> None:
    await renamed(trial, stable={"service": "typo", "deployment": seed.STABLE})


async def renamed(trial: Trial, **side: object) -> None:
    """Misspell a side's Service at 100m, and put it right again."""
    await trial.begun(100, dwell="10s")
    await trial.spec(**side)
    await trial.says("ServiceMissing")
    await asyncio.sleep(10)
    lost = trial.stage.lab.truth.total(namespace=trial.namespace, service="typo")
    assert (lost.sent, lost.hurt, lost.undelivered) == (0, 0, 0), lost
    await trial.spec(**{each: {"service": name, "deployment": name} for each, name in SIDES.items() if each in side})
    with trial.recovering():
        await trial.at_least(500)
    trial.see("held; nothing was sent to nobody")


@fault(
    "Canary object",
    "spec.service is changed in mid-rollout to another Service",
    wanted="Held; the split, which is the old one's, is not written; goes on when it is put back",
)
async def apex_renamed(trial: Trial) -> None:
    await trial.begun(100, dwell="10s")
    await trial.spec(service="elsewhere")
    await trial.says("NotOurs", "ServiceMissing")
    trial.see(str((await trial.status())["reason"]))
    await trial.stays(8, 100)
    await trial.spec(service=seed.APEX)
    await trial.goes_on()


@fault(
    "Canary object",
    "its status is wiped in mid-rollout",
    wanted="No weight is left behind; what runs is adopted; the next release is rolled out",
)
async def status_wiped(trial: Trial) -> None:
    await status_lost(trial, {})


@fault(
    "Canary object",
    "its status is garbled in mid-rollout: another phase, another weight, evidence that is none",
    wanted="No weight is left behind; nothing is taken for true that no rollout can have left",
)
async def status_garbled(trial: Trial) -> None:
    garbled: Json = {"phase": "Flying", "weight": "lots", "rollout": {"id": "x"}, "evidence": {"gates": {"a": "b"}}}
    await status_lost(trial, garbled)


async def status_lost(trial: Trial, status: Json) -> None:
    """Overwrite the status at 100m: weight 0, and the next release is rolled out as any."""
    await trial.begun(100, dwell="60s")
    await write_status(trial, status)
    with trial.recovering():
        await at(trial, 0, within=10)
    await trial.until(trial.adopted, "it to be adopted anew", within=10)
    await trial.spec(dwell="3s")
    await trial.ship(RELEASE="3")
    await trial.at_least(500)
    trial.see("weight 0, adopted anew; the next release got its 500m")
