"""Stable's past, before a rollout's first step: when it is asked for, what is made of it, and what people are told.

Called by `decide` and `gather`. What the past itself tells is found by `history`.
"""

from dataclasses import replace

from canary.core import book as books
from canary.core.decision import Notice
from canary.core.eprocess import UNKNOWN
from canary.core.expectation import told
from canary.core.facts import Facts
from canary.core.formats import show_duration
from canary.core.gates import gates
from canary.core.history import WINDOW, armed_gates, remember
from canary.core.questions import Answers, History, ReadHistory, Unanswered
from canary.core.snapshot import Snapshot
from canary.core.status import CanaryStatus, Phase, Reason


def history_wanted(seen: Snapshot) -> ReadHistory | None:
    """Ask for stable's past until it is known, but only before the first step: evidence is counted in one way."""
    status, rollout = seen.status, seen.status.rollout
    if status.phase is not Phase.PROGRESSING or rollout is None or rollout.step >= 0 or rollout.learned is not None:
        return None
    return ReadHistory(spec=seen.spec, namespace=seen.key.namespace, window=WINDOW)


def with_history(facts: Facts, answers: Answers) -> Facts:
    """Remember what stable's past tells, once that is known. Without an answer the rollout goes on all the same."""
    for question, answer in answers.items():
        if isinstance(question, ReadHistory) and isinstance(answer, History):
            rollout, book = replace(facts.rollout, learned=answer.demand), facts.status.book
            if answer.edges:  # nothing was judged by others yet
                book = replace(book, edges=answer.edges)
                book = books.keep(book, gates(facts.spec, book.bounds, edges=book.edges))
            return _foretold(replace(facts, status=replace(facts.status, rollout=rollout, book=book)))
        if isinstance(question, ReadHistory) and isinstance(answer, Unanswered):
            return replace(facts, unread=answer.detail)
    return facts


def unlearned(facts: Facts, after: CanaryStatus) -> tuple[Notice, ...]:
    """Say, when the first step is taken, that nothing is known of stable's past, and what is taken instead."""
    before, now = facts.seen.status.rollout, after.rollout
    if before is None or now is None or now.learned or not before.step < 0 <= now.step or facts.spec.threshold:
        return ()
    if now.learned is None:
        why = f"Stable's past could not be read ({facts.unread or 'there was no time'})"
    else:
        why = f"Prometheus has no requests to stable in the last {show_duration(WINDOW)}"
    instead = f"nothing is forecast, every gate is waited for, and evidence is counted at a correlation of {UNKNOWN}"
    return (Notice(reason=Reason.FORECAST, message=f"{why}: {instead}.", warning=True),)


def _foretold(facts: Facts) -> Facts:
    """Keep and say what to expect of the rollout, as a warning where it may not be decided in time."""
    found = armed_gates(facts.spec, facts.status)
    facts = replace(facts, status=remember(facts.spec, facts.status, found))
    message = told(found)
    if not message:
        return facts
    late = any(gate.required and gate.late for gate in found)
    notice = Notice(reason=Reason.FORECAST, message=f"Expected: {message}.", warning=late)
    return replace(facts, notices=(*facts.notices, notice))
