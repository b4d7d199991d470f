"""A keyed delay queue, like Go's workqueue: a key waits once, has one holder, backs off on its own.

Called by `worker` and by whatever sees a change. A key that is put while it is held comes back when it is done.
"""

import asyncio
import random
from datetime import timedelta

from canary.core.snapshot import Key

FIRST_BACKOFF, LONGEST_BACKOFF = 0.5, 60.0  # seconds


class DelayQueue:
    """Keys with the time before which nobody gets them."""

    def __init__(self) -> None:
        self._due: dict[Key, asyncio.TimerHandle] = {}
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._held: set[Key] = set()
        self._dirty: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}
        self._served_since: float | None = None

    def put(self, key: Key, after: timedelta = timedelta()) -> None:
        """Let `key` come up after a while, or earlier if it was to come up earlier anyway."""
        due = self._now() + after.total_seconds()
        if key in self._held:
            self._dirty[key] = min(due, self._dirty.get(key, due))
            return
        waiting = self._due.get(key)
        if waiting is not None:
            if waiting.when() <= due:
                return
            waiting.cancel()
        self._due[key] = asyncio.get_running_loop().call_at(due, self._ready.put_nowait, key)

    async def get(self) -> Key:
        """Wait for the next key that is due, and hold it."""
        if self._served_since is None:
            self._served_since = self._now()
        while True:
            key = await self._ready.get()
            if self._due.pop(key, None) is not None:  # else put again in the very moment in which it came up
                self._held.add(key)
                return key

    def overdue(self) -> float:
        """Say for how many seconds the longest waiting key has been due, and somebody was there to take it.

        Above a moment only when the workers are stuck: the keys of one that does not lead just gather.
        """
        now = self._now()
        if self._served_since is None:
            return 0.0
        return max(0.0, now - max(self._served_since, min((timer.when() for timer in self._due.values()), default=now)))

    def done(self, key: Key, after: timedelta | None, grid: timedelta = timedelta()) -> None:
        """Let go of a key whose tick went well.

        It comes back on the next multiple of `grid` that is about `after` away.
        """
        self._failures.pop(key, None)
        delay = None if after is None else aligned(self._now(), after, grid)
        self._let_go(key, delay)

    def retry(self, key: Key, after: float | None = None) -> float:
        """Let go of a key whose tick failed; returns the seconds of back-off, with full jitter.

        At least `after`, but never longer than our own longest: a rollback that waits needs no day.
        """
        count = self._failures[key] = self._failures.get(key, 0) + 1
        bound = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** min(count, 16))
        delay = max(min(after or 0.0, LONGEST_BACKOFF), random.uniform(FIRST_BACKOFF / 2, bound))  # noqa: S311 - jitter is no secret
        # a change of the object must not cut the back-off short: the API server asked for quiet
        self._dirty.pop(key, None)
        self._let_go(key, timedelta(seconds=delay))
        return delay

    def _let_go(self, key: Key, delay: timedelta | None) -> None:
        self._held.discard(key)
        again = self._dirty.pop(key, None)
        if delay is not None:
            self.put(key, delay)
        if again is not None:
            self.put(key, timedelta(seconds=max(0.0, again - self._now())))

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def aligned(now: float, after: timedelta, grid: timedelta) -> timedelta:
    """Move a delay to the nearest multiple of `grid` on the monotonic clock, so that ticks of one pace coincide."""
    pace = grid.total_seconds()
    if pace <= 0 or after < grid / 2:
        return after
    nearest = round((now + after.total_seconds()) / pace) * pace
    return timedelta(seconds=max(0.0, nearest - now))
