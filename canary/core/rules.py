"""The shape of a rule, what can happen, and the moves that several phases share.

A phase is an ordered chain of rules; the first whose `when` holds is followed. `decide` has the chains and `table`
prints them into docs/architecture.md, so a rule's `then` is what the reader of that table gets.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from canary.core.decision import Notice
from canary.core.facts import Facts
from canary.core.formats import show_weight
from canary.core.share import Share
from canary.core.spec import Weight
from canary.core.status import CanaryStatus, Outcome, Past, Phase, Reason

HISTORY = 10


class Happening(StrEnum):
    """What a rule may find. The order is the table's."""

    DELETED = "the Canary is being deleted"
    CONFLICT = "an older Canary claims the same"
    UNREADABLE = "this version cannot read the spec it follows"
    BLIND = "we have no right to look at what it needs"
    MISWIRED = "a Service or Deployment is missing, labels collide, or no split is served"
    NOT_OURS = "the split belongs to someone else"
    FIRST_SIGHT = "first sight"
    RETRIED = "retry names a rolled-back rollout"
    WAITING = "a new revision while paused"
    NEW_REVISION = "a new revision"
    ABORTED = "abort names this rollout"
    FAILED = "the evidence, hanging requests, a query or a webhook say no"
    REVISION_GONE = "the analysed ReplicaSet is gone"
    OVERDUE = "the deadline is over"
    PODS_LOST = "canary pods are lost, or back"
    STABLE_NOT_READY = "stable is not ready"
    CANARY_NOT_READY = "the canary is not ready"
    SILENT = "no answer, or no data, from Prometheus"
    SHARE = "the canary does not get its share of the requests"
    HANGING = "requests hang, and gates.unanswered is Hold"
    QUERY = "a query's number is out of range, or there is none"
    APPROVAL = "approval is missing"
    PAUSED = "paused"
    CONFIRMATION = "a confirming webhook has not said yes"
    RIPE = "everything is ripe"
    CARRIED = "stable runs the release and is ready"
    SETTLED = "the world is as intended"
    OTHERWISE = "otherwise"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a rule made of the facts: new intent, and what people are told besides the change of reason."""

    status: CanaryStatus
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """If `when`, then `follow`; `then` says it in the docs."""

    happening: Happening
    when: Callable[[Facts], bool]
    follow: Callable[[Facts], Turn]
    then: str


def always(_: Facts) -> bool:
    """Hold for all facts: the last rule of a chain."""
    return True


def stay(facts: Facts, reason: Reason, message: str) -> Turn:
    """Keep phase and weight, and say why."""
    return Turn(status=replace(facts.status, reason=reason, message=message))


def insist(facts: Facts, status: CanaryStatus) -> Turn:
    """Say again what was said already, where neither the reason nor anything else of note has changed since."""
    said = facts.status.reason is status.reason and facts.rollout.overdue
    again = Notice(reason=status.reason, message=status.message, warning=True)
    return Turn(status=status, notices=(again,) if said else ())


def at_weight(status: CanaryStatus, weight: Weight) -> CanaryStatus:
    """Intend another weight; what was counted at the old one counts no longer towards leaving a step."""
    if weight == status.weight or status.rollout is None:
        return replace(status, weight=weight)
    rollout = replace(status.rollout, dwelt=timedelta(), peak=max(weight, status.rollout.peak), silent=0)
    return replace(status, weight=weight, rollout=rollout, book=replace(status.book, answered=0.0, share=Share()))


def retreat(facts: Facts) -> Weight:
    """Find the weight of a retreat: 0, unless not one pod of stable can be reached while some of the canary's can."""
    return facts.status.weight if facts.canary_serves and not facts.stable_serves else 0


def fail(facts: Facts, reason: Reason, message: str) -> Turn:
    """Roll back, in this very tick."""
    rollout = replace(
        facts.rollout,
        fault=reason,
        fault_message=message,
        fault_route=facts.judgement.route if facts.judgement is not None else "",
        outcome=Outcome.ROLLED_BACK,
        spent=timedelta(),
    )
    status = at_weight(replace(facts.status, rollout=rollout), retreat(facts))
    told = f"Rolling back {rollout.revision} from {show_weight(facts.status.weight)}: {message}."
    return Turn(status=replace(status, phase=Phase.ROLLING_BACK, reason=reason, message=told))


def withdraw(facts: Facts, message: str) -> Turn:
    """Take a superseded rollout back, without condemning its revision."""
    rollout = replace(facts.rollout, outcome=Outcome.SUPERSEDED, fault_message=message, spent=timedelta())
    status = at_weight(replace(facts.status, rollout=rollout), retreat(facts))
    return Turn(status=replace(status, phase=Phase.ROLLING_BACK, reason=Reason.SUPERSEDED, message=message))


def lasted(facts: Facts) -> float:
    """Say how many seconds the rollout took: by the clock on the wall, unless that was set back."""
    return max(facts.rollout.exposed, facts.seen.at - facts.rollout.started_at).total_seconds()


def archive(facts: Facts, outcome: Outcome, reason: Reason, message: str) -> CanaryStatus:
    """Move the rollout into the history."""
    rollout, book = facts.rollout, facts.status.book
    tally = next((t for name, t in book.tallies.items() if name.startswith("service: success")), None)
    tally = tally or next(iter(book.tallies.values()), None)
    past = Past(
        id=rollout.id,
        revision=rollout.revision,
        outcome=outcome,
        reason=reason,
        message=message,
        started_at=rollout.started_at,
        seconds=lasted(facts),
        peak=rollout.peak,
        requests=tally.canary_requests if tally else 0.0,
        failures=tally.canary_failures if tally else 0.0,
        route=rollout.fault_route,
    )
    return replace(facts.status, history=(*facts.status.history, past)[-HISTORY:])
