"""How much traffic there is, and how the release did in it: what a ramp sizes its weights by.

Kept in the book and folded with it once per interval. Sums fade, so that they tell of the last minute or two.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from canary.core.counts import Counts, Version, What
from canary.core.statistics import design_effect

FADING = 60.0  # seconds in which a sum falls to 1/e


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Requests sent to both sides, and the seconds in which they were counted; both fade alike.

    `known` is how many seconds were counted in all.
    """

    requests: float = 0.0
    seconds: float = 0.0
    known: float = 0.0

    @property
    def rps(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds if self.seconds > 0 else 0.0

    def later(self, requests: float, seconds: float) -> "Traffic":
        """Take an interval in."""
        kept = math.exp(-seconds / FADING)
        return Traffic(
            requests=kept * self.requests + requests,
            seconds=kept * self.seconds + seconds,
            known=self.known + seconds,
        )


def flows(
    before: Mapping[str, Traffic], places: Iterable[str], counts: Counts, seconds: float
) -> Mapping[str, Traffic]:
    """Count what was sent to each place in an interval that was read."""
    now = {}
    for place in places:
        sent = sum(counts.of(version, place, What.SENT) for version in Version)
        now[place] = before.get(place, Traffic()).later(sent, seconds)
    return now


def effective(before: tuple[float, float], requests: float, failures: float, icc: float) -> tuple[float, float]:
    """Add an interval's requests and failures, as far as they count (`statistics.design_effect`)."""
    counted = design_effect(requests, icc)
    return before[0] + requests / counted, before[1] + failures / counted
