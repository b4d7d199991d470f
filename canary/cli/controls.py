"""What `pause`, `resume`, `abort`, `retry` and `approve` set, and when they are refused. Pure.

Orders name the rollout they are about, so that an order that comes late hits nothing else. The same order twice is no
error: what is wanted is the case already.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from canary.cli.looks import Look
from canary.core.spec import Approval
from canary.core.status import Outcome, Phase, Reason
from canary.errors import CanaryError


class Refused(CanaryError):
    """The order would do nothing, or not what is meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Fields of the spec to set (none: nothing is to be done), the rollout it is about, and what to tell."""

    fields: Mapping[str, object]
    rollout: str
    message: str


def pause(look: Look, rollout: str) -> Order:
    """Freeze start, steps up and promotion."""
    _present(look, rollout)
    name = look.active.id if look.active is not None else ""
    if look.paused:
        return Order(fields={}, rollout=name, message="is paused already")
    fields = {"paused": True}
    if look.status.phase in (Phase.PROMOTING, Phase.FINALISING, Phase.ROLLING_BACK):
        ends = f"is paused for what comes next; {name} is {look.status.phase} and runs to its end"
        return Order(fields=fields, rollout=name, message=ends)
    return Order(fields=fields, rollout=name, message=f"is paused{f': {name} stays where it is' if name else ''}")


def resume(look: Look, rollout: str) -> Order:
    """Undo a pause."""
    _present(look, rollout)
    name = look.active.id if look.active is not None else ""
    if not look.paused:
        return Order(fields={}, rollout=name, message="is not paused")
    return Order(fields={"paused": False}, rollout=name, message="goes on")


def abort(look: Look, rollout: str) -> Order:
    """Roll the present rollout back."""
    past = look.past(rollout)
    if past is not None and past.outcome is Outcome.ROLLED_BACK:
        return Order(fields={}, rollout=rollout, message=f"{rollout} was rolled back already")
    name = _present(look, rollout)
    if not name:
        raise Refused(f"no rollout of {look.key.name} runs, so there is nothing to abort{_last(look)}")
    if look.status.phase is Phase.FINALISING:
        raise Refused(f"{name} is beyond an abort: stable runs it, and traffic is on its way back to stable")
    if look.status.phase is Phase.ROLLING_BACK:
        return Order(fields={}, rollout=name, message=f"{name} is being rolled back already")
    return Order(fields={"abort": name}, rollout=name, message=f"{name} is to be rolled back")


def retry(look: Look, rollout: str) -> Order:
    """Run a rolled-back revision once more."""
    if look.active is not None:
        raise Refused(f"{look.active.id} runs; wait for its end, or abort it first")
    ended = [past for past in look.status.history if past.outcome is Outcome.ROLLED_BACK]
    past = look.past(rollout) if rollout else ended[-1] if ended else None
    if past is None or past.outcome is not Outcome.ROLLED_BACK:
        known = ", ".join(p.id for p in ended) or "none"
        raise Refused(f"{rollout or 'no rollout'} of {look.key.name} was rolled back; rolled back were: {known}")
    if look.present != past.revision:
        told = f"the canary Deployment carries {look.present or 'a template its controller has not seen yet'}"
        raise Refused(f"{past.id} cannot be run again: {told}, not {past.revision}")
    if look.spec.get("retry") == past.id and not look.retrying:
        raise Refused(f"a retry of {past.id} was answered before; ship a new template, as `canary start` does")
    if look.spec.get("retry") == past.id:
        return Order(fields={}, rollout=past.id, message=f"a retry of {past.id} is asked for already")
    return Order(fields={"retry": past.id}, rollout=past.id, message=f"{past.revision} is to be run again")


def approve(look: Look, rollout: str) -> Order:
    """Let a baked release be promoted. Unseen approval, before the bake is over, needs the rollout's name."""
    name = _present(look, rollout)
    promotion = look.spec.get("promotion")
    approval = promotion.get("approval") if isinstance(promotion, Mapping) else None
    if not name:
        raise Refused(f"no rollout of {look.key.name} runs, so there is nothing to approve{_last(look)}")
    if approval != Approval.MANUAL:
        raise Refused(f"spec.promotion.approval is {approval or Approval.AUTOMATIC}: {name} needs no approval")
    if look.status.phase not in (Phase.PROGRESSING, Phase.BAKING):
        raise Refused(f"{name} is {look.status.phase}: approval comes too late")
    if look.spec.get("approve") == name:
        return Order(fields={}, rollout=name, message=f"{name} is approved already")
    if look.status.reason is not Reason.AWAITING_APPROVAL and not rollout:
        raise Refused(f"{name} does not await approval yet; to approve it all the same, name it: --rollout {name}")
    return Order(fields={"approve": name}, rollout=name, message=f"{name} is approved")


def _present(look: Look, rollout: str) -> str:
    """Name the rollout that runs, "" if none; refuse a name that is another's."""
    name = look.active.id if look.active is not None else ""
    if rollout and rollout != name:
        raise Refused(f"{rollout} does not run; {f'{name} does' if name else 'nothing does'}")
    return name


def _last(look: Look) -> str:
    history = look.status.history
    return f"; the last one, {history[-1].id}, ended {history[-1].outcome}" if history else ""
