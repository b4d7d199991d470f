"""The figures of the controller: memory, queries and writes per minute. Run by hand.

    python -m e2e.measure cost [1 20]      queries and API requests a minute, so many Canaries held in mid-rollout
    python -m e2e.measure memory [20]      memory at start, and after so many minutes of rollouts one after the other
    python -m e2e.measure sharing [200]    sharing one answer among so many Canaries, in plain loops over it

One JSON object on stdout. Nothing here is a test: figures depend on the machine.
"""

import asyncio
import json
import re
import sys
import tempfile
import time
import timeit
from collections.abc import Mapping
from pathlib import Path

from canary.core.counters import Series
from canary.core.questions import Scope
from canary.core.spec import Side
from canary.runtime.readings import own, share_out
from e2e.stage import Scene, Stage

WRITES = ("POST", "PUT", "PATCH", "DELETE")
SPAN = 120.0  # seconds


def resident(pid: int) -> float:
    """Read a process' resident memory in MB."""
    text = Path(f"/proc/{pid}/status").read_text()
    return round(int(re.findall(r"VmRSS:\s+(\d+)", text)[0]) / 1024, 1)


def counts(metrics: str) -> Mapping[str, float]:
    """Sum the controller's own counters: queries, and API requests by verb."""
    found = {"queries": 0.0}
    for line in metrics.splitlines():
        if line.startswith("canary_query_seconds_count"):
            found["queries"] = float(line.split()[-1])
        verb = re.match(r'canary_api_requests_total\{verb="(\w+)"\} (\S+)', line)
        if verb:
            found[verb[1]] = float(verb[2])
    return found


async def cost(stage: Stage, canaries: int) -> dict[str, object]:
    """Hold so many rollouts at 100m and count what that costs in a minute."""
    scenes: list[Scene] = []
    for number in range(canaries):
        scene = await stage.scene(f"cost-{canaries}-{number}", rps=5)
        await scene.canary(interval="10s", dwell="30m", stepTimeout="2h")
        scenes.append(scene)
    idle = counts(await stage.controller.metrics())
    await asyncio.sleep(30)
    idle_after = counts(await stage.controller.metrics())
    await asyncio.gather(*(scene.ship(RELEASE="2") for scene in scenes))
    await asyncio.gather(*(scene.at_least(100) for scene in scenes))
    await asyncio.sleep(20)
    before, begun = counts(await stage.controller.metrics()), time.monotonic()
    await asyncio.sleep(SPAN)
    after, minutes = counts(await stage.controller.metrics()), (time.monotonic() - begun) / 60
    rates = {key: round((after[key] - before.get(key, 0.0)) / minutes, 1) for key in after}
    return {
        "canaries": canaries,
        "queriesPerMinute": rates["queries"],
        "writesPerMinute": round(sum(rates.get(verb, 0.0) for verb in WRITES), 1),
        "readsPerMinute": rates.get("GET", 0.0),
        "requestsInHalfAMinuteIdle": sum(idle_after[k] - idle.get(k, 0.0) for k in idle_after if k != "WATCH"),
        "megabytes": resident(stage.controller.pid),
    }


async def memory(stage: Stage, minutes: float) -> dict[str, object]:
    """Ship releases one after the other and read the memory after each."""
    start = resident(stage.controller.pid)
    scene = await stage.scene("memory", rps=60)
    await scene.canary(gates={"successRate": {"min": "98%"}})
    until = time.monotonic() + 60 * minutes
    readings: list[float] = []
    while time.monotonic() < until:
        await scene.ship(RELEASE=str(len(readings)))
        count = int(str((await scene.status()).get("rollouts") or 0)) + 1

        async def over(wanted: int = count) -> bool:
            status = await scene.status()
            return status.get("rollouts") == wanted and status.get("phase") in ("Promoted", "RolledBack")

        await scene.until(over, "the rollout to end", within=240)
        readings.append(resident(stage.controller.pid))
    return {"atStart": start, "afterEachRollout": readings}


def sharing(canaries: int) -> dict[str, object]:
    """Share out an answer of 40 series for each Canary. The ratio hardly depends on the machine, or on how many."""
    scopes = [
        Scope(
            namespace=f"town-{number}",
            apex="web",
            stable=Side(service="web-stable", deployment="web-stable"),
            canary=Side(service="web-canary", deployment="web-canary"),
            bounds=frozenset({300.0, 500.0}),
            routes=True,
        )
        for number in range(canaries)
    ]
    series = [
        Series({"direction": "outbound", "dst_namespace": s.namespace, "dst_service": side.service, "le": str(le)}, ())
        for s in scopes
        for side in (s.stable, s.canary)
        for le in range(20)
    ]

    def plainly() -> int:
        return sum("direction" in one.labels for one in series)

    def shared() -> int:
        sorted_out = share_out(series)
        return sum(len(own(sorted_out, scope)) for scope in scopes)

    if plainly() != shared():
        raise AssertionError("something was lost")
    loop, share = (min(timeit.repeat(work, number=1, repeat=20)) for work in (plainly, shared))
    found = {"loopMilliseconds": 1000 * loop, "milliseconds": 1000 * share, "ratio": share / loop}
    return {"canaries": canaries, "series": len(series)} | {name: round(value, 2) for name, value in found.items()}


async def measure(what: str, numbers: list[int]) -> list[dict[str, object]]:
    """Measure, on the embedded control plane where one is needed."""
    if what == "sharing":
        return [sharing(number) for number in numbers or [200]]
    found = []
    for number in numbers or ([1, 20] if what == "cost" else [20]):
        with tempfile.TemporaryDirectory() as home:
            async with Stage("embedded", Path(home)) as stage:
                await asyncio.sleep(2)
                found.append(await (cost(stage, number) if what == "cost" else memory(stage, number)))
    return found


if __name__ == "__main__":
    figures = asyncio.run(measure(sys.argv[1], [int(text) for text in sys.argv[2:]]))
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
