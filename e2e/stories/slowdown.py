"""A stable that is slow itself, and releases that may be at most half as slow again."""

from canary.lab import seed
from e2e.stage import Stage

STABLE = {"LAB_LATENCY": "*=150ms±50%"}
TWICE = {"LAB_LATENCY": "*=300ms±50%"}
FAST_FAILURES = {"LAB_LATENCY": "*=150ms±50%", "LAB_FAILURES": "*=60%"}


async def play(stage: Stage) -> None:
    """One that takes twice as long is rolled back for it; so is one that fails, for failures count as slow."""
    scene = await stage.scene("slowdown", rps=60, stable=STABLE, canary=STABLE)
    await scene.canary(gates={"latency": {"slowdown": 1.5, "failures": "Slow"}})
    await scene.ship(**TWICE)
    past = await scene.ended()
    assert (past["outcome"], past["reason"]) == ("RolledBack", "Latency"), past
    assert "slower than stable" in str(past["message"])
    assert "at most 1.5 times as late is promised" in str(past["message"])
    assert not stage.lab.truth.total(namespace=scene.namespace, service=seed.CANARY).failed
    await scene.ship(**FAST_FAILURES)
    past = await scene.ended(2)
    assert (past["outcome"], past["reason"]) == ("RolledBack", "Latency"), past
