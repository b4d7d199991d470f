"""What a canary's weight did: every value that the live split ever had, and when."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Self, cast

from canary.adapters.api import Json
from canary.adapters.trafficsplit import milliunits, read_split
from canary.core.decision import FIELD_MANAGER
from canary.errors import CanaryError
from canary.lab import seed
from e2e.stage import Scene

DWELL = 2.0  # seconds, of `stage.QUICK`
RISE: Sequence[int] = (100, 200, 300, 400, 500, 1000)
SLACK = 0.3  # seconds: the watch sees a write a moment after it was made


@dataclass
class Weights:
    """Every weight that the live split ever had, and when (the loop's time), but for those that others wrote to it."""

    scene: Scene
    steps: Sequence[int] = RISE
    dwell: float = DWELL
    seen: list[tuple[float, int]] = field(default_factory=list)
    marks: list[float] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[Self]:
        """Follow the split while the context is open, through outages of the API server, too."""
        task = asyncio.create_task(self._follow())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _follow(self) -> None:
        while True:
            with contextlib.suppress(CanaryError):
                await self._watch()
            await asyncio.sleep(0.2)

    async def _watch(self) -> None:
        path = self.scene.path("trafficsplits")
        listed = await self.scene.stage.api.get(path)
        for split in cast("list[Json]", listed["items"]):
            self._see(split)
        since = str(cast("Json", listed["metadata"])["resourceVersion"])
        async with aclosing(self.scene.stage.api.watch(path, since, timeoutSeconds=600)) as events:
            async for event in events:
                if event["type"] in ("ADDED", "MODIFIED"):
                    self._see(cast("Json", event["object"]))

    def _see(self, split: Json) -> None:
        weight = weight_in(split)
        if self.seen and read_split(split).editor not in ("", FIELD_MANAGER):
            return
        if not self.seen or self.seen[-1][1] != weight:
            self.seen.append((asyncio.get_running_loop().time(), weight))

    def again(self) -> None:
        """Note that another rollout has begun."""
        self.marks.append(asyncio.get_running_loop().time())

    @property
    def values(self) -> list[int]:
        """The weights in their order."""
        return [weight for _, weight in self.seen]

    def strange(self) -> list[str]:
        """List what no rollout may do: skip a step other than by PASS, take one twice, or leave one too soon.

        What was withdrawn, as pods were lost, may be given back within the same rollout.
        """
        found, withdrawn = [], 0
        for (before, low), (after, high) in pairwise(self.seen):
            if any(before <= mark <= after for mark in self.marks):
                withdrawn = 0
            if high <= low:
                withdrawn = max(low, withdrawn)
            if high <= withdrawn:
                continue
            withdrawn = 0
            ahead = [step for step in self.steps if step > low]
            if high not in (ahead[0], ahead[-2:][0]):  # the second: what PASS skips to
                found.append(f"{low}m to {high}m")
            if low > 0 and after - before < self.dwell - SLACK:
                found.append(f"{low}m left after {after - before:.1f} s")
        return found

    def rises_one_step_at_a_time(self) -> None:
        """Assert that each weight is a later step than the one before, and stood for its dwell."""
        weights = [weight for weight in self.values if weight > 0]
        assert weights == sorted(set(weights)), self.seen
        assert set(weights) <= set(self.steps), self.seen
        assert not self.strange(), (self.strange(), self.seen)


def weight_in(split: Json) -> int:
    """Read the canary's weight in a split, in thousandths."""
    backends = cast("list[Json]", cast("Json", split["spec"])["backends"])
    return next((milliunits(b["weight"]) or 0 for b in backends if b["service"] == seed.CANARY), 0)
