"""Whoever comes from Flagger keeps its rule: three checks in a row over the limit, of 50 requests or more."""

import asyncio
import re
from typing import cast

from canary.adapters.api import Json
from canary.lab import seed
from e2e.stage import Stage

RULE = {"mode": "Threshold", "failures": 3, "minRequests": 50}
HONEST = re.compile(r"with this traffic this rule rolls back a good release with probability about (\d|100|0\.\d+)")


async def play(stage: Stage) -> None:
    """It is told how often it would be wrong, and rolls back after the third check."""
    scene = await stage.scene("threshold", rps=60, stable={**seed.CALM, "LAB_FAILURES": "*=1%"})
    await scene.canary(evidence=RULE, gates={"successRate": {"min": "98%"}})
    await asyncio.sleep(25)  # of a past to reckon with
    await scene.ship(LAB_FAILURES="*=20%")
    expected: list[str] = []

    async def told() -> bool:
        gates = cast("list[Json]", (await scene.status()).get("gates") or [])
        expected.extend(str(gate.get("expected")) for gate in gates)
        return bool(expected)

    await scene.until(told, "its gates in status", within=30)
    assert HONEST.search(expected[0]), expected
    past = await scene.ended()
    assert (past["outcome"], past["reason"]) == ("RolledBack", "SuccessRate"), past
    assert "over its limit in 3 checks in a row" in str(past["message"])
    assert float(str(past["requests"])) >= 50
    said = [str(line.get("message")) for line in stage.controller.lines() if line.get("rollout") == past["id"]]
    assert [n for n in range(4) if any(f"{n} checks over the limit in a row" in text for text in said)] == [0, 1, 2], (
        said
    )
    assert any("probability about" in message for _, message in await scene.events())
