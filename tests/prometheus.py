"""A real Prometheus for a test, where the machine has one."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from canary.adapters.prometheus import Access, Prometheus
from canary.lab.promfetch import PACKAGE, cache_home


def program(name: str = PACKAGE) -> Path:
    """Find one that is there already, or skip the test: this fetches none."""
    found = Path(shutil.which(name) or cache_home() / "usr" / "bin" / name)
    if not found.exists():
        pytest.skip(f"no {name} on PATH or in the lab's cache")
    return found


@asynccontextmanager
async def a_prometheus(home: Path, port: int, configuration: str) -> AsyncIterator[Prometheus]:
    """Run one, or skip the test. It may not be ready yet."""
    config = home / "prometheus.yml"
    config.write_text(configuration)
    process = await asyncio.create_subprocess_exec(
        str(program()),
        f"--config.file={config}",
        f"--storage.tsdb.path={home / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        prometheus = Prometheus(Access(url=f"http://127.0.0.1:{port}"))
        yield prometheus
        prometheus.close()
    finally:
        process.kill()
        await process.wait()
