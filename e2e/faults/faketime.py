"""A process' clock on the wall, moved by libfaketime: its time of day jumps, its monotonic time goes on."""

from dataclasses import dataclass
from pathlib import Path

from canary.lab.debian import unpacked


@dataclass(frozen=True)
class WallClock:
    """`environment` is for the process; `step` moves the clock of all processes that have it."""

    file: Path
    library: Path

    @property
    def environment(self) -> dict[str, str]:
        """Give the variables that make a process go by this clock."""
        return {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def step(self, seconds: int) -> None:
        """Be so far from the true time, from now on."""
        new = self.file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.rename(self.file)


async def wall_clock(file: Path) -> WallClock:
    """Make a clock that is right. Raises NotFetched where there is no libfaketime to be had."""
    (library,) = (await unpacked("libfaketime")).glob("usr/lib/*/faketime/libfaketimeMT.so.1")
    clock = WallClock(file, library)
    clock.step(0)
    return clock
