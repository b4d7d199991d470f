"""The guided state machine: rules that take a world anywhere, and the watcher's invariants after each of them.

Plain chance would never get far, so there are rules that take a run deep (`calm`, `until_idle`), and since deciding is
pure, one that looks ahead and dies exactly where the next tick acts.
"""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from canary.core.decide import decide
from canary.core.decision import Decision, SetWeights, Unguard
from canary.core.questions import GateReply, Unanswered
from canary.core.snapshot import Snapshot, Wiring
from canary.core.spec import FULL
from canary.core.status import Outcome, Phase
from canary.errors import ClusterUnreachable, Conflict
from canary.runtime.ledger import Ledger
from tests import strategies
from tests.core.watcher import Watcher
from tests.core.world import Crash, World

CONFIRMING = ("confirm-start", "confirm-step", "confirm-promotion")
AGREEABLE = dict.fromkeys(CONFIRMING, GateReply(yes=True, detail="200")) | {
    "rollback": GateReply(yes=False, detail="404")
}
Event = Callable[[], None]


MEETING = (
    Phase.PROGRESSING,
    Phase.BAKING,
    Phase.PROMOTING,
    Phase.PROMOTING,
    Phase.FINALISING,
    Phase.ROLLING_BACK,
)


HAPPENINGS = ("abort", "delete", "ship", "pause", "pods", "restart", "die", "outage", "nan", "edit", "patch")


def active(self: "Rollouts") -> bool:
    """Tell whether a rollout runs: most of what can happen is of interest then."""
    return self.world.saved.active


class Rollouts(RuleBasedStateMachine):
    """One Canary's life. `reached` adds up over all runs of a test."""

    reached: ClassVar[Counter[str]] = Counter()
    effects_first: ClassVar[bool] = False

    @initialize(raw=strategies.specs(), image=strategies.images(), ticks=st.integers(0, 8))
    def begin(self, raw: dict[str, object], image: str, ticks: int) -> None:
        """Create the Canary, and let a first rollout get somewhere."""
        self.world = World(raw=raw)
        self.world.hooks.update(AGREEABLE)
        if raw["scaling"] == {"mode": "None"}:
            self.world.canary.scale(4)
        self.watcher = Watcher(self.world, reached=self.reached)
        self.calm(2)
        self.ship_into(image, ticks)

    # ticking

    def tick(self, *, crash: int | None = None, fails: int | None = None, race: Event | None = None) -> Decision:
        """Run one tick as `runtime.tick` does; it may die, or be refused, at any write."""
        world, watcher = self.world, self.watcher
        seen, version = world.look(), world.version
        if not seen.split or seen.split.weights.get("web-canary") != seen.status.weight:
            watcher.unsettled()
        answers = world.answer(seen)
        decision = decide(seen, answers)
        watcher.decided(seen, answers, decision)
        if race is not None:
            race()
        try:
            self._write(seen, decision, version, crash=crash, fails=fails)
        except Crash:
            world.ledger = Ledger()
            watcher.restarts += 1
        except Conflict:
            pass  # dropped; the next tick looks again
        except ClusterUnreachable:
            pass  # saved and remembered, but not all was done
        else:
            if race is None and world.stored != "null":
                self._rests(decision)
        return decision

    def _write(self, seen: Snapshot, decision: Decision, version: int, *, crash: int | None, fails: int | None) -> None:
        point = 0

        def reach() -> None:
            nonlocal point
            if point == crash:
                raise Crash
            point += 1

        def save() -> None:
            reach()
            if decision.save:
                self.world.save(seen, decision, version)
                self.watcher.saved(seen, decision)
            reach()
            self.world.keep(seen, decision)

        def perform() -> None:
            for number, effect in enumerate(decision.effects):
                reach()
                if number == fails:
                    raise ClusterUnreachable("500")
                self.watcher.performing(decision, effect)
                self.world.perform(effect)
                if isinstance(effect, Unguard) and self.world.deleted_at is not None:
                    self._gone(seen)

        for step in (perform, save) if self.effects_first else (save, perform):
            step()

    def _gone(self, seen: Snapshot) -> None:
        """Let the object go, and create it anew."""
        world = self.world
        untouchable = world.split is None or world.wiring.rival or not seen.status.promoted or seen.problems
        waited = world.deleted_at is not None and world.now - world.deleted_at > timedelta(seconds=60)
        assert world.live == 0 or untouchable or waited or not self._ours(), "deleted with traffic on the canary"
        world.stored, world.deleted_at, world.guarded, world.ledger = "null", None, False, Ledger()
        self.watcher.forget()

    def _ours(self) -> bool:
        return self.world.split is not None and set(self.world.split.weights) == {"web-stable", "web-canary"}

    def _rests(self, decision: Decision) -> None:
        """After an undisturbed tick there is nothing left to do until something changes."""
        again = decide(self.world.look(), {})
        moved = (again.status.phase, again.status.weight) != (decision.status.phase, decision.status.weight)
        # pods are given back in a look that saw their traffic gone
        if not moved and not any(isinstance(effect, SetWeights) for effect in decision.effects):
            assert not again.effects, f"{again.effects} again, right after {decision.effects}"

    # rules that take a run deep

    @rule()
    def look(self) -> None:
        """Let ten seconds pass."""
        self.calm(1)

    @precondition(active)
    @rule(ticks=st.integers(2, 8))
    def go_on(self, ticks: int) -> None:
        """Let a rollout get further."""
        self.calm(ticks)

    def calm(self, ticks: int) -> None:
        """Let time pass, and nothing else happen."""
        for _ in range(ticks):
            self._pass()
            self.tick()

    def _pass(self, seconds: float = 10) -> None:
        self.world.pass_time(seconds)
        self.world.stable.round(self.world.prometheus)
        self.world.canary.round(self.world.prometheus)

    @precondition(active)
    @rule()
    def until_idle(self) -> None:
        """Let everything be well until the rollout has ended."""
        for _ in range(30):
            if not self.world.saved.active:
                return
            self.calm(1)

    @precondition(active)
    @rule(image=strategies.images())
    def ship(self, image: str) -> None:
        """Push a revision, in whatever phase."""
        self.world.ship(image)

    @rule(image=strategies.images(), ticks=st.integers(4, 12))
    def ship_into(self, image: str, ticks: int) -> None:
        """Push a revision and let its rollout get somewhere."""
        self.world.ship(image)
        self.calm(ticks)

    @precondition(active)
    @rule(phase=st.sampled_from(MEETING), what=st.sampled_from(HAPPENINGS))
    def meet(self, phase: Phase, what: str) -> None:
        """Go on until a phase is reached, and let something happen there."""
        self._agree()
        for _ in range(25):
            if self.world.saved.phase in (phase, Phase.IDLE):
                break
            self.approve()
            self.calm(1)
        if self.world.saved.active:
            self._happens(what)
            self.calm(2)

    def _happens(self, what: str) -> None:
        happenings: dict[str, Event] = {
            "abort": self.abort,
            "delete": self.delete,
            "ship": lambda: self.world.ship("good-5"),
            "pause": lambda: self.pause(paused=True),
            "pods": lambda: self.canary_pods(3),
            "restart": lambda: self.restart(0),
            "die": lambda: self.die_where_it_acts(1),
            "outage": lambda: self.metrics("down", 3),
            "nan": lambda: self.metrics("nan", 6),
            "edit": lambda: self.edit_the_split(50),
            "patch": lambda: self.patch_stable("good-9"),
        }
        happenings[what]()

    @precondition(active)
    @rule(point=st.integers(0, 4))
    def die_where_it_acts(self, point: int) -> None:
        """Look ahead, and crash in the next tick that writes anything."""
        for _ in range(12):
            self._pass()
            seen = self.world.look()
            decision = decide(seen, self.world.answer(seen))
            if decision.effects or decision.save:
                self.watcher.reached["crash"] += 1
                self.tick(crash=point)
                return
            self.tick()

    @precondition(active)
    @rule(number=st.integers(0, 1))
    def fail_where_it_acts(self, number: int) -> None:
        """Let the API server refuse one effect of the next tick that has any."""
        for _ in range(12):
            self._pass()
            seen = self.world.look()
            if decide(seen, self.world.answer(seen)).effects:
                self.tick(fails=number)
                return
            self.tick()

    @precondition(active)
    @rule(seconds=st.sampled_from([0, -7200, 300, 7200]))
    def restart(self, seconds: int) -> None:
        """Restart the process, on a machine with another idea of the time."""
        self.world.skew += timedelta(seconds=seconds)
        self.world.ledger = Ledger()
        self.watcher.restarts += 1
        self.calm(1)

    # rules that disturb

    @precondition(active)
    @rule(seconds=st.integers(1, 4))
    def look_between(self, seconds: int) -> None:
        """Look before the next reading is due."""
        self.world.pass_time(seconds)
        self.tick()

    @precondition(active)
    @rule(mode=strategies.modes(), ticks=st.integers(1, 10))
    def metrics(self, mode: str, ticks: int) -> None:
        """Let Prometheus fail in its ways for a while."""
        self.world.mesh.mode = mode
        self.calm(ticks)
        self.world.mesh.mode = "up"

    @precondition(active)
    @rule(sick=st.integers(0, 4))
    def canary_pods(self, sick: int) -> None:
        """Let canary pods become unready, or ready again."""
        self.world.canary.sick = sick
        self.calm(1)

    @precondition(active)
    @rule(sick=st.integers(0, 4))
    def stable_pods(self, sick: int) -> None:
        """Let stable pods become unready, or ready again."""
        self.world.stable.sick = sick
        self.calm(1)

    @precondition(active)
    @rule(replicas=st.integers(1, 6))
    def scale_stable(self, replicas: int) -> None:
        """Let an autoscaler scale stable."""
        self.world.stable.scale(replicas)

    @rule(weight=st.sampled_from([0, 50, 500, 1000]))
    def edit_the_split(self, weight: int) -> None:
        """Let someone move traffic by hand."""
        self.world.put_split({"web-stable": FULL - weight, "web-canary": weight}, editor="kubectl")

    @rule()
    def delete_the_split(self) -> None:
        """Let someone delete the split."""
        self.world.put_split(None, editor="kubectl")

    @precondition(active)
    @rule(ticks=st.integers(1, 3))
    def take_the_split(self, ticks: int) -> None:
        """Let someone use the split for other backends for a while."""
        self.world.put_split({"web-stable": 500, "other": 500}, editor="kubectl")
        self.calm(ticks)
        self.world.put_split({"web-stable": 900, "web-canary": 100}, editor="kubectl")

    @precondition(active)
    @rule(seconds=st.sampled_from([-7200, -30, 30, 300, 7200]))
    def turn_the_clock(self, seconds: int) -> None:
        """Step the clock on the wall."""
        self.world.skew += timedelta(seconds=seconds)

    @rule(image=st.sampled_from(["good-8", "good-9"]))
    def patch_stable(self, image: str) -> None:
        """Let someone roll out to stable."""
        self.world.patch_stable(image)

    @precondition(active)
    @rule(ticks=st.integers(1, 3))
    def rival(self, ticks: int) -> None:
        """Let an older Canary claim the same for a while."""
        self._wired(Wiring(rival="web-older"), ticks)

    @precondition(active)
    @rule(ticks=st.integers(1, 3))
    def lose_a_service(self, ticks: int) -> None:
        """Let the canary's Service be missing for a while."""
        self._wired(Wiring(missing_services=("web-canary",)), ticks)

    def _wired(self, wiring: Wiring, ticks: int) -> None:
        self.world.wiring = wiring
        self.calm(ticks)
        self.world.wiring = Wiring()

    @precondition(active)
    @rule(name=st.sampled_from(sorted(AGREEABLE)), reply=strategies.replies())
    def webhook(self, name: str, reply: GateReply | Unanswered) -> None:
        """Let a webhook change its mind."""
        self.world.hooks[name] = reply

    @precondition(active)
    @rule(what=st.sampled_from(["ship", "edit", "patch", "pods", "spec", "other"]))
    def race(self, what: str) -> None:
        """Let something happen between a look and its writes."""
        world = self.world
        events: dict[str, Event] = {
            "ship": lambda: world.ship("good-7"),
            "edit": lambda: self.edit_the_split(500),
            "patch": lambda: world.patch_stable("good-7"),
            "pods": lambda: setattr(world.canary, "sick", 4),
            "spec": lambda: world.edit(lambda raw: {**raw, "bake": "40s" if raw["bake"] == "30s" else "30s"}),
            "other": self._other_leader,
        }
        self._pass()
        self.tick(race=events[what])

    def _other_leader(self) -> None:
        """Let another process, which believes to lead, do a whole tick of its own."""
        world = self.world
        seen, version = world.look(Ledger()), world.version
        answers = world.answer(seen)
        decision = decide(seen, answers)
        theirs = self.watcher.decided_elsewhere(seen, answers, decision)
        self.watcher.restarts += 1
        if decision.save:
            world.save(seen, decision, version)
            self.watcher.books = theirs
            self.watcher.saved(seen, decision)
        for effect in decision.effects:
            self.watcher.performing(decision, effect)
            world.perform(effect)
            if isinstance(effect, Unguard) and world.deleted_at is not None:
                self._gone(seen)

    # rules of people who are in charge

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        """Pause or resume."""
        self.world.edit(lambda raw: {**raw, "paused": paused})

    @precondition(active)
    @rule()
    def abort(self) -> None:
        """Abort what runs."""
        rollout = self.world.saved.rollout
        if rollout is not None:
            self.world.edit(lambda raw: {**raw, "abort": rollout.id})
            self.calm(1)

    @precondition(lambda self: any(p.outcome is Outcome.ROLLED_BACK for p in self.world.saved.history))
    @rule()
    def retry(self) -> None:
        """Retry what was rolled back last."""
        self.until_idle()
        past = [p for p in self.world.saved.history if p.outcome is Outcome.ROLLED_BACK]
        if past and not self.world.saved.active:
            self.watcher.pardoned.add(past[-1].revision)
            self.world.edit(lambda raw: {**raw, "retry": past[-1].id})
            self.calm(2)

    @precondition(active)
    @rule()
    def approve(self) -> None:
        """Approve what runs."""
        rollout = self.world.saved.rollout
        if rollout is not None:
            self.world.edit(lambda raw: {**raw, "approve": rollout.id})

    @precondition(active)
    @rule(steps=strategies.ladders())
    def edit_steps(self, steps: list[str]) -> None:
        """Change the steps, in whatever phase."""
        self.world.edit(lambda raw: {**raw, "steps": steps})

    @precondition(active)
    @rule(ticks=st.integers(1, 3))
    def spoil_the_spec(self, ticks: int) -> None:
        """Make the spec invalid for a while."""
        self.world.edit(lambda raw: {**raw, "dwell": "soon"})
        self.calm(ticks)
        self.world.edit(lambda raw: {**raw, "dwell": "20s"})

    @precondition(active)
    @rule(least=st.sampled_from(["99%", "98.5%"]))
    def edit_the_gate(self, least: str) -> None:
        """Change a promise."""
        self.world.edit(lambda raw: {**raw, "gates": {**raw["gates"], "successRate": {"min": least}}})  # type: ignore[dict-item]

    @precondition(active)
    @rule()
    def delete(self) -> None:
        """Delete the Canary."""
        if self.world.guarded and self.world.deleted_at is None:
            self.world.deleted_at = self.world.now
            self.world.version += 1
            self.calm(2)

    @precondition(lambda self: self.world.saved.phase is Phase.PROMOTING)
    @rule()
    def pipeline(self) -> None:
        """Let a pipeline promote from outside, where that is its job."""
        rollout = self.world.saved.rollout
        if rollout is not None and not rollout.copying and rollout.revision in self.world.canary.templates:
            self.world.promote_from_outside(rollout.revision)

    def _agree(self) -> None:
        """Let nothing be in the way any more."""
        world = self.world
        world.mesh.mode, world.wiring, world.stable.sick, world.canary.sick = "up", Wiring(), 0, 0
        world.hooks.update(AGREEABLE)
        world.edit(lambda raw: {**raw, "paused": None})
        if not self._ours():
            self.edit_the_split(0)

    # the end

    def teardown(self) -> None:
        """Once nothing disturbs any more, every rollout ends, with the traffic on stable."""
        if not hasattr(self, "world"):
            return
        world = self.world
        self._agree()
        world.edit(lambda raw: {**raw, "dwell": "20s", "onInconclusive": "Rollback"})
        for _ in range(80):
            self.calm(1)
            saved = world.saved
            carries = world.canary.revision
            if saved.active and saved.rollout is not None:
                if saved.phase is Phase.PROMOTING:
                    self.pipeline()
                self.approve()
            elif world.live == 0 and (carries == saved.promoted or carries in saved.condemned):
                break
        else:
            raise AssertionError(f"still {world.saved.phase} at {world.saved.weight}: {world.saved.message}")
        assert world.live == 0
