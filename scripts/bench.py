"""Measures what a tick of a gate costs, beside the plain test that it replaces, and how fast rollouts are simulated.

Prints figures and their ratios; the machine decides the first and hardly the second. No test reads them. Times are of
this process alone.
"""

import json
import math
import time
import timeit
import tracemalloc

from canary.core import book as books
from canary.core.checkpoint import render_book
from canary.core.counts import Counts, Version, What
from canary.core.eprocess import Promise
from canary.core.gates import gates
from canary.core.manifest import parse_spec
from canary.simulator.rollout import play
from canary.simulator.scenario import Release, Scenario
from canary.simulator.speed import measure
from canary.simulator.trial import prepare

SPEC = {
    "service": "web",
    "stable": {"service": "web-stable"},
    "canary": {"service": "web-canary"},
    "gates": {"successRate": {"min": "99%"}},
}
CANARY = {"apiVersion": "canary.dev/v1alpha1", "kind": "Canary", "metadata": {"name": "web"}, "spec": SPEC}
GOOD, BAD = Scenario(), Scenario(canary=Release(failure=0.05))
TICKS = 20_000
GATES = 64


def z_tick(sums: list[float], n: float, f: float, m: float, g: float) -> bool:
    """Add a tick to cumulative counts and test two proportions: what a plain rule would do."""
    for place, value in enumerate((n, f, m, g)):
        sums[place] += value
    pooled = (sums[1] + sums[3]) / (sums[0] + sums[2])
    if not 0 < pooled < 1:
        return False
    error = math.sqrt(pooled * (1 - pooled) * (1 / sums[0] + 1 / sums[2]))
    z = (sums[1] / sums[0] - sums[3] / sums[2]) / error
    return 0.5 * math.erfc(z / math.sqrt(2)) < 0.01  # noqa: PLR2004 - the usual one


def z_seconds() -> float:
    """Time it."""
    sums = [0.0] * 4
    return min(
        timeit.repeat(lambda: z_tick(sums, 100, 1, 900, 2), timer=time.process_time, number=TICKS // 100, repeat=200)
    ) / (TICKS // 100)


def memory() -> tuple[float, float]:
    """Give bytes per gate in memory and in a checkpoint."""
    routes = [{"name": f"GET /{number}", "successRate": {"min": "99%"}} for number in range(GATES - 1)]
    found = gates(
        parse_spec({**CANARY, "spec": {**SPEC, "gates": {"successRate": {"min": "99%"}, "routes": routes}}}), ()
    )
    counts = Counts()
    for gate in found:
        for version, sent in ((Version.CANARY, 100.0), (Version.STABLE, 900.0)):
            counts.sums[version, gate.place, What.ANSWERED] = sent
            counts.sums[version, gate.place, What.FAILED] = 1.0
    books.fold(books.Book(), found, counts, 100)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    book = books.Book()
    for _ in range(10):
        book = books.fold(book, found, counts, 100)
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return held / len(found), len(json.dumps(render_book(book))) / len(found)


def rollouts_per_second(scenario: Scenario, runs: int) -> tuple[float, float]:
    """Give whole ones, and those on exact counts, of one process."""
    stage, seeds = prepare(CANARY, 0.002), range(runs)
    whole = timeit.timeit(lambda: [play(CANARY, scenario, seed) for seed in seeds], timer=time.process_time, number=1)
    counted = timeit.timeit(
        lambda: [stage.trial(scenario, seed, bake=True) for seed in seeds], timer=time.process_time, number=1
    )
    return runs / whole, runs / counted


def main() -> None:
    """Print everything."""
    promise = Promise(p0=0.01, p_bad=0.02, delta=0.001, icc=0.002)
    gate, plain = measure(promise).tick, 1e6 * z_seconds()
    held, written = memory()
    lines = [
        ("tick of a gate", f"{gate:.1f} us"),
        ("tick of a plain z-test", f"{plain:.2f} us"),
        ("ratio", f"{gate / plain:.0f}"),
        ("gate ticks per second", f"{1e6 / gate:.0f}"),
        ("memory per gate", f"{held / 1024:.1f} KiB, {written:.0f} bytes in a checkpoint"),
    ]
    for name, scenario in (("good", GOOD), ("bad", BAD)):
        whole, counted = rollouts_per_second(scenario, 60)
        lines.append((f"simulated rollouts per second, {name}", f"{whole:.0f} whole, {counted:.0f} on exact counts"))
    lines.append(
        ("what bounds the whole ones", "three quarters are decide: counters to evidence, and new status each tick")
    )
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        print(f"{name.ljust(width)}   {value}")  # noqa: T201 - it is what the script is for


if __name__ == "__main__":
    main()
