"""The Canary is deleted in mid-rollout."""

from canary.errors import NotFound
from canary.lab import seed
from e2e.stage import Stage


async def play(stage: Stage) -> None:
    """Traffic returns to stable before the object goes; split, Services and Deployments stay."""
    scene = await stage.scene("deleted", rps=20)
    await scene.canary(dwell="60s", gates={"successRate": {"min": "98%"}})
    await scene.ship(RELEASE="2")
    await scene.at_least(100)
    await stage.api.delete(scene.path("canaries", seed.APEX))

    async def gone() -> bool:
        try:
            await stage.api.get(scene.path("canaries", seed.APEX))
        except NotFound:
            return True
        return False

    await scene.until(gone, "the Canary to go", within=15)
    assert await scene.weight() == 0
    for name in (seed.STABLE, seed.CANARY):
        await stage.api.get(scene.path("deployments", name))
