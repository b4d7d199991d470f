"""What this process remembers between ticks: the working status and the counters last used, by key.

A cache that can always be rebuilt, from the saved status and Prometheus. Kept beside the queue, used by `tick` alone.
It holds a Canary's memory only while the saved status is the one it grew from; if someone else wrote, it is dropped.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from canary.core.counters import Counters
from canary.core.decision import Decision
from canary.core.snapshot import Key, Snapshot
from canary.core.status import CanaryStatus, Reason


@dataclass(frozen=True, slots=True)
class Entry:
    """One Canary's memory, and when on the monotonic clock it was made."""

    saved: CanaryStatus
    status: CanaryStatus
    counters: Counters | None
    at: float
    pace: timedelta


class Ledger:
    """The memory of all keys of this process."""

    def __init__(self) -> None:
        self._entries: dict[Key, Entry] = {}
        self._refused: dict[Key, tuple[Reason, str]] = {}

    def recall(self, seen: Snapshot, now: float) -> Snapshot:
        """Put what is remembered into a fresh look."""
        if seen.key in self._refused:
            seen = replace(seen, refused=self._refused[seen.key])
        entry = self._entries.get(seen.key)
        if entry is None or entry.saved != seen.saved:
            return seen
        elapsed = timedelta(seconds=max(0.0, now - entry.at))
        return replace(seen, status=entry.status, counters=entry.counters, elapsed=elapsed)

    def keep(self, seen: Snapshot, decision: Decision, now: float) -> None:
        """Remember a decision; `seen.saved` is what the API server has after it."""
        self._entries[seen.key] = Entry(seen.saved, decision.status, decision.counters, now, seen.spec.interval)

    def refuse(self, key: Key, reason: Reason, message: str) -> None:
        """Remember what the API server refused, until a tick succeeds."""
        self._refused[key] = (reason, message)

    def accept(self, key: Key) -> bool:
        """Note that a tick succeeded; tells whether the one before was refused, which its status still says."""
        return self._refused.pop(key, None) is not None

    def pace(self, key: Key) -> timedelta:
        """Give the interval of a Canary, whose multiples its ticks fall on; zero for one that is not remembered."""
        entry = self._entries.get(key)
        return timedelta() if entry is None else entry.pace

    def forget(self, key: Key) -> None:
        """Drop a key's memory."""
        self._entries.pop(key, None)
        self._refused.pop(key, None)
