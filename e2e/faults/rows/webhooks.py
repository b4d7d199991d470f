"""What a user's webhooks do on a bad day: those that confirm, those that veto, and those that are told."""

import asyncio
import re
import time
from pathlib import Path

from e2e.faults import hooks as replies
from e2e.faults.hooks import Hooks, Reply
from e2e.faults.table import fault
from e2e.faults.trial import Trial

HELD = "Held at its weight, one Event; goes on when it says yes"


async def unconfirmed(trial: Trial, reply: Reply, reason: str) -> None:
    """Let the webhook that confirms a step answer so at 100m: the rollout holds, and goes on after it."""
    async with Hooks().running() as hooks:
        hooks.answers["gate"] = reply
        await trial.begun(100, gates=hooks.gates(confirm_step="gate"))
        await trial.says(reason)
        ticks = ticked(trial)
        await trial.stays(10, 100)
        message = str((await trial.status())["message"])
        assert len(message) <= 512, len(message)
        trial.see(f"{reason}, {ticked(trial) - ticks} ticks in 10 s: {message[:120]}")
        hooks.answers["gate"] = replies.yes
        await trial.goes_on()
    assert await trial.told(reason) == 1


def ticked(trial: Trial) -> int:
    """Count the ticks until now."""
    return sum(line.get("event") == "tick.decided" for line in trial.first.lines())


@fault("Webhooks", "confirm-step is down (connection refused)", wanted=HELD)
async def confirm_down(trial: Trial) -> None:
    async with Hooks().running() as hooks:
        async with hooks.down():
            await trial.begun(100, gates=hooks.gates(confirm_step="gate"))
            await trial.says("WebhookUnanswered")
            ticks = ticked(trial)
            await trial.stays(10, 100)
            trial.see(f"held at 100m, {ticked(trial) - ticks} ticks in 10 s")
        await trial.goes_on()
    assert await trial.told("WebhookUnanswered") == 1


@fault("Webhooks", "confirm-step answers after 10 s, its timeout being 2 s", wanted=HELD)
async def confirm_slow(trial: Trial) -> None:
    await unconfirmed(trial, replies.slow, "WebhookUnanswered")


@fault("Webhooks", "confirm-step never answers", wanted=HELD)
async def confirm_hangs(trial: Trial) -> None:
    await unconfirmed(trial, replies.hangs, "WebhookUnanswered")


@fault("Webhooks", "confirm-step answers 500 with 10,000 characters", wanted=HELD + "; nobody gets to read them all")
async def confirm_fails(trial: Trial) -> None:
    await unconfirmed(trial, replies.fails, "AwaitingConfirmation")


@fault("Webhooks", "confirm-step redirects to itself", wanted=HELD + "; a redirect is no yes, and is not followed")
async def confirm_loops(trial: Trial) -> None:
    await unconfirmed(trial, replies.loops, "AwaitingConfirmation")


@fault("Webhooks", "confirm-step refuses with a body of 100 MiB", wanted=HELD + "; its memory stays bounded")
async def confirm_huge(trial: Trial) -> None:
    await unconfirmed(trial, replies.huge, "AwaitingConfirmation")
    status = Path(f"/proc/{trial.first.pid}/status").read_text()
    peak = int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) // 1024
    assert peak < 200, peak
    trial.see(f"at most {peak} MiB of memory")


@fault("Webhooks", "confirm-step answers with what is no HTTP", wanted=HELD)
async def confirm_garbage(trial: Trial) -> None:
    await unconfirmed(trial, replies.garbage, "WebhookUnanswered")


@fault("Webhooks", "confirm-start is down when a release is shipped", wanted="No weight before it says yes")
async def confirm_start_down(trial: Trial) -> None:
    async with Hooks().running() as hooks:
        await trial.adopt(gates=hooks.gates(confirm_start="gate"))
        async with hooks.down():
            await trial.ship(RELEASE="2")
            await trial.says("WebhookUnanswered")
            await trial.stays(10, 0)
        await trial.goes_on()
    assert await trial.told("WebhookUnanswered") == 1
    trial.see("held at 0m")


@fault("Webhooks", "confirm-promotion hangs when the bake is over", wanted="Held at 1000m; promoted when it says yes")
async def confirm_promotion_hangs(trial: Trial) -> None:
    async with Hooks().running() as hooks:
        hooks.answers["gate"] = replies.hangs
        await trial.begun(1000, gates=hooks.gates(confirm_promotion="gate"))
        await trial.says("WebhookUnanswered")
        await trial.stays(10, 1000)
        hooks.answers["gate"] = replies.yes
        with trial.recovering():
            await trial.promoted()
    trial.see("held at 1000m")


@fault(
    "Webhooks",
    "rollback is down, slow, hangs, answers 500, redirects, sends 100 MiB and garbage, 5 s of each",
    wanted="An outage of the webhook never rolls back, nor holds; promoted",
)
async def veto_broken(trial: Trial) -> None:
    async with Hooks().running() as hooks:
        hooks.answers["veto"] = replies.no
        await trial.begun(100, gates=hooks.gates(timeout="1s", rollback="veto"))
        async with hooks.down():
            await asyncio.sleep(5)
        for reply in (replies.slow, replies.hangs, replies.fails, replies.loops, replies.huge, replies.garbage):
            hooks.answers["veto"] = reply
            await asyncio.sleep(5)
        assert not await trial.history()
        await trial.promoted()
    trial.see(f"promoted, asked {len(hooks.asked['veto'])} times")


@fault(
    "Webhooks",
    "rollback hangs while a release fails every second request",
    wanted="The gates go on beside it: rolled back for its success rate",
)
async def veto_hangs_bad_release(trial: Trial) -> None:
    async with Hooks().running() as hooks:
        hooks.answers["veto"] = replies.hangs
        await trial.adopt(gates=hooks.gates(timeout="10s", rollback="veto"))
        await trial.ship(RELEASE="2", LAB_FAILURES="*=50%")
        await trial.at_least(100)
        begun = time.monotonic()
        await trial.rolled_back("SuccessRate", within=60)
    trial.see(f"rolled back {time.monotonic() - begun:.0f} s after its first weight, the timeout being 10 s")


@fault("Webhooks", "rollback says yes in mid-rollout", wanted="Rolled back in the same tick")
async def veto(trial: Trial) -> None:
    async with Hooks().running() as hooks:
        hooks.answers["veto"] = replies.no
        await trial.begun(500, gates=hooks.gates(rollback="veto"))
        hooks.answers["veto"] = replies.yes
        asked = len(hooks.asked["veto"])
        await trial.rolled_back("WebhookVeto")
    assert len(hooks.asked["veto"]) - asked == 1, hooks.asked
    said = hooks.asked["veto"][asked]
    written = next(write.at for write in trial.proxy.writes if write.at > said and write.what == "trafficsplits")
    trial.see(f"weight 0 written {(written - said) * 1000:.0f} ms after the webhook was asked")


@fault(
    "Webhooks",
    "notify is down for a whole rollout",
    wanted="Ticks keep their pace, what could not be told is counted in a metric; promoted",
)
async def notify_down(trial: Trial) -> None:
    async with Hooks().running() as hooks, hooks.down():
        await trial.begun(100, gates=hooks.gates(notify="news"))
        ticks, begun = ticked(trial), time.monotonic()
        await trial.promoted()
        pace = (time.monotonic() - begun) / (ticked(trial) - ticks)
        page = await trial.first.metrics()
    dropped = sum(float(count) for count in re.findall(r'canary_dropped_total{kind="notice unreachable"} (\S+)', page))
    assert dropped >= 1, page
    assert pace < 1.2, pace
    trial.see(f"a tick every {pace:.2f} s, {dropped:.0f} notices dropped")


@fault(
    "Webhooks",
    "notify hangs for a whole rollout",
    wanted="Ticks keep their pace; the process ends within 2 s; promoted",
)
async def notify_hangs(trial: Trial) -> None:
    async with Hooks().running() as hooks:
        hooks.answers["news"] = replies.hangs
        await trial.begun(100, gates=hooks.gates(timeout="10s", notify="news"))
        ticks, begun = ticked(trial), time.monotonic()
        await trial.promoted()
        pace = (time.monotonic() - begun) / (ticked(trial) - ticks)
        took = await trial.first.stop()
    assert pace < 1.2, pace
    assert took < 2, took
    trial.see(f"a tick every {pace:.2f} s, ended within {took:.1f} s")
