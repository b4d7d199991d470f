"""`CanaryStatus` <-> the status that the API server keeps. Rendered once, read back leniently.

Called by the cluster adapter. What cannot be read (another version's record, a hand edit) is left out rather than trusted:
a rollout without its evidence goes on from nothing, a record without a rollout is idle. Evidence is kept as one text of numbers per
gate, so that `kubectl get -o yaml` stays readable.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TypeAlias, TypeVar

from canary.core.book import Book, Tally
from canary.core.conditions import phase_of
from canary.core.eprocess import Evidence
from canary.core.formats import instant, show_instant, show_weight
from canary.core.formats import weight as read_weight
from canary.core.gates import Gate
from canary.core.judgement import Judgement, wanted
from canary.core.status import CanaryStatus, Condition, Outcome, Past, Phase, Reason, Rollout
from canary.core.unanswered import OpenRequests

Json: TypeAlias = dict[str, object]
Enum = TypeVar("Enum", Phase, Reason, Outcome)
State = TypeVar("State", Evidence, OpenRequests, Tally)


def render_status(status: CanaryStatus, judgement: Judgement | None = None, gates: tuple[Gate, ...] = ()) -> Json:
    """Write the status subresource. `judgement` and `gates` add what people want to see of the evidence."""
    written: Json = {
        "observedGeneration": status.generation,
        "phase": phase_of(status),
        "weight": show_weight(status.weight),
        "reason": status.reason,
        "message": status.message,
        "promoted": status.promoted,
        "rollouts": status.count,
        "retried": status.retried,
        "history": [_render_past(past) for past in status.history],
        "conditions": [_render_condition(c) for c in status.conditions],
    }
    if status.saved_at is not None:
        written["savedAt"] = show_instant(status.saved_at)
    if status.rollout is not None:
        written["rollout"] = _render_rollout(status.rollout, status)
        if status.active:
            written["evidence"] = _render_book(status.book)
            written["gates"] = _render_gates(judgement, gates)
    return written


def parse_status(record: object) -> CanaryStatus:
    """Read a status subresource; an absent one is a Canary never seen before."""
    top = _mapping(record)
    rollout = _parse_rollout(_mapping(top.get("rollout")))
    phase = _phase(top, rollout)
    return CanaryStatus(
        phase=phase,
        weight=_weight(top.get("weight")),
        promoted=_text(top.get("promoted")),
        count=_int(top.get("rollouts")),
        retried=_text(top.get("retried")),
        reason=_enum(Reason, top.get("reason"), Reason.READY),
        message=_text(top.get("message")),
        rollout=rollout,
        book=_parse_book(_mapping(top.get("evidence"))) if phase is not Phase.IDLE else Book(),
        history=tuple(past for item in _array(top.get("history")) if (past := _parse_past(_mapping(item))) is not None),
        conditions=tuple(
            c for item in _array(top.get("conditions")) if (c := _parse_condition(_mapping(item))) is not None
        ),
        generation=_int(top.get("observedGeneration")),
        saved_at=instant(top.get("savedAt")),
    )


def _phase(top: Mapping[str, object], rollout: Rollout | None) -> Phase:
    """Promoted, RolledBack and Superseded are how an idle Canary shows its last outcome."""
    phase = _enum(Phase, top.get("phase"), Phase.IDLE)
    return phase if rollout is not None else Phase.IDLE


def _render_rollout(rollout: Rollout, status: CanaryStatus) -> Json:
    written: Json = {
        "id": rollout.id,
        "number": rollout.number,
        "revision": rollout.revision,
        "baseline": rollout.baseline,
        "startedAt": show_instant(rollout.started_at),
        "weight": show_weight(status.weight),
        "step": rollout.step,
        "reason": status.reason,
        "message": status.message,
        "foundReplicas": rollout.found_replicas,
        "neededPods": rollout.needed,
        "stableReplicas": rollout.stable_replicas,
        "dwelt": rollout.dwelt.total_seconds(),
        "spent": rollout.spent.total_seconds(),
        "baked": rollout.baked.total_seconds(),
        "exposed": rollout.exposed.total_seconds(),
        "silent": rollout.silent,
        "peak": show_weight(rollout.peak),
        "overdue": rollout.overdue,
        "copying": rollout.copying,
        "spec": dict(rollout.spec),
    }
    if rollout.fault is not None:
        written["fault"] = rollout.fault
    if rollout.fault_message:
        written["faultMessage"] = rollout.fault_message
    if rollout.fault_route:
        written["faultRoute"] = rollout.fault_route
    if rollout.outcome is not None:
        written["outcome"] = rollout.outcome
    if rollout.held_since is not None:
        written["heldSince"] = show_instant(rollout.held_since)
    return written


def _parse_rollout(record: Mapping[str, object]) -> Rollout | None:
    started = instant(record.get("startedAt"))
    if not record.get("id") or not record.get("revision") or started is None:
        return None
    outcome, fault = _text(record.get("outcome")), _text(record.get("fault"))
    return Rollout(
        id=_text(record["id"]),
        number=_int(record.get("number")),
        revision=_text(record["revision"]),
        baseline=_text(record.get("baseline")),
        started_at=started,
        spec=_mapping(record.get("spec")),
        found_replicas=_int(record.get("foundReplicas")),
        step=_int(record.get("step"), -1),
        needed=_int(record.get("neededPods")),
        stable_replicas=_int(record.get("stableReplicas")),
        dwelt=_seconds(record.get("dwelt")),
        spent=_seconds(record.get("spent")),
        baked=_seconds(record.get("baked")),
        exposed=_seconds(record.get("exposed")),
        silent=_int(record.get("silent")),
        peak=_weight(record.get("peak")),
        overdue=record.get("overdue") is True,
        copying=record.get("copying") is True,
        fault=_enum(Reason, fault, Reason.ROLLED_BACK) if fault else None,
        fault_message=_text(record.get("faultMessage")),
        fault_route=_text(record.get("faultRoute")),
        outcome=_enum(Outcome, outcome, Outcome.ROLLED_BACK) if outcome else None,
        held_since=instant(record.get("heldSince")),
    )


def _render_book(book: Book) -> Json:
    return {
        "at": book.at,
        "waited": book.waited,
        "answered": book.answered,
        "bounds": list(book.bounds),
        "cut": sorted(book.cut),
        "gates": {name: _line(evidence.numbers()) for name, evidence in sorted(book.evidence.items())},
        "open": {place or "service": _line(state.numbers()) for place, state in sorted(book.open.items())},
        "counted": {name: _line(_tally(tally)) for name, tally in sorted(book.tallies.items())},
    }


def _parse_book(record: Mapping[str, object]) -> Book:
    places = {("" if place == "service" else place): text for place, text in _mapping(record.get("open")).items()}
    return Book(
        at=_float(record.get("at")),
        waited=_float(record.get("waited")),
        answered=_float(record.get("answered")),
        bounds=tuple(_float(bound) for bound in _array(record.get("bounds"))),
        cut=frozenset(_float(bound) for bound in _array(record.get("cut"))),
        evidence=_states(_mapping(record.get("gates")), Evidence.from_numbers),
        open=_states(places, OpenRequests.from_numbers),
        tallies=_states(_mapping(record.get("counted")), _read_tally),
    )


def _states(texts: Mapping[str, object], read: Callable[[tuple[float, ...]], State]) -> dict[str, State]:
    """Restore what can be restored: evidence that no fold can have left is as good as none."""
    states = {}
    for name, text in texts.items():
        try:
            states[name] = read(tuple(float(number) for number in _text(text).split()))
        except ValueError:
            continue
    return states


def _line(numbers: tuple[float, ...]) -> str:
    return " ".join(repr(number) for number in numbers)


def _tally(tally: Tally) -> tuple[float, ...]:
    return (tally.canary_requests, tally.canary_failures, tally.stable_requests, tally.stable_failures)


def _read_tally(numbers: tuple[float, ...]) -> Tally:
    canary_requests, canary_failures, stable_requests, stable_failures = numbers
    return Tally(
        canary_requests=canary_requests,
        canary_failures=canary_failures,
        stable_requests=stable_requests,
        stable_failures=stable_failures,
    )


def _render_gates(judgement: Judgement | None, gates: tuple[Gate, ...]) -> list[Json]:
    """Show each gate's standing in words and numbers; shares are fixed for the rollout."""
    shares = {gate.name: gate for gate in gates}
    views = judgement.gates if judgement is not None else ()
    return [
        {
            "name": view.name,
            "verdict": view.verdict,
            "share": round(shares[view.name].share, 4) if view.name in shares else 0,
            "promise": wanted(shares[view.name]) if view.name in shares else view.wanted,
            "oddsAgainst": float(f"{view.against:.3g}"),
            "oddsFor": float(f"{view.passing:.3g}"),
            "canary": f"{view.tally.canary_failures:.0f} of {view.tally.canary_requests:.0f}",
            "stable": f"{view.tally.stable_failures:.0f} of {view.tally.stable_requests:.0f}",
        }
        for view in views
    ]


def _render_past(past: Past) -> Json:
    return {
        "id": past.id,
        "revision": past.revision,
        "outcome": past.outcome,
        "reason": past.reason,
        "message": past.message,
        "startedAt": show_instant(past.started_at),
        "seconds": round(past.seconds, 1),
        "peak": show_weight(past.peak),
        "requests": past.requests,
        "failures": past.failures,
        "route": past.route,
    }


def _parse_past(record: Mapping[str, object]) -> Past | None:
    started = instant(record.get("startedAt"))
    if not record.get("id") or started is None or record.get("outcome") not in tuple(Outcome):
        return None
    return Past(
        id=_text(record["id"]),
        revision=_text(record.get("revision")),
        outcome=_enum(Outcome, record.get("outcome"), Outcome.SUPERSEDED),
        reason=_enum(Reason, record.get("reason"), Reason.READY),
        message=_text(record.get("message")),
        started_at=started,
        seconds=_float(record.get("seconds")),
        peak=_weight(record.get("peak")),
        requests=_float(record.get("requests")),
        failures=_float(record.get("failures")),
        route=_text(record.get("route")),
    )


def _render_condition(condition: Condition) -> Json:
    return {
        "type": condition.type,
        "status": "True" if condition.status else "False",
        "reason": condition.reason,
        "message": condition.message[:1024],
        "lastTransitionTime": show_instant(condition.since.replace(microsecond=0)).replace(".000000", ""),
        "observedGeneration": condition.generation,
    }


def _parse_condition(record: Mapping[str, object]) -> Condition | None:
    since = instant(record.get("lastTransitionTime"))
    if not record.get("type") or since is None:
        return None
    return Condition(
        type=_text(record["type"]),
        status=record.get("status") == "True",
        reason=_text(record.get("reason")),
        message=_text(record.get("message")),
        since=since,
        generation=_int(record.get("observedGeneration")),
    )


def without_checkpoint(status: CanaryStatus) -> CanaryStatus:
    """Drop what is not checkpointed, for comparing a status with its record."""
    return replace(status, book=replace(status.book, pods={}))


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _array(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _int(value: object, default: int = 0) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _float(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _seconds(value: object) -> timedelta:
    return timedelta(seconds=max(0.0, _float(value)))


def _weight(value: object) -> int:
    return read_weight(value) or 0


def _enum(kind: type[Enum], value: object, default: Enum) -> Enum:
    return next((member for member in kind if member == value), default)
