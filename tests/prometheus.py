"""A real Prometheus for a test, where the machine has one."""

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import requests

from canary.adapters.prometheus import Access, Prometheus
from canary.lab.promfetch import PACKAGE, cache_home


def program(name: str = PACKAGE) -> Path:
    """Find one that is there already, or skip the test: this fetches none."""
    found = Path(shutil.which(name) or cache_home() / "usr" / "bin" / name)
    if not found.exists():
        pytest.skip(f"no {name} on PATH or in the lab's cache")
    return found


def _command(home: Path, port: int, configuration: str) -> list[str]:
    config = home / "prometheus.yml"
    config.write_text(configuration)
    where = [f"--storage.tsdb.path={home / 'data'}", f"--web.listen-address=127.0.0.1:{port}"]
    return [str(program()), f"--config.file={config}", *where]


@asynccontextmanager
async def a_prometheus(home: Path, port: int, configuration: str) -> AsyncIterator[Prometheus]:
    """Run one, or skip the test. It may not be ready yet."""
    process = await asyncio.create_subprocess_exec(
        *_command(home, port, configuration), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        prometheus = Prometheus(Access(url=f"http://127.0.0.1:{port}"))
        yield prometheus
        prometheus.close()
    finally:
        process.kill()
        await process.wait()


@contextmanager
def served(home: Path, configuration: str) -> Iterator[str]:
    """Run one for what has a loop of its own, or skip the test; gives its URL once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = _command(home, port, configuration)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        _until_ready(url)
        yield url
    finally:
        process.kill()
        process.wait()


def _until_ready(url: str) -> None:
    for _ in range(300):
        try:
            if requests.get(f"{url}/-/ready", timeout=5).ok:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.1)
    raise TimeoutError(f"the Prometheus at {url} is not ready after 30 s")


def backfill(home: Path, series: Iterable[Iterable[str]]) -> Path:
    """Write lines of OpenMetrics, each series' together, into the storage of one to come, or skip the test."""
    source, storage = home / "past.om", home / "data"
    with source.open("w", encoding="utf-8") as stream:
        for lines in series:
            stream.writelines(lines)
        stream.write("# EOF\n")
    command = [str(program("promtool")), "tsdb", "create-blocks-from", "openmetrics", str(source), str(storage)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    source.unlink()
    assert made.returncode == 0, made.stderr
    return storage
