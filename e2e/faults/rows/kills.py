"""SIGKILL at the writes of a rollout: what was being written is lost, or done and its answer lost.

Where each write gets a rollout of its own, one is left alone first, to learn its writes; the others are played some
side by side.
"""

import asyncio
import itertools
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from e2e.faults.apiproxy import Write
from e2e.faults.table import fault
from e2e.faults.trial import Trial

ABREAST = 6  # trials of one row
RPS = 12  # in each of them
PATIENCE = 900  # seconds for a row
TELLING = 30  # seconds in which a controller that starts tells what another could not
ONCE = ("NewRevision", "Baking", "Promoting", "Promoted")
GOOD = {"RELEASE": "2"}
BAD = {"RELEASE": "2", "LAB_FAILURES": "*=40%"}
EACH = "each in a rollout of its own"


@dataclass
class Killer:
    """Kills the trial's controller at those writes that `meets` chooses, and starts it again."""

    trial: Trial
    meets: Callable[[Write], bool]
    met: list[str] = field(default_factory=list)
    _down: bool = False
    _starting: asyncio.Task[None] | None = None

    async def before(self, write: Write) -> bool:
        """Kill it before a write is done; it never is, then."""
        return not self._kill(write)

    def after(self, write: Write) -> None:
        """Kill it after a write was done, before it hears of it."""
        self._kill(write)

    def _kill(self, write: Write) -> bool:
        if self._down or not self.meets(write):
            return False
        self._down = True
        self.met.append(what(write))
        os.kill(self.trial.first.pid, signal.SIGKILL)
        self._starting = asyncio.create_task(self._start())
        return True

    async def _start(self) -> None:
        begun, first = time.monotonic(), self.trial.first
        assert first.process is not None
        await first.process.wait()
        await first.start()
        self._down = False
        self.trial.outcome.recovery = max(self.trial.outcome.recovery or 0, round(time.monotonic() - begun, 1))

    async def done(self) -> None:
        """Wait until it runs again."""
        if self._starting is not None:
            await self._starting


def what(write: Write) -> str:
    """Name a write in a word or two."""
    return f"{write.verb} {write.what}"


def numbered(number: int) -> Callable[[Write], bool]:
    """Choose the write of that number."""
    count = itertools.count(1)
    return lambda _: next(count) == number


def new() -> Callable[[Write], bool]:
    """Choose each write when it is met for the first time, whatever the figures in its words."""
    known: set[object] = set()

    def is_new(write: Write) -> bool:
        body = json.loads(write.body)
        body = body if isinstance(body, dict) else {}
        status = body.get("status") or {}
        means = (
            write.verb,
            write.what,
            body.get("reason"),
            status.get("phase"),
            status.get("reason"),
            status.get("weight"),
        )
        if means in known:
            return False
        known.add(means)
        return True

    return is_new


async def told(trial: Trial, wanted: Counter[str]) -> Counter[str]:
    """Count the Events about the Canary by their reasons, once those that are wanted are there, and a moment later."""

    async def count() -> Counter[str]:
        return Counter({reason: await trial.told(reason) for reason, _ in await trial.events()})

    until = time.monotonic() + TELLING
    while not await count() >= wanted and time.monotonic() < until:  # noqa: ASYNC110 - asks other processes
        await asyncio.sleep(0.5)
    await asyncio.sleep(2)
    return await count()


async def adopted(trial: Trial) -> None:
    """Let the controller adopt the Canary, and write all that it writes of that."""

    async def is_told() -> bool:
        return bool(await trial.told("Adopted"))

    await trial.adopt()
    await trial.until(is_told, "the adoption to be told", within=30)


async def ends(trial: Trial, release: Mapping[str, str]) -> None:
    """Wait for the end that the release deserves, of the one rollout that there is."""
    if release is GOOD:
        await trial.promoted(within=600)
    else:
        await trial.rolled_back("SuccessRate", within=240)
    assert len(await trial.history()) == 1


async def at_each(trial: Trial, release: Mapping[str, str]) -> None:
    """Play one rollout for each write, with a kill after it."""
    await adopted(trial)
    first = len(trial.proxy.writes)
    await trial.ship(**release)
    await ends(trial, release)
    events, further = await told(trial, Counter()), []
    writes = [what(write) for write in trial.proxy.writes[first:]]
    abreast = asyncio.Semaphore(ABREAST)

    async def play(number: int) -> None:
        name = f"{trial.namespace}-{number}"
        async with abreast, trial.ground.trial(name, trial.outcome, RPS) as each:
            killer = Killer(each, numbered(number))
            await adopted(each)
            each.proxy.wrote = killer.after
            await killed(each, release, killer)
            found = await told(each, events)
            if release is BAD and found["WeightIncreased"] > events["WeightIncreased"]:
                further.append(number)  # chance, or the first requests at a weight, which nothing is compared with
                found["WeightIncreased"] = events["WeightIncreased"]
            assert {reason: found[reason] for reason in events} == events, (number, killer.met, found, events)

    tries = [play(number) for number in range(1, len(writes) + 1)]
    wrong = [error for error in await asyncio.gather(*tries, return_exceptions=True) if error is not None]
    trial.see(f"{len(writes) - len(wrong)} of {len(writes)} ended so; the writes: {', '.join(writes)}")
    if further:
        after = ", ".join(map(str, sorted(further)))
        trial.see(f"killed after write {after} it went a step further before the evidence was in")
    if wrong:
        raise ExceptionGroup(f"{len(wrong)} rollouts", [error for error in wrong if isinstance(error, Exception)])


async def killed(trial: Trial, release: Mapping[str, str], killer: Killer) -> None:
    """Play one rollout to its end with kills."""
    await trial.ship(**release)
    await ends(trial, release)
    await killer.done()


@fault(
    "Controller",
    f"is killed (SIGKILL) after each write of a good rollout, {EACH}",
    wanted="The next goes on: promoted, no extra step, each Event told once",
    rps=RPS,
    patience=PATIENCE,
)
async def killed_after_each_write(trial: Trial) -> None:
    await at_each(trial, GOOD)


@fault(
    "Controller",
    f"is killed (SIGKILL) after each write of a bad release's rollout, {EACH}",
    wanted="The next rolls back: weight 0, each Event told once",
    rps=RPS,
    patience=PATIENCE,
)
async def killed_after_each_write_bad_release(trial: Trial) -> None:
    await at_each(trial, BAD)


async def at_all(trial: Trial, arm: Callable[[Killer], None]) -> None:
    """Play one rollout with a kill at each of its writes."""
    killer = Killer(trial, new())
    await adopted(trial)
    arm(killer)
    await killed(trial, GOOD, killer)
    trial.see(f"promoted over {len(killer.met)} kills: at {', '.join(killer.met)}")
    events = await told(trial, Counter(ONCE))
    assert {events[reason] for reason in ONCE} == {1}, events


@fault(
    "Controller",
    "is killed (SIGKILL) again and again in one rollout: after each of its writes",
    wanted="Promoted, no extra step, each Event told once",
    patience=PATIENCE,
)
async def killed_after_all_writes(trial: Trial) -> None:
    def arm(killer: Killer) -> None:
        trial.proxy.wrote = killer.after

    await at_all(trial, arm)


@fault(
    "Controller",
    "is killed (SIGKILL) again and again in one rollout: before each of its writes, which is lost with it",
    wanted="Promoted, no extra step, each Event told once",
    patience=PATIENCE,
)
async def killed_before_all_writes(trial: Trial) -> None:
    def arm(killer: Killer) -> None:
        trial.proxy.writing = killer.before

    await at_all(trial, arm)
