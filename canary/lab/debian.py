"""Fetches a package of the distribution into the user's cache, without root and without installing it.

`apt-get download` and `dpkg-deb -x`, with package lists of its own when the machine has none.
"""

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

from canary.errors import CanaryError, clip

MINUTES = 5.0


class NotFetched(CanaryError):
    """A package could not be fetched."""


def cached(package: str) -> Path:
    """Return where a package is kept once it was unpacked."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if given else Path.home() / ".cache") / "linkerd-canary" / package


async def unpacked(package: str) -> Path:
    """Return the directory that holds the package's files, fetched if need be. Raises NotFetched."""
    home = cached(package)
    if not home.exists():
        await _fetch(package, home)
    return home


async def _fetch(package: str, home: Path) -> None:
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        raise NotFetched(f"no {missing[0]} to fetch it with")
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as name:
        work = Path(name)
        await _download(package, work)
        packages = sorted(work.glob(f"{package}_*.deb"))
        await _run(work, "dpkg-deb", "-x", str(packages[0]), str(work / "unpacked"))
        if not home.exists():  # else another lab was faster
            (work / "unpacked").rename(home)


async def _download(package: str, work: Path) -> None:
    try:
        await _run(work, "apt-get", "download", package)
    except NotFetched:
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
        await _run(work, "apt-get", *own, "download", package)


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
        raise NotFetched(f"{' '.join(command)} took over {MINUTES:.0f} minutes") from error
    if process.returncode != 0:
        raise NotFetched(
            f"fetching it failed; `apt-get update` and try again. "
            f"{' '.join(command)} said: {clip(said.decode(errors='replace'))}"
        )
