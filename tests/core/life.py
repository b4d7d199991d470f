"""The life of one Canary: how time passes in its world, how a process ticks and dies, and all that can happen to it.

Whatever is done here is watched. The state machine chooses what happens; the table of what can is in `happenings`.
"""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from canary.core.decide import decide
from canary.core.decision import Decision, SetWeights, Unguard
from canary.core.questions import GateReply, Numbers, Unanswered
from canary.core.snapshot import Snapshot, Wiring
from canary.core.spec import FULL
from canary.core.status import Outcome, Phase
from canary.errors import ClusterUnreachable, Conflict
from canary.runtime.ledger import Ledger
from tests.core.watcher import Watcher
from tests.core.world import Crash, World
from tests.strategies import HOOKS

YES, NO = GateReply(yes=True, detail="200"), GateReply(yes=False, detail="409")
REPLIES: tuple[GateReply | Unanswered, ...] = (YES, NO, Unanswered(detail="no answer in 2 s"))
AGREEABLE = dict.fromkeys(HOOKS, YES) | {"rollback": NO}
JUMPS = (0, -7200, 300, 7200, -30)
Event = Callable[[], None]


class Life:
    """One Canary and its process. `effects_first` is for a mutant that writes the world before the status."""

    effects_first = False

    def __init__(self, raw: dict[str, object], reached: Counter[str]) -> None:
        """Create the Canary."""
        self.world = World(raw=raw)
        self.world.hooks.update(AGREEABLE)
        if raw["scaling"] == {"mode": "None"}:
            self.world.canary.scale(4)
        self.watcher = Watcher(self.world, reached=reached)
        self.broken = False
        self.calm(2)

    @property
    def active(self) -> bool:
        """Whether a rollout runs."""
        return self.world.saved.active

    # a process

    def tick(self, *, crash: int | None = None, fails: int | None = None, race: Event | None = None) -> None:
        """Run one tick as `runtime.tick` does; it may die, or be refused, at any write."""
        try:
            self._tick(crash=crash, fails=fails, race=race)
        except AssertionError:
            self.broken = True
            raise

    def _tick(self, *, crash: int | None, fails: int | None, race: Event | None) -> None:
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
            if race is None and decision.save and world.stored != "null":
                self._rests(decision)

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
        left = 0 if seen.split is None else seen.split.weights.get("web-canary", 0)
        assert left == 0 or untouchable or waited or not self._ours(), "deleted with traffic on the canary"
        world.stored, world.deleted_at, world.guarded, world.ledger = "null", None, False, Ledger()
        self.watcher.forget()

    def _ours(self) -> bool:
        split = self.world.split
        return split is not None and split.service == "web" and set(split.weights) == {"web-stable", "web-canary"}

    def _rests(self, decision: Decision) -> None:
        """After an undisturbed tick there is nothing left to do until something changes."""
        again = decide(self.world.look(), {})
        moved = (again.status.phase, again.status.weight) != (decision.status.phase, decision.status.weight)
        # pods are given back in a look that saw their traffic gone
        if not moved and not any(isinstance(effect, SetWeights) for effect in decision.effects):
            assert not again.effects, f"{again.effects} again, right after {decision.effects}"

    def look_ahead(self) -> Decision:
        """Find what the next tick would decide."""
        seen = self.world.look()
        return decide(seen, self.world.answer(seen))

    # time

    def calm(self, ticks: int) -> None:
        """Let time pass, and nothing else happen."""
        for _ in range(ticks):
            self.pass_time()
            self.tick()

    def pass_time(self, seconds: float = 10) -> None:
        """Let requests be sent, and the controllers work."""
        self.world.pass_time(seconds)
        self.world.stable.round(self.world.prometheus)
        self.world.canary.round(self.world.prometheus)

    def look_between(self, seconds: int) -> None:
        """Look before the next reading is due."""
        self.pass_time(seconds)
        self.tick()

    def ship(self, image: str, ticks: int) -> None:
        """Push a revision and let its rollout get somewhere."""
        self.world.ship(image)
        self.calm(ticks)

    def go_on_until(self, phase: Phase) -> None:
        """Let everything be well until a phase is reached, or the rollout has ended."""
        self.agree()
        for _ in range(30):
            if self.world.saved.phase in (phase, Phase.IDLE):
                return
            self.order("approve")
            self.calm(1)

    def agree(self) -> None:
        """Let nothing be in the way any more."""
        world = self.world
        world.mesh.mode, world.wiring, world.stable.sick, world.canary.sick = "up", Wiring(), 0, 0
        world.hooks.update(AGREEABLE)
        world.edit(lambda raw: {**raw, "paused": None, "dwell": "20s"})
        if not self._ours():
            self.move(0)

    def end(self) -> None:
        """Once nothing disturbs any more, every rollout ends, with the traffic on stable."""
        self.agree()
        world = self.world
        world.edit(lambda raw: {**raw, "onInconclusive": "Rollback"})
        for _ in range(80):
            self.calm(1)
            saved, carries = world.saved, world.canary.revision
            if saved.active:
                self.pipeline()
                self.order("approve")
            elif world.live == 0 and (carries == saved.promoted or carries in saved.condemned):
                return
        raise AssertionError(f"still {world.saved.phase} at {world.saved.weight}: {world.saved.message}")

    # what dies and fails

    def die_where_it_acts(self, point: int) -> None:
        """Look ahead, and crash in the next tick that writes anything."""
        for _ in range(12):
            self.pass_time()
            decision = self.look_ahead()
            if decision.effects or decision.save:
                self.watcher.reached["crash"] += 1
                self.tick(crash=point)
                return
            self.tick()

    def fail_where_it_acts(self, number: int) -> None:
        """Let the API server refuse one effect of the next tick that has any."""
        for _ in range(12):
            self.pass_time()
            if self.look_ahead().effects:
                self.tick(fails=number)
                return
            self.tick()

    def race(self, event: Event) -> None:
        """Let something happen between a look and its writes."""
        self.pass_time()
        self.tick(race=event)

    def restart(self, jump: int) -> None:
        """Restart the process, on a machine with another idea of the time."""
        self.world.skew += timedelta(seconds=jump)
        self.world.ledger = Ledger()
        self.watcher.restarts += 1
        self.calm(1)

    def other_leader(self) -> None:
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

    # what people and machines do

    def metrics(self, mode: str, ticks: int) -> None:
        """Let Prometheus fail in one of its ways for a while."""
        self.world.mesh.mode = mode
        self.calm(ticks)
        self.world.mesh.mode = "up"

    def with_rate(self, rate: float, ticks: int) -> None:
        """Let users send less, or nothing, for a while."""
        usual, self.world.rate = self.world.rate, rate
        self.calm(ticks)
        self.world.rate = usual

    def unsplit(self, ticks: int, part: float = 1.0) -> None:
        """Let this part of the clients, with an old profile in their caches, send everything to stable for a while."""
        self.world.unsplit = part
        self.calm(ticks)
        self.world.unsplit = 0.0

    def hide(self, side: str, ticks: int) -> None:
        """Let a Deployment, its ReplicaSets and its pods be gone for a while."""
        self.world.hidden = side
        self.calm(ticks)
        self.world.hidden = ""

    def wired(self, wiring: Wiring, ticks: int) -> None:
        """Let something be missing, or in the way, for a while."""
        self.world.wiring = wiring
        self.calm(ticks)
        self.world.wiring = Wiring()

    def move(self, weight: int) -> None:
        """Let someone move traffic by hand."""
        self.world.put_split({"web-stable": FULL - weight, "web-canary": weight}, editor="kubectl")

    def take_the_split(self, ticks: int) -> None:
        """Let someone use the split for another service for a while."""
        self.world.put_split({"web-stable": 500, "other": 500}, editor="kubectl", service="shop")
        self.calm(ticks)
        self.move(100)

    def order(self, field: str) -> None:
        """Name the rollout that runs in a field of the spec."""
        rollout = self.world.saved.rollout
        if rollout is not None and self.active:
            self.world.edit(lambda raw: {**raw, field: rollout.id})

    def retry(self) -> None:
        """Retry what was rolled back last, once nothing runs."""
        self.go_on_until(Phase.IDLE)
        past = [p for p in self.world.saved.history if p.outcome is Outcome.ROLLED_BACK]
        if past and not self.active:
            self.watcher.pardoned.add(past[-1].revision)
            self.world.edit(lambda raw: {**raw, "retry": past[-1].id})
            self.calm(2)

    def edit(self, **fields: object) -> None:
        """Edit the spec."""
        self.world.edit(lambda raw: {**raw, **fields})

    def asks(self, query: dict[str, object], numbers: Numbers) -> None:
        """Let a query be among the gates, and Prometheus answer it so from now on."""
        self.edit_gates(queries=[query])
        self.world.numbers = numbers

    def edit_gates(self, **gates: object) -> None:
        """Edit the gates."""
        self.world.edit(lambda raw: {**raw, "gates": {**raw["gates"], **gates}})  # type: ignore[dict-item] # a mapping

    def spoil_the_spec(self, ticks: int) -> None:
        """Make the spec invalid for a while."""
        self.edit(dwell="soon")
        self.calm(ticks)
        self.edit(dwell="20s")

    def delete(self) -> None:
        """Delete the Canary."""
        if self.world.guarded and self.world.deleted_at is None:
            self.world.deleted_at = self.world.now
            self.world.version += 1

    def pipeline(self) -> None:
        """Let a pipeline promote from outside, where that is its job."""
        saved = self.world.saved
        rollout = saved.rollout
        if rollout is None or saved.phase is not Phase.PROMOTING or rollout.copying:
            return
        if rollout.revision in self.world.canary.templates:
            self.world.promote_from_outside(rollout.revision)
