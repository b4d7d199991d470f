"""A second release lands while the first one is at work."""

from e2e.stage import Stage


async def play(stage: Stage) -> None:
    """The first is superseded, not condemned; the second starts from 0 on fresh evidence and is promoted."""
    scene = await stage.scene("superseded", rps=60)
    await scene.canary(gates={"successRate": {"min": "98%"}})
    await scene.ship(RELEASE="2")
    await scene.at_least(200)
    first = await scene.rollout()
    await scene.ship(RELEASE="3")

    async def second() -> bool:
        return (await scene.rollout()).get("id") != first["id"]

    await scene.until(second, "the second rollout", within=10)
    assert [past["outcome"] for past in await scene.history()] == ["Superseded"]
    past = await scene.ended(2, within=200)
    assert past["outcome"] == "Promoted", past
    await scene.ship(RELEASE="2")  # superseded condemns nothing

    async def again() -> bool:
        rollout = await scene.rollout()
        return (rollout.get("revision"), rollout.get("number")) == (first["revision"], 3)

    await scene.until(again, "the first revision to be tried again", within=15)
