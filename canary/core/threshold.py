"""The rule of mode Threshold, for people who come from Flagger: a failure rate over its limit, several checks in a row.

`check` folds one interval; `book` keeps the result. `chance` says how often the rule would roll a good release back,
which no limit on errors promises: statistics.md §6. Pure numbers.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from canary.core.spec import Threshold
from canary.core.statistics import design_effect

NEGLIGIBLE = 1e-9  # a probability that is left out of sums
WORK = 3e6  # products that are added up, some 0.4 s of the loop that renews the lease
EACH, STATE, ASIDE = 20, 8, 4  # products that take as long as an interval, a state; states that take as long as a check
WIDTH = 12.0  # standard deviations of a binomial that are not negligible
SETTLED = 60.0  # twice the negative logarithm of a probability that is none
SURELY = 1e-9  # what a share of requests may exceed a limit by, in floating point, without being over it


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """What one gate's checks found. `requests` and `failures` are those of the check that is under way.

    `intervals` is how many it has had, `run` how many checks failed in a row up to now, `good` whether the last one
    did not; it is false before the first.
    """

    requests: float = 0.0
    failures: float = 0.0
    intervals: int = 0
    run: int = 0
    good: bool = False

    def numbers(self) -> tuple[float, ...]:
        """Give the checkpoint."""
        return self.requests, self.failures, float(self.intervals), float(self.run), float(self.good)

    @classmethod
    def from_numbers(cls, numbers: tuple[float, ...]) -> "Checks":
        """Restore a checkpoint; raises ValueError for one that no check can have left."""
        requests, failures, intervals, run, good = numbers
        if not 0 <= failures <= requests < math.inf or not 0 <= intervals < math.inf or not 0 <= run < math.inf:
            raise ValueError(f"{numbers} are no checks")
        return cls(
            requests=requests, failures=failures, intervals=int(intervals), run=int(run), good=good == 1.0 and not run
        )


def check(rule: Threshold, limit: float, before: Checks, requests: float, failures: float) -> Checks:
    """Take in the canary's requests of one interval, and judge where a check is due. `limit`: the share that may fail.

    Without requests, or with too few of them, nothing is judged: such an interval neither fails nor passes, and a
    check goes on until it has enough.
    """
    seen = replace(
        before,
        requests=before.requests + requests,
        failures=before.failures + failures,
        intervals=before.intervals + 1,
    )
    if not _due(rule, seen, requests):
        return seen
    over = seen.failures > limit * seen.requests + SURELY
    judged = replace(seen, run=seen.run + 1 if over else 0, good=not over)
    return replace(judged, requests=0.0, failures=0.0, intervals=0) if rule.intervals else judged


def _due(rule: Threshold, seen: Checks, new: float) -> bool:
    """Tell whether enough was seen to judge; where all since the beginning counts, only what is new is judged."""
    enough = seen.requests >= rule.min_requests and seen.intervals >= rule.intervals
    return enough and (new > 0 or rule.intervals > 0)


def chance(
    rule: Threshold, limit: float, failing: float, intervals: Sequence[float], icc: float = 0.0, work: float = WORK
) -> float | None:
    """Give the probability that a release is rolled back of whose requests `failing` fail.

    `intervals` are the canary's requests in each interval of the rollout. Failures are independent, or come in groups
    of the interval's design effect at the correlation `icc` (`statistics.design_effect`). Exact for the binomial, by
    following the joint distribution of the failures so far and of the checks that failed in a row, to the last check
    or until all later ones are settled. None where that takes more than `work` products: many requests near the limit.
    """
    states: dict[tuple[int, int], float] = {(0, 0): 1.0}
    seen, counted, fresh, rolled_back = Checks(), 0, 0, 0.0
    if EACH * len(intervals) > work:
        return None
    whole = list(_whole(intervals))
    groups = _whole(requests / design_effect(requests, icc) for requests in intervals)
    for at, (requests, more) in enumerate(zip(whole, groups, strict=True)):
        seen = replace(seen, requests=seen.requests + requests, intervals=seen.intervals + 1)
        counted, fresh = counted + more, fresh + more
        if not _due(rule, seen, requests):
            continue
        work -= (len(states) + ASIDE) * (STATE + WIDTH * math.sqrt(fresh * failing * (1 - failing)))
        if work < 0:
            return None
        states = _checked(_convolved(states, binomial(fresh, failing)), limit * counted + SURELY)
        fresh = 0
        rolled_back += sum(p for (_, run), p in states.items() if run >= rule.failures)
        states = {state: p for state, p in states.items() if state[1] < rule.failures}
        if rule.intervals:
            seen, counted, states = Checks(), 0, _forgotten(states)
        elif _settled(failing, limit, counted):
            left = sum(n > 0 for n in whole[at + 1 :]) if failing > limit else 0
            return min(1.0, rolled_back + sum(p for (_, run), p in states.items() if run + left >= rule.failures))
    return min(1.0, rolled_back)


def _settled(failing: float, limit: float, counted: int) -> bool:
    """Tell whether so many requests and more are all on one side of the limit, but for once in 1e13 (Bernstein)."""
    away = abs(failing - limit) * counted
    return away**2 > SETTLED * (failing * counted + away / 3)


def _whole(amounts: Iterable[float]) -> Iterator[int]:
    """Round amounts so that they add up as before: a third of a request in each interval is one in three."""
    total, given = 0.0, 0
    for amount in amounts:
        total += amount
        yield round(total) - given
        given = round(total)


def _checked(states: dict[tuple[int, int], float], most: float) -> dict[tuple[int, int], float]:
    found: dict[tuple[int, int], float] = {}
    for (failures, run), p in states.items():
        state = (failures, run + 1 if failures > most else 0)
        found[state] = found.get(state, 0.0) + p
    return found


def _forgotten(states: dict[tuple[int, int], float]) -> dict[tuple[int, int], float]:
    found: dict[tuple[int, int], float] = {}
    for (_, run), p in states.items():
        found[0, run] = found.get((0, run), 0.0) + p
    return found


def _convolved(states: dict[tuple[int, int], float], more: Sequence[tuple[int, float]]) -> dict[tuple[int, int], float]:
    """Add the failures among more requests; what is less than NEGLIGIBLE is left out."""
    found: dict[tuple[int, int], float] = {}
    for (failures, run), weight in states.items():
        for k, q in more:
            if weight * q > NEGLIGIBLE:
                state = (failures + k, run)
                found[state] = found.get(state, 0.0) + weight * q
    return found


def binomial(n: int, p: float) -> list[tuple[int, float]]:
    """List how many of n requests fail, each with its probability, from the most likely number outwards."""
    if n <= 0 or p <= 0:
        return [(0, 1.0)]
    if p >= 1:
        return [(n, 1.0)]
    mode = min(n, int((n + 1) * p))
    log = math.lgamma(n + 1) - math.lgamma(mode + 1) - math.lgamma(n - mode + 1)
    peak = math.exp(log + mode * math.log(p) + (n - mode) * math.log1p(-p))
    found, odds = [(mode, peak)], p / (1 - p)
    k, q = mode, peak
    while k < n and q > NEGLIGIBLE:
        q *= (n - k) / (k + 1) * odds
        k += 1
        found.append((k, q))
    k, q = mode, peak
    while k > 0 and q > NEGLIGIBLE:
        q *= k / (n - k + 1) / odds
        k -= 1
        found.append((k, q))
    return found
