"""Pods of a release never become ready."""

from canary.lab import seed
from e2e.stage import Stage


async def play(stage: Stage) -> None:
    """Not one request reaches them, and at the deadline it is CanaryNotReady."""
    scene = await stage.scene("never-ready", rps=20)
    await scene.canary(stepTimeout="20s")
    await scene.ship(LAB_READY="false")
    past = await scene.ended()
    assert (past["outcome"], past["reason"], past["peak"]) == ("RolledBack", "CanaryNotReady", "0m"), past
    revision = str(past["revision"])
    assert stage.lab.truth.total(namespace=scene.namespace, service=seed.CANARY, revision=revision).sent == 0
