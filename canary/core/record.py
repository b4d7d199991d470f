"""`CanaryStatus` <-> the status that the API server keeps. Rendered once, read back leniently.

Called by the cluster adapter. What cannot be read (another version's record, a hand edit) is left out rather than
trusted: a rollout without its evidence goes on from nothing, a record without a rollout is idle. The evidence is
`checkpoint`'s.
"""

from collections.abc import Mapping
from typing import TypeAlias

from canary.core.book import Book
from canary.core.checkpoint import parse_book, render_book
from canary.core.conditions import phase_of
from canary.core.demand import Demand
from canary.core.discretion import without_urls
from canary.core.formats import instant, show_instant, show_weight
from canary.core.gates import Gate
from canary.core.judgement import Judgement, QueryView
from canary.core.lenient import as_array, as_float, as_int, as_mapping, as_member, as_seconds, as_text, as_weight
from canary.core.status import CanaryStatus, Condition, Outcome, Past, Phase, Reason, Rollout, Told

Json: TypeAlias = dict[str, object]


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
        "told": [_render_told(told) for told in status.told],
    }
    if status.saved_at is not None:
        written["savedAt"] = show_instant(status.saved_at)
    if status.rollout is not None:
        written["rollout"] = _render_rollout(status.rollout, status)
        if status.active:
            written["evidence"] = render_book(status.book)
            written["gates"] = _render_gates(judgement, gates)
            written["queries"] = [_render_query(view) for view in judgement.queries] if judgement is not None else []
    return written


def parse_status(record: object) -> CanaryStatus:
    """Read a status subresource; an absent one is a Canary never seen before."""
    top = as_mapping(record)
    rollout = _parse_rollout(as_mapping(top.get("rollout")))
    phase = _phase(top, rollout)
    return CanaryStatus(
        phase=phase,
        weight=as_weight(top.get("weight")) if phase is not Phase.IDLE else 0,
        promoted=as_text(top.get("promoted")),
        count=as_int(top.get("rollouts")),
        retried=as_text(top.get("retried")),
        reason=as_member(Reason, top.get("reason"), Reason.READY),
        message=as_text(top.get("message")),
        rollout=rollout,
        book=parse_book(as_mapping(top.get("evidence"))) if phase is not Phase.IDLE else Book(),
        history=tuple(
            past for item in as_array(top.get("history")) if (past := _parse_past(as_mapping(item))) is not None
        ),
        conditions=tuple(
            c for item in as_array(top.get("conditions")) if (c := _parse_condition(as_mapping(item))) is not None
        ),
        told=tuple(told for item in as_array(top.get("told")) if (told := _parse_told(as_mapping(item))) is not None),
        generation=as_int(top.get("observedGeneration")),
        saved_at=instant(top.get("savedAt")),
    )


def _phase(top: Mapping[str, object], rollout: Rollout | None) -> Phase:
    """Promoted, RolledBack and Superseded are how an idle Canary shows its last outcome."""
    phase = as_member(Phase, top.get("phase"), Phase.IDLE)
    return phase if rollout is not None else Phase.IDLE


def _render_told(told: Told) -> Json:
    return {"at": show_instant(told.at), "reason": told.reason, "message": told.message, "warning": told.warning}


def _parse_told(record: Mapping[str, object]) -> Told | None:
    at = instant(record.get("at"))
    if at is None:
        return None
    return Told(
        at=at,
        reason=as_member(Reason, record.get("reason"), Reason.READY),
        message=as_text(record.get("message")),
        warning=record.get("warning") is True,
    )


def _render_rollout(rollout: Rollout, status: CanaryStatus) -> Json:
    written: Json = {
        "id": rollout.id,
        "number": rollout.number,
        "revision": rollout.revision,
        "baseline": rollout.baseline,
        "startedAt": show_instant(rollout.started_at),
        "weight": show_weight(status.weight),
        "step": rollout.step,
        "stepWeight": show_weight(rollout.level),
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
        "lost": rollout.lost,
        "copying": rollout.copying,
        "copied": rollout.copied,
        "spec": dict(rollout.spec),
    }
    refused = status.book.refused
    if status.active and refused.canary_requests + refused.stable_requests > 0:
        written["clientErrors"] = {
            "canary": f"{refused.canary_failures:.0f} of {refused.canary_requests:.0f}",
            "stable": f"{refused.stable_failures:.0f} of {refused.stable_requests:.0f}",
        }
    if rollout.learned is not None:
        written["learned"] = {name: _render_demand(demand) for name, demand in rollout.learned.items()}
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
    if not as_text(record.get("id")) or not as_text(record.get("revision")) or started is None:
        return None
    outcome, fault = as_text(record.get("outcome")), as_text(record.get("fault"))
    return Rollout(
        id=as_text(record["id"]),
        number=as_int(record.get("number")),
        revision=as_text(record["revision"]),
        baseline=as_text(record.get("baseline")),
        started_at=started,
        spec=without_urls(as_mapping(record.get("spec"))),
        found_replicas=as_int(record.get("foundReplicas")),
        step=as_int(record.get("step"), -1),
        level=as_weight(record.get("stepWeight")),
        needed=as_int(record.get("neededPods")),
        stable_replicas=as_int(record.get("stableReplicas")),
        dwelt=as_seconds(record.get("dwelt")),
        spent=as_seconds(record.get("spent")),
        baked=as_seconds(record.get("baked")),
        exposed=as_seconds(record.get("exposed")),
        silent=as_int(record.get("silent")),
        peak=as_weight(record.get("peak")),
        overdue=record.get("overdue") is True,
        lost=record.get("lost") is True,
        copying=record.get("copying") is True,
        copied=record.get("copied") is True,
        fault=as_member(Reason, fault, Reason.ROLLED_BACK) if fault else None,
        fault_message=as_text(record.get("faultMessage")),
        fault_route=as_text(record.get("faultRoute")),
        learned=_parse_learned(record["learned"]) if "learned" in record else None,
        outcome=as_member(Outcome, outcome, Outcome.ROLLED_BACK) if outcome else None,
        held_since=instant(record.get("heldSince")),
    )


def _render_demand(demand: Demand) -> Json:
    known: Json = {} if demand.icc is None else {"icc": demand.icc}
    return {"requestsPerSecond": demand.rps, "failure": demand.failure, "seconds": demand.seconds, **known}


def _parse_learned(record: object) -> dict[str, Demand]:
    """Read what was learned when the rollout began; what no past can have told is as good as nothing."""
    found = {}
    for name, each in as_mapping(record).items():
        fields = as_mapping(each)
        rps, failure, icc = (as_float(fields.get(key)) for key in ("requestsPerSecond", "failure", "icc"))
        if rps > 0 and 0 <= failure <= 1:
            seconds = max(0.0, as_float(fields.get("seconds")))
            found[name] = Demand(rps=rps, failure=failure, icc=icc if 0 < icc <= 1 else None, seconds=seconds)
    return found


def _render_gates(judgement: Judgement | None, gates: tuple[Gate, ...]) -> list[Json]:
    """Show each gate's standing in words and numbers; shares are fixed for the rollout."""
    shares = {gate.name: gate for gate in gates}
    views = judgement.gates if judgement is not None else ()
    return [
        {
            "name": view.name,
            "verdict": view.verdict,
            "share": round(shares[view.name].share, 4) if view.name in shares else 0,
            "promise": view.wanted,
            "required": view.required,
            "expected": shares[view.name].expected if view.name in shares else "",
            "oddsAgainst": float(f"{view.against:.3g}"),
            "oddsFor": float(f"{view.passing:.3g}"),
            "canary": f"{view.tally.canary_failures:.0f} of {view.tally.canary_requests:.0f}",
            "stable": f"{view.tally.stable_failures:.0f} of {view.tally.stable_requests:.0f}",
            **({"counting": view.counting} if view.counting else {}),
        }
        for view in views
    ]


def _render_query(view: QueryView) -> Json:
    value: Json = {} if view.value is None else {"value": view.value}
    return {"name": view.name, "verdict": view.verdict, **value, "promise": view.wanted, "message": view.told}


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
    if not as_text(record.get("id")) or started is None or record.get("outcome") not in tuple(Outcome):
        return None
    return Past(
        id=as_text(record["id"]),
        revision=as_text(record.get("revision")),
        outcome=as_member(Outcome, record.get("outcome"), Outcome.SUPERSEDED),
        reason=as_member(Reason, record.get("reason"), Reason.READY),
        message=as_text(record.get("message")),
        started_at=started,
        seconds=as_float(record.get("seconds")),
        peak=as_weight(record.get("peak")),
        requests=as_float(record.get("requests")),
        failures=as_float(record.get("failures")),
        route=as_text(record.get("route")),
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
    if not as_text(record.get("type")) or since is None:
        return None
    return Condition(
        type=as_text(record["type"]),
        status=record.get("status") == "True",
        reason=as_text(record.get("reason")),
        message=as_text(record.get("message")),
        since=since,
        generation=as_int(record.get("observedGeneration")),
    )
