"""The rules of Idle: first sight, and what starts a rollout. Called by `decide`."""

from dataclasses import replace

from canary.core.book import Book
from canary.core.decision import Notice
from canary.core.discretion import without_urls
from canary.core.facts import Facts
from canary.core.formats import show_weight
from canary.core.obstacles import (
    blind,
    conflict,
    deleted,
    hold_blind,
    hold_miswired,
    hold_not_ours,
    let_go,
    miswired,
    not_ours,
    yield_to_rival,
)
from canary.core.rules import Happening, Rule, Turn, always, stay
from canary.core.status import CanaryStatus, Outcome, Past, Phase, Reason, Rollout


def first_sight(facts: Facts) -> bool:
    """Tell whether we have never looked at this Canary before."""
    return not facts.status.promoted


def adopt(facts: Facts) -> Turn:
    """Take whatever templates are there for the baseline, and the split as it is for ours."""
    canary, split = facts.seen.canary, facts.seen.split
    revision = canary.revision if canary is not None else ""
    if not revision:
        return stay(facts, Reason.READY, "Waiting for the Deployment controller to see the canary's template.")
    if split is None:
        found = f"TrafficSplit {facts.spec.route_name} will be created"
    else:
        was = ", ".join(f"{name} {show_weight(w)}" for name, w in sorted(split.weights.items()))
        found = f"TrafficSplit {split.name} is taken over; it stood at {was}"
    message = f"Adopted: revision {revision} is the baseline and starts no rollout; {found}."
    return Turn(status=replace(facts.status, promoted=revision, weight=0, reason=Reason.ADOPTED, message=message))


def new_revision(facts: Facts) -> bool:
    """Tell whether the canary Deployment carries a template that was neither promoted last nor condemned."""
    canary = facts.seen.canary
    return canary is not None and startable(facts.status, canary.revision)


def startable(status: CanaryStatus, revision: str) -> bool:
    """Tell whether a revision may start a rollout."""
    return revision not in ("", status.promoted) and revision not in status.condemned


def waiting(facts: Facts) -> bool:
    """Tell whether a new revision must wait for someone to unpause."""
    return facts.spec.paused and new_revision(facts)


def hold_paused(facts: Facts) -> Turn:
    """Keep a new revision out while paused."""
    revision = facts.seen.canary.revision if facts.seen.canary is not None else ""
    return stay(facts, Reason.PAUSED, f"Revision {revision} waits: spec.paused is true.")


def start(facts: Facts) -> Turn:
    """Begin the rollout of the canary's present revision at weight 0."""
    canary, stable = facts.seen.canary, facts.seen.stable
    if canary is None or stable is None or not stable.revision:
        return stay(facts, Reason.READY, "Waiting for the Deployment controller to see stable's template.")
    return Turn(status=begun(facts, facts.status, canary.desired))


def begun(facts: Facts, status: CanaryStatus, found_replicas: int) -> CanaryStatus:
    """Make the first intent of a rollout: weight 0, nothing known."""
    canary, stable, seen = facts.seen.canary, facts.seen.stable, facts.seen
    if canary is None or stable is None:
        raise AssertionError("a rollout cannot begin without its Deployments")
    number = status.count + 1
    rollout = Rollout(
        id=f"{seen.key.name}-{canary.revision}-{number}",
        number=number,
        revision=canary.revision,
        baseline=stable.revision,
        started_at=seen.at,
        spec=without_urls(seen.raw_spec),
        found_replicas=found_replicas,
    )
    message = f"New revision {canary.revision} against {stable.revision}: rollout {rollout.id} begins."
    return replace(
        status,
        phase=Phase.PROGRESSING,
        weight=0,
        count=number,
        rollout=rollout,
        book=Book(),
        reason=Reason.NEW_REVISION,
        message=message,
    )


def retried(facts: Facts) -> bool:
    """Tell whether `retry` asks for something that was not yet granted or refused."""
    return bool(facts.spec.retry) and facts.spec.retry != facts.status.retried


def retry(facts: Facts) -> Turn:
    """Run a rolled-back revision once more, if the canary Deployment still carries it."""
    asked = facts.spec.retry
    past = _past(facts, asked)
    status = replace(facts.status, retried=asked)
    if past is not None and facts.spec.paused:
        return hold_paused(facts)
    if past is None or facts.seen.canary is None or facts.seen.canary.revision != past.revision:
        carries = facts.seen.canary.revision if facts.seen.canary is not None else "nothing"
        known = (
            "no rollout of this name was rolled back"
            if past is None
            else f"the canary Deployment now carries {carries}"
        )
        notice = Notice(
            reason=Reason.RETRY_REFUSED, message=f"spec.retry: {asked!r} is refused: {known}.", warning=True
        )
        return Turn(status=status, notices=(notice,))
    turn = start(replace(facts, status=status))
    return turn if turn.status.active else Turn(status=replace(turn.status, retried=facts.status.retried))


def _past(facts: Facts, asked: str) -> Past | None:
    return next((p for p in facts.status.history if p.id == asked and p.outcome is Outcome.ROLLED_BACK), None)


def idle(facts: Facts) -> Turn:
    """Say how things stand. After a wrong wiring is mended, the last outcome shows again."""
    status = facts.status
    if status.retried and not facts.spec.retry:
        status = replace(status, retried="")  # what was refused once may be asked for again
        facts = replace(facts, status=status)
    last = status.history[-1] if status.history else None
    if last is None:
        if status.reason is Reason.ADOPTED:
            return Turn(status=status)
        return stay(facts, Reason.READY, f"Wired and valid; revision {status.promoted} is the baseline.")
    reason = {
        Outcome.PROMOTED: Reason.PROMOTED,
        Outcome.ROLLED_BACK: last.reason,
        Outcome.SUPERSEDED: Reason.SUPERSEDED,
    }
    return stay(facts, reason[last.outcome], last.message)


IDLE = (
    Rule(
        happening=Happening.DELETED,
        when=deleted,
        follow=let_go,
        then="the split stays at stable 1000m, the object goes",
    ),
    Rule(happening=Happening.CONFLICT, when=conflict, follow=yield_to_rival, then="Ready=False, nothing is touched"),
    Rule(happening=Happening.BLIND, when=blind, follow=hold_blind, then="Ready=False, nothing is touched"),
    Rule(happening=Happening.MISWIRED, when=miswired, follow=hold_miswired, then="Ready=False, nothing is touched"),
    Rule(happening=Happening.NOT_OURS, when=not_ours, follow=hold_not_ours, then="Ready=False, nothing is touched"),
    Rule(
        happening=Happening.FIRST_SIGHT,
        when=first_sight,
        follow=adopt,
        then="what runs is the baseline, split to 1000/0",
    ),
    Rule(happening=Happening.RETRIED, when=retried, follow=retry, then="once more, or refused with an event"),
    Rule(happening=Happening.WAITING, when=waiting, follow=hold_paused, then="it waits"),
    Rule(happening=Happening.NEW_REVISION, when=new_revision, follow=start, then="Progressing at 0m"),
    Rule(happening=Happening.OTHERWISE, when=always, follow=idle, then="nothing"),
)
