"""All pods of a release die in mid-rollout: what they do not answer, no counter shows."""

import asyncio

from e2e.stage import Stage


async def play(stage: Stage) -> None:
    """Their weight is withdrawn at once although no failure was counted; at the deadline it is CanaryNotReady."""
    scene = await stage.scene("dying-pods", rps=20)
    await scene.canary(stepTimeout="25s", dwell="30s", gates={"successRate": {"min": "98%"}})
    await scene.ship(LAB_CRASH="after 15s")
    await scene.at_least(100)

    async def withdrawn() -> bool:
        return await scene.weight() == 0

    await scene.until(withdrawn, "the weight to be withdrawn", within=30)
    assert not await scene.history()
    past = await scene.ended()
    assert (past["outcome"], past["reason"], past["peak"]) == ("RolledBack", "CanaryNotReady", "100m"), past
    await asyncio.sleep(1)
    assert "CapacityWithdrawn" in [reason for reason, _ in await scene.events()]
