"""Ships releases without end: whenever a Canary's rollout is over, its next release, one in five of them bad."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

from canary.adapters.api import Api, Json
from canary.lab import seed
from canary.lab.fields import number, rows, table, text
from e2e.soak.traffic import FAILING, HEALTHY

BAD_EVERY = 5
BAD = 0.1  # share of requests that a bad release fails
OVER = ("Promoted", "RolledBack")
WANTED = {False: "Promoted", True: "RolledBack"}


@dataclass
class Shipped:
    """What became of the releases of all Canaries."""

    ended: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


class Pipeline:
    """One service's pipeline. It hears of its Canary by `observe`."""

    def __init__(self, api: Api, namespace: str, offset: int, shipped: Shipped) -> None:
        self._api, self._namespace, self._offset, self._shipped = api, namespace, offset, shipped
        self._heard = asyncio.Event()
        self._canary: Json = {}

    def observe(self, canary: Json) -> None:
        """Take in the Canary as it is now."""
        self._canary = canary
        self._heard.set()

    async def run(self, after: float) -> None:
        """Ship for ever, first `after` so many seconds."""
        await self._until_adopted()
        await asyncio.sleep(after)
        release = 0
        while True:
            release += 1
            bad = (release + self._offset) % BAD_EVERY == 0
            await self._ship(release, BAD if bad else HEALTHY)
            await self._over(release)
            self._note(bad=bad)
            await asyncio.sleep(random.uniform(0.5, 3))

    async def _ship(self, release: int, failing: float) -> None:
        path = f"/apis/apps/v1/namespaces/{self._namespace}/deployments/{seed.CANARY}"
        shipped = seed.with_env(await self._api.get(path), {"RELEASE": str(release), FAILING: str(failing)})
        await self._api.patch(path, {"spec": {"template": table(shipped, "spec", "template")}})

    async def _until_adopted(self) -> None:
        while not text(self._canary, "status", "promoted"):
            await self._next()

    async def _over(self, rollouts: int) -> None:
        while self._count() < rollouts or text(self._canary, "status", "phase") not in OVER:
            await self._next()

    async def _next(self) -> None:
        self._heard.clear()
        await self._heard.wait()

    def _count(self) -> float:
        return number(self._canary, "status", "rollouts", default=0)

    def _note(self, *, bad: bool) -> None:
        past = rows(self._canary, "status", "history")[-1]
        outcome, reason = text(past, "outcome"), text(past, "reason")
        self._shipped.ended[f"{'bad' if bad else 'good'}: {outcome}"] += 1
        self._shipped.seconds.append(number(past, "seconds", default=0))
        if outcome != WANTED[bad]:
            self._shipped.wrong.append(f"{self._namespace} {text(past, 'id')}: {reason}: {text(past, 'message')}")
