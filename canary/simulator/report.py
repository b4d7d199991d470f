"""A calibration as people and programs read it: the targets, and the same figures under the peers' rules."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from canary.core.manifest import parse_spec
from canary.simulator.calibration import OURS, Cell, promise_of
from canary.simulator.peers import PEERS
from canary.simulator.speed import Speed, measure
from canary.simulator.targets import TITLES, Figure, Target, judged, read, wishes

MOST_TICK = 50.0  # microseconds
MOST_NUMBERS = 50
FEW_RUNS = "Few runs: a target is missed here only where they contradict it, with 99 % confidence."
OTHERS_WISHES = "The wanted values are those of the default promise, steps and interval: this Canary has its own."


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure of one world under all rules; NaN where a rule has no such world."""

    target: str
    world: str
    figure: Figure
    wanted: float
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All of it. `rules` name the columns of `rows`."""

    policy: str
    targets: tuple[Target, ...]
    rules: tuple[str, ...]
    rows: tuple[Row, ...]
    remarks: tuple[str, ...]
    cells: tuple[Cell, ...]

    def document(self) -> dict[str, object]:
        """Write it as JSON has it: null for what never happened."""
        return {
            "policy": self.policy,
            "targets": [{"id": t.id, "wanted": t.wanted, "got": t.got, "met": t.met} for t in self.targets],
            "figures": [
                {
                    "target": r.target,
                    "world": r.world,
                    "figure": r.figure,
                    "wanted": r.wanted,
                    "got": dict(zip(self.rules, map(_number, r.values), strict=True)),
                }
                for r in self.rows
            ],
            "runs": [
                {"rule": c.rule, "world": c.world, "runs": c.runs, "seed": c.seed, "late": c.late} for c in self.cells
            ],
            "remarks": list(self.remarks),
        }


def report(canary: Mapping[str, object], cells: Sequence[Cell], *, few: bool) -> Report:
    """Hold what came out against the targets of the Canary's policy."""
    promise, ramp = promise_of(canary), _ramped(canary)
    targets = (*judged(cells, promise, ramp=ramp, few=few), _ninth(measure(promise)))
    found = {(c.rule, c.world): c for c in cells}
    rules = (OURS, *PEERS)
    rows = tuple(
        Row(
            target=name,
            world=world,
            figure=figure,
            wanted=wanted,
            values=tuple(read(found[rule, world], figure) if (rule, world) in found else math.nan for rule in rules),
        )
        for name, some in wishes(promise, ramp=ramp).items()
        for world, figure, wanted in some
    )
    return Report(
        policy="ramp" if ramp else "steps",
        targets=targets,
        rules=rules,
        rows=rows,
        remarks=tuple(remarks(canary, few=few)),
        cells=tuple(cells),
    )


def _ramped(canary: Mapping[str, object]) -> bool:
    """Tell whether the weight follows a ramp, not steps."""
    spec = canary.get("spec")
    return isinstance(spec, Mapping) and spec.get("ramp") is not None


def _ninth(speed: Speed) -> Target:
    met = speed.tick <= MOST_TICK and speed.numbers <= MOST_NUMBERS and speed.restored
    return Target(
        id="T9",
        wanted=f"{TITLES['T9']}: at most {MOST_TICK:.0f} us, {MOST_NUMBERS} numbers, restored without loss",
        got=f"{speed.tick:.0f} us on this machine, {speed.numbers} numbers, {'' if speed.restored else 'not '}restored",
        met=met,
        parts=(),
    )


def remarks(canary: Mapping[str, object], *, few: bool) -> list[str]:
    """Say what the figures are worth."""
    told = [
        "Flagger's and Argo's rules are written anew from their published behaviour, with exact counts and no delay.",
        "Seconds count from the first weight and lack what a real rollout adds: one scrape interval and 1 to 2 s.",
        "The correlation is learned in R1 to R8, 0 at the boundaries, and else what independent requests show, 0.002.",
    ]
    if few:
        told.append(FEW_RUNS)
    spec = parse_spec(canary)
    if (spec.interval.total_seconds(), len(spec.places)) != (10, 1) or _changed(canary):
        told.append(OTHERS_WISHES)
    return told


def _changed(canary: Mapping[str, object]) -> bool:
    promise, spec = promise_of(canary), parse_spec(canary)
    default = (promise.p0, promise.p_bad, promise.delta, promise.alpha, promise.beta) == (0.01, 0.02, 0.001, 0.01, 0.05)
    return not default or (not _ramped(canary) and spec.steps != (100, 200, 300, 400, 500, 1000))


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
