"""An event loop whose clock leaps to the next timer when nobody has anything to do, and the `Clock` that goes by it."""

import asyncio
import selectors
from datetime import UTC, datetime, timedelta

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class _Leaping(selectors.SelectSelector):
    """Never waits: passes the time instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise AssertionError("everyone waits for something that cannot happen any more")
        self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._leaping = _Leaping()
        super().__init__(self._leaping)

    def time(self) -> float:
        return self._leaping.now


class VirtualClock:
    """The port `Clock`. `wrong` is what somebody has set the clock on the wall ahead by."""

    def __init__(self) -> None:
        self.wrong = timedelta()
        self.slept: list[timedelta] = []

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.monotonic()) + self.wrong

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, time: timedelta) -> None:
        self.slept.append(time)
        await asyncio.sleep(time.total_seconds())


async def pass_time(seconds: float) -> None:
    await asyncio.sleep(seconds)
