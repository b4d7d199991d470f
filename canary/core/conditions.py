"""The object's conditions, for `kubectl wait` and for people. Called by `decide` once the status is settled.

A condition's time is that of its last change of status, as Kubernetes has it.
"""

from dataclasses import replace
from typing import Final

from canary.core.facts import Facts
from canary.core.gates import remarks
from canary.core.status import CanaryStatus, Condition, Outcome, Phase, Reason
from canary.errors import listed

WIRING: Final = frozenset(
    {
        Reason.INVALID_SPEC,
        Reason.CONFLICT,
        Reason.SERVICE_MISSING,
        Reason.DEPLOYMENT_MISSING,
        Reason.SPLIT_UNSUPPORTED,
        Reason.LABEL_COLLISION,
        Reason.NOT_OURS,
        Reason.FORBIDDEN,
    }
)
"""What makes a Canary not ready for any rollout."""

HELD: Final = WIRING | {
    Reason.NO_DATA,
    Reason.NO_TRAFFIC,
    Reason.SHARE,
    Reason.STALE_DATA,
    Reason.METRICS_UNREACHABLE,
    Reason.STABLE_NOT_READY,
    Reason.CANARY_NOT_READY,
    Reason.CAPACITY_WITHDRAWN,
    Reason.CONFIRMATION,
    Reason.WEBHOOK_UNANSWERED,
    Reason.OVERDUE,
    Reason.UNANSWERED,
    Reason.QUERY_OUTSIDE,
    Reason.QUERY_UNANSWERED,
}
"""What blocks a rollout that runs. Gathering evidence is not being held."""


def conditions(facts: Facts, status: CanaryStatus) -> CanaryStatus:
    """Set the conditions, `held_since` and the generation that follow from the status."""
    seen = facts.seen
    ready, ready_reason, ready_message = True, Reason.READY, _well(facts)
    if seen.problems:
        ready, ready_reason, ready_message = False, Reason.INVALID_SPEC, listed(seen.problems)
    elif status.reason in WIRING:
        ready, ready_reason, ready_message = False, status.reason, status.message
    elif seen.refused is not None:
        ready, (ready_reason, ready_message) = False, seen.refused
    rollout = status.rollout
    # the reason of a rollback is not what it waits for
    held = status.active and status.reason in HELD and rollout is not None and status.reason is not rollout.fault
    if rollout is not None and held is not (rollout.held_since is not None):
        rollout = replace(rollout, held_since=seen.at if held else None)
    last = status.history[-1] if status.history and not status.active else None
    # a superseded rollout sets neither: the newer one will
    wanted = {
        "Ready": (ready, ready_reason, ready_message),
        "Progressing": (status.active, status.reason, status.message),
        "Held": (held, status.reason, status.message),
        "Paused": (seen.spec.paused, Reason.PAUSED if seen.spec.paused else Reason.READY, ""),
        "AwaitingApproval": (status.reason is Reason.AWAITING_APPROVAL, status.reason, status.message),
        "Promoted": (last is not None and last.outcome is Outcome.PROMOTED, status.reason, status.message),
        "RolledBack": (last is not None and last.outcome is Outcome.ROLLED_BACK, status.reason, status.message),
    }
    before = {condition.type: condition for condition in status.conditions}
    found = []
    for kind, (holds, reason, message) in wanted.items():
        old = before.get(kind)
        since = old.since if old is not None and old.status == holds else seen.at
        found.append(
            Condition(type=kind, status=holds, reason=reason, message=message, since=since, generation=seen.generation)
        )
    return replace(status, conditions=tuple(found), generation=seen.generation, rollout=rollout)


def _well(facts: Facts) -> str:
    """Say that all is well, and what the user may not have meant."""
    return " ".join(["Wired and valid.", *(f"{remark}." for remark in remarks(facts.spec, facts.status.book.bounds))])


def phase_of(status: CanaryStatus) -> str:
    """Word the phase for a column: an idle Canary shows how its last rollout ended."""
    if status.phase is Phase.IDLE and status.history:
        return status.history[-1].outcome.value
    return status.phase.value
