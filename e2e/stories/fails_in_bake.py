"""A release fails every request, but only once it has all the traffic."""

from e2e.stage import Stage


async def play(stage: Stage) -> None:
    """The bake rolls it back within three ticks."""
    scene = await stage.scene("fails-in-bake", rps=60)
    await scene.canary(steps=["100m", "1000m"], gates={"successRate": {"min": "95%"}}, bake="60s")
    await scene.ship(LAB_OVERLOAD="18rps=100%")
    past = await scene.ended(within=240)
    assert (past["outcome"], past["reason"], past["peak"]) == ("RolledBack", "SuccessRate", "1000m"), past
    ticks = [
        line
        for line in stage.controller.lines()
        if line.get("event") == "tick.decided" and str(line.get("canary")).startswith(f"{scene.namespace}/")
    ]
    baking = [line for line in ticks if line["phase"] == "Baking"]
    # the tick that begins the bake, those that look at it, and then the one that rolls back
    assert len(baking) <= 1 + 3, [line["message"] for line in baking]
