"""Releases that meet each other, or fail late."""

import asyncio
from typing import cast

from canary.adapters.api import Json
from canary.lab import seed
from e2e.faults.hands import at, baking, behave, carries, outcomes, phase, promoting, ready, second
from e2e.faults.table import fault
from e2e.faults.trial import Trial

FLAWED = {"LAB_FAILURES": "*=20%"}


@fault(
    "Releases",
    "a push lands while another release has 100m",
    wanted="Weight 0 first, Superseded and not condemned; the new one starts from 0m; promoted",
)
async def push_in_mid_rollout(trial: Trial) -> None:
    await trial.begun(100, dwell="10s")
    await trial.ship(RELEASE="3")
    await second(trial)
    assert await outcomes(trial) == ["Superseded"]
    await trial.spec(dwell="3s")
    await trial.promoted(2)
    assert trial.weights.values[:4] == [0, 100, 0, 100], trial.weights.values
    assert await carries(trial, seed.STABLE, "3")
    trial.see("superseded at 100m, weight 0, then the new one was promoted")


@fault(
    "Releases", "a push lands in the bake", wanted="Weight 0 first, Superseded; the new one starts from 0m; promoted"
)
async def push_while_baking(trial: Trial) -> None:
    await baking(trial)
    await trial.ship(RELEASE="3")
    await second(trial)
    await trial.spec(bake="3s")
    await trial.promoted(2)
    assert await outcomes(trial) == ["Superseded", "Promoted"]
    assert trial.weights.values == [0, 1000, 0, 1000, 0], trial.weights.values
    assert await carries(trial, seed.STABLE, "3")
    trial.see("superseded at 1000m, weight 0, then the new one was promoted")


@fault(
    "Releases",
    "a push lands while the release before is promoted",
    wanted="Weight 0; what was analysed is promoted, never the new template unseen; then the new one starts",
)
async def push_while_promoting(trial: Trial) -> None:
    await promoting(trial)
    await trial.ship(RELEASE="3", LAB_READY="true")
    await at(trial, 0)
    past = await trial.ended(1)
    assert past["outcome"] == "Promoted", past
    assert await carries(trial, seed.STABLE, "2")
    await second(trial)
    with trial.recovering():
        await trial.promoted(2)
    assert await carries(trial, seed.STABLE, "3")
    trial.see("the analysed one was promoted, then the new one")


@fault("Releases", "two pushes land within a second", wanted="Only the later gets weight and is promoted")
async def two_pushes(trial: Trial) -> None:
    trial.weights.steps = (1000,)
    await trial.adopt(steps=["1000m"])
    await trial.ship(RELEASE="2", **FLAWED)
    await trial.ship(RELEASE="3", LAB_FAILURES="")
    await second(trial, 2 if await superseded(trial) else 1)
    count = 1 + len([each for each in await outcomes(trial) if each == "Superseded"])
    await trial.promoted(count)
    assert await carries(trial, seed.STABLE, "3")
    assert trial.weights.values == [0, 1000, 0], trial.weights.values
    trial.see(f"{count} rollouts; the later one was promoted")


async def superseded(trial: Trial) -> bool:
    """Give the first push time to be seen, and tell whether it was."""
    await asyncio.sleep(4)
    return bool(await trial.history())


@fault(
    "Releases",
    "five pushes land within ten seconds",
    wanted="Only the last is promoted; no weight left in between; each superseded one is in the history",
)
async def pushes_in_a_row(trial: Trial) -> None:
    trial.weights.steps = (1000,)
    await trial.adopt(steps=["1000m"])
    for number in range(2, 7):
        await trial.ship(RELEASE=str(number))
        await asyncio.sleep(2)

    async def promoted() -> bool:
        return "Promoted" in await outcomes(trial)

    await trial.until(promoted, "the last to be promoted", within=90)
    assert set((await outcomes(trial))[:-1]) <= {"Superseded"}, await outcomes(trial)
    assert await carries(trial, seed.STABLE, "6")
    assert await trial.weight() == 0
    trial.see(", ".join(await outcomes(trial)))


@fault(
    "Releases",
    "the canary's template is put back to the promoted one in mid-rollout",
    wanted="Superseded, weight 0, Idle; no rollout of what stable runs already",
)
async def push_back(trial: Trial) -> None:
    await trial.adopt(dwell="60s")
    before = (await trial.stage.api.get(trial.path("deployments", seed.CANARY)))["spec"]
    await trial.ship(RELEASE="2")
    await trial.at_least(100)
    patch = {"spec": {"template": cast("Json", before)["template"]}}
    await trial.stage.api.patch(trial.path("deployments", seed.CANARY), patch)
    with trial.recovering():
        past = await trial.ended(1, within=20)
    assert past["outcome"] == "Superseded", past
    await phase(trial, "Superseded")
    await trial.stays(5, 0)
    assert (await trial.status())["rollouts"] == 1
    await ready(trial, seed.CANARY, 1)
    trial.see("Superseded, weight 0, no second rollout")


@fault(
    "Releases",
    "a release turns bad (half of all requests fail) while it is promoted",
    wanted="Rolled back for its success rate; stable has its former template again",
)
async def bad_while_promoting(trial: Trial) -> None:
    await promoting(trial)
    await behave(trial, seed.CANARY, LAB_FAILURES="*=50%")
    with trial.recovering():
        await trial.rolled_back("SuccessRate", within=60)
    assert not await carries(trial, seed.STABLE, "2")
    await ready(trial, seed.STABLE, 2)
    trial.see("rolled back; stable has its former template")


@fault(
    "Releases",
    "a release fails every fifth request, and stable as well",
    wanted="It is not blamed for what stable does, too, and not promoted: StepTimeout at the deadline",
)
async def bad_like_stable(trial: Trial) -> None:
    await trial.adopt(stepTimeout="25s")
    await behave(trial, seed.STABLE, LAB_FAILURES="*=20%")
    await trial.ship(RELEASE="2", **FLAWED)
    past = await trial.rolled_back("StepTimeout")
    assert past["peak"] != "1000m", past
    trial.see(f"StepTimeout after {past['seconds']} s at {past['peak']}")
