"""One rollout on exact counts: the shipped evidence, judgement and rules, without the reading of counters.

Made for `canary calibrate`, which wants ten thousands of them: every interval is counted whole, at once and at one
weight. What scrapes, propagation and the start of pods add is `rollout`'s to show.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from canary.core import book as books
from canary.core.counts import Counts
from canary.core.decide import advance
from canary.core.demand import Demand
from canary.core.facts import Facts
from canary.core.gates import PROXY_BOUNDS, Gate, gates
from canary.core.gather import timed
from canary.core.history import armed_gates
from canary.core.judgement import judge
from canary.core.manifest import parse_spec
from canary.core.snapshot import Key, Snapshot
from canary.core.spec import FULL, Approval, CanarySpec, Inconclusive
from canary.core.status import CanaryStatus, Phase, Reason
from canary.simulator.counting import Window
from canary.simulator.mesh import Mesh
from canary.simulator.scenario import Scenario
from canary.simulator.site import NEW, OLD, STABLE_PODS, Site

SERVING: Final = {"stable": (f"stable-{OLD}", False), "canary": (f"canary-{NEW}", True)}
PROVED: Final = frozenset({Reason.SUCCESS_RATE, Reason.LATENCY, Reason.CLIENT_ERRORS, Reason.UNANSWERED})
LONGEST: Final = 4 * 3600.0  # seconds after which a trial is given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How a rollout went, in seconds since its first weight.

    `passed` is when it was given all traffic, `failed` when evidence took it back, before or after that. Where neither
    happened, the deadline of a step ended it. `harmed` counts requests as `Ending` does.
    """

    passed: float | None
    failed: float | None
    harmed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A release that is ready to get its first weight, and the gates that wait for it."""

    seen: Snapshot
    gates: tuple[Gate, ...]

    def trial(self, scenario: Scenario, seed: int, *, bake: bool) -> Trial:
        """Play the rollout, with its bake or until it has all traffic. The same seed gives the same one."""
        interval = self.seen.spec.interval.total_seconds()
        mesh = Mesh(scenario, Random(seed), -interval)  # noqa: S311 - chance, no secret
        window = Window(mesh, tuple({b for gate in self.gates for b in (gate.over, gate.within) if b is not None}))
        status, begun, passed = self.seen.status, None, None
        while status.phase in (Phase.PROGRESSING, Phase.BAKING) and mesh.now < LONGEST:
            if status.phase is Phase.BAKING and not bake:
                break
            mesh.pass_time(mesh.now + interval, status.weight, SERVING)
            status = self._tick(status, window.counts())
            if begun is None and status.weight:
                begun = mesh.now
                status = replace(status, book=replace(status.book, evidence={}))  # all intervals from here on are whole
            if passed is None and status.weight == FULL:
                passed = mesh.now - (begun or 0.0)
        failed = status.phase is Phase.ROLLING_BACK and status.reason in PROVED
        return Trial(passed=passed, failed=mesh.now - (begun or 0.0) if failed else None, harmed=mesh.harmed)

    def _tick(self, status: CanaryStatus, counts: Counts) -> CanaryStatus:
        """Fold one interval in and follow the rule that applies."""
        spec, split = self.seen.spec, self.seen.split
        book = books.fold(status.book, self.gates, counts, status.weight, spec.threshold)
        book = books.measure(book, self.gates, counts, spec.interval.total_seconds())
        status = replace(status, book=book)
        if status.phase is Phase.BAKING and status.rollout is not None:
            status = replace(status, rollout=replace(status.rollout, baked=status.rollout.baked + spec.interval))
        if split is not None:
            weights = {spec.stable.service: FULL - status.weight, spec.canary.service: status.weight}
            split = replace(split, weights=weights)
        seen = replace(self.seen, status=status, saved=status, split=split, elapsed=spec.interval)
        judgement = judge(book, self.gates, spec)
        facts = Facts(
            seen=seen, status=status, counters=None, gates=self.gates, judgement=judgement, interval_over=True
        )
        return advance(replace(facts, status=timed(facts))).status


def prepare(canary: Mapping[str, object], icc: float) -> Stage:
    """Set a Canary up for trials, with this correlation for every gate. Raises InvalidSpec.

    Nobody is asked to approve or confirm, and what evidence does not decide is rolled back.
    """
    spec, raw = _alone(parse_spec(canary)), canary.get("spec")
    mesh = Mesh(Scenario(traffic=1.0), Random(0), 0.0)  # noqa: S311 - chance, no secret
    site = Site(Key("default", "trial"), spec, raw if isinstance(raw, Mapping) else {}, mesh, 0)
    site.canary.replicas = STABLE_PODS
    site.tick()
    site.ship()
    while site.status.phase is not Phase.PROGRESSING or not site.canary.workload(mesh.now).settled:
        site.sleep(site.tick())
    seen = site.look()
    known = {gate.name: Demand(rps=0.0, failure=0.0, icc=icc) for gate in gates(spec, PROXY_BOUNDS)}
    rollout = None if seen.status.rollout is None else replace(seen.status.rollout, learned=known)
    book = replace(seen.status.book, at=1.0, bounds=PROXY_BOUNDS)
    status = replace(seen.status, book=book, rollout=rollout)
    return Stage(seen=replace(seen, status=status, saved=status), gates=armed_gates(spec, status))


def _alone(spec: CanarySpec) -> CanarySpec:
    return replace(
        spec,
        webhooks=(),
        approval=Approval.AUTOMATIC,
        on_inconclusive=Inconclusive.ROLLBACK,
        paused=False,
        abort="",
        retry="",
        approve="",
    )
