"""A release answers nothing on half of its requests: no response counter shows that."""

from e2e.stage import Stage


async def play(stage: Stage) -> None:
    """It is rolled back as Unanswered."""
    scene = await stage.scene("hanging", rps=60)
    await scene.canary()
    await scene.ship(LAB_HANGS="*=50%")
    past = await scene.ended()
    assert (past["outcome"], past["reason"]) == ("RolledBack", "Unanswered"), past
    assert "without an answer" in str(past["message"])
    assert await scene.weight() == 0
