"""What the clients of the lab themselves saw, per pod and route: the measure of everything the controller concludes.

Counted in the client, beside the proxy's series and independent of them. The summary of the demo and the stories
read it in process; other processes ask for it as JSON (`Truth.document`).
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class Place:
    """Where requests went. Those that reached no pod have "" for it."""

    namespace: str
    service: str  # the backend that was drawn, the apex itself where no split applied
    pod: str
    revision: str  # pod-template-hash
    route: str  # the ServiceProfile's route, "" for the default one


@dataclass(slots=True)
class Tally:
    """Attempts at one place; `hurt` counts users' requests that ended badly there, after all retries."""

    sent: int = 0
    answered: int = 0  # ended, well or badly: what response_total counts
    failed: int = 0  # of those answered
    unanswered: int = 0  # given up by the client without any answer
    undelivered: int = 0  # 504 made by the client's own proxy: no pod was reached, no counter shows it
    hurt: int = 0

    @property
    def open(self) -> int:
        """Requests under way."""
        return self.sent - self.answered - self.unanswered

    def add(self, other: "Tally") -> None:
        """Add the counts of another place."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class Truth:
    """All that was counted since the lab began."""

    tallies: dict[Place, Tally] = field(default_factory=dict)
    shed: int = 0  # requests a client could not begin, having too many open ones

    def at(self, place: Place) -> Tally:
        """Return the counts of one place, to be added to."""
        found = self.tallies.get(place)
        if found is None:
            found = self.tallies[place] = Tally()
        return found

    def total(
        self, *, service: str = "", revision: str | None = None, route: str | None = None, namespace: str = ""
    ) -> Tally:
        """Add up what went to a backend, a revision of it, or a route; what is left out is not looked at."""
        total = Tally()
        for place, tally in self.tallies.items():
            if (
                service in ("", place.service)
                and namespace in ("", place.namespace)
                and revision in (None, place.revision)
                and route in (None, place.route)
            ):
                total.add(tally)
        return total

    def document(self) -> dict[str, object]:
        """Return everything as JSON."""
        return {"shed": self.shed, "places": list(_documents(self.tallies.items()))}


def _documents(tallies: Iterable[tuple[Place, Tally]]) -> Iterable[dict[str, object]]:
    for place, tally in tallies:
        yield {**asdict(place), **asdict(tally), "open": tally.open}
