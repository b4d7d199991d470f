"""Finds a Prometheus: on PATH, in the user's cache, else unpacked from the distribution's package into that cache.

Needs no root and starts no service: `apt-get download` and `dpkg-deb -x`, with package lists of its own when the
machine has none.
"""

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

from canary.errors import CanaryError, clip

PACKAGE = "prometheus"
MINUTES = 5.0


class NoPrometheus(CanaryError):
    """There is no Prometheus and none could be fetched."""


def cache_home() -> Path:
    """Return where the lab keeps what it fetched."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if given else Path.home() / ".cache") / "linkerd-canary" / PACKAGE


async def find_prometheus() -> Path:
    """Return the program. Raises NoPrometheus with what to do about it."""
    on_path = shutil.which(PACKAGE)
    if on_path is not None:
        return Path(on_path)
    home = cache_home()
    program = home / "usr" / "bin" / PACKAGE
    if not program.exists():
        await _fetch(home)
    return program


async def _fetch(home: Path) -> None:
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        raise NoPrometheus(f"no prometheus on PATH, and no {missing[0]} to fetch it with: put a prometheus on PATH")
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as name:
        work = Path(name)
        await _download(work)
        packages = sorted(work.glob(f"{PACKAGE}_*.deb"))
        await _run(work, "dpkg-deb", "-x", str(packages[0]), str(work / "unpacked"))
        if not home.exists():  # else another lab was faster
            (work / "unpacked").rename(home)


async def _download(work: Path) -> None:
    try:
        await _run(work, "apt-get", "download", PACKAGE)
    except NoPrometheus:
        (work / "lists" / "partial").mkdir(parents=True)
        (work / "cache" / "archives" / "partial").mkdir(parents=True)
        own = (
            "-o",
            f"Dir::State::lists={work / 'lists'}",
            "-o",
            f"Dir::Cache={work / 'cache'}",
            "-o",
            "APT::Sandbox::User=",
        )
        await _run(work, "apt-get", *own, "update")
        await _run(work, "apt-get", *own, "download", PACKAGE)


async def _run(where: Path, *command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=where,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(MINUTES * 60):
            said, _ = await process.communicate()
    except TimeoutError as error:
        process.kill()
        raise NoPrometheus(f"{' '.join(command)} took over {MINUTES:.0f} minutes") from error
    if process.returncode != 0:
        raise NoPrometheus(
            f"no prometheus on PATH, and fetching it failed; put one on PATH, or `apt-get update` and try again. "
            f"{' '.join(command)} said: {clip(said.decode(errors='replace'))}"
        )
