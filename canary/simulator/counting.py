"""What an interval of the simulated mesh adds up to, as `core.counts` would sum it. Called by `trial`."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from canary.core.counts import SERVICE, Counts, Version, What
from canary.simulator.mesh import NOTHING, Mesh, Place, Values


@dataclass(slots=True)
class Window:
    """Counts what came since the last scrape; a scrape that failed adds nothing, and the next one all of it."""

    mesh: Mesh
    bounds: tuple[float, ...] = ()
    """Latency bounds that gates ask for."""
    _before: dict[Place, Values] = field(default_factory=dict)

    def counts(self) -> Counts:
        """Scrape, and sum the increments."""
        self.mesh.scrape()
        counts, sample = Counts(), dict(self.mesh.sample)
        for place, values in sample.items():
            before = self._before.get(place, NOTHING)
            gained = tuple(now - then for now, then in zip(values, before, strict=True))
            side, _, route = place
            for name in {SERVICE, route}:
                add(counts, Version(side), name, gained, self.bounds)
        self._before = sample
        return counts


def add(counts: Counts, version: Version, place: str, gained: tuple[float, ...], bounds: Iterable[float]) -> None:
    """Sum what a place gained: sent, succeeded, failed, in time, and answered with a 4xx."""
    sent, good, failed, fast, refused = gained
    sums = counts.sums
    sums[version, place, What.SENT] += sent
    sums[version, place, What.ANSWERED] += good + failed
    sums[version, place, What.FAILED] += failed
    sums[version, place, What.TIMED] += good
    sums[version, place, What.FAILED_TIMED] += failed
    if refused:
        sums[version, place, What.REFUSED] += refused
    for bound in bounds:
        counts.fast[version, place, bound] += fast
