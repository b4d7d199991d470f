"""Plays rows of the table: `python -m e2e.faults [NAME …]`, and the tests.

Rows share a lab and are played side by side, each in a namespace of its own; a row that harms what others share gets a
lab of its own.
"""

import asyncio
import fnmatch
import tempfile
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from e2e.faults.outcome import Outcome
from e2e.faults.table import Row, rows
from e2e.faults.trial import Ground

ABREAST = 6  # more would have two cores too busy to keep pods ready
LABS = 2  # beside the shared one


def chosen(patterns: Iterable[str]) -> list[Row]:
    """Find the rows by their names or families, as shell patterns; all without any."""
    wanted = list(patterns) or ["*"]
    return [
        row
        for row in rows().values()
        if any(fnmatch.fnmatch(text, pattern) for pattern in wanted for text in (row.name, row.family))
    ]


async def play_all(table: list[Row], home: Path, say: Callable[[str], None]) -> dict[str, Outcome]:
    """Play rows on the real control plane; returns what each did."""
    outcomes: dict[str, Outcome] = {}
    abreast, labs = asyncio.Semaphore(ABREAST), asyncio.Semaphore(LABS)

    async def play(row: Row, ground: Ground | None) -> None:
        async with abreast:
            outcome = outcomes[row.name] = await _played(row, ground, home)
        say(f"{'ok' if outcome.ok else 'WRONG':5} {row.name} ({outcome.seconds:.0f} s) {outcome.saw}")
        if not outcome.ok:
            say("\n".join([*outcome.strange, *outcome.lost, outcome.error]))

    async def apart(row: Row) -> None:
        async with labs:
            await play(row, None)

    shared, alone = [row for row in table if not row.own], [row for row in table if row.own]
    async with _ground(home / "shared", needed=bool(shared)) as ground:
        await asyncio.gather(*(play(row, ground) for row in shared), *(apart(row) for row in alone))
    return {row.name: outcomes[row.name] for row in table}


async def _played(row: Row, ground: Ground | None, home: Path) -> Outcome:
    outcome = Outcome(family=row.family, fault=row.fault, wanted=row.wanted)
    begun = time.monotonic()
    try:
        async with asyncio.timeout(row.patience), _ground(home / row.name, needed=True, given=ground) as here:
            assert here is not None
            async with here.trial(row.name, outcome, row.rps) as trial:
                await row.play(trial)
    except Exception:  # noqa: BLE001 - told by the row's own test
        outcome.error = traceback.format_exc()
    outcome.seconds = round(time.monotonic() - begun, 1)
    return outcome


@asynccontextmanager
async def _ground(home: Path, *, needed: bool, given: Ground | None = None) -> AsyncIterator[Ground | None]:
    if given is not None or not needed:
        yield given
        return
    home.mkdir(parents=True, exist_ok=True)
    async with Ground("real", home) as ground:
        yield ground


def play(patterns: Iterable[str], say: Callable[[str], None], home: Path | None = None) -> dict[str, Outcome]:
    """Play the rows that are asked for. Logs stay in `home` where one is given."""
    if home is not None:
        return asyncio.run(play_all(chosen(patterns), home, say))
    with tempfile.TemporaryDirectory() as place:
        return asyncio.run(play_all(chosen(patterns), Path(place), say))
