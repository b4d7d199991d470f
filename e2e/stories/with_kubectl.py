"""The same by kubectl alone, as someone without our command line does it."""

import asyncio
import json

from canary.lab import seed
from canary.lab.realplane import RealPlane
from e2e.stage import QUICK, Stage

PLANES = ("real",)


async def play(stage: Stage) -> None:
    """Apply, set env, get -w, wait and describe."""
    assert isinstance(stage.lab.plane, RealPlane)
    scene = await stage.scene("with-kubectl", rps=60)
    program, config = stage.lab.plane.kubectl, stage.lab.kubeconfig

    async def kubectl(*args: str, given: str = "") -> str:
        command = [str(program), "--kubeconfig", str(config), "-n", scene.namespace, *args]
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate(given.encode())
        assert process.returncode == 0, (args, out)
        return out.decode()

    gates = {"successRate": {"min": "98%"}}
    canary = json.dumps(seed.canary({**QUICK, "gates": gates}, namespace=scene.namespace))
    assert "created" in await kubectl("apply", "-f", "-", given=canary)
    await scene.until(scene.adopted, "the Canary to be adopted", within=20)
    watch = await asyncio.create_subprocess_exec(
        str(program),
        "--kubeconfig",
        str(config),
        "-n",
        scene.namespace,
        "get",
        "cny",
        "-w",
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        await kubectl("set", "env", f"deployment/{seed.CANARY}", "RELEASE=2")
        told = await kubectl("wait", "--for=condition=Promoted", f"canary/{seed.APEX}", "--timeout=200s")
        assert "condition met" in told
    finally:
        watch.terminate()
    seen = (await watch.communicate())[0].decode()
    assert seen.splitlines()[0].split() == ["NAME", "PHASE", "WEIGHT", "REVISION", "REASON", "AGE"]
    for weight in ("100m", "1000m"):
        assert f" {weight} " in seen, seen
    story = await kubectl("describe", "cny", seed.APEX)
    for word in ("NewRevision", "WeightIncreased", "Baking", "Promoting", "Promoted"):
        assert word in story, story
