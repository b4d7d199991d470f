"""Whether the canary gets the share of the requests that the split gives it: weights are targets, not facts.

Evidence counts what was really sent, so a wrong share makes no verdict wrong; but a release must not go up that is not
where it is believed to be. Kept in the book since the weight last changed; the sums fade, so that it heals once the
cause is gone.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from canary.core.counts import Leaf
from canary.core.spec import FULL, Weight
from canary.core.statistics import divergence

FADING = 180.0  # seconds in which the sums fall to 1/e
SPREAD = timedelta(seconds=5)  # until every client's proxy follows a new weight
TOLERANCE = 1.25  # shares up to so many times too great or too small are nobody's trouble
FEWEST = 2  # intervals: no single one decides anything
NATS = math.log(1e6)  # one look in a million deviates so far by chance


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Requests that clients sent to the canary's Service, to stable's, and to the apex itself, past the split."""

    canary: float = 0.0
    stable: float = 0.0
    past: float = 0.0
    intervals: int = 0

    @property
    def total(self) -> float:
        """All of them."""
        return self.canary + self.stable + self.past

    def later(self, sent: Mapping[Leaf, float], seconds: float) -> "Share":
        """Take an interval in."""
        kept = math.exp(-seconds / FADING)
        return Share(
            canary=kept * self.canary + sent.get(Leaf.CANARY, 0.0),
            stable=kept * self.stable + sent.get(Leaf.STABLE, 0.0),
            past=kept * self.past + sent.get(Leaf.APEX, 0.0),
            intervals=self.intervals + 1,
        )

    def deviates(self, weight: Weight) -> bool:
        """Tell whether the canary's part is not what this weight gives it, however long one looks.

        By Chernoff's bound (Hoeffding 1963): n requests of which each goes to the canary with probability p have a part
        as far from p as s at most once in exp(n KL(s || p)) looks. p is the nearest one within the tolerance.
        """
        wanted, total = weight / FULL, self.total
        if self.intervals < FEWEST or total <= 0 or not 0 < wanted < 1:
            return False
        got = self.canary / total
        nearest = min(max(got, wanted / TOLERANCE), wanted * TOLERANCE, 1 - (1 - wanted) / TOLERANCE)
        return total * divergence(got, nearest) >= NATS


def settled(dwelt: timedelta, scrape: timedelta) -> bool:
    """Tell whether all that is counted from now on was sent at the present weight: every client was scraped since."""
    return dwelt >= scrape + SPREAD
