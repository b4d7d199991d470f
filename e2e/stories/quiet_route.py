"""A route with 5 % of the traffic fails completely; only its own gate can see it."""

from e2e.stage import Stage

GATES = {
    "successRate": {"min": "90%"},
    "routes": [{"name": "GET /health", "successRate": {"min": "99%"}}],
}


async def play(stage: Stage) -> None:
    """The rollback names the route although the service as a whole keeps its promise."""
    scene = await stage.scene("quiet-route", rps=50, mix="POST /api/task=95%; GET /health=5%")
    await scene.canary(gates=GATES)
    await scene.ship(LAB_FAILURES="GET /health=100%")
    past = await scene.ended()
    assert (past["outcome"], past["reason"], past["route"]) == ("RolledBack", "SuccessRate", "GET /health"), past
    assert str(past["message"]).count("GET /health: success rate") == 1
    assert await scene.weight() == 0
