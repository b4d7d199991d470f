"""From evidence to one verdict: Pass, Fail or Hold for each gate, and what they add up to.

Called by `gather`, and by `gatecalls` on what the last tick knew. Failing is one decision over all gates: the weighted
mean of their evidence, in either ledger, against 1/alpha (statistics.md §3(e)), so that more routes do not mean more
false alarms. Only then are the culprits named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from canary.core import eprocess, ranges, statistics
from canary.core.book import Book, Tally
from canary.core.gates import Gate, Metric
from canary.core.promises import counting, describe, wanted
from canary.core.ranges import Checked
from canary.core.spec import CanarySpec, OnUnanswered, Query
from canary.core.status import Reason
from canary.core.threshold import Checks

SUSPICIOUS = 10.0  # odds against a route that make it worth naming beside the service
REASONS = {
    Metric.SUCCESS_RATE: Reason.SUCCESS_RATE,
    Metric.LATENCY: Reason.LATENCY,
    Metric.SLOWDOWN: Reason.LATENCY,
    Metric.CLIENT_ERRORS: Reason.CLIENT_ERRORS,
}


class Verdict(StrEnum):
    """What the evidence says of one gate. Hold: not enough, either way."""

    PASS = "Pass"  # noqa: S105 - no password
    FAIL = "Fail"
    HOLD = "Hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateView:
    """One gate's standing, for people: odds against the release, evidence for it, and the raw counts.

    Nothing waits for the PASS of one that is not `required`.
    """

    gate: Gate
    verdict: Verdict
    against: float
    passing: float
    tally: Tally
    pace: float = 0.0
    """Canary requests in a tick."""

    @property
    def name(self) -> str:
        """The gate's."""
        return self.gate.name

    @property
    def required(self) -> bool:
        """Whether the rollout waits for its PASS."""
        return self.gate.required

    @property
    def wanted(self) -> str:
        """What it promises, in words."""
        return wanted(self.gate)

    @property
    def counting(self) -> str:
        """How its evidence is counted, where that is less than request by request."""
        return counting(self.gate.promise.icc, self.pace)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryView:
    """One query's standing, for people."""

    name: str
    verdict: Verdict
    value: float | None
    wanted: str
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """All gates together.

    `against` and `alone` are the merged e-values of the two ledgers; `fault` is why it fails, if it does.
    `route` is the route to look at: the first culprit's, or the one that the evidence points to most where only the
    service's gate is to blame. `hanging` says which requests hang, where that holds the rollout and does not end it.
    `run` is how many checks of one gate failed in a row: in mode Threshold they decide, and the ledgers do not.
    `unsettled` is the first query whose number is not known to be within its range, and why that holds: Gathering where
    it was not asked yet.
    """

    against: float
    alone: float
    calm: bool
    passed: bool
    fault: Reason | None
    message: str
    route: str = ""
    hanging: str = ""
    run: int = 0
    gates: tuple[GateView, ...] = ()
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    queries: tuple[QueryView, ...] = ()
    unsettled: tuple[Reason, str] | None = None


def judge(book: Book, gates: Sequence[Gate], spec: CanarySpec) -> Judgement:
    """Merge the gates' evidence into one judgement."""
    shares = [gate.share for gate in gates]
    known = {g.name: book.of(g.name) for g in gates}
    controlled = {g.name: eprocess.against(g.promise, known[g.name]) for g in gates}
    lonely = {name: eprocess.alone(evidence) for name, evidence in known.items()}
    doubt = statistics.merge([eprocess.doubt(evidence) for evidence in known.values()], shares)
    against, alone = statistics.merge(controlled.values(), shares), statistics.merge(lonely.values(), shares)
    calm = statistics.calm(doubt)
    blamed = _blamed(gates, controlled, against, spec) or _blamed(gates, lonely, alone, spec)
    ignored = spec.unanswered is OnUnanswered.IGNORE
    excess = {g.name: 0.0 if ignored else book.excess(g.place) for g in gates}
    values = {g.name: eprocess.pass_value(g.promise, book.of(g.pass_name), excess[g.name]) for g in gates}
    passing = {g.name: values[g.name] >= 1 / g.promise.beta for g in gates}
    if spec.threshold is not None:
        checks = {g.name: book.checks.get(g.name, Checks()) for g in gates}
        blamed = [g for g in gates if checks[g.name].run >= spec.threshold.failures]
        passing = {name: found.good for name, found in checks.items()}
        calm = any(passing.values()) and not any(found.run for found in checks.values())
    verdicts = {
        g.name: Verdict.FAIL if g in blamed else Verdict.PASS if passing[g.name] else Verdict.HOLD for g in gates
    }
    odds = {name: max(controlled[name], lonely[name]) for name in controlled}
    fault, message, route = _fault(book, blamed, _suspect(gates, blamed, odds), spec)
    if blamed and spec.threshold is not None:
        message += f"; over its limit in {spec.threshold.failures} checks in a row"
    elif blamed:
        message += f"; odds {max(against, alone):.0f}:1 against the release, {1 / spec.risk.alpha:.0f}:1 decide"
    return Judgement(
        against=against,
        alone=alone,
        calm=calm,
        run=max((book.checks[g.name].run for g in gates if g.name in book.checks), default=0),
        passed=all(passing[g.name] for g in gates if g.required),
        fault=fault,
        message=message,
        route=route,
        hanging=_hanging(book)[0] if spec.unanswered is OnUnanswered.HOLD else "",
        gates=tuple(
            GateView(
                gate=g,
                verdict=verdicts[g.name],
                against=odds[g.name],
                passing=values[g.name],
                tally=book.tallies.get(g.name, Tally()),
                pace=_pace(g, book, spec),
            )
            for g in gates
        ),
        verdicts=verdicts,
        queries=tuple(_view(query, book.queries.get(query.name, Checked())) for query in spec.queries),
        unsettled=_unsettled(book, spec),
    )


def _view(query: Query, checked: Checked) -> QueryView:
    verdict = Verdict.PASS if ranges.passing(query, checked) else Verdict.HOLD
    return QueryView(
        name=query.name,
        verdict=Verdict.FAIL if ranges.failing(query, checked) else verdict,
        value=checked.value,
        wanted=ranges.wanted(query),
        told=ranges.describe(query, checked),
    )


def _unsettled(book: Book, spec: CanarySpec) -> tuple[Reason, str] | None:
    query = ranges.unsettled(spec.queries, book.queries)
    if query is None:
        return None
    checked = book.queries.get(query.name, Checked())
    reason = Reason.QUERY_UNANSWERED if checked.value is None else Reason.QUERY_OUTSIDE
    if checked == Checked():  # new in this interval: it is asked with the next reading, and nothing moves before that
        reason = Reason.GATHERING
    return reason, ranges.describe(query, checked)


def _blamed(gates: Sequence[Gate], values: Mapping[str, float], merged: float, spec: CanarySpec) -> list[Gate]:
    """Name the gates behind a ledger that crossed: by e-BH, else the one with the greatest share of it.

    Routes first.
    """
    if merged < 1 / spec.risk.alpha:
        return []
    names = statistics.culprits(values, spec.risk.alpha)
    found = [g for name in names for g in gates if g.name == name] or [
        max(gates, key=lambda g: g.share * values[g.name])
    ]
    return sorted(found, key=lambda g: (not g.place, -values[g.name]))


def _suspect(gates: Sequence[Gate], blamed: Sequence[Gate], odds: Mapping[str, float]) -> Gate | None:
    """Find the route that the evidence points to, where it blames the whole service only.

    Its proxies may be scraped later.
    """
    if not blamed or blamed[0].place:
        return None
    routes = [g for g in gates if g.place and g.metric is blamed[0].metric and odds[g.name] >= SUSPICIOUS]
    return max(routes, key=lambda g: odds[g.name], default=None)


def _fault(
    book: Book, blamed: Sequence[Gate], suspect: Gate | None, spec: CanarySpec
) -> tuple[Reason | None, str, str]:
    """Give reason, message and route."""
    if blamed:
        reason = REASONS[blamed[0].metric]
        named = [describe(gate, book) for gate in blamed[:3]]
        if suspect is not None:
            named.append(f"it points to {describe(suspect, book)}")
        return reason, "; ".join(named), suspect.place if suspect is not None else blamed[0].place
    told, place = _hanging(book)
    if told and spec.unanswered is OnUnanswered.ROLLBACK:
        return Reason.UNANSWERED, told, place
    for query in spec.queries:
        checked = book.queries.get(query.name, Checked())
        if ranges.failing(query, checked):
            return Reason.QUERY, ranges.describe(query, checked), ""
    return None, "", ""


def _hanging(book: Book) -> tuple[str, str]:
    """Word where requests hang, and name the place: routes before the service."""
    places = [place for place in sorted(book.open, reverse=True) if book.open[place].hung]
    if not places:
        return "", ""
    place, state = places[0], book.open[places[0]]
    told = f"{place or 'service'}: {state.excess:.0f} requests to the canary are still without an answer"
    return f"{told}, of {state.requests:.0f} sent in this rollout", place


def _pace(gate: Gate, book: Book, spec: CanarySpec) -> float:
    tally, traffic = book.tallies.get(gate.name, Tally()), book.traffic.get(gate.place)
    both = tally.canary_requests + tally.stable_requests
    if traffic is None or not both:
        return 0.0
    return traffic.rps * spec.interval.total_seconds() * tally.canary_requests / both
