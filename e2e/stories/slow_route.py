"""One route goes from 150 ms to 450 ms, against its p99 of 300 ms."""

from canary.lab import seed
from e2e.stage import Stage

SLOW = {"LAB_LATENCY": "POST /api/task=450ms±5%; *=5ms"}
FAST = {"LAB_LATENCY": "POST /api/task=150ms±5%; *=5ms"}
GATES = {
    "successRate": {"min": "99%"},
    "routes": [{"name": "POST /api/task", "successRate": {"min": "99%"}, "latency": {"p99": "300ms"}}],
}


async def play(stage: Stage) -> None:
    """It is rolled back for Latency on that route."""
    scene = await stage.scene("slow-route", rps=40, stable=FAST, canary=FAST)
    await scene.canary(gates=GATES)
    await scene.ship(**SLOW)
    past = await scene.ended()
    assert (past["outcome"], past["reason"], past["route"]) == ("RolledBack", "Latency", "POST /api/task"), past
    assert "took longer than 300 ms" in str(past["message"])
    truth = stage.lab.truth.total(namespace=scene.namespace, service=seed.CANARY)
    assert truth.failed == 0
