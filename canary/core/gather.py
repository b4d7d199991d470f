"""One look and its answers -> the facts that the rules decide on. Called by `decide` before any rule.

Time is accounted for, changes are noticed, the reading is folded into the evidence, and the evidence is judged.
"""

from dataclasses import replace
from datetime import timedelta

from canary.core.changes import with_changes
from canary.core.facts import Facts, clock_stopped
from canary.core.history import armed_gates, remember
from canary.core.intake import take_in, with_bounds
from canary.core.judgement import judge
from canary.core.lookback import with_history
from canary.core.queries import with_queries
from canary.core.questions import Answers, CallGate, GateReply, Unanswered
from canary.core.snapshot import Snapshot
from canary.core.spec import WebhookKind
from canary.core.status import CanaryStatus


def gather(seen: Snapshot, answers: Answers) -> Facts:
    """Account for time, fold the answers into the evidence, judge it."""
    status = seen.status
    if not status.active or status.rollout is None:
        return Facts(seen=seen, status=status, counters=None)
    facts = Facts(seen=seen, status=status, counters=seen.counters, replies=_replies(answers))
    facts = with_changes(with_history(with_bounds(facts, answers), answers))
    found = armed_gates(seen.spec, facts.status)
    facts = replace(facts, status=remember(seen.spec, facts.status, found), gates=found)
    facts = take_in(with_queries(facts, answers), answers)
    return replace(facts, status=timed(facts), judgement=judge(facts.status.book, facts.gates, seen.spec))


def _replies(answers: Answers) -> dict[WebhookKind, list[tuple[str, GateReply | Unanswered]]]:
    replies: dict[WebhookKind, list[tuple[str, GateReply | Unanswered]]] = {}
    for question, answer in answers.items():
        if isinstance(question, CallGate) and isinstance(answer, GateReply | Unanswered):
            replies.setdefault(question.webhook.kind, []).append((question.webhook.name, answer))
    return replies


def timed(facts: Facts) -> CanaryStatus:
    """Add the time since the last look to what it counts for."""
    seen, status, rollout = facts.seen, facts.status, facts.rollout
    elapsed, none = seen.elapsed, timedelta()
    at_step = facts.settled and status.weight == rollout.level and rollout.step >= 0
    rollout = replace(
        rollout,
        dwelt=rollout.dwelt + elapsed if at_step else none,
        spent=rollout.spent if clock_stopped(facts) else rollout.spent + elapsed + _unwatched(facts),
        exposed=rollout.exposed + (elapsed if status.weight > 0 else none),
    )
    book = status.book
    if not facts.interval_over:  # a reading has begun the next one
        book = replace(book, waited=book.waited + elapsed.total_seconds())
    return replace(status, rollout=rollout, book=book)


def _unwatched(facts: Facts) -> timedelta:
    """Find how long nobody looked, for the first look of a process. Only the clock on the wall knows, and it may lie.

    So it takes half of what is left of the deadline at most: a stepped clock never ends a rollout.
    """
    seen, status, none = facts.seen, facts.status, timedelta()
    if seen.elapsed > none or seen.counters is not None or status.saved_at is None:
        return none
    left = max(none, facts.spec.step_timeout - facts.rollout.spent)
    return min(max(none, seen.at - status.saved_at), left / 2)
