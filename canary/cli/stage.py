"""Where the demo is shown: redrawn in place on a terminal, plain lines elsewhere. On stderr, for stdout is data.

It hears the controller's log and tells what is news; it knows nothing of the lab.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from canary.cli import render
from canary.cli.output import note
from canary.cli.render import Screen
from canary.cli.story import GATES, Harm, Tick, bar, trouble

Harms = Callable[[str], Harm]

QUIET: Final = 10.0  # seconds without a line after which one is due, where nothing is redrawn


class Stage:
    """One release at a time. `hear` takes each line of the controller's log."""

    def __init__(self, screen: Screen | None) -> None:
        self._screen = screen
        self._title = ""
        self._begun = self._told = 0.0
        self._tick: Tick | None = None
        self._harms: Harms | None = None
        self._over = ""
        self._troubles: set[str] = set()

    def begin(self, title: str, harms: Harms) -> None:
        """Show a new release; `harms` counts what users have of a revision."""
        if self._tick is not None:
            self._over = self._tick.rollout
        self._title, self._harms, self._tick = title, harms, None
        self._begun = asyncio.get_running_loop().time()
        self.say(title)

    def say(self, line: str) -> None:
        """Tell something that stays."""
        if self._screen is None:
            note(line)
        else:
            self._screen.say(line)

    def hear(self, event: Mapping[str, object]) -> None:
        """Take in a line of the log."""
        tick = Tick.heard(event)
        self._complain(trouble(event))
        if tick is None or tick.rollout == self._over or self._harms is None:
            return
        before, self._tick = self._tick, tick
        now = asyncio.get_running_loop().time()
        news = tick.follows(before)
        if news or (self._screen is None and now - self._told >= QUIET):
            self._told = now
            self.say(tick.line(now - self._begun))
        if news and self._screen is None and (before is None or before.weight != tick.weight):
            for line in tick.gate_lines():
                note(line)
        self._draw(tick, self._harms)

    def _complain(self, told: str) -> None:
        """Tell once what the controller had trouble with."""
        if told and told not in self._troubles:
            self._troubles.add(told)
            self.say(told)

    def _draw(self, tick: Tick, harms: Harms) -> None:
        if self._screen is None:
            return
        revision = tick.rollout.rpartition("-")[0].rpartition("-")[2]
        lines = ["", self._title, f"{bar(tick.weight)}  {tick.phase}", f"{tick.reason}: {tick.message}"]
        lines.append(harms(revision).sentence())
        self._screen.draw(render.sections([((), [[line] for line in lines]), (GATES, tick.gate_rows())]))


@contextmanager
def staged() -> Iterator[Stage]:
    """Open the view."""
    with render.screen(stderr=True) as screen:
        yield Stage(screen)
