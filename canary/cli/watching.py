"""Looking at a Canary again and again, through blips of the API server.

A rollout does not end because nobody can see it: whoever waits goes on asking until the deadline that is his.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeVar

from canary.cli.cluster import Cluster
from canary.cli.looks import Look
from canary.cli.output import note
from canary.core.formats import show_weight
from canary.core.spec import Weight
from canary.core.status import Phase, Reason
from canary.errors import Unreachable

T = TypeVar("T")

PERIOD: Final = 1.0  # seconds between looks; the controller's shortest interval


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until there is an answer; whoever calls sets the deadline. Other errors pass."""
    told = False
    while True:
        try:
            return await ask()
        except Unreachable as error:
            if not told:
                note(f"{error.hint}; trying again")
            told = True
            await asyncio.sleep(PERIOD)


async def looks(cluster: Cluster, name: str, *, deployment: bool = True) -> AsyncIterator[Look]:
    """Look once a second. Raises NotFound when the Canary, or its Deployment where that is looked at, is gone."""
    while True:
        yield await patiently(lambda: cluster.look(name, deployment=deployment))
        await asyncio.sleep(PERIOD)


class Progress:
    """Tells on stderr what changes: one line for each new reason, weight or rollout."""

    def __init__(self, known: Look | None = None) -> None:
        self._before = None if known is None else _standing(known)

    def tell(self, look: Look) -> None:
        """Write a line if there is something new."""
        now, status = _standing(look), look.status
        if now != self._before and status.message:
            note(f"{now[0]} {show_weight(status.weight)} {status.reason}: {status.message}")
        self._before = now


def _standing(look: Look) -> tuple[str, Phase, Weight, Reason]:
    status = look.status
    name = status.rollout.id if status.rollout is not None else look.key.name
    return name, status.phase, status.weight, status.reason
