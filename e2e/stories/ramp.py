"""The weight follows the risk: five failures are allowed, of 60 requests a second."""

from itertools import pairwise

from canary.lab import seed
from e2e.stage import Scene, Stage

FAILING = {"LAB_FAILURES": "*=50%"}


async def play(stage: Stage) -> None:
    """A bad release ends near its first weight; a good one doubles its way to 500m, and is promoted."""
    scene = await stage.scene("ramp", rps=60)
    await scene.canary(ramp={"budget": 5}, gates={"successRate": {"min": "98%"}})
    await scene.ship(**FAILING)
    past = await scene.ended()
    assert (past["outcome"], past["reason"]) == ("RolledBack", "SuccessRate"), past
    assert int(str(past["peak"]).removesuffix("m")) < 100, past  # with which steps would begin
    assert stage.lab.truth.total(namespace=scene.namespace, service=seed.CANARY).hurt < 25
    await scene.ship(LAB_FAILURES="", RELEASE="2")
    past = await scene.ended(2, within=240)
    assert (past["outcome"], past["peak"]) == ("Promoted", "1000m"), past
    weights = _weights(scene, str(past["id"]))
    assert 25 <= weights[0] <= 50, weights  # 33m, as far as the requests before it tell the rate
    assert weights[-1] == 500, weights
    assert all(before < after <= 2 * before for before, after in pairwise(weights)), weights


def _weights(scene: Scene, rollout: str) -> list[int]:
    """List the weights that a rollout had, up to the last one below 1000m."""
    ticks = [line for line in scene.controller.lines() if line.get("event") == "tick.decided"]
    seen = [int(str(line["weight"]).removesuffix("m")) for line in ticks if line.get("rollout") == rollout]
    return sorted({weight for weight in seen if 0 < weight < 1000})
