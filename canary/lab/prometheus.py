"""A real Prometheus over the lab's proxies, as a process of its own on a free loopback port.

Started by the lab; stories stop it, restart it and freeze it. It keeps its data in the lab's home.
"""

import asyncio
import contextlib
import ctypes
import shutil
import signal
import socket
import sys
from datetime import timedelta
from pathlib import Path

import aiohttp

from canary.errors import MetricsUnreachable, clip
from canary.lab.promconfig import configuration
from canary.lab.promfetch import find_prometheus

READY_WITHIN = 20.0  # seconds
END_WITHIN = 1.0
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)  # opened here: a process between fork and exec must not


class Prometheus:
    """One server; `url` stays the same through restarts."""

    def __init__(self, home: Path, targets_url: str, scrape_interval: timedelta, replica: str = "") -> None:
        self._home, self._replica = home, replica
        self._targets_url, self._scrape_interval = targets_url, scrape_interval
        self._port = _free_port()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Return when it answers queries. Raises NoPrometheus, MetricsUnreachable."""
        program = await find_prometheus()
        self._home.mkdir(parents=True, exist_ok=True)
        config, log = self._home / "prometheus.yml", self._home / "prometheus.log"
        config.write_text(configuration(self._targets_url, self._scrape_interval, self._replica))
        with log.open("ab") as sink:
            self._process = await asyncio.create_subprocess_exec(
                str(program),
                f"--config.file={config}",
                f"--storage.tsdb.path={self._home / 'data'}",
                f"--web.listen-address=127.0.0.1:{self._port}",
                "--log.level=warn",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,  # a Ctrl-C is for the lab, which then ends its parts in order
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        await self._until_ready(log)

    async def stop(self) -> None:
        """End it. Does nothing the second time."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            async with asyncio.timeout(END_WITHIN):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):  # it has ended just now
                process.kill()
            await process.wait()

    async def restart(self, *, keep_history: bool = True) -> None:
        """Stop and start it; without its history it is as after the restart of viz's pod, whose disk is an emptyDir."""
        await self.stop()
        if not keep_history:
            shutil.rmtree(self._home / "data", ignore_errors=True)
        await self.start()

    def pause(self) -> None:
        """Freeze it: connections are accepted by the kernel and never answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen one go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            raise MetricsUnreachable("the lab's Prometheus does not run")
        self._process.send_signal(number)

    async def _until_ready(self, log: Path) -> None:
        if self._process is None:
            return
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1.0)) as session:
            try:
                async with asyncio.timeout(READY_WITHIN):
                    while self._process.returncode is None:
                        if await _answers(session, f"{self.url}/-/ready"):
                            return
                        await asyncio.sleep(0.05)
            except TimeoutError:
                await self.stop()
        end = clip(log.read_text(errors="replace")[-1000:])
        raise MetricsUnreachable(f"the lab's Prometheus did not become ready; its log {log} ends: {end}")


async def _answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            return response.status == 200  # noqa: PLR2004 - HTTP's OK
    except (aiohttp.ClientError, OSError):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _die_with_parent() -> None:
    """Ask the kernel to end this process when the lab dies, however it dies."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
