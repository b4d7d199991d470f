"""When waiting for a rollout is over, and with which exit code. Pure; `wait` and `start` ask it at every look.

A condition alone is not believed: between a push and the controller's first write those of the last rollout still
stand, so the Deployment's present revision is compared with the rollout's first.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from canary.cli.looks import Look
from canary.core.status import Outcome, Phase, Reason


class Ending(StrEnum):
    """How waiting ended."""

    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    OVERDUE = "Overdue"
    STOPPED = "Stopped"
    TIMED_OUT = "TimedOut"
    SUPERSEDED = "Superseded"
    NOT_FOUND = "NotFound"


EXIT_CODES: Final[Mapping[Ending, int]] = MappingProxyType(
    {
        Ending.PROMOTED: 0,
        Ending.ROLLED_BACK: 10,
        Ending.OVERDUE: 11,
        Ending.STOPPED: 12,
        Ending.TIMED_OUT: 13,
        Ending.SUPERSEDED: 14,
        Ending.NOT_FOUND: 15,
    }
)

OUTCOMES: Final[Mapping[Outcome, Ending]] = MappingProxyType(
    {
        Outcome.PROMOTED: Ending.PROMOTED,
        Outcome.ROLLED_BACK: Ending.ROLLED_BACK,
        Outcome.SUPERSEDED: Ending.SUPERSEDED,
    }
)

_STEPPING = (Phase.PROGRESSING, Phase.BAKING)


def rollout_of(look: Look) -> str | None:
    """Find the rollout that is about the Deployment's present template; None while there is none yet.

    "" stands for a template that stable runs without any rollout that is still remembered: the baseline.
    """
    status, present = look.status, look.present
    if not present or not status.promoted:
        return None
    if (
        look.active is not None
    ):  # one of another revision must end first: only then is it known what becomes of this one
        return look.active.id if look.active.revision == present else None
    if present == status.promoted:
        past = look.last(present, Outcome.PROMOTED)
        return past.id if past is not None else ""
    condemned = look.last(present, Outcome.ROLLED_BACK)
    return condemned.id if condemned is not None and not look.retrying else None


def ending_of(look: Look, rollout: str, *, until_approval: bool) -> Ending | None:
    """Tell how a rollout ended, or what of its present state ends the waiting; None: wait on."""
    if not rollout:
        return Ending.PROMOTED
    past = look.past(rollout)
    if past is not None:
        return OUTCOMES[past.outcome]
    if look.active is None or look.active.id != rollout:
        return Ending.NOT_FOUND
    if look.status.phase not in _STEPPING:  # past every decision: neither the deadline nor a pause stops it any more
        return None
    if look.active.overdue or look.status.reason is Reason.OVERDUE:
        return Ending.OVERDUE
    return Ending.STOPPED if until_approval and _needs_a_person(look) else None


def unstarted(look: Look, *, until_approval: bool) -> Ending | None:
    """Tell whether waiting for a rollout to begin is over: it is not, unless a pause is worth returning for."""
    stopped = (
        until_approval and look.paused and look.active is None and bool(look.present) and bool(look.status.promoted)
    )
    return Ending.STOPPED if stopped else None


def _needs_a_person(look: Look) -> bool:
    return look.paused or look.status.reason is Reason.AWAITING_APPROVAL


def parse_id(text: str) -> tuple[str, str, int] | None:
    """Take `<canary>-<revision>-<n>` apart."""
    name, _, rest = text.rpartition("-")
    canary, _, revision = name.rpartition("-")
    return (canary, revision, int(rest)) if canary and revision and rest.isdecimal() and rest.isascii() else None
