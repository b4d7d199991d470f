"""The controller as one: watches, workers and the resync under one TaskGroup, and only while the lease is held.

Built by `cli.process`. It stops as one: when any part ends, all end; a tick in progress is cut at its next await, which
is safe because the status is saved before any effect.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Never

from canary.core.snapshot import Key
from canary.runtime.ports import Clock
from canary.runtime.queue import DelayQueue
from canary.runtime.tick import World
from canary.runtime.worker import work

WORKERS = 64  # ticks mostly wait; those of one interval must all join one reading
RESYNC = timedelta(minutes=10)


async def lead(world: World, queue: DelayQueue, keys: Callable[[], list[Key]], ready: Awaitable[None]) -> Never:
    """Tick all Canaries for as long as this task lives. `ready` ends once the mirrors are filled."""
    await ready
    async with asyncio.TaskGroup() as group:
        for _ in range(WORKERS):
            group.create_task(work(queue, world))
        await _resync(world.clock, queue, keys)


async def _resync(clock: Clock, queue: DelayQueue, keys: Callable[[], list[Key]]) -> Never:
    """Look at everything now and then: what an edge-triggered watch missed is found by level."""
    while True:
        for key in keys():
            queue.put(key)
        await clock.sleep(RESYNC)
