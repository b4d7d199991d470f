"""Both sides fail 0.5 % of their requests, which the promise allows."""

from canary.lab import seed
from e2e.stage import Stage

FLAWED = {**seed.CALM, "LAB_FAILURES": "*=0.5%"}


async def play(stage: Stage) -> None:
    """The release is promoted, and stable runs its template."""
    scene = await stage.scene("equally-flawed", rps=60, stable=FLAWED, canary=seed.CALM)
    await scene.canary(gates={"successRate": {"min": "98%"}})
    await scene.ship(**FLAWED, RELEASE="2")
    past = await scene.ended(within=240)
    assert (past["outcome"], past["peak"]) == ("Promoted", "1000m"), past
    stable = await stage.api.get(scene.path("deployments", seed.STABLE))
    assert "'RELEASE'" in str(stable["spec"])
    assert await scene.weight() == 0
    reasons = [reason for reason, _ in await scene.events()]
    assert reasons.index("NewRevision") < reasons.index("Baking") < reasons.index("Promoted")
