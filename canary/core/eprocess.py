"""What one gate knows about a release: its counts folded into capital, the evidence of two ledgers and of PASS.

Called by `book` once per gate and interval; factors and theorems are in `statistics`, the engine is in `mixture`.
Immutable: a tick gives new evidence, and its 48 numbers are a checkpoint. Nothing here decides.

    bad    p_canary <= p0                            ticks with a control
    rel    p_canary <= p_stable + delta              ticks with a control
    rel0   p_canary <= p_stable                      holds `bad` back while stable is as sick as the canary
    alone  p_canary <= what was tolerated in stable  ticks without a control: the bake, routes stable never had
    ok     p_canary >= p_bad                         PASS
    okr    p_canary >= p_stable + (p_bad - p0)       PASS

Each line is a null hypothesis; the capital on it is evidence against it. A *failure* may also mean "too slow".
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from canary.core.mixture import Ledger, Row, multiply
from canary.core.statistics import (
    ODDS,
    RATIO,
    SHRINK,
    SHRINK_PRIOR,
    Table,
    absolute,
    better_table,
    better_than_stable,
    design_effect,
    ucb,
    worse_table,
    worse_than_stable,
)

WAIT = 6
"""Intervals that a canary request waits for one on stable, before it is judged alone."""
BAKE = 1000
"""The weight in milliunits at which stable gets nothing."""
FLOOR = 0.002
"""The least intra-tick correlation that a past can show: half an hour without a burst does not rule them out."""
UNKNOWN = 0.01
"""What stands for it where stable's past is not known."""
NUMBERS = 48
"""The length of a checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What one gate holds a release to."""

    p0: float
    p_bad: float
    delta: float
    alpha: float = 0.01
    beta: float = 0.05
    alpha_env: float = 0.05
    icc: float = UNKNOWN
    relative: bool = False
    """Only to be no worse than stable is promised: `bad` and `rel0` are `rel` then, and it passes by `okr` alone."""
    controlled: bool = False
    """Nothing is promised where stable has no traffic: there is no `alone`."""
    cap: float = field(init=False, repr=False, compare=False)
    """What one tick counts at most against the release, in nats."""
    pass_cap: float = field(init=False, repr=False, compare=False)
    """And for it."""
    worse: Table = field(init=False, repr=False, compare=False)
    better: Table = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse what no theorem covers, and precompute the logarithms of a tick."""
        if not 0 < self.p0 < self.p_bad < 1:
            raise ValueError(f"0 < p0 < p_bad < 1 does not hold for p0 = {self.p0}, p_bad = {self.p_bad}")
        if not 0 <= self.delta < 1:
            raise ValueError(f"delta = {self.delta} is not a difference of rates in [0, 1)")
        if not 0 <= self.icc <= 1:
            raise ValueError(f"icc = {self.icc} is not a correlation in [0, 1]")
        for name, risk in (("alpha", self.alpha), ("beta", self.beta), ("alpha_env", self.alpha_env)):
            if not 0 < risk < 1:
                raise ValueError(f"{name} = {risk} is not a probability in (0, 1)")
        # < log(1/alpha) on the value as cash is left: one tick can never roll back, nor can one PASS
        object.__setattr__(self, "cap", -math.log(self.alpha))
        object.__setattr__(self, "pass_cap", -2 / 3 * math.log(self.beta))
        object.__setattr__(self, "worse", worse_table(self.p0))
        object.__setattr__(self, "better", better_table(self.p_bad))


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """The increments of one interval. No reading at all is an interval of zeros.

    `control` is stable's requests and failures without its worst pod, for PASS only: one dead stable pod must not
    make a bad canary look good. Without it all of stable is the control.
    """

    canary_requests: float
    canary_failures: float
    stable_requests: float
    stable_failures: float
    weight: int
    """The canary's at the end of the interval, in milliunits."""
    control: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Keep out what would poison the evidence for good: NaN above all."""
        requests, failures = self.control or (0.0, 0.0)
        for n, f in (
            (self.canary_requests, self.canary_failures),
            (self.stable_requests, self.stable_failures),
            (requests, failures),
        ):
            if not 0 <= f <= n < math.inf:
                raise ValueError(f"{f} failures among {n} requests cannot be counted")
        if not 0 <= self.weight <= BAKE:
            raise ValueError(f"weight {self.weight} is not in 0..{BAKE}")


@dataclass(frozen=True, slots=True)
class Pending:
    """The unfinished tick: intervals are added up until both sides have a request."""

    counts: tuple[float, ...] = (0.0,) * 6
    """Requests and failures of the canary, of stable, of the control."""
    spans: int = 0
    low: int = -1
    high: int = -1
    """Intervals in it; the least and greatest weight since the last tick ended, -1: none yet."""

    def add(self, seen: Interval) -> "Pending":
        """Take one more interval in."""
        n, f, m, g, cn, cf = self.counts
        seen_cn, seen_cf = (seen.stable_requests, seen.stable_failures) if seen.control is None else seen.control
        return Pending(
            (
                n + seen.canary_requests,
                f + seen.canary_failures,
                m + seen.stable_requests,
                g + seen.stable_failures,
                cn + seen_cn,
                cf + seen_cf,
            ),
            self.spans + 1,
            seen.weight if self.low < 0 else min(self.low, seen.weight),
            max(self.high, seen.weight),
        )

    @property
    def moved(self) -> bool:
        """Whether the weight changed so that the two sides' counts cannot be compared (Simpson's paradox)."""
        return self.high > self.low and (self.spans > 1 or self.high > 2 * self.low)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that one gate remembers of a rollout."""

    judged: Ledger
    """With a control: bad, rel, rel0."""
    lonely: Ledger
    """Without one: alone."""
    ok: Row
    okr: Row
    pool: tuple[float, float]
    """Stable's effective requests and failures in finished ticks."""
    pending: Pending

    @classmethod
    def fresh(cls) -> Self:
        """Know nothing: every e-value is 1."""
        okr = (1 / len(RATIO),) * len(RATIO)
        return cls(Ledger.fresh(3), Ledger.fresh(1), SHRINK_PRIOR, okr, (0.0, 0.0), Pending())

    def numbers(self) -> tuple[float, ...]:
        """Give the checkpoint: 48 numbers that from_numbers takes back without loss."""
        return (
            *self.judged.numbers(),
            *self.lonely.numbers(),
            *self.ok,
            *self.okr,
            *self.pool,
            *self.pending.counts,
            float(self.pending.spans),
            float(self.pending.low),
            float(self.pending.high),
        )

    @classmethod
    def from_numbers(cls, numbers: Sequence[float]) -> Self:
        """Restore a checkpoint; raises ValueError for one that no fold can have left."""
        x = _checked(numbers)
        k = len(ODDS)
        return cls(
            Ledger(x[0], int(x[1]), (x[2 : 2 + k], x[2 + k : 2 + 2 * k], x[2 + 2 * k : 20])),
            Ledger(x[20], int(x[21]), (x[22:28],)),
            x[28:32],
            x[32:37],
            (x[37], x[38]),
            Pending(x[39:45], int(x[45]), int(x[46]), int(x[47])),
        )


def _checked(numbers: Sequence[float]) -> tuple[float, ...]:
    if len(numbers) != NUMBERS:
        raise ValueError(f"evidence has {NUMBERS} numbers, not {len(numbers)}")
    for place, x in enumerate(numbers):
        least = -1 if place in (46, 47) else 0
        if not least <= x < math.inf:
            raise ValueError(f"number {place} of the evidence is {x}: not a finite number of at least {least}")
        if place in (1, 21, 45, 46, 47) and x != int(x):
            raise ValueError(f"number {place} of the evidence is {x}: not a whole number")
    return tuple(float(x) for x in numbers)


def fold(promise: Promise, evidence: Evidence, seen: Interval) -> Evidence:
    """Take in one interval; call it for every interval, with zeros where there was no reading."""
    pending = evidence.pending.add(seen)
    n, m = pending.counts[0], pending.counts[2]
    if n == 0 and (m == 0 or seen.weight == 0):
        # Nothing yet, or the canary gets nothing: what stable does meanwhile is not its control.
        return _with_pending(evidence, Pending(low=seen.weight, high=seen.weight))
    if n == 0 or (m == 0 and seen.weight < BAKE and pending.spans < WAIT):
        return _with_pending(evidence, pending)
    return _judge(promise, evidence, pending, seen.weight)


def _with_pending(evidence: Evidence, pending: Pending) -> Evidence:
    return Evidence(evidence.judged, evidence.lonely, evidence.ok, evidence.okr, evidence.pool, pending)


def _judge(promise: Promise, evidence: Evidence, tick: Pending, weight: int) -> Evidence:
    """Finish a tick: turn its counts into effective ones and bet on them."""
    (n, f), (m, g), (cn, cf) = _effective(tick.counts, promise.icc)
    judged, lonely, okr = evidence.judged, evidence.lonely, evidence.okr
    if tick.counts[2] == 0 or weight >= BAKE:
        limit = alone_limit(promise, evidence)
        if limit < 1:
            table = promise.worse if limit == promise.p0 else worse_table(limit)
            lonely = lonely.bet(promise.cap, absolute(table, n, f))
    else:
        comparable, comparable_control = (0.0, 0.0) if tick.moved else (m, cn)
        pairs = worse_than_stable(n, f, comparable, g)
        rel = [log - promise.delta * price for log, price in pairs]
        bad, rel0 = absolute(promise.worse, n, f), [log for log, _ in pairs]
        judged = judged.bet(promise.cap, *((rel,) * 3 if promise.relative else (bad, rel, rel0)))
        logs = better_than_stable(n, f, comparable_control, cf, promise.p_bad - promise.p0)
        okr = multiply(okr, logs, promise.pass_cap)
    ok = evidence.ok if promise.relative else multiply(evidence.ok, absolute(promise.better, n, f), promise.pass_cap)
    pool = (evidence.pool[0] + m, evidence.pool[1] + g)
    return Evidence(judged, lonely, ok, okr, pool, Pending(low=weight, high=weight))


def _effective(counts: tuple[float, ...], icc: float) -> list[tuple[float, float]]:
    """Divide each side by its own design effect."""
    sides = []
    for n, f in (counts[0:2], counts[2:4], counts[4:6]):
        d = design_effect(n, icc)
        sides.append((n / d, f / d))
    return sides


def alone_limit(promise: Promise, evidence: Evidence) -> float:
    """Say to what failure rate a canary without a control is held: p0, or what stable may have had if that is worse."""
    n, f = evidence.pool
    if promise.relative:
        return 1.0 if promise.controlled else min(1.0, ucb(n, f, promise.beta) + promise.delta)
    return max(promise.p0, min(0.5, ucb(n, f, promise.beta))) if n > 0 else promise.p0


def against(promise: Promise, evidence: Evidence) -> float:
    """Give M, the evidence against the release in ticks with a control; merged over all gates it fails at 1/alpha."""
    return _against(evidence, 2 * promise.alpha_env / promise.alpha)


def alone(evidence: Evidence) -> float:
    """Give the evidence against the release in ticks without a control; merged over all gates it fails at 1/alpha."""
    return evidence.lonely.values()[0]


def doubt(evidence: Evidence) -> float:
    """Give M without its factor for shared incidents, which would call every release suspicious while stable is sick.

    Merged over all gates it says whether the weight may go up: `statistics.calm`.
    """
    return _against(evidence, 1.0)


def _against(evidence: Evidence, c: float) -> float:
    bad, rel, rel0 = evidence.judged.values()
    return 0.5 * min(bad, c * rel0) + 0.5 * rel


def pass_value(promise: Promise, evidence: Evidence, excess: float = 0.0) -> float:
    """Give the evidence for the release; it passes at 1/beta. Each of `excess` unanswered requests counts as failed."""
    okr = _discounted(evidence.okr, RATIO, excess)
    return okr if promise.relative else 0.5 * _discounted(evidence.ok, SHRINK, excess) + 0.5 * okr


def _discounted(row: Row, factors: Sequence[float], excess: float) -> float:
    return sum(w * math.pow(x, excess) for w, x in zip(row, factors, strict=True)) if excess else sum(row)
