"""The real clock: meets the loop's port. Made by `cli`, where tests and the simulator make another."""

import asyncio
from datetime import UTC, datetime, timedelta


class SystemClock:
    """The real clock."""

    def now(self) -> datetime:
        """Give the time of day in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Give the event loop's time."""
        return asyncio.get_running_loop().time()

    async def sleep(self, time: timedelta) -> None:
        """Let time pass."""
        await asyncio.sleep(time.total_seconds())
