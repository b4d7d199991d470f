"""Looks at the controller from outside, every few seconds."""

import asyncio
import json
import os
import re
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import aiohttp

from canary.lab.fields import table
from e2e.soak.world import World

EVERY = 5.0  # seconds
GAUGE = re.compile(r"^(canary_\w+?)(?:_total)?(?:\{(?:[^}]*)\})? (\S+)$", re.MULTILINE)
SUMMED = {
    "canary_tasks": "tasks",
    "canary_allocated_blocks": "blocks",
    "canary_queue_overdue_seconds": "overdue",
    "canary_query_seconds_count": "queries",
    "canary_query_seconds_sum": "query_seconds",
    "canary_tick_seconds_count": "ticks",
    "canary_tick_seconds_sum": "tick_seconds",
    "canary_errors": "errors",
    "canary_dropped": "dropped",
}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One look. Sizes in bytes, times in seconds, counts since the controller's start."""

    at: float
    resident: float
    processor: float
    threads: int
    files: int
    lag: float
    tasks: float
    blocks: float
    overdue: float
    queries: float
    query_seconds: float
    ticks: float
    tick_seconds: float
    requests: float
    watches: float
    errors: float
    dropped: float
    status: int
    events: int
    events_most: int
    objects: int
    rollouts: int
    load: float

    def document(self) -> dict[str, float]:
        """Write it as JSON."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


async def sample(world: World, session: aiohttp.ClientSession, begun: float) -> Sample:
    """Look once."""
    asked = time.monotonic()
    async with session.get(f"http://127.0.0.1:{world.controller.port}/healthz") as answer:
        await answer.read()
    lag = time.monotonic() - asked
    page = await world.controller.metrics()
    found = dict.fromkeys(SUMMED.values(), 0.0)
    for name, value in GAUGE.findall(page):
        if name in SUMMED:
            found[SUMMED[name]] += float(value)
    verbs = {v: float(n) for v, n in re.findall(r'canary_api_requests_total\{verb="(\w+)"\} (\S+)', page)}
    status = [len(json.dumps(table(c, "status"), separators=(",", ":"))) for c in world.canaries.values()]
    process = Path("/proc") / str(world.controller.pid)
    told = dict(re.findall(r"^(\w+):\s+(\d+)", (process / "status").read_text(), re.MULTILINE))
    used = (process / "stat").read_text().rpartition(")")[2].split()
    return Sample(
        at=asked - begun,
        resident=int(told["VmRSS"]) * 1024,
        processor=(int(used[11]) + int(used[12])) / 100,
        threads=int(told["Threads"]),
        files=sum(1 for _ in (process / "fd").iterdir()),
        lag=lag,
        requests=sum(number for verb, number in verbs.items() if verb != "WATCH"),
        watches=verbs.get("WATCH", 0.0),
        status=max(status, default=0),
        events=len(world.events),
        events_most=max(Counter(world.events.values()).values(), default=0),
        objects=await objects(world, session),
        rollouts=sum(world.shipped.ended.values()),
        load=os.getloadavg()[0],
        **found,
    )


async def objects(world: World, session: aiohttp.ClientSession) -> int:
    """Count everything that etcd holds."""
    url = next(a.partition("=")[2] for a in world.plane.processes["etcd"].argv if a.startswith("--listen-client-urls="))
    every = {"key": "AA==", "range_end": "AA==", "count_only": True}
    async with session.post(f"{url}/v3/kv/range", json=every) as answer:
        return int((await answer.json())["count"])


async def watch(world: World, seconds: float) -> list[Sample]:
    """Look every few seconds, for so long."""
    begun, samples = time.monotonic(), []
    async with aiohttp.ClientSession() as session:
        while (now := time.monotonic()) < begun + seconds:
            world.must_live()
            samples.append(await sample(world, session, begun))
            await asyncio.sleep(max(0.0, EVERY - (time.monotonic() - now)))
    return samples
