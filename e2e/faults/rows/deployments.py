"""Deployments, ReplicaSets and Services that are changed or deleted in mid-rollout."""

import asyncio
from typing import cast

from canary.adapters.api import Json
from canary.lab import seed
from e2e.faults.hands import (
    at,
    baking,
    carries,
    create,
    edit,
    named,
    outcomes,
    promoting,
    ready,
    remove,
    replicas,
    second,
    template,
    there,
)
from e2e.faults.table import fault
from e2e.faults.trial import Trial

FLAWED = {"LAB_FAILURES": "*=20%"}


@fault(
    "Releases",
    "the ReplicaSet of the release is deleted while it is promoted, and its Deployment makes it again",
    wanted="Weight withdrawn while pods lack; the analysed template is promoted",
)
async def replicaset_deleted(trial: Trial) -> None:
    await promoting(trial)
    revision = str((await trial.rollout())["revision"])
    found = [n for each in await there(trial, "replicasets") if revision in (n := named(each))]
    assert len(found) == 1, found
    await remove(trial, "replicasets", found[0])
    with trial.recovering():
        await trial.promoted()
    assert await carries(trial, seed.STABLE, "2")
    trial.see(f"promoted; weights {trial.weights.values}")


@fault(
    "Releases",
    "a push lands while the release before is promoted, and that one's ReplicaSet is deleted",
    wanted="What nobody can promote any more is taken back or finished, never replaced by what was not analysed",
)
async def replicaset_pruned(trial: Trial) -> None:
    await promoting(trial)
    revision = str((await trial.rollout())["revision"])
    await edit(trial, "deployments", seed.CANARY, {"revisionHistoryLimit": 0})
    await trial.ship(RELEASE="3", LAB_READY="true")
    past = await trial.ended(1, within=60)
    assert past["revision"] == revision, past
    assert past["outcome"] in ("Promoted", "Superseded"), past
    assert not await carries(trial, seed.STABLE, "3")
    trial.see(f"{past['outcome']}: {past['message']}")
    await second(trial)
    await trial.promoted(2)
    assert await carries(trial, seed.STABLE, "3")


@fault(
    "Releases",
    "stable's template is changed by hand while a release has 100m",
    wanted="Said once; the comparison starts over against the new stable; promoted",
)
async def stable_changed(trial: Trial) -> None:
    await trial.begun(100, dwell="20s")
    template_ = seed.with_env(await trial.stage.api.get(trial.path("deployments", seed.STABLE)), {"HOTFIX": "1"})
    patch = {"spec": {"template": cast("Json", template_["spec"])["template"]}}
    await trial.stage.api.patch(trial.path("deployments", seed.STABLE), patch)
    await ready(trial, seed.STABLE, 2)
    with trial.recovering():
        await trial.promoted()
    assert await trial.told("StableChanged") == 1
    assert await carries(trial, seed.STABLE, "2")
    trial.see("one Event, promoted")


@fault(
    "Releases",
    "`kubectl rollout restart` of the canary's Deployment in mid-rollout",
    wanted="A new revision: Superseded, weight 0, the restarted one starts from 0m",
)
async def restarted(trial: Trial) -> None:
    await trial.begun(100, dwell="60s")
    stamp = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}}}
    await edit(trial, "deployments", seed.CANARY, {"template": stamp})
    await second(trial)
    with trial.recovering():
        await trial.at_least(100)
    assert await outcomes(trial) == ["Superseded"]
    assert trial.weights.values == [0, 100, 0, 100], trial.weights.values
    trial.see("superseded, weight 0, then 100m")


@fault(
    "Releases",
    "the canary's Deployment is paused (spec.paused) in mid-rollout, and then pushed to",
    wanted="The release under way goes on and is promoted; the push starts once the Deployment is resumed",
)
async def deployment_paused(trial: Trial) -> None:
    await trial.begun(100)
    await edit(trial, "deployments", seed.CANARY, {"paused": True})
    await trial.ship(RELEASE="3")
    await trial.promoted()
    assert await carries(trial, seed.STABLE, "2")
    await trial.spec(dwell="60s")
    await edit(trial, "deployments", seed.CANARY, {"paused": False})
    with trial.recovering():
        await second(trial)
    trial.see("promoted what was analysed; the push started after the resumption")


@fault(
    "Releases",
    "the canary's Deployment is deleted while a release has 100m",
    wanted="Weight 0 at once, held as DeploymentMissing, rolled back at the deadline",
)
async def canary_deleted_progressing(trial: Trial) -> None:
    await trial.begun(100, dwell="60s", stepTimeout="20s")
    was = await remove(trial, "deployments", seed.CANARY)
    await at(trial, 0, within=5)
    await trial.says("DeploymentMissing")
    past = await trial.rolled_back("CanaryNotReady")
    trial.see(f"weight 0 at once; rolled back: {past['message']}")
    await create(trial, "deployments", was)
    await ready(trial, seed.CANARY, 1)
    await trial.stays(5, 0)


@fault(
    "Releases",
    "the canary's Deployment is deleted in the bake",
    wanted="Weight 0 at once, held as DeploymentMissing, rolled back at the deadline",
)
async def canary_deleted_baking(trial: Trial) -> None:
    await baking(trial, bake="3s", promotion={"approval": "Manual"}, stepTimeout="15s")
    await remove(trial, "deployments", seed.CANARY)
    await at(trial, 0, within=5)
    await trial.says("DeploymentMissing")
    past = await trial.rolled_back("CanaryNotReady")
    trial.see(f"weight 0 at once; rolled back: {past['message']}")


@fault(
    "Releases",
    "the canary's Deployment is deleted while its release is promoted",
    wanted="Weight 0 at once; what stable has got of it is finished",
)
async def canary_deleted_promoting(trial: Trial) -> None:
    await promoting(trial)
    await remove(trial, "deployments", seed.CANARY)
    await at(trial, 0, within=5)
    with trial.recovering():
        past = await trial.ended(1, within=60)
    assert past["outcome"] == "Promoted", past
    assert await carries(trial, seed.STABLE, "2")
    await ready(trial, seed.STABLE, 2)
    trial.see(f"weight 0 at once; {past['outcome']}")


@fault(
    "Releases",
    "stable's Deployment is deleted while a release has 100m",
    wanted="Held, the split stays (it is never moved onto a side without pods); rolled back once stable is there",
)
async def stable_deleted(trial: Trial) -> None:
    await trial.begun(100, dwell="60s", stepTimeout="20s")
    was = await remove(trial, "deployments", seed.STABLE)
    await trial.says("StableNotReady", "DeploymentMissing")
    await trial.stays(25, 100)
    trial.see(f"stayed at 100m: {(await trial.status())['reason']}")
    await create(trial, "deployments", was)
    with trial.recovering():
        await trial.rolled_back("StepTimeout", "CanaryNotReady")
    trial.see("rolled back once stable was there again")


@fault(
    "Releases",
    "the canary's Service is deleted for 12 s",
    wanted="Held as ServiceMissing, no rollback; goes on when it is there again",
)
async def canary_service_deleted(trial: Trial) -> None:
    await service_deleted(trial, seed.CANARY)


@fault(
    "Releases",
    "the Service that clients call is deleted for 12 s",
    wanted="Held as ServiceMissing, no rollback; goes on when it is there again",
)
async def apex_service_deleted(trial: Trial) -> None:
    await service_deleted(trial, seed.APEX)


async def service_deleted(trial: Trial, service: str) -> None:
    """Delete a Service at 100m, and bring it back after a while."""
    await trial.begun(100, dwell="10s")
    was = await remove(trial, "services", service)
    cast("Json", was["spec"]).pop("clusterIP")
    cast("Json", was["spec"]).pop("clusterIPs")
    await trial.says("ServiceMissing")
    await asyncio.sleep(12)
    assert not await trial.history()
    await create(trial, "services", was)
    await trial.goes_on()
    assert await trial.told("ServiceMissing") == 1
    await trial.promoted()
    trial.see("held, one Event; promoted")


@fault(
    "Releases",
    "the canary's Service selects no pod any more for 20 s",
    wanted="No rollback for requests that never came: held as NoTraffic; goes on after it",
)
async def canary_service_selects_nothing(trial: Trial) -> None:
    await trial.begun(100, dwell="30s")
    await edit(trial, "services", seed.CANARY, {"selector": {"app": "nobody"}})
    await trial.says("NoTraffic")
    await trial.stays(10, 100)
    await edit(trial, "services", seed.CANARY, {"selector": {"app": seed.CANARY}})
    await trial.goes_on()
    trial.see("held as NoTraffic at 100m")


@fault(
    "Releases",
    "the canary's replicas are set by the push itself, together with a new template",
    wanted="One rollout; the canary's replicas are as found afterwards; promoted",
)
async def push_with_replicas(trial: Trial) -> None:
    trial.weights.steps = (1000,)
    await trial.adopt(steps=["1000m"])
    shipped = seed.with_env(await trial.stage.api.get(trial.path("deployments", seed.CANARY)), {"RELEASE": "2"})
    spec = {"replicas": 3, "template": cast("Json", shipped["spec"])["template"]}
    await edit(trial, "deployments", seed.CANARY, spec)
    await trial.promoted()
    assert await replicas(trial, seed.CANARY) == 3
    assert await template(trial, seed.STABLE)
    trial.see("promoted; 3 replicas kept")
