"""What one rollout has seen so far: the evidence of each gate, plain sums for people, requests still open.

A pure fold over readings, kept in the working status and checkpointed with it. Called by `intake` once per interval:
with counts, or with zeros where there was no reading. It judges nothing.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from canary.core import eprocess, pods
from canary.core.counts import SERVICE, Counts, Version, What
from canary.core.edges import Edge
from canary.core.eprocess import Evidence, Interval
from canary.core.exposure import Traffic, effective, flows
from canary.core.gates import Gate
from canary.core.pods import Pods
from canary.core.ranges import Checked
from canary.core.share import Share
from canary.core.spec import Threshold, Weight
from canary.core.statistics import ODDS
from canary.core.threshold import Checks, check
from canary.core.unanswered import OpenRequests, Standing
from canary.core.warmup import Spared


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Raw requests and failures of both sides since the rollout began, as one gate counts them."""

    canary_requests: float = 0.0
    canary_failures: float = 0.0
    stable_requests: float = 0.0
    stable_failures: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How counters were read: at the clients or the servers, at which latency bounds, with routes or without.

    `met` is when a client was last seen, on Prometheus' clock.
    """

    client: bool
    bounds: frozenset[float]
    routes: bool
    met: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """Evidence under the names of gates, and what else is counted.

    `at` is the time of the last reading on Prometheus' clock (Unix seconds), 0 before the first; `waited` the seconds
    since then on ours. `bounds` are the latency buckets that exist, `manner` how the last reading was taken.
    `edges` is where slowdowns are measured, chosen once.
    `queries` is what the user's queries said last, under their names.
    `answered` counts the canary's answered requests since the weight last changed, but for those of a tick in which
    it changed so much that no gate compares them. `open` is by place. `pods` is, as `manner`, not checkpointed. `share`
    is of the requests since the weight last changed, `refused` counts the service's answers and the 4xx among them.
    `traffic` is by place, `effective` holds a gate's canary requests and failures, as far as they count.
    `checks` are those of mode Threshold. `spared` is which first starts of pods were left out of latencies.
    """

    at: float = 0.0
    waited: float = 0.0
    answered: float = 0.0
    bounds: tuple[float, ...] = ()
    edges: tuple[Edge, ...] = ()
    manner: Manner | None = None
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    open: Mapping[str, OpenRequests] = field(default_factory=dict)
    queries: Mapping[str, Checked] = field(default_factory=dict)
    pods: Pods = field(default_factory=dict)
    refused: Tally = field(default_factory=Tally)
    share: Share = field(default_factory=Share)
    traffic: Mapping[str, Traffic] = field(default_factory=dict)
    effective: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    checks: Mapping[str, Checks] = field(default_factory=dict)
    spared: Mapping[Version, Spared] = field(default_factory=dict)

    def of(self, name: str) -> Evidence:
        """Read a gate's evidence; one that never saw a request knows nothing."""
        return self.evidence.get(name) or Evidence.fresh()

    def excess(self, place: str) -> float:
        """Count the canary's requests at a place that should have been answered by now."""
        state = self.open.get(place)
        return 0.0 if state is None else state.excess


def fold(book: Book, gates: Collection[Gate], counts: Counts, weight: Weight, rule: Threshold | None = None) -> Book:
    """Take in the increments of one interval that ended at `weight`; empty counts are an interval without a reading.

    `rule` is what decides in mode Threshold.
    """
    evidence, tallies, counted = dict(book.evidence), dict(book.tallies), dict(book.effective)
    compared, checks = False, dict(book.checks)
    for gate in gates:
        control = pods.control(book.pods, gate, counts)
        seen = _interval([its.failing(gate, version) for its, version in _sides(counts, control)], weight)
        compared = compared or not book.of(gate.name).pending.add(seen).moved
        evidence[gate.name] = eprocess.fold(gate.promise, book.of(gate.name), seen)
        if gate.split:
            passing = _interval([its.passing(gate, version) for its, version in _sides(counts, control)], weight)
            evidence[gate.pass_name] = eprocess.fold(gate.promise, book.of(gate.pass_name), passing)
        tallies[gate.name] = _added(tallies.get(gate.name, Tally()), seen)
        n, f, icc = seen.canary_requests, seen.canary_failures, gate.promise.icc
        counted[gate.name] = effective(counted.get(gate.name, (0.0, 0.0)), n, f, icc)
        if rule is not None and weight > 0:
            checks[gate.name] = check(rule, gate.promise.p0, checks.get(gate.name, Checks()), n, f)
    return replace(
        book,
        evidence=evidence,
        tallies=tallies,
        answered=book.answered + (counts.of(Version.CANARY, SERVICE, What.ANSWERED) if compared else 0.0),
        pods=pods.with_interval(book.pods, gates, counts),
        effective=counted,
        checks=checks,
        refused=_added(
            book.refused, _interval([_refused(counts, Version.CANARY), _refused(counts, Version.STABLE)], weight)
        ),
    )


def _refused(counts: Counts, version: Version) -> tuple[float, float]:
    answered = counts.of(version, SERVICE, What.ANSWERED)
    return answered, min(answered, counts.of(version, SERVICE, What.REFUSED))


def measure(book: Book, gates: Iterable[Gate], counts: Counts, seconds: float) -> Book:
    """Take note of how much traffic an interval had that was read."""
    places = {SERVICE, *(gate.place for gate in gates)}
    return replace(book, traffic=flows(book.traffic, places, counts, seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One interval between readings: its length, and the canary's weight at its end.

    `settled` if all of it was sent at that weight.
    """

    seconds: float
    weight: Weight
    settled: bool


def observe(book: Book, gates: Iterable[Gate], counts: Counts, standing: Counts, span: Span) -> Book:
    """Compare what was sent with what was answered, as the counters stand at the end of `span`, and with the weight."""
    states = dict(book.open)
    worst: dict[str, float] = {}
    for gate in gates:
        worst[gate.place] = min(gate.promise.p_bad, worst.get(gate.place, 1.0))
    for place, p_bad in worst.items():
        canary, stable = (
            Standing(
                open=max(0.0, standing.of(v, place, What.SENT) - standing.of(v, place, What.ANSWERED)),
                sent=counts.of(v, place, What.SENT),
            )
            for v in (Version.CANARY, Version.STABLE)
        )
        before = states.get(place) or OpenRequests.fresh()
        states[place] = before.observe(canary, stable, seconds=span.seconds, weight=span.weight, p_bad=p_bad)
    share = book.share.later(counts.sent, span.seconds) if span.settled else book.share
    return replace(book, open=states, share=share)


def forget(book: Book, names: Iterable[str]) -> Book:
    """Start the evidence of some gates over: what they promise, or what they compare with, is no longer the same."""
    gone = {full for name in names for full in (name, f"{name}, passing")}
    return replace(
        book,
        evidence={name: e for name, e in book.evidence.items() if name not in gone},
        effective={name: counted for name, counted in book.effective.items() if name not in gone},
        checks={name: found for name, found in book.checks.items() if name not in gone},
    )


def recount(book: Book, names: Collection[str]) -> Book:
    """Drop the plain sums of gates that count something else from now on.

    A gate that only promises something else counts the same, so that its sums go on: each request once.
    """
    return replace(
        book,
        tallies={name: t for name, t in book.tallies.items() if name not in names},
        pods={at: its for at, its in book.pods.items() if at[0] not in names},
    )


def keep(book: Book, gates: Iterable[Gate]) -> Book:
    """Drop what belongs to gates that no longer exist: should they come back, what they missed would be missing."""
    names = {name for gate in gates for name in (gate.name, gate.pass_name)}
    return replace(
        book,
        evidence={name: e for name, e in book.evidence.items() if name in names},
        tallies={name: t for name, t in book.tallies.items() if name in names},
        effective={name: counted for name, counted in book.effective.items() if name in names},
        pods={at: its for at, its in book.pods.items() if at[0] in names},
        checks={name: found for name, found in book.checks.items() if name in names},
    )


def compare_anew(book: Book) -> Book:
    """Start every comparison with stable over, for stable is another one now; what is judged without it is kept."""
    return replace(
        book,
        evidence={name: _without_comparison(e) for name, e in book.evidence.items()},
        pods={at: its for at, its in book.pods.items() if at[1] is Version.CANARY},
    )


def _without_comparison(evidence: Evidence) -> Evidence:
    """Keep `bad`, `alone` and `ok`. A row begun anew is worth 1: the cash, and what is staked, spread evenly."""
    judged = evidence.judged
    row = ((1 - judged.cash) / len(ODDS),) * len(ODDS)
    judged = replace(judged, rows=(judged.rows[0], row, row))
    return replace(Evidence.fresh(), judged=judged, lonely=evidence.lonely, ok=evidence.ok)


def _sides(counts: Counts, control: Collection[Counts] | None) -> list[tuple[Counts, Version]]:
    """List what to count: the canary, stable, and each pod of stable that is a control, where not all are."""
    return [(counts, Version.CANARY), *((its, Version.STABLE) for its in (counts, *(control or ())))]


def _interval(counted: Sequence[tuple[float, float]], weight: Weight) -> Interval:
    (n, f), (m, g), *control = counted
    return Interval(
        canary_requests=n,
        canary_failures=f,
        stable_requests=m,
        stable_failures=g,
        weight=weight,
        control=(sum(n for n, _ in control), sum(f for _, f in control)) if control else None,
    )


def _added(tally: Tally, seen: Interval) -> Tally:
    return Tally(
        canary_requests=tally.canary_requests + seen.canary_requests,
        canary_failures=tally.canary_failures + seen.canary_failures,
        stable_requests=tally.stable_requests + seen.stable_requests,
        stable_failures=tally.stable_failures + seen.stable_failures,
    )
