"""A pipeline and someone on call, by our command line alone."""

import asyncio
import json
import sys
from typing import Protocol

import yaml

from canary.lab import seed
from e2e.stage import Scene, Stage


class Command(Protocol):
    """Our command line: the exit code, and what stdout says."""

    async def __call__(self, *args: str, within: bool = True) -> tuple[int, str]:
        """Run a command, `within` the scene's namespace or without a cluster."""


async def play(stage: Stage) -> None:
    """Start, wait, pause, resume, abort, retry: an exit code for every ending."""
    scene = await stage.scene("pipeline", rps=60)
    await scene.canary(gates={"successRate": {"min": "98%"}}, promotion={"approval": "Manual"})

    async def canary(*args: str, within: bool = True) -> tuple[int, str]:
        where = ("--kubeconfig", str(stage.lab.kubeconfig), "-n", scene.namespace) if within else ()
        command = [sys.executable, "-m", "canary", *args, *where]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        return process.returncode or 0, out.decode().strip()

    async def waits(rollout: str, *options: str) -> int:
        code, _ = await canary("wait", rollout, "--timeout", "3m", *options)
        return code

    await foreseen(stage, canary, scene)
    code, first = await canary("start", seed.APEX, "--image", "app=yamtam-agent:2")
    assert (code, first.startswith(f"{seed.APEX}-")) == (0, True), first
    assert [(await canary("pause", seed.APEX))[0] for _ in range(2)] == [0, 0]  # idempotent
    assert await waits(first, "--until-approval") == 12
    await canary("resume", seed.APEX)
    assert (await canary("abort", seed.APEX))[0] == 0
    assert await waits(first) == 10

    assert (await canary("retry", seed.APEX))[0] == 0

    async def retried() -> bool:
        return int(str((await scene.rollout()).get("number") or 0)) == 2

    await scene.until(retried, "the retry", within=15)
    second = str((await scene.rollout())["id"])
    assert await waits(second, "--until-approval") == 12
    assert await scene.condition("AwaitingApproval") == "True"
    assert (await canary("approve", seed.APEX))[0] == 0
    assert await waits(second) == 0
    assert await waits("yamtam-agent-none-9") == 15
    code, shown = await canary("status", seed.APEX, "--output", "json")
    assert code == 0
    assert [past["outcome"] for past in json.loads(shown)["history"]] == ["RolledBack", "Promoted"]


async def foreseen(stage: Stage, canary: Command, scene: Scene) -> None:
    """Ask before the first rollout how long it will take, once Prometheus has seen some seconds of the traffic."""
    file = stage.home / "pipeline.yaml"
    file.write_text(yaml.safe_dump(seed.canary(namespace=scene.namespace)))
    asked = ("forecast", "-f", str(file), "--prometheus", stage.lab.prometheus.url, "--window", "1m", "-o", "json")
    found: dict[str, dict[str, float]] = {}

    async def told() -> bool:
        code, said = await canary(*asked, within=False)
        assert code == 0, said
        found.update({gate["gate"]: gate for gate in json.loads(said)["gates"]})
        return len(found) == 4 and found["service: success rate"]["requestsPerSecond"] >= 40

    await scene.until(told, "a forecast at the traffic", within=60)
    assert found["service: success rate"]["requestsPerSecond"] <= 80, found  # of 60, from a few scrapes
    assert found["POST /api/task: success rate"]["secondsToPass"] >= 60, found
