"""The guided state machine: few rules, so that each life of a Canary has some of everything.

Plain chance would never get far, so there are rules that take a rollout deep, and one that takes it to a phase before
something happens there. Deciding is pure, so those that look ahead can strike exactly at the tick that acts.
"""

from collections import Counter
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from canary.core.status import Phase
from tests import strategies
from tests.core.happenings import HAPPENINGS
from tests.core.life import Life

SIZES = st.integers(0, 4)
WHAT = st.sampled_from(sorted(HAPPENINGS))
PHASES = st.sampled_from([phase for phase in Phase if phase is not Phase.IDLE])


class Rollouts(RuleBasedStateMachine):
    """One Canary's life. `reached` adds up over all lives."""

    reached: ClassVar[Counter[str]] = Counter()

    @initialize(raw=strategies.specs(), image=strategies.images(), ticks=st.integers(0, 8))
    def begin(self, raw: dict[str, object], image: str, ticks: int) -> None:
        """Create the Canary, and let a first rollout get somewhere."""
        self.life = Life(raw, self.reached)
        self.life.ship(image, ticks)

    @rule(ticks=st.integers(1, 6))
    def calm(self, ticks: int) -> None:
        """Let time pass."""
        self.life.calm(ticks if self.life.active else 1)

    @rule(image=strategies.images(), ticks=st.integers(3, 10))
    def ship(self, image: str, ticks: int) -> None:
        """Push a revision, in whatever phase."""
        self.life.ship(image, ticks)

    @rule(what=WHAT, size=SIZES, ticks=st.integers(0, 3))
    def happen(self, what: str, size: int, ticks: int) -> None:
        """Let something happen, and be seen for a while."""
        self.life.watcher.reached[what] += 1
        HAPPENINGS[what](self.life, size)
        self.life.calm(ticks)

    @rule(phase=PHASES, what=WHAT, size=SIZES)
    def meet(self, phase: Phase, what: str, size: int) -> None:
        """Go on until a phase is reached, and let something happen there."""
        if not self.life.active:
            self.life.ship("good-1" if phase is not Phase.ROLLING_BACK else "bad-1", 1)
        self.life.go_on_until(phase)
        self.happen(what, size, 2)

    def teardown(self) -> None:
        """Let it end well, unless a rule was broken already."""
        if hasattr(self, "life") and not self.life.broken:
            self.life.end()
