"""The controller is killed with SIGKILL in mid-rollout, and another one started."""

import asyncio
import time
from typing import cast

from canary.lab import seed
from e2e.stage import Scene, Stage

ALONE = True
RPS = 60
SLACK = 3  # requests: a scrape takes a moment, in which some are answered
GATE = "service: success rate"


class Books:
    """The clients' own counts over time, and each checkpoint of the evidence."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.truth: list[tuple[float, int, int]] = []
        self.checkpoints: dict[float, tuple[int, int]] = {}

    async def keep(self) -> None:
        """Write both down, for ever."""
        turn = 0
        while True:
            canary, stable = (
                self.scene.stage.lab.truth.total(namespace=self.scene.namespace, service=service).answered
                for service in (seed.CANARY, seed.STABLE)
            )
            self.truth.append((time.time(), canary, stable))
            turn += 1
            if turn % 10 == 0:
                evidence = cast("dict[str, object]", (await self.scene.status()).get("evidence") or {})
                counted = str(cast("dict[str, str]", evidence.get("counted") or {}).get(GATE) or "").split()
                if counted:
                    self.checkpoints[float(str(evidence["at"]))] = (round(float(counted[0])), round(float(counted[2])))
            await asyncio.sleep(0.01)

    def at(self, moment: float) -> tuple[int, int]:
        """Say what the clients had counted at a moment."""
        return next((c, s) for t, c, s in reversed(self.truth) if t <= moment)


async def scraped(stage: Stage, namespace: str, at: float) -> float:
    """Say when the client's counters were scraped that a reading at `at` saw."""
    query = f'response_total{{direction="outbound",dst_namespace="{namespace}",dst_service="{seed.STABLE}"}}[5s]'
    found = await stage.ask(query, at)
    assert found, (query, at)
    return max(float(value[0]) for series in found for value in series["values"])


async def play(stage: Stage) -> None:
    """The same revision goes on, without an extra step, and every request is in the evidence once."""
    scene = await stage.scene("killed", rps=RPS)
    await scene.canary(dwell="4s", gates={"successRate": {"min": "98%"}})
    books = Books(scene)
    keeping = asyncio.create_task(books.keep())
    try:
        await asyncio.sleep(3)  # so that the books reach back to before the first reading
        await scene.ship(RELEASE="2")
        await scene.at_least(200)
        before = await scene.rollout()
        await stage.controller.kill()
        weight = await scene.weight()
        await asyncio.sleep(7)
        assert await scene.weight() == weight
        await stage.controller.start()
        past = await scene.ended()
    finally:
        keeping.cancel()
    assert (past["id"], past["outcome"], past["peak"]) == (before["id"], "Promoted", "1000m"), past

    weights = [
        line["weight"]
        for line in stage.controller.lines()
        if line.get("canary") == f"{scene.namespace}/{seed.APEX}"
        and line.get("reason") in ("WeightIncreased", "Baking")
        and "SetWeights" in cast("list[str]", line["effects"])
    ]
    steps = [100, 200, 300, 400, 500, 1000]
    assert weights == [step for step in steps if step in weights], weights  # in order, none twice
    assert weights[-1] == 1000

    moments = sorted(books.checkpoints)
    first, last = moments[0], moments[-1]
    assert len(moments) >= 4, books.checkpoints
    for moment in moments[1:]:
        start, end = await scraped(stage, scene.namespace, first), await scraped(stage, scene.namespace, moment)
        counted = [b - a for a, b in zip(books.checkpoints[first], books.checkpoints[moment], strict=True)]
        sent = [b - a for a, b in zip(books.at(start), books.at(end), strict=True)]
        assert all(abs(c - s) <= SLACK for c, s in zip(counted, sent, strict=True)), (moment - first, counted, sent)
    canary = books.checkpoints[last][0]
    assert abs(canary - books.at(await scraped(stage, scene.namespace, last))[0]) <= SLACK
