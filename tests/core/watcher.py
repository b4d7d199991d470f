"""What must hold in every world, whatever happens in it. The watcher sees each tick, and keeps books of its own.

It knows the truth (who got which requests, when a weight was really written), so it can tell when the core only
believes something. What a level-triggered controller cannot see, a flap between two looks, it does not claim.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from canary.core import guards
from canary.core.decide import decide
from canary.core.decision import Decision, Effect, Scale, SetTemplate, SetWeights
from canary.core.manifest import as_object, parse_spec
from canary.core.promotion import promoted
from canary.core.questions import Answers, ReadCounters, Reading
from canary.core.record import parse_status, render_status
from canary.core.snapshot import Snapshot
from canary.core.spec import FULL, HALF, OnUnanswered
from canary.core.status import MOVES, Outcome, Phase, Reason, Rollout
from tests.build import JUDGED
from tests.core.mesh import kind_of
from tests.core.world import World
from tests.load import Load

JUDGED_BY_EVIDENCE = frozenset({Reason.SUCCESS_RATE, Reason.UNANSWERED, Reason.LATENCY})
ARMED = frozenset({Phase.PROGRESSING, Phase.BAKING, Phase.PROMOTING})


@dataclass
class Books:
    """What a process could see up to a time of its clock, and what it should have counted of the canary's requests."""

    visible: dict[float, Mapping[str, Load]] = field(default_factory=dict)
    counted: dict[tuple[str, float], Load | None] = field(default_factory=dict)


@dataclass
class Watcher:
    """Checks every decision and write of one world, and counts what was reached."""

    world: World
    reached: Counter[str] = field(default_factory=Counter)
    ended: list[tuple[str, Outcome]] = field(default_factory=list)
    doomed: str = ""
    pardoned: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    written_at: float = 0.0
    step_at: float = 0.0
    first_weight_at: float | None = None
    restarts: int = 0
    books: Books = field(default_factory=Books)
    at_weight: dict[str, Load] = field(default_factory=dict)

    @property
    def condemned(self) -> set[str]:
        """Revisions that were rolled back, as far as ten rollouts tell, and that nobody asked to try again."""
        last = dict(self.ended[-10:])
        rolled_back = {revision for revision, outcome in last.items() if outcome is Outcome.ROLLED_BACK}
        return (rolled_back | {self.doomed}) - self.pardoned

    # decisions

    def decided_elsewhere(self, seen: Snapshot, answers: Answers, decision: Decision) -> Books:
        """Check the decision of another process, whose books are its own until they are saved."""
        own = self.books
        self.books = Books(visible=dict(own.visible), counted=dict(own.counted))
        self.decided(seen, answers, decision)
        theirs, self.books = self.books, own
        return theirs

    def decided(self, seen: Snapshot, answers: Answers, decision: Decision) -> None:
        """Check one decision, before anything is written."""
        status = decision.status
        self._reach(seen, decision)
        if decision.save:
            assert decision == decide(seen, answers), "the same look gave two decisions"
            self._survives_a_restart(decision)
        assert not decision.effects or decision.save, "effects without a save: nothing would stop a stale leader"
        assert status.phase is seen.status.phase or status.phase in MOVES[seen.status.phase]
        assert len(status.history) <= 10
        self._keeps_the_weights(seen, decision)
        self._counts_once(seen, answers, decision)
        if status.weight > seen.status.weight:
            self._rose(seen, decision)
        if status.phase is Phase.ROLLING_BACK and seen.status.phase is not Phase.ROLLING_BACK:
            self._rolled_back(seen, decision)
        if status.phase is Phase.IDLE and seen.status.phase is Phase.ROLLING_BACK:
            self._taken_back(seen)
        if status.rollout is not None and (seen.status.rollout is None or status.rollout.id != seen.status.rollout.id):
            self._began(status.rollout, decision)
        self._obeys(seen, decision)

    def _obeys(self, seen: Snapshot, decision: Decision) -> None:
        before, status = seen.status, decision.status
        if before.rollout is not None and seen.spec.abort == before.rollout.id and before.phase in ARMED:
            untouchable = bool(seen.wiring.rival) or seen.deleted_at is not None
            assert untouchable or status.phase is Phase.ROLLING_BACK, "an abort was not followed"
        if seen.spec.paused and before.phase in (Phase.IDLE, Phase.PROGRESSING, Phase.BAKING):
            assert status.phase in (before.phase, Phase.ROLLING_BACK), "paused, and yet it went on"

    def _reach(self, seen: Snapshot, decision: Decision) -> None:
        status = decision.status
        self.reached[f"reason {status.reason.value}"] += 1
        self.reached[f"phase {status.phase.value}"] += 1
        for notice in decision.notices:
            self.reached[f"notice {notice.reason.value}"] += 1
        for past in status.history:
            if past not in seen.status.history:
                self.reached[f"outcome {past.outcome.value}"] += 1

    def _survives_a_restart(self, decision: Decision) -> None:
        """Only what a reading can tell again, and what is for messages, is not in the record."""
        back = parse_status(render_status(decision.status))
        for field_ in ("phase", "weight", "promoted", "count", "retried", "reason", "history", "generation"):
            assert getattr(back, field_) == getattr(decision.status, field_), field_
        if decision.status.active:
            assert back.book.evidence == decision.status.book.evidence
            assert back.book.tallies == decision.status.book.tallies
            assert back.rollout is not None
            assert decision.status.rollout is not None
            assert back.rollout.dwelt <= decision.status.rollout.dwelt + timedelta(microseconds=1)

    def _keeps_the_weights(self, seen: Snapshot, decision: Decision) -> None:
        status, rollout = decision.status, decision.status.rollout
        if not status.active or rollout is None:
            assert status.weight == 0, "an idle Canary gives the canary traffic"
            return
        carried = FULL * self._serving(seen, rollout) // max(1, rollout.stable_replicas)
        allowed = {0, rollout.level, min(rollout.level, carried), seen.status.weight}
        assert status.weight in allowed, f"{status.weight} is neither a step nor what pods carry"
        assert status.weight <= max(rollout.level, seen.status.weight)

    def _serving(self, seen: Snapshot, rollout: Rollout) -> int:
        return 0 if seen.canary is None else seen.canary.serving(rollout.revision)

    def _rose(self, seen: Snapshot, decision: Decision) -> None:
        """The weight rises by a step, for good reasons, or back to what pods carry again."""
        before, after = seen.status.rollout, decision.status.rollout
        assert before is not None
        assert after is not None
        weight = decision.status.weight
        assert after.revision not in self.condemned, "a condemned revision gets more traffic"
        assert not seen.spec.paused or after.level == before.level, "paused, and yet it went on"
        if after.level == before.level:
            carried = guards.carried(self._serving(seen, after), after.stable_replicas, after.level)
            assert weight <= max(carried, after.level if self._serving(seen, after) >= after.needed else 0)
            return
        assert seen.stable is not None
        assert self.world.live == seen.status.weight, "a step while the split was not as intended"
        assert self._serving(seen, after) * FULL >= seen.stable.desired * weight, "more weight than pods carry"
        assert seen.stable.serving() >= max(1, seen.stable.desired * 3 // 4), "more weight than pods carry, on stable"
        first, by_deadline = before.step < 0, self._overdue(seen)
        assert not first or decision.status.book.at > 0, "the first weight without a reading"
        above = [step for step in seen.spec.steps if step > before.level]
        skipped = False
        if seen.spec.ramp is not None and before.level < HALF:
            assert weight <= (100 if first else min(HALF, 2 * before.level)), "a ramp that more than doubles"
        else:
            assert weight in (above[0], above[-2] if len(above) > 1 else above[0]), "two steps at once"
            assert not first or weight == above[0], "two steps at once"
            skipped = weight != above[0]
        if not first and not by_deadline:
            self._earned(seen, decision, skipped=skipped, last=above == [FULL])

    def _earned(self, seen: Snapshot, decision: Decision, *, skipped: bool, last: bool) -> None:
        rollout = decision.status.rollout
        assert rollout is not None
        held, ramp = self.world.mono - self.written_at, seen.spec.ramp is not None
        assert ramp or held >= seen.spec.dwell.total_seconds(), f"a step after {held} s"
        seen_now = self.books.visible.get(decision.status.book.at, {}).get(rollout.revision, Load())
        here = seen_now.sent - self.at_weight.get(rollout.revision, Load()).sent
        assert here >= (1 if ramp else 10), f"a step on {here} visible requests"
        if skipped or last:
            assert self.first_weight_at is not None
            exposed = self.world.mono - self.first_weight_at
            assert exposed >= 60, f"PASS within {exposed} s"
            assert seen_now.sent - seen_now.hanging >= 150, "PASS on almost nothing"
            assert kind_of(rollout.revision) not in ("bad", "awful"), "PASS of a bad release"

    def _overdue(self, seen: Snapshot) -> bool:
        """A restart may take half of what is left of a deadline, for nobody knows how long it took."""
        least = seen.spec.step_timeout.total_seconds() * 0.5**self.restarts
        return self.world.mono - self.step_at >= least - seen.spec.interval.total_seconds()

    def _rolled_back(self, seen: Snapshot, decision: Decision) -> None:
        status, rollout = decision.status, decision.status.rollout
        assert rollout is not None
        stable = 0 if seen.stable is None else seen.stable.serving()
        stuck = stable == 0 and seen.canary is not None and seen.canary.serving() > 0
        assert status.weight == 0 or stuck, "a rollback that keeps its weight"
        kind = kind_of(rollout.revision)
        if rollout.outcome is Outcome.SUPERSEDED:
            return
        if rollout.fault in JUDGED_BY_EVIDENCE:
            assert kind not in ("good", "fair"), f"a {kind} release was rolled back for {rollout.fault}"
            assert rollout.fault is not Reason.LATENCY or kind == "slow", f"{kind} release, rolled back for Latency"
            assert seen.spec.unanswered is OnUnanswered.ROLLBACK or rollout.fault is not Reason.UNANSWERED
        if rollout.fault is Reason.STEP_TIMEOUT:
            assert self._overdue(seen), f"a deadline after {self.world.mono - self.step_at} s"

    def _taken_back(self, seen: Snapshot) -> None:
        """At the end of a rollback nothing of ours is left on stable, as far as it can be restored."""
        rollout, world = seen.status.rollout, self.world
        assert rollout is not None
        template = world.canary.templates.get(rollout.revision)
        mode = parse_spec(as_object(rollout.spec, "web")).promotion
        if rollout.copying and template is not None and world.stable.revision != rollout.baseline:
            assert world.stable.template != promoted(world.stable.workload(), template, mode), (
                "stable keeps a bad release"
            )

    def _began(self, rollout: Rollout, decision: Decision) -> None:
        assert rollout.id not in self.ids, "a rollout's id was used twice"
        assert rollout.revision not in self.condemned, "a condemned revision was tried again"
        assert decision.status.weight == 0
        assert decision.counters is None
        assert not decision.status.book.evidence, "evidence of another revision"

    # counting

    def _counts_once(self, seen: Snapshot, answers: Answers, decision: Decision) -> None:
        """The tallies equal the world's own count: each request that could be seen, once."""
        rollout, book = decision.status.rollout, decision.status.book
        if rollout is None or not decision.status.active or book.at == 0:
            return
        before = seen.status.book.at
        if book.at != before:
            self._count(seen, answers, decision)
        tally = book.tallies.get(JUDGED)
        truth = self.books.counted.get((rollout.id, book.at))
        if tally is None or truth is None or seen.status.rollout is None or rollout.id != seen.status.rollout.id:
            return
        assert tally.canary_requests == truth.sent - truth.hanging, "a request was not counted once"
        assert tally.canary_failures == truth.failed

    def _count(self, seen: Snapshot, answers: Answers, decision: Decision) -> None:
        rollout, book = decision.status.rollout, decision.status.book
        assert rollout is not None
        mesh, before = self.world.mesh, seen.status.book.at
        past = self.books.visible.get(before, {})
        now = dict(mesh.shown[book.at][1]) if book.at in mesh.shown and mesh.mode != "nan" else dict(past)
        past_readings = (a for q, a in answers.items() if isinstance(q, ReadCounters) and q.at is not None)
        recalled = any(isinstance(a, Reading) and a.series for a in past_readings)
        so_far = Load() if before == 0 else self.books.counted.get((rollout.id, before))
        if seen.counters is None and not recalled:
            self.books.counted[rollout.id, book.at] = so_far
        elif not past and now:
            self.books.counted[rollout.id, book.at] = None  # whether these are old or new is for test_counters
        else:
            old, new = past.get(rollout.revision, Load()), now.get(rollout.revision, Load())
            more = Load(sent=new.sent - old.sent, failed=new.failed - old.failed, hanging=new.hanging - old.hanging)
            self.books.counted[rollout.id, book.at] = None if so_far is None else so_far + more
        self.books.visible[book.at] = now

    # writes

    def saved(self, seen: Snapshot, decision: Decision) -> None:
        """Take note of a saved intent: from here on it binds."""
        status, rollout, mono = decision.status, decision.status.rollout, self.world.mono
        if rollout is not None and status.active:
            self.ids.add(rollout.id)
            if seen.status.rollout is None or rollout.id != seen.status.rollout.id:
                self.step_at, self.first_weight_at, self.restarts = mono, None, 0
            elif rollout.level != seen.status.rollout.level or status.phase is not seen.status.phase:
                self.step_at, self.restarts = mono, 0
            if rollout.outcome is Outcome.ROLLED_BACK:
                self.doomed = rollout.revision
                self.pardoned.discard(rollout.revision)
        if status.weight != seen.status.weight:
            self.written_at = mono
            self.at_weight = dict(self.books.visible.get(status.book.at, {}))
            if status.weight > 0 and self.first_weight_at is None:
                self.first_weight_at = mono
        known = {past.id for past in seen.status.history}
        for past in status.history:
            if past.id not in known:
                self.ended.append((past.revision, past.outcome))
                self.doomed = ""
            self.ids.add(past.id)

    def performing(self, decision: Decision, effect: Effect) -> None:
        """Check one effect, before it happens."""
        world, rollout = self.world, decision.status.rollout
        self.reached[f"effect {type(effect).__name__}"] += 1
        match effect:
            case SetWeights(weights=weights):
                assert sum(weights.values()) == FULL
                assert world.saved.weight == weights["web-canary"], "traffic is moved before the status says so"
                stable = 0 if world.hidden == "stable" else world.stable.serving()
                if weights["web-canary"] > world.live and stable > 0:
                    assert rollout is not None
                    assert rollout.revision not in self.condemned, "a condemned revision gets more traffic"
                self.written_at = world.mono
            case SetTemplate(template=template, resource_version=version):
                assert rollout is not None
                if decision.status.phase is Phase.PROMOTING:
                    spec = parse_spec(as_object(rollout.spec, "web"))
                    analysed = world.canary.templates[rollout.revision]
                    copy = promoted(world.stable.workload(), analysed, spec.promotion)
                    assert template == copy, "another template than the analysed one is promoted"
                    told = any(notice.reason is Reason.STABLE_CHANGED for notice in decision.notices)
                    lost = world.stable.revision != rollout.baseline and version == str(world.stable.version)
                    assert told or not lost, "somebody's template is lost without a word"
                else:
                    assert template == world.stable.templates[rollout.baseline]
            case Scale(replicas=replicas):
                grows = replicas > world.canary.replicas
                assert grows or world.live == 0 or world.saved.weight == 0, "pods go before their traffic"
            case _:
                pass

    def forget(self) -> None:
        """Begin with a new object of the same name."""
        self.ended.clear()
        self.ids.clear()
        self.doomed = ""
        self.reached["deleted"] += 1

    def unsettled(self) -> None:
        """Take note that the split was seen not to be as intended: the dwell starts over."""
        self.written_at = self.world.mono
