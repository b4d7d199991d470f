"""What befalls the canary's pods in mid-rollout."""

import asyncio
import time
from typing import cast

from canary.adapters.api import Json
from canary.lab import seed
from e2e.faults.hands import (
    at,
    behave,
    create,
    not_ready,
    ready,
    replicas,
    scale,
    template,
)
from e2e.faults.table import fault
from e2e.faults.trial import GATE, Trial

UNREADY = "false"


@fault(
    "Pods",
    "all of a release die 12 s after each of their starts",
    wanted="Weight withdrawn at once, before any failure is counted; CanaryNotReady at stepTimeout",
)
async def canary_crash_loop(trial: Trial) -> None:
    await trial.adopt(dwell="60s", stepTimeout="25s")
    await trial.ship(RELEASE="2", LAB_CRASH="after 12s")
    await trial.at_least(100)
    await at(trial, 0)
    assert not await trial.history()
    past = await trial.rolled_back("CanaryNotReady")
    told = await trial.told("CapacityWithdrawn")
    assert 1 <= told <= 3, told
    assert "restarts" in str(past["message"]) or "came and went" in str(past["message"]), past["message"]
    trial.see(f"withdrawn {told} times; rolled back after {past['seconds']} s")


@fault(
    "Pods",
    "of a release are not ready any more, for good",
    wanted="Weight 0 in the next ticks; CanaryNotReady at stepTimeout",
)
async def canary_unready_for_good(trial: Trial) -> None:
    await trial.begun(100, dwell="60s", stepTimeout="20s")
    assert await behave(trial, seed.CANARY, LAB_READY=UNREADY) == 1
    await not_ready(trial, seed.CANARY, 0)
    begun = time.monotonic()
    await at(trial, 0)
    trial.see(f"weight 0 {time.monotonic() - begun:.1f} s after Kubernetes saw it")
    assert time.monotonic() - begun < 10  # a tick a second, each of which waits for its answers
    await trial.rolled_back("CanaryNotReady")
    assert await trial.told("CapacityWithdrawn") == 1


@fault(
    "Pods",
    "of a release: three of four are not ready for 10 s at 500m, while stable has four",
    wanted="Weight lowered to what one pod carries (250m), the evidence goes on, 500m again after it; promoted",
)
async def some_canary_pods_lost(trial: Trial) -> None:
    await scale(trial, seed.STABLE, 4)
    await ready(trial, seed.STABLE, 4)
    await trial.begun(500)
    await ready(trial, seed.CANARY, 4)  # for the next weight
    before = await counted(trial)
    await behave(trial, seed.CANARY, 3, LAB_READY=UNREADY)
    await at(trial, 250)
    await trial.stays(10, 250)
    await behave(trial, seed.CANARY, LAB_READY="true")
    with trial.recovering():
        await at(trial, 500)
    gained = await counted(trial) - before
    past = await trial.promoted()
    assert past["outcome"] == "Promoted"
    assert await trial.told("CapacityWithdrawn") >= 1
    trial.see(f"250m, then 500m again; {gained:.0f} requests judged meanwhile")
    assert gained > 20


async def counted(trial: Trial) -> float:
    """Read how many canary requests the evidence holds, as the log of the last tick says."""
    ticks = [line for line in trial.controller.lines() if line.get("event") == "tick.decided" and line.get("gates")]
    gate = cast("Json", cast("Json", ticks[-1]["gates"])[GATE]) if ticks else {}
    return float(str(cast("list[object]", gate.get("canary") or [0, 0])[1]))


@fault(
    "Pods",
    "of a release: their app dies while their proxy lives, and answers 502",
    wanted="Weight withdrawn or rolled back as soon as it is not ready; never promoted",
)
async def canary_app_dies(trial: Trial) -> None:
    await trial.adopt(dwell="60s", stepTimeout="25s")
    await trial.ship(RELEASE="2", LAB_CRASH="after 12s, app")
    await trial.at_least(100)
    await at(trial, 0)
    past = await trial.rolled_back("CanaryNotReady", "SuccessRate", "Unanswered")
    trial.see(f"{past['reason']} after {past['seconds']} s")


@fault(
    "Pods",
    "of a release are scaled to 0 by hand, three times",
    wanted="Weight withdrawn each time, scaled up again, the weight comes back; no rollback; promoted",
)
async def canary_scaled_to_0(trial: Trial) -> None:
    await trial.begun(100, dwell="6s")
    for _ in range(3):
        await scale(trial, seed.CANARY, 0)
        await at(trial, 0)
        with trial.recovering():
            await at(trial, 100)
    assert await replicas(trial, seed.CANARY) >= 1
    await trial.promoted()
    trial.see(f"withdrawn {await trial.told('CapacityWithdrawn')} times, then promoted")


@fault("Pods", "of a release never become ready", wanted="Not one request; CanaryNotReady at stepTimeout")
async def canary_never_ready(trial: Trial) -> None:
    await trial.adopt(stepTimeout="15s")
    await trial.ship(RELEASE="2", LAB_READY=UNREADY)
    past = await trial.rolled_back("CanaryNotReady")
    assert past["peak"] == "0m", past
    assert trial.truth.sent == 0
    trial.see(f"rolled back after {past['seconds']} s, {trial.truth.sent} requests")


@fault("Pods", "of a release are on a node that never answers", wanted="Not one request; CanaryNotReady at stepTimeout")
async def canary_unschedulable(trial: Trial) -> None:
    await trial.adopt(stepTimeout="15s")
    spec = {"template": {"spec": {"nodeName": "nowhere"}}}
    await trial.stage.api.patch(trial.path("deployments", seed.CANARY), {"spec": spec})
    past = await trial.rolled_back("CanaryNotReady")
    assert (past["peak"], trial.truth.sent) == ("0m", 0), past
    trial.see(f"rolled back after {past['seconds']} s")


@fault(
    "Pods",
    "of a release have no proxy",
    wanted="No weight for pods whose requests nobody counts: held, and CanaryNotReady at stepTimeout says so",
)
async def canary_unmeshed(trial: Trial) -> None:
    await trial.adopt(stepTimeout="15s")
    shipped = await template(trial, seed.CANARY)
    bare = {
        "metadata": {**cast("Json", shipped["metadata"]), "annotations": {"linkerd.io/inject": "disabled"}},
        "spec": {"containers": cast("list[Json]", cast("Json", shipped["spec"])["containers"])[:1]},
    }
    await trial.stage.api.patch(trial.path("deployments", seed.CANARY), {"spec": {"template": bare}})
    past = await trial.rolled_back("CanaryNotReady")
    assert "not meshed" in str(past["message"]), past["message"]
    assert past["peak"] == "0m", past
    trial.see("held at 0m, rolled back: 'ready but not meshed'")


@fault(
    "Pods",
    "of both sides are scaled by an HPA each, every 4 s up and down",
    wanted="We never scale the canary; weight is withdrawn when it has too few pods, and given back; promoted",
)
async def hpa_on_both_sides(trial: Trial) -> None:
    for name in (seed.STABLE, seed.CANARY):
        await create(trial, "horizontalpodautoscalers", autoscaler(trial, name))
    await trial.begun(100)
    for stable, canary in ((3, 2), (4, 2), (4, 3), (3, 1), (2, 1), (4, 2), (2, 1), (3, 2)):
        await scale(trial, seed.STABLE, stable)
        await scale(trial, seed.CANARY, canary)
        await asyncio.sleep(4)
    await scale(trial, seed.CANARY, 3)
    with trial.recovering():
        await trial.promoted()
    ours = [write for write in trial.proxy.writes if write.what == "deployments/scale"]
    assert not ours, ours
    trial.see(f"16 scalings, none of them ours; {await trial.told('CapacityWithdrawn')} withdrawals; promoted")


def autoscaler(trial: Trial, deployment: str) -> Json:
    """Make an HPA; nobody runs its controller here."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": deployment, "namespace": trial.namespace},
        "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 8},
    }


@fault(
    "Pods",
    "of stable become four at 100m, where the canary's one pod is too small for 500m and is not ours to scale",
    wanted="Held as CanaryNotReady at 100m; goes on once someone scales the canary; promoted",
)
async def canary_too_small(trial: Trial) -> None:
    await trial.begun(100, scaling={"mode": "None"}, dwell="6s")
    await scale(trial, seed.STABLE, 4)
    await trial.says("CanaryNotReady")
    await trial.stays(8, 100)
    await scale(trial, seed.CANARY, 4)
    await trial.goes_on()
    await trial.promoted()
    assert await trial.told("CanaryNotReady") == 1
    trial.see("held at 100m, one Event, then promoted")
