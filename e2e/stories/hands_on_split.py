"""Someone edits the split in mid-rollout, then deletes it, then a second Canary claims it."""

from canary.lab import seed
from e2e.stage import Stage

NAME = "yamtam-canary"


async def play(stage: Stage) -> None:
    """Both are put back within a tick; the rollout goes on; the younger Canary touches nothing.

    The first is reported at once. What recurs within five minutes is told when they are over.
    """
    scene = await stage.scene("hands-on", rps=20)
    await scene.canary(dwell="60s", gates={"successRate": {"min": "98%"}})
    await scene.ship(RELEASE="2")
    await scene.at_least(100)
    other = seed.canary({"route": {"name": NAME}}, namespace=scene.namespace)
    await stage.lab.apply([{**other, "metadata": {"name": "younger", "namespace": scene.namespace}}])

    edited = {"spec": {"backends": [{"service": seed.STABLE, "weight": "1"}, {"service": seed.CANARY, "weight": "0"}]}}
    await stage.api.patch(scene.path("trafficsplits", NAME), edited, fieldManager="somebody")

    async def restored() -> bool:
        return await scene.weight() == 100

    await scene.until(restored, "the edit to be put back", within=8)
    await stage.api.delete(scene.path("trafficsplits", NAME))

    async def there_again() -> bool:
        found = await stage.api.get(scene.path("trafficsplits"))
        return bool(found["items"]) and await scene.weight() == 100

    await scene.until(there_again, "the split to be created again", within=8)

    async def reported() -> bool:
        told = [message for reason, message in await scene.events() if reason == "SplitRestored"]
        return any("somebody" in message for message in told)

    await scene.until(reported, "the edit to be reported", within=10)
    assert not await scene.history()
    younger = await stage.api.get(scene.path("canaries", "younger"))
    assert "'Conflict'" in str(younger.get("status"))
