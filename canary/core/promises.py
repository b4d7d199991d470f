"""A gate in words: what it promises, what was measured of that, and how far its evidence counts.

Used by `judgement`, and by `canary forecast` for the counting.
"""

from typing import assert_never

from canary.core import statistics
from canary.core.book import Book, Tally
from canary.core.counts import Version
from canary.core.eprocess import FLOOR, UNKNOWN
from canary.core.formats import show_share
from canary.core.gates import Gate, Metric
from canary.core.pods import worst_pod

FEWER = 2.0  # design effect from which it matters to people


def describe(gate: Gate, book: Book) -> str:
    """Word a gate's measurement with its numbers."""
    tally = book.tallies.get(gate.name, Tally())
    canary = _rate(tally.canary_failures, tally.canary_requests)
    stable = _rate(tally.stable_failures, tally.stable_requests)
    if gate.metric is Metric.SLOWDOWN and gate.over is not None:
        return (
            f"{gate.place or 'service'}: slower than stable: {canary} of {tally.canary_requests:.0f} canary requests"
            f" took longer than {gate.over:g} ms, on stable {stable} of {tally.stable_requests:.0f} longer than"
            f" {gate.beside:g} ms; at most {gate.factor:g} times as late is promised"
        )
    text = (
        f"{gate.name}: {canary} of {tally.canary_requests:.0f} canary requests {_broken(gate)}"
        f" (stable {stable} of {tally.stable_requests:.0f}), {wanted(gate)}"
    )
    worst = (worst_pod(book.pods, gate, version) for version in Version)
    return ", ".join([text, *(told for told in worst if told)])


def _broken(gate: Gate) -> str:
    """Word what a request did that broke the promise."""
    match gate.metric:
        case Metric.SUCCESS_RATE:
            return "failed"
        case Metric.CLIENT_ERRORS:
            return "were answered with a 4xx"
        case Metric.LATENCY | Metric.SLOWDOWN:
            return f"{'failed or ' if gate.failures_slow else ''}took longer than {gate.over or gate.limit:g} ms"
        case _:
            assert_never(gate.metric)


def wanted(gate: Gate) -> str:
    """Word what a gate promises; a limit between two bucket bounds is judged at them, and that is said."""
    match gate.metric:
        case Metric.SUCCESS_RATE:
            return f"at most {show_share(gate.promise.p0)} may fail"
        case Metric.CLIENT_ERRORS:
            return f"at most {100 * gate.promise.delta:g}pp more than on stable may be"
        case Metric.SLOWDOWN:
            return f"at most {gate.factor:g} times as late as stable{_at_edge(gate)}"
        case Metric.LATENCY:
            return _in_time(gate)
        case _:
            assert_never(gate.metric)


def _in_time(gate: Gate) -> str:
    said = f"at most 1% may {'fail or ' if gate.failures_slow else ''}take longer than {gate.limit:g} ms"
    if gate.split:
        over = "never" if gate.over is None else f"at {gate.over:g} ms"
        within = "never" if gate.within is None else f"at {gate.within:g} ms"
        said += f" (judged {over}, passed {within}: the nearest bucket bounds)"
    return said


def counting(icc: float, requests: float) -> str:
    """Word by how much the requests of one tick count as fewer, where that matters and caution alone is not why."""
    fewer = statistics.design_effect(requests, icc)
    if icc <= FLOOR or fewer < FEWER:
        return ""
    why = "stable's past is not known" if icc == UNKNOWN else "it fails in bursts"
    return f"{why}: evidence counted at 1/{fewer:.0f}"


def _at_edge(gate: Gate) -> str:
    """Say where a slowdown is measured."""
    if gate.over is None or gate.beside is None:
        return " (not measured yet: stable has had too few requests)"
    return f" (over {gate.over:g} ms no more than stable over {gate.beside:g} ms)"


def _rate(failures: float, requests: float) -> str:
    return show_share(failures / requests) if requests else "none"
