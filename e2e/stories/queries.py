"""A number of the user's own: how many requests the release has had, which ends badly at 40."""

import asyncio

from e2e.stage import Stage

SERVED = (
    'sum(request_total{direction="outbound", dst_namespace="{{namespace}}", dst_service="{{canaryService}}",'
    ' dst_pod_template_hash="{{canaryRevision}}"})'
)


def query(promql: str) -> list[dict[str, object]]:
    """Give the list of the one query."""
    return [{"name": "served", "query": promql, "max": 40, "for": "3s"}]


async def play(stage: Stage) -> None:
    """Without data it holds and condemns nothing; out of range for as long as `for` says, it rolls back."""
    scene = await stage.scene("queries", rps=60)
    await scene.canary(gates={"successRate": {"min": "98%"}, "queries": query(SERVED)})
    await scene.ship(RELEASE="2")

    async def held() -> bool:
        return (await scene.status()).get("reason") == "QueryUnanswered"

    await scene.until(held, "the query to hold it", within=30)
    for _ in range(6):  # twice as long as `for`
        await asyncio.sleep(1)
        assert (await scene.weight(), await scene.history()) == (0, [])
    assert (await scene.condition("Held"), await scene.condition("RolledBack")) == ("True", "False")
    status = await scene.status()
    assert "it found no data" in str(status["message"]), status["message"]
    await scene.spec(gates={"queries": query(f"{SERVED} or vector(0)")})
    past = await scene.ended()
    assert (past["outcome"], past["reason"]) == ("RolledBack", "Query"), past
    assert "at most 40 is promised; outside for" in str(past["message"]), past
    assert str(past["message"]).endswith("3s roll back."), past
    assert float(str(past["requests"])) > 40
    assert await scene.weight() == 0
