"""The shipped controller as a process of its own, as the demo runs it: started, listened to, ended.

Its log goes to a file line by line; whoever started it hears each line that is JSON.
"""

import asyncio
import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from canary.errors import CanaryError, clip

END_WITHIN: Final = 5.0  # seconds between SIGTERM and SIGKILL; it needs two at most
LINE: Final = 2**20  # bytes of a log line
_PR_SET_PDEATHSIG: Final = 1

Hear = Callable[[Mapping[str, object]], None]


class ControllerEnded(CanaryError):
    """The controller's process ended while it was needed."""


class Controller:
    """One process of `canary run`."""

    def __init__(self, options: Sequence[str], log: Path, hear: Hear) -> None:
        self._options, self._log, self._hear = options, log, hear
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._last = ""

    async def start(self) -> None:
        """Start it. It is not ready yet: what it does shows in the cluster."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "canary", "run", "--log-format", "json", *self._options),
            env={name: value for name, value in os.environ.items() if not name.startswith("CANARY_")},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            limit=LINE,
            start_new_session=True,  # a Ctrl-C is for the demo, which then ends its parts in order
            preexec_fn=_die_with_parent,
        )
        self._reading = asyncio.create_task(self._read(), name="controller log")

    async def ended(self) -> None:
        """Wait until it ends by itself, which it should not. Raises ControllerEnded."""
        if self._process is None or self._reading is None:
            return
        code = await self._process.wait()
        await asyncio.wait([self._reading])
        raise ControllerEnded(f"the controller ended with code {code}: {clip(self._last)}; its log is {self._log}")

    async def stop(self) -> None:
        """End it, kindly at first. Does nothing the second time."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(END_WITHIN):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        if self._reading is not None:
            await asyncio.wait([self._reading])

    async def _read(self) -> None:
        if self._process is None or self._process.stderr is None:
            return
        with self._log.open("ab") as log:
            async for line in self._process.stderr:
                log.write(line)
                log.flush()
                self._last = line.decode(errors="replace").strip() or self._last
                with suppress(ValueError):
                    said = json.loads(line)
                    if isinstance(said, dict):
                        self._hear(said)


def _die_with_parent() -> None:
    """Ask the kernel to end the process when ours dies, however it dies."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
