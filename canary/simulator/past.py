"""What Prometheus has of stable from before the release: drawn as the rest is, and folded by the shipped code."""

from functools import lru_cache
from random import Random

from canary.core.counts import SERVICE, Counts, Version
from canary.core.gates import PROXY_BOUNDS
from canary.core.history import TICK, Ticks, candidates, recalled
from canary.core.intake import scope_for
from canary.core.questions import History, ReadHistory
from canary.simulator.counting import add
from canary.simulator.draws import binomial
from canary.simulator.mesh import NOTHING, Mesh, Values
from canary.simulator.scenario import Scenario

ALONE = {"stable": ("stable-old", False)}
PODS = 4
PASTS = 20


def recall(scenario: Scenario, question: ReadHistory, number: int) -> History:
    """Give one of `PASTS` pasts: runs take turns with them, for drawing one costs half as much as a rollout."""
    return _drawn(scenario, question, number % PASTS)


@lru_cache(maxsize=4 * PASTS)
def _drawn(scenario: Scenario, question: ReadHistory, number: int) -> History:
    return look_back(scenario, question, Random(f"past {number}"))  # noqa: S311 - chance, no secret


def look_back(scenario: Scenario, question: ReadHistory, rng: Random) -> History:
    """Let the old release serve for the question's window, ended when the release was shipped."""
    mesh, ticks = Mesh(scenario, rng, -question.window.total_seconds()), Ticks(candidates(question.spec, PROXY_BOUNDS))
    bounds = scope_for(question.spec, question.namespace, PROXY_BOUNDS).bounds
    before: dict[str, Values] = {}
    while mesh.now < 0:
        mesh.pass_time(mesh.now + TICK.total_seconds(), 0, ALONE)
        now = {place: tally.values() for (_, _, place), tally in mesh.totals.items()}
        counts = Counts()
        for place, values in now.items():
            gained = tuple([round(a - b) for a, b in zip(values, before.get(place, NOTHING), strict=True)])
            _spread(counts, place, gained, mesh, bounds)
        ticks.add([counts])
        before = now
    return recalled(question.spec, PROXY_BOUNDS, ticks.demand(question.window.total_seconds()))


def _spread(counts: Counts, place: str, gained: tuple[int, ...], mesh: Mesh, bounds: frozenset[float]) -> None:
    """Let each pod answer an equal part by chance; failures that come in groups stay together in one."""
    _, good, failed, fast, refused = gained
    group = mesh.scenario.clusters
    groups = [group] * (failed // group) + [1] * (failed % group)
    hit = [0] * PODS
    for size in groups:
        hit[mesh.rng.randrange(PODS)] += size
    slow = good - fast
    wheres = {SERVICE, place}
    for where in wheres:
        add(counts, Version.STABLE, where, gained, bounds)
    for pod in range(PODS):
        part = 1 / (PODS - pod)
        its_good, its_slow = binomial(mesh.rng, good - slow, part), binomial(mesh.rng, slow, part)
        its_refused = binomial(mesh.rng, refused, part)
        good, slow, refused = good - its_good - its_slow, slow - its_slow, refused - its_refused
        its, answered = counts.pods[Version.STABLE, str(pod)], its_good + its_slow + hit[pod]
        for where in wheres:
            add(its, Version.STABLE, where, (answered, its_good + its_slow, hit[pod], its_good, its_refused), bounds)
