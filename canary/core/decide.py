r"""Where a tick decides. Start reading here.

A tick is `see -> ask -> decide -> save -> perform -> tell`; this module is the third of them, and it is pure: the same
snapshot and answers give the same decision, and an outage is an answer. It works in three moves.

1. `gather` accounts for time, folds what the counters gained into the evidence and judges it.
2. The chain of the present phase is walked; the first rule that applies gives the new intent.
3. `converge` compares intent and world, and lists the effects.

    Idle -> Progressing -> Baking -> Promoting -> Finalising -> Idle (Promoted)
                 \___________\__________\-> RollingBack -> Idle (RolledBack, Superseded)

The status is saved before any effect: a crash in between leaves the old weight until the next tick, which converges.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from canary.core import queries
from canary.core.conditions import conditions
from canary.core.converge import converge, repairs
from canary.core.decision import Decision, Effect, Notice, Unguard
from canary.core.facts import Facts
from canary.core.gatecalls import gate_calls
from canary.core.gather import gather
from canary.core.intake import reading_due, scope_of
from canary.core.lookback import history_wanted, unlearned
from canary.core.manifest import remains
from canary.core.progressing import BAKING, PROGRESSING
from canary.core.promoting import FINALISING, PROMOTING, ROLLING_BACK
from canary.core.questions import Answers, FindBounds, Question, ReadCounters
from canary.core.rules import Rule, Turn
from canary.core.snapshot import Snapshot
from canary.core.starting import IDLE
from canary.core.status import MOVES, CanaryStatus, Phase, Reason, Told
from canary.errors import listed

CHAINS: Final[Mapping[Phase, tuple[Rule, ...]]] = MappingProxyType(
    {
        Phase.IDLE: IDLE,
        Phase.PROGRESSING: PROGRESSING,
        Phase.BAKING: BAKING,
        Phase.PROMOTING: PROMOTING,
        Phase.FINALISING: FINALISING,
        Phase.ROLLING_BACK: ROLLING_BACK,
    }
)

READING: Final = frozenset({Phase.PROGRESSING, Phase.BAKING, Phase.PROMOTING})
"""Phases with armed gates."""
CHECKPOINT = timedelta(minutes=1)  # how often evidence alone is worth a write
UNSEEN = timedelta(seconds=30)  # a look again where we had no right to look: no watch tells of rights
KEPT = 4  # decisions whose words are kept
SOON = timedelta(seconds=1)  # a look again where the world should be following
ALARMS: Final = frozenset(
    {
        Reason.SUCCESS_RATE,
        Reason.LATENCY,
        Reason.CLIENT_ERRORS,
        Reason.UNANSWERED,
        Reason.QUERY,
        Reason.QUERY_OUTSIDE,
        Reason.QUERY_UNANSWERED,
        Reason.CANARY_NOT_READY,
        Reason.STEP_TIMEOUT,
        Reason.ABORTED,
        Reason.WEBHOOK_VETO,
        Reason.METRICS_UNREACHABLE,
        Reason.NO_DATA,
        Reason.NO_TRAFFIC,
        Reason.SHARE,
        Reason.STALE_DATA,
        Reason.STABLE_NOT_READY,
        Reason.CAPACITY_WITHDRAWN,
        Reason.NOT_OURS,
        Reason.OVERDUE,
        Reason.CONFLICT,
        Reason.SERVICE_MISSING,
        Reason.DEPLOYMENT_MISSING,
        Reason.SPLIT_UNSUPPORTED,
        Reason.LABEL_COLLISION,
        Reason.INVALID_SPEC,
        Reason.FORBIDDEN,
        Reason.WEBHOOK_UNANSWERED,
    }
)
"""Reasons whose events are warnings."""
QUIET: Final = frozenset({Reason.GATHERING, Reason.STARTING})
"""Reasons that are news only where they end an alarm."""


def questions(seen: Snapshot) -> tuple[Question, ...]:
    """Say what must be known before deciding.

    Counters of an active rollout once an interval, gate calls when it is ripe. Nothing where the end is decided
    already: an abort or a deletion does not wait for a Prometheus that hangs.
    """
    status = seen.status
    if status.phase not in READING or seen.wiring.rival or not reading_due(seen) or not _followable(seen):
        return ()
    if seen.blind:  # an interval counts for nothing without the pods: which were new in it?
        return ()
    if seen.deleted_at is not None or (status.rollout is not None and seen.spec.abort == status.rollout.id):
        return ()
    scope = scope_of(seen)
    asked: list[Question] = [ReadCounters(scope=scope)]
    if seen.counters is None and status.book.at > 0:
        asked.append(ReadCounters(scope=scope, at=status.book.at))
    if not status.book.bounds and any(place.latency is not None for place in seen.spec.places):
        asked.append(FindBounds(scope=scope))
    past = history_wanted(seen)
    return (*asked, *([past] if past is not None else ()), *queries.asked(seen), *gate_calls(seen))


def decide(seen: Snapshot, answers: Answers) -> Decision:
    """Decide one tick. Total: never raises on a snapshot that the adapter can build."""
    if not _followable(seen):
        return _refused(seen)
    facts = gather(seen, answers)
    turn = advance(facts)
    status = conditions(facts, turn.status)
    facts = replace(facts, status=status)
    effects = converge(facts)
    notices = (
        *facts.notices,
        *unlearned(facts, status),
        *repairs(seen.status, facts, effects),
        *turn.notices,
        *_change(seen.status, status),
        *_refusal(seen),
    )
    save = bool(effects) or _differs(seen.saved, status) or _stale(seen)
    if save:
        status = replace(status, saved_at=seen.at, told=_told(seen, notices))
    return Decision(
        status=status,
        counters=facts.counters if status.active and _same_rollout(seen.status, status) else None,
        save=save,
        effects=effects,
        notices=notices,
        judgement=facts.judgement,
        requeue_after=_requeue(seen, status, acted=bool(effects)),
    )


def advance(facts: Facts) -> Turn:
    """Follow the first rule of the phase's chain that applies."""
    phase = facts.status.phase
    turn = next(rule.follow(facts) for rule in CHAINS[phase] if rule.when(facts))
    after = turn.status.phase
    if after is not phase and after not in MOVES[phase]:
        raise AssertionError(f"{phase} may not move to {after}")
    return turn


def _followable(seen: Snapshot) -> bool:
    """Tell whether there is a spec to follow: the object's, or that of the rollout that runs, or what remains of it."""
    rollout = seen.status.rollout
    if not seen.problems:
        return True
    return seen.status.active and rollout is not None and remains(rollout.spec, seen.key.name) is not None


def _refused(seen: Snapshot) -> Decision:
    """Say what is wrong with the spec; nothing else happens until the object changes."""
    message = listed(seen.problems)
    status = replace(seen.status, reason=Reason.INVALID_SPEC, message=message)
    facts = Facts(seen=seen, status=status, counters=None)
    status = conditions(facts, status)
    # idle, so traffic is on stable already, or nobody can say what the split was
    effects: tuple[Effect, ...] = (Unguard(),) if seen.deleted_at is not None and seen.guarded else ()
    save = bool(effects) or _differs(seen.saved, status)
    return Decision(
        status=replace(status, saved_at=seen.at) if save else status,
        counters=None,
        save=save,
        effects=effects,
        notices=_change(seen.status, status),
    )


def _told(seen: Snapshot, notices: tuple[Notice, ...]) -> tuple[Told, ...]:
    """Add what must be told after a crash, too, and after one that follows at once: the last decisions."""
    decided = [notice for notice in notices if not notice.recurring]
    told = [Told(at=seen.at, reason=each.reason, message=each.message, warning=each.warning) for each in decided]
    return (*seen.status.told, *told)[-KEPT:]


def _change(before: CanaryStatus, after: CanaryStatus) -> tuple[Notice, ...]:
    """One event when the reason changes, or a step is taken under the same reason."""
    step = (after.rollout.id, after.rollout.step, after.rollout.overdue) if after.rollout else None
    was = (before.rollout.id, before.rollout.step, before.rollout.overdue) if before.rollout else None
    moved = (before.phase, before.reason, was if before.active else None)
    if moved == (after.phase, after.reason, step if after.active else None) or not after.message:
        return ()
    if after.reason in QUIET and before.reason not in ALARMS:
        return ()
    decided = (before.promoted, before.phase, before.weight, was) != (after.promoted, after.phase, after.weight, step)
    warning = after.reason in ALARMS
    return (Notice(reason=after.reason, message=after.message, warning=warning, recurring=not decided),)


def _refusal(seen: Snapshot) -> tuple[Notice, ...]:
    """Say once that the API server refuses what we do; the condition goes on saying it."""
    told = {c.type: c.reason for c in seen.status.conditions}
    if seen.refused is None or told.get("Ready") == seen.refused[0]:
        return ()
    reason, message = seen.refused
    return (Notice(reason=reason, message=message, warning=True),)


def _differs(saved: CanaryStatus, status: CanaryStatus) -> bool:
    """Tell whether the intent, or what people wait for, is another than was saved.

    Numbers in messages are no reason to write.
    """
    return _intent(saved) != _intent(status)


def _intent(status: CanaryStatus) -> tuple[object, ...]:
    rollout = status.rollout
    doing = (
        (
            rollout.id,
            rollout.step,
            rollout.baseline,
            rollout.overdue,
            rollout.spec,
            rollout.outcome,
            rollout.learned is None,
        )
        if rollout
        else None
    )
    told = tuple((c.type, c.status, c.reason) for c in status.conditions)
    return (status.phase, status.weight, status.promoted, status.retried, status.reason, status.generation, doing, told)


def _stale(seen: Snapshot) -> bool:
    if not seen.status.active or seen.saved.saved_at is None:
        return False
    return abs(seen.at - seen.saved.saved_at) >= CHECKPOINT


def _same_rollout(before: CanaryStatus, after: CanaryStatus) -> bool:
    return before.rollout is not None and after.rollout is not None and before.rollout.id == after.rollout.id


def _requeue(seen: Snapshot, status: CanaryStatus, *, acted: bool) -> timedelta | None:
    """Say when to look again. An idle Canary waits for the watches, but for what came while its rollout ended."""
    if seen.deleted_at is not None:  # once we have let go, others' finalizers may hold it for long
        return SOON if acted or seen.guarded or status.weight > 0 else None
    if not status.active:
        return SOON if acted or seen.status.active else UNSEEN if seen.blind else None
    if status.phase not in READING:
        return SOON
    if seen.wiring.rival:
        return seen.spec.interval
    return timedelta(seconds=max(0.05, seen.spec.interval.total_seconds() - status.book.waited))
