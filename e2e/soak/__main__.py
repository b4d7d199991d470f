"""`python -m e2e.soak [--canaries 50] [--minutes 10] [--home DIR] [--docs]`: many rollouts at once, for a while.

JSON on stdout, a line per figure on stderr; returns 1 where a limit is broken. Not part of CI: it takes its time, and
figures depend on the machine.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import structlog

from e2e.soak.figures import Figure, Soak, figures
from e2e.soak.report import document, page
from e2e.soak.samples import watch
from e2e.soak.world import World

PAGE = Path(__file__).parents[2] / "docs" / "soak.md"


async def soak(home: Path, canaries: int, seconds: float) -> tuple[Soak, Mapping[str, int]]:
    """Let it roll and look."""
    async with World(home, canaries) as world:
        samples = await watch(world, seconds)
        shipped, lines = world.shipped, world.controller.lines()
    for wrong in shipped.wrong:
        _say(wrong)
    crashed = sum(line.get("event") == "tick.crashed" for line in lines)
    found = Soak(
        canaries=canaries,
        seconds=seconds,
        samples=samples,
        ended=sum(shipped.ended.values()),
        wrong=len(shipped.wrong),
        crashed=crashed,
    )
    return found, shipped.ended


def main() -> int:
    """Soak, and tell."""
    parser = argparse.ArgumentParser(prog="python -m e2e.soak")
    parser.add_argument("--canaries", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--home", type=Path, help="where logs are kept; default: nowhere")
    parser.add_argument("--docs", action="store_true", help=f"write {PAGE.name}")
    given = parser.parse_args()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # stdout is for the JSON
    with tempfile.TemporaryDirectory() as scratch:
        found, ended = asyncio.run(soak(given.home or Path(scratch), given.canaries, 60 * given.minutes))
    measured = figures(found)
    json.dump(document(found, measured, ended), sys.stdout)
    if given.docs:
        PAGE.write_text(page(found, measured, ended))
    for figure in measured:
        _say(_line(figure))
    return 0 if all(figure.ok for figure in measured) else 1


def _line(figure: Figure) -> str:
    limit = "" if figure.limit is None else f", limit {figure.limit:g}{'' if figure.ok else ': BROKEN'}"
    return f"{figure.name}: {figure.value:.4g}{limit}"


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
