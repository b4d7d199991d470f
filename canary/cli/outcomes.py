"""What a backtest found, as a document, as rows and in a sentence. Pure."""

import statistics
from collections.abc import Iterator, Sequence
from typing import Final

from canary.backtest.replay import Outcome
from canary.core.formats import show_share
from canary.core.gates import Metric, unmeasured
from canary.core.judgement import GateView, Verdict

COLUMNS: Final = ("EPISODE", "DECISION", "AT", "AFTER", "ODDS AGAINST", "WHY")


def document(outcomes: Sequence[Outcome], unit: str) -> dict[str, object]:
    """Say it for a program. Times in seconds; null is never."""
    return {"summary": summary(outcomes, unit), "episodes": [_episode(outcome) for outcome in outcomes]}


def summary(outcomes: Sequence[Outcome], unit: str) -> dict[str, object]:
    """Count the decisions; `sentence` says the same in words."""
    times = {verdict: _seconds(outcomes, verdict) for verdict in Verdict}
    return {
        "episodes": len(outcomes),
        "ticks": sum(outcome.ticks for outcome in outcomes),
        "gateTicks": sum(outcome.ticks * len(outcome.gates) for outcome in outcomes),
        "rollbacks": len(times[Verdict.FAIL]),
        "passes": len(times[Verdict.PASS]),
        "holds": sum(outcome.decision is Verdict.HOLD for outcome in outcomes),
        "medianSecondsToRollback": _median(times[Verdict.FAIL]),
        "medianSecondsToPass": _median(times[Verdict.PASS]),
        "sentence": sentence(outcomes, unit),
    }


def sentence(outcomes: Sequence[Outcome], unit: str) -> str:
    """Sum up: `in 96 half hours: 0 rollbacks, PASS after median 80 s`."""
    failed, passed = _seconds(outcomes, Verdict.FAIL), _seconds(outcomes, Verdict.PASS)
    held = len(outcomes) - len(failed) - len(passed)
    told = f"in {len(outcomes)} {unit if len(outcomes) != 1 else unit.removesuffix('s')}: "
    told += f"{len(failed)} rollback{'' if len(failed) == 1 else 's'}"
    if failed:
        told += f" ({show_share(len(failed) / len(outcomes))}) after median {_median(failed):.0f} s"
    told += f", PASS after median {_median(passed):.0f} s" if passed else ", no PASS"
    if passed and len(passed) < len(outcomes):
        told += f" in {len(passed)}"
    return told + (f", {held} without a decision" if held else "")


def unjudged(outcomes: Sequence[Outcome]) -> list[str]:
    """Say, once each, what of a gate can never be decided over this past, and why."""
    told = {why: None for outcome in outcomes for view in outcome.gates for why in _never(view, outcome.before)}
    counted = {view.name for outcome in outcomes for view in outcome.gates if view.tally.canary_requests}
    bare = {view.name: None for outcome in outcomes for view in outcome.gates if view.name not in counted}
    unsaid = [name for name in bare if not any(why.startswith(f"{name}: ") for why in told)]
    return [*told, *(f"{name}: no request of the canary is recorded that it counts." for name in unsaid)]


def _never(view: GateView, before: float) -> Iterator[str]:
    gate = view.gate
    if unmeasured(gate) and before > 0:
        yield f"{view.name}: never judged: there is a past before the release, and no bucket bound fits it."
    elif unmeasured(gate):
        yield f"{view.name}: never judged: its bucket bounds are chosen from a past before the release: there is none."
    if gate.metric is Metric.LATENCY:
        for bound, more, deed in ((gate.within, "most", "passes"), (gate.over, "least", "fails")):
            if bound is None:
                limit = f"at {more} {gate.limit / 1000:g} s"
                yield f"{view.name}: never {deed}: no bucket bound of the past is {limit}."


def row(outcome: Outcome) -> list[str]:
    """Say one outcome in the cells of COLUMNS."""
    return [
        outcome.episode,
        str(outcome.decision),
        _time(outcome.at),
        _time(outcome.seconds),
        f"{outcome.odds:.0f}:1",
        _why(outcome),
    ]


def _episode(outcome: Outcome) -> dict[str, object]:
    return {
        "episode": outcome.episode,
        "decision": str(outcome.decision),
        "t": outcome.at,
        "seconds": outcome.seconds,
        "passedAfter": outcome.passed,
        "odds": outcome.odds,
        "culprits": list(outcome.culprits),
        "message": _why(outcome),
        "ticks": outcome.ticks,
        "gates": {view.name: _gate(view) for view in outcome.gates},
    }


def _gate(view: GateView) -> dict[str, object]:
    tally = view.tally
    return {
        "verdict": str(view.verdict),
        "against": view.against,
        "passing": view.passing,
        "canary": [tally.canary_failures, tally.canary_requests],
        "stable": [tally.stable_failures, tally.stable_requests],
    }


def _why(outcome: Outcome) -> str:
    if outcome.decision is Verdict.FAIL:
        before = "" if outcome.passed is None else f", after PASS at {_time(outcome.passed)}"
        return outcome.message + before
    if outcome.decision is Verdict.PASS:
        return f"every gate passes; watched for {outcome.lasted:.0f} s"
    open_ = [view for view in outcome.gates if view.verdict is not Verdict.PASS]
    return "; ".join(_lacking(view) for view in open_) or "every gate passes, but too early"


def _lacking(view: GateView) -> str:
    requests = view.tally.canary_requests
    return f"{view.name}: odds {view.passing:.3g}:1 for it after {requests:.0f} canary requests"


def _seconds(outcomes: Sequence[Outcome], verdict: Verdict) -> list[float]:
    return [o.seconds for o in outcomes if o.decision is verdict and o.seconds is not None]


def _median(values: Sequence[float]) -> float | None:
    return statistics.median_high(values) if values else None


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.0f} s"
