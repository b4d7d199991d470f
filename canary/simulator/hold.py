"""One gate at one weight for hours: how often its evidence alone would roll a release back. Called by `calibration`."""

from random import Random

from canary.core.counts import SERVICE, Version, What
from canary.core.eprocess import Evidence, Interval, Promise, against, alone, fold
from canary.core.spec import FULL
from canary.simulator.counting import Window
from canary.simulator.draws import binomial, poisson
from canary.simulator.mesh import Mesh
from canary.simulator.scenario import Scenario
from canary.simulator.trial import SERVING

TICK = 10.0


def crossing(promise: Promise, scenario: Scenario, seed: int, ticks: int, weight: int) -> float | None:
    """Give the seconds after which one of the two ledgers rolls back, None where neither does in time."""
    rng = Random(seed)  # noqa: S311 - chance, no secret
    world = _Plain(scenario, rng) if _independent(scenario) else _Meshed(scenario, rng)
    evidence, enough = Evidence.fresh(), 1 / promise.alpha
    for tick in range(1, ticks + 1):
        evidence = fold(promise, evidence, world.interval(weight))
        if against(promise, evidence) >= enough or alone(evidence) >= enough:
            return tick * TICK
    return None


def _independent(scenario: Scenario) -> bool:
    rough = scenario.troubles or scenario.clusters > 1 or scenario.unsteady or scenario.drift or scenario.canary.late
    return not rough


class _Plain:
    """Independent requests, drawn at once: four hours are many ticks."""

    def __init__(self, scenario: Scenario, rng: Random) -> None:
        self._scenario, self._rng = scenario, rng

    def interval(self, weight: int) -> Interval:
        scenario, rng = self._scenario, self._rng
        requests = poisson(rng, scenario.traffic * TICK)
        canary = binomial(rng, requests, weight / FULL)
        return Interval(
            canary_requests=canary,
            canary_failures=binomial(rng, canary, scenario.canary.failure),
            stable_requests=requests - canary,
            stable_failures=binomial(rng, requests - canary, scenario.stable.failure),
            weight=weight,
        )


class _Meshed:
    """Everything else, as the simulated mesh has it."""

    def __init__(self, scenario: Scenario, rng: Random) -> None:
        self._mesh = Mesh(scenario, rng, 0.0)
        self._window = Window(self._mesh)

    def interval(self, weight: int) -> Interval:
        self._mesh.pass_time(self._mesh.now + TICK, weight, SERVING)
        counts = self._window.counts()
        sides = (Version.CANARY, Version.STABLE)
        (n, f), (m, g) = ([counts.of(side, SERVICE, what) for what in (What.ANSWERED, What.FAILED)] for side in sides)
        return Interval(canary_requests=n, canary_failures=f, stable_requests=m, stable_failures=g, weight=weight)
