"""One simulated rollout, from the push to its end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from canary.core.decision import Decision
from canary.core.manifest import parse_spec
from canary.core.snapshot import Key
from canary.simulator.mesh import Mesh
from canary.simulator.scenario import Scenario
from canary.simulator.site import Site

BEFORE = 60.0  # seconds of traffic before the release is shipped
LONGEST = 24 * 3600.0  # seconds after which a run is given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ended. `outcome` is Promoted, RolledBack, or the phase it was in when time was up."""

    seed: int
    outcome: str
    reason: str
    message: str
    seconds: float
    sent: int
    """Requests that went to the release before its end."""
    harmed: float
    """Of these, the failed and unanswered ones that the old release would not have had."""
    peak: int


Tell = Callable[[float, Decision], None]


def play(canary: Mapping[str, object], scenario: Scenario, seed: int, tell: Tell | None = None) -> Ending:
    """Ship one release under a Canary object and follow it to its end. Raises InvalidSpec.

    The same seed gives the same run. `tell` hears of each tick, with the seconds since the push.
    """
    spec = parse_spec(canary)
    metadata, raw = _section(canary, "metadata"), _section(canary, "spec")
    key = Key(str(metadata.get("namespace") or "default"), str(metadata["name"]))
    rng = Random(seed)  # noqa: S311 - chance, no secret
    mesh = Mesh(scenario, rng, -BEFORE - rng.random() * scenario.scrape.total_seconds())
    site = Site(key, spec, raw, mesh, seed)
    site.tick()
    site.pass_time(0.0)
    site.ship()
    while not site.status.history and mesh.now < LONGEST:
        decision = site.tick()
        if tell is not None:
            tell(mesh.now, decision)
        if not site.status.history:
            site.sleep(decision)
    return _ending(site, seed)


def _ending(site: Site, seed: int) -> Ending:
    status, mesh = site.status, site.mesh
    past = status.history[0] if status.history else None
    return Ending(
        seed=seed,
        outcome=str(past.outcome if past else status.phase),
        reason=str(past.reason if past else status.reason),
        message=past.message if past else status.message,
        seconds=round(mesh.now, 1),
        sent=mesh.sent,
        harmed=mesh.harmed,
        peak=past.peak if past else status.weight,
    )


def _section(obj: Mapping[str, object], key: str) -> Mapping[str, object]:
    found = obj.get(key)
    return found if isinstance(found, Mapping) else {}
