"""Bugs planted into the core, so that the state machine is itself tested: each must be found, and soon.

A mutant changes one function wherever it is used: in the modules that import it and in the rules of the chains.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

import pytest

from canary.core import book as books
from canary.core import (
    checkpoint,
    decide,
    gather,
    handover,
    intake,
    pacing,
    progressing,
    ripeness,
    rules,
    starting,
)
from canary.core.counts import Counts, Version, What
from canary.core.decision import Decision
from canary.core.facts import Facts
from canary.core.gates import gates
from canary.core.questions import Answers
from canary.core.rules import Happening, Rule, Turn
from canary.core.snapshot import Snapshot
from canary.core.spec import Weight
from canary.core.status import CanaryStatus, Phase, Reason
from tests.core import life, watcher

Patch = pytest.MonkeyPatch
HOURS = timedelta(hours=9)


def exchange(patch: Patch, old: object, new: object) -> None:
    """Put `new` wherever the core, or what drives it here, has `old`."""
    for module in [m for name, m in sys.modules.items() if name.startswith("canary.core.")] + [life, watcher]:
        for name, value in vars(module).copy().items():
            if value is old:
                patch.setattr(module, name, new)
    chains = {phase: tuple(_exchanged(rule, old, new) for rule in chain) for phase, chain in decide.CHAINS.items()}
    _chain(patch, chains)


def _exchanged(rule: Rule, old: object, new: object) -> Rule:
    found = {name: new for name in ("when", "follow") if getattr(rule, name) is old}
    return replace(rule, **found)  # type: ignore[arg-type] # of the same kind as the old one


def drop(patch: Patch, *happenings: Happening) -> None:
    """Leave rules out of every chain."""
    _chain(
        patch,
        {
            phase: tuple(rule for rule in chain if rule.happening not in happenings)
            for phase, chain in decide.CHAINS.items()
        },
    )


def _chain(patch: Patch, chains: Mapping[Phase, tuple[Rule, ...]]) -> None:
    patch.setattr(decide, "CHAINS", MappingProxyType(dict(chains)))


def with_rollout(facts: Facts, **fields: object) -> Facts:
    """Look at the same with something else remembered."""
    rollout = replace(facts.rollout, **fields)  # type: ignore[arg-type] # a mutant's own fields
    return replace(facts, status=replace(facts.status, rollout=rollout))


def effects_before_status(patch: Patch) -> None:
    """Write the world first and the status afterwards."""
    patch.setattr(life.Life, "effects_first", True)


def effects_without_save(patch: Patch) -> None:
    """Save only what changed, so that nothing stops a stale leader that puts back a hand edit."""
    honest = decide.decide

    def careless(seen: Snapshot, answers: Answers) -> Decision:
        decision = honest(seen, answers)
        changed = (seen.saved.phase, seen.saved.weight) != (decision.status.phase, decision.status.weight)
        return replace(decision, save=decision.save and (changed or not decision.effects))

    exchange(patch, honest, careless)


def nan_passes(patch: Patch) -> None:
    """Ask whether the evidence is bad, not whether it is good."""

    def not_bad(facts: Facts) -> bool:
        passed = pacing.passed(facts) or not pacing.at_bridge(facts)
        return passed and facts.judgement is not None and facts.judgement.against < 1.5

    patch.setattr(intake, "_dark", lambda facts, now, manner: None)
    patch.setattr(ripeness, "convincing", not_bad)


def outage_passes(patch: Patch) -> None:
    """Take no answer for good news."""

    def good_news(facts: Facts, detail: str) -> Facts:
        counts = Counts()
        for what in (What.SENT, What.ANSWERED):
            counts.sums[Version.CANARY, "", what] = counts.sums[Version.STABLE, "", what] = 300.0
        book = books.fold(facts.status.book, gates(facts.spec, ()), counts, facts.status.weight)
        return replace(facts, status=replace(facts.status, book=replace(book, waited=0.0)), interval_over=True)

    patch.setattr(intake, "_unread", good_news)


def outage_fails(patch: Patch) -> None:
    """Take no answer for a failed check."""
    _follow(patch, Happening.SILENT, lambda facts: rules.fail(facts, Reason.SUCCESS_RATE, "no data"))


def pods_ignored(patch: Patch) -> None:
    """Judge by metrics alone."""
    drop(patch, Happening.PODS_LOST, Happening.CANARY_NOT_READY, Happening.STABLE_NOT_READY)


def convergence_ignored(patch: Patch) -> None:
    """Take the intended weight for the real one."""
    honest = ripeness.ripe

    def blind(facts: Facts) -> bool:
        split = facts.seen.split
        if split is None or facts.settled:
            return honest(facts)
        split = replace(split, exact=True, weights={**split.weights, facts.spec.canary.service: facts.status.weight})
        return honest(replace(with_rollout(facts, dwelt=HOURS), seen=replace(facts.seen, split=split)))

    exchange(patch, honest, blind)


def dwell_ignored(patch: Patch) -> None:
    """Leave a step as soon as the evidence is good."""
    honest = ripeness.ripe
    exchange(patch, honest, lambda facts: honest(with_rollout(facts, dwelt=HOURS)))


def two_steps_at_once(patch: Patch) -> None:
    """Skip a step."""
    honest = ripeness.target

    def eager(facts: Facts) -> Weight:
        above = [weight for weight in facts.spec.steps if weight > facts.rollout.level]
        return above[1] if len(above) > 2 else honest(facts)

    exchange(patch, honest, eager)


def rollback_keeps_weight(patch: Patch) -> None:
    """Leave the weight to the next tick."""
    honest = rules.retreat

    def lazy(facts: Facts) -> Weight:
        ends = facts.status.phase in (Phase.ROLLING_BACK, Phase.FINALISING)
        return honest(facts) if ends else facts.status.weight

    exchange(patch, honest, lazy)


def condemned_retried(patch: Patch) -> None:
    """Start whatever is not promoted."""
    exchange(patch, starting.startable, lambda status, revision: revision not in ("", status.promoted))


def evidence_kept(patch: Patch) -> None:
    """Judge a new revision by the old one's requests."""
    honest = starting.begun

    def lazy(facts: Facts, status: CanaryStatus, found_replicas: int) -> CanaryStatus:
        return replace(honest(facts, status, found_replicas), book=facts.status.book)

    exchange(patch, honest, lazy)


def counted_twice_after_a_crash(patch: Patch) -> None:
    """Checkpoint an older time than the evidence's."""
    honest = checkpoint.render_book
    exchange(patch, honest, lambda book: {**honest(book), "at": max(0.0, book.at - 10)})


def lost_after_a_crash(patch: Patch) -> None:
    """Do not ask what was counted up to the checkpoint."""
    exchange(patch, intake._recalled, lambda facts, then: facts)


def abort_ignored(patch: Patch) -> None:
    """Let a rollout go on that someone aborted."""
    drop(patch, Happening.ABORTED)


def pause_ignored(patch: Patch) -> None:
    """Go on although paused."""
    drop(patch, Happening.PAUSED, Happening.WAITING)


def newest_template_promoted(patch: Patch) -> None:
    """Promote what the canary Deployment has now."""
    exchange(patch, handover.analysed, lambda facts: facts.seen.canary.template if facts.seen.canary else None)


def stable_not_restored(patch: Patch) -> None:
    """Take the traffic back, and leave the release on stable."""
    exchange(patch, handover.was_promoted, lambda facts: False)


def edits_of_stable_lost(patch: Patch) -> None:
    """Copy the release over whatever stable has."""
    exchange(patch, handover.undone, lambda facts: False)


def passed_at_once(patch: Patch) -> None:
    """Let PASS count from the first second."""
    honest = pacing.passed
    exchange(patch, honest, lambda facts: honest(with_rollout(facts, exposed=HOURS)))


def clock_ends_rollouts(patch: Patch) -> None:
    """Believe the clock on the wall after a restart."""

    def believed(facts: Facts) -> timedelta:
        if facts.seen.counters is not None or facts.status.saved_at is None:
            return timedelta()
        return max(timedelta(), facts.seen.at - facts.status.saved_at)

    exchange(patch, gather._unwatched, believed)


def deadline_overrides_pods(patch: Patch) -> None:
    """Go on at the deadline whatever pods there are."""
    patch.setattr(progressing, "_trouble_ahead", lambda facts: "")


def silent_requests_count(patch: Patch) -> None:
    """Count a step's requests from the rollout's beginning."""
    honest = rules.at_weight

    def generous(status: CanaryStatus, weight: Weight) -> CanaryStatus:
        moved = honest(status, weight)
        return replace(moved, book=replace(moved.book, answered=status.book.answered))

    exchange(patch, honest, generous)


def _follow(patch: Patch, happening: Happening, follow: Callable[[Facts], Turn]) -> None:
    _chain(
        patch,
        {
            phase: tuple(replace(rule, follow=follow) if rule.happening is happening else rule for rule in chain)
            for phase, chain in decide.CHAINS.items()
        },
    )


MUTANTS: Mapping[Callable[[Patch], None], str] = {
    effects_before_status: "before the status says so",
    effects_without_save: "effects without a save",
    nan_passes: "visible requests",
    outage_passes: "not counted once",
    outage_fails: "release was rolled back for SuccessRate",
    pods_ignored: "more weight than pods carry",
    convergence_ignored: "while the split was not as intended",
    dwell_ignored: "a step after",
    two_steps_at_once: "two steps at once",
    rollback_keeps_weight: "a rollback that keeps its weight",
    condemned_retried: "was tried again",
    evidence_kept: "evidence of another revision",
    counted_twice_after_a_crash: "not counted once",
    lost_after_a_crash: "not counted once",
    abort_ignored: "an abort was not followed",
    pause_ignored: "and yet it went on",
    newest_template_promoted: "another template than the analysed",
    stable_not_restored: "stable keeps a bad release",
    edits_of_stable_lost: "is lost without a word",
    passed_at_once: "PASS within",
    clock_ends_rollouts: "a deadline after",
    deadline_overrides_pods: "more weight than pods carry",
}
