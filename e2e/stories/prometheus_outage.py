"""Prometheus is gone for a minute in mid-rollout."""

import asyncio

from e2e.stage import Stage

ALONE = True


async def play(stage: Stage) -> None:
    """Nothing is rolled back; the rollout holds, says so, and goes on to the end."""
    scene = await stage.scene("outage", rps=60)
    await scene.canary(dwell="5s", gates={"successRate": {"min": "98%"}})
    await scene.ship(RELEASE="2")
    await scene.at_least(200)
    await stage.lab.prometheus.stop()
    weight = await scene.weight()

    async def held() -> bool:
        return (await scene.status()).get("reason") == "PrometheusUnreachable"

    await scene.until(held, "the rollout to say that Prometheus is gone", within=30)
    for _ in range(60):
        await asyncio.sleep(1)
        assert await scene.weight() == weight
        assert not await scene.history()
    assert (await scene.condition("Held"), await scene.condition("RolledBack")) == ("True", "False")
    await stage.lab.prometheus.start()
    past = await scene.ended(within=240)
    assert past["outcome"] == "Promoted", past
    assert [reason for reason, _ in await scene.events()].count("PrometheusUnreachable") == 1
