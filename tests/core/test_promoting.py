"""How a rollout ends: the release on stable, or stable as it was; and a whole one from the first tick to the last."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from canary.core.decision import Decision, Effect, Scale, SetTemplate, SetWeights
from canary.core.snapshot import Snapshot, Wiring, Workload
from canary.core.status import Outcome, Phase, Reason
from tests.build import (
    BAD,
    MINUTE,
    TICK,
    Story,
    a_book,
    a_snapshot,
    a_split,
    a_status,
    a_template,
    canary,
    released,
    stable,
    tick,
)
from tests.load import Load

LATE = timedelta(minutes=31)
FORMER = a_template("s1", app="web-stable")
EXTERNAL = {"promotion": {"mode": "External"}}
BOTH = {"c2": a_template("c2", app="web-canary"), "c3": a_template("c3", app="web-canary")}


def kinds(effects: tuple[Effect, ...]) -> list[str]:
    return [type(effect).__name__ for effect in effects]


def promoting(**seen: object) -> Snapshot:
    looked = a_snapshot(a_status(Phase.PROMOTING, 1000), stable=released(ready=2))
    return replace(looked, **seen)  # type: ignore[arg-type] # a table's own columns


class TestPromoting:
    def test_copies_the_analysed_template_against_the_version_that_was_seen(self) -> None:
        (effect,) = tick(a_snapshot(a_status(Phase.PROMOTING, 1000))).effects
        assert effect == SetTemplate(
            deployment="web-stable", resource_version="web-stable-7", template=a_template("c2", app="web-stable")
        )

    def test_copies_what_was_analysed_although_the_deployment_has_moved_on(self) -> None:
        moved = canary("c3", templates=BOTH)
        effects = tick(promoting(stable=stable(), canary=moved)).effects
        (template,) = [e.template for e in effects if isinstance(e, SetTemplate)]
        assert template == a_template("c2", app="web-stable")

    def test_copies_images_only_where_asked(self) -> None:
        images = a_snapshot(a_status(Phase.PROMOTING, 1000), spec={"promotion": {"mode": "CopyImages"}})
        (effect,) = tick(images).effects
        assert isinstance(effect, SetTemplate)
        assert effect.template == {**FORMER, "spec": a_template("c2")["spec"]}

    @pytest.mark.parametrize(
        ("on_stable", "phase"),
        [
            pytest.param(released(ready=3), Phase.PROMOTING, id="not all are ready"),
            pytest.param(replace(released(), settled=False), Phase.PROMOTING, id="it is still rolling out"),
            pytest.param(replace(released(), desired=0, pods=()), Phase.PROMOTING, id="it wants no pod"),
            pytest.param(None, Phase.PROMOTING, id="it is gone"),
            pytest.param(released(), Phase.FINALISING, id="all are ready"),
        ],
    )
    def test_ends_when_stables_pods_are_ready(self, on_stable: Workload | None, phase: Phase) -> None:
        assert tick(promoting(stable=on_stable)).status.phase is phase

    @pytest.mark.parametrize(
        ("sides", "phase"),
        [
            pytest.param({"canary": canary("", templates={}), "stable": stable()}, Phase.PROMOTING, id="not yet seen"),
            pytest.param({"canary": canary("c3", templates={}), "stable": stable("")}, Phase.PROMOTING, id="nor this"),
            pytest.param({"canary": None, "stable": stable()}, Phase.ROLLING_BACK, id="gone with its Deployment"),
            pytest.param(
                {"canary": canary("c3", templates={}), "stable": released(ready=2)}, Phase.PROMOTING, id="copied before"
            ),
        ],
    )
    def test_is_given_up_only_where_what_was_analysed_is_surely_gone(
        self, sides: dict[str, Workload | None], phase: Phase
    ) -> None:
        decided = tick(promoting(**sides))
        assert decided.status.phase is phase
        assert not any(isinstance(effect, SetTemplate) for effect in decided.effects)

    def test_goes_on_although_paused(self) -> None:
        paused = a_snapshot(a_status(Phase.PROMOTING, 1000), spec={"paused": True})
        assert kinds(tick(paused).effects) == ["SetTemplate"]

    def test_is_armed_to_the_end(self) -> None:
        failing = replace(a_status(Phase.PROMOTING, 1000), book=a_book(*BAD))
        decided = tick(a_snapshot(failing, stable=released(ready=2)))
        assert kinds(decided.effects) == ["SetWeights", "SetTemplate"]
        (template,) = [e.template for e in decided.effects if isinstance(e, SetTemplate)]
        assert template == FORMER

    @pytest.mark.parametrize(
        ("on_stable", "copied", "told"),
        [
            pytest.param(stable(), False, [], id="it has the former one, which nobody changed"),
            pytest.param(stable(), True, ["to revision s1 while c2"], id="someone undid the promotion"),
            pytest.param(stable("s9"), False, ["to revision s9 while c2"], id="someone was quicker"),
            pytest.param(stable("s9"), True, ["to revision s9 while c2"], id="someone changed it afterwards"),
        ],
    )
    def test_puts_the_release_back_and_says_who_took_it_away(
        self, on_stable: Workload, copied: bool, told: list[str]
    ) -> None:
        status = a_status(Phase.PROMOTING, 1000, copied=copied)
        decided = tick(a_snapshot(status, stable=replace(on_stable, editor="kubectl-rollout")))
        (effect,) = decided.effects
        assert isinstance(effect, SetTemplate)
        assert effect.template == a_template("c2", app="web-stable")
        found = [n for n in decided.notices if n.reason is Reason.STABLE_CHANGED]
        assert len(found) == len(told)
        assert all(f"was changed by kubectl-rollout {part}" in n.message for n, part in zip(found, told, strict=True))
        assert all(notice.warning for notice in found)

    def test_remembers_that_stable_had_the_release(self) -> None:
        rollout = tick(promoting()).status.rollout
        assert rollout is not None
        assert rollout.copied
        waits = tick(promoting(stable=stable())).status.rollout
        assert waits is not None
        assert not waits.copied

    def test_overwrites_no_template_that_its_controller_has_not_seen(self) -> None:
        decided = tick(promoting(stable=replace(stable("s9"), revision="", templates={})))
        assert (decided.status.phase, decided.effects) == (Phase.PROMOTING, ())

    def test_writes_nothing_under_a_split_of_somebody_else(self) -> None:
        assert tick(promoting(stable=stable(), split=a_split(1000, service="shop"))).effects == ()


class TestExternal:
    def waiting(self, **rollout: object) -> Snapshot:
        status = a_status(Phase.PROMOTING, 1000, copying=False, **rollout)  # type: ignore[arg-type] # columns
        return a_snapshot(status, spec=EXTERNAL)

    def test_waits_with_all_traffic_on_the_canary(self) -> None:
        decided = tick(self.waiting())
        assert (decided.status.weight, decided.status.reason, decided.effects) == (1000, Reason.AWAITING_STABLE, ())
        promoted = next(c for c in decided.status.conditions if c.type == "Promoted")
        assert (promoted.status, promoted.reason) == (False, Reason.AWAITING_STABLE)

    def test_ends_once_stable_carries_the_release(self) -> None:
        assert tick(replace(self.waiting(), stable=released())).status.phase is Phase.FINALISING

    def test_only_says_so_after_each_deadline(self) -> None:
        story = Story(seen=self.waiting(spent=LATE - 2 * MINUTE))
        told = [i for i in range(400) for n in story.go().notices if "does not carry c2 after 30m" in n.message]
        assert told == [5, 185, 365]
        assert story.seen.status.weight == 1000

    def test_restores_nothing_that_it_did_not_write(self) -> None:
        aborted = {**EXTERNAL, "abort": "web-c2-1"}
        status = a_status(Phase.PROMOTING, 1000, copying=False)
        decided = tick(a_snapshot(status, spec=aborted, stable=released(ready=2)))
        assert decided.status.phase is Phase.ROLLING_BACK
        assert kinds(decided.effects) == ["SetWeights"]


class TestTakingBack:
    def back(self, **seen: object) -> Decision:
        looked = a_snapshot(a_status(Phase.ROLLING_BACK, 0, copying=True), canary=canary(desired=1))
        return tick(replace(looked, **seen))  # type: ignore[arg-type] # a table's own columns

    def test_puts_stables_former_template_back(self) -> None:
        decided = self.back(stable=released())
        assert decided.effects == (
            SetTemplate(deployment="web-stable", resource_version="web-stable-7", template=FORMER),
        )
        assert decided.status.phase is Phase.ROLLING_BACK

    def test_ends_when_stable_has_it(self) -> None:
        decided = self.back(stable=stable())
        assert (decided.status.phase, decided.effects) == (Phase.IDLE, ())

    def test_waits_until_the_controller_has_seen_what_was_written(self) -> None:
        decided = self.back(stable=replace(released(), revision="", templates={}))
        assert (decided.status.phase, decided.effects) == (Phase.ROLLING_BACK, ())

    def test_says_that_it_cannot_where_the_former_revision_is_gone(self) -> None:
        decided = self.back(stable=replace(released(), templates={"s2": a_template("c2", app="web-stable")}))
        assert decided.status.phase is Phase.IDLE
        assert "the ReplicaSet of its former revision s1 is gone" in decided.status.message

    def test_ends_although_stable_is_gone(self) -> None:
        assert self.back(stable=None).status.phase is Phase.IDLE

    def test_overwrites_nobody_elses_template(self) -> None:
        decided = self.back(stable=stable("s9", template=a_template("s9", app="web-stable")))
        assert (decided.status.phase, decided.effects) == (Phase.IDLE, ())

    @pytest.mark.parametrize(
        ("spec", "found", "effects"),
        [
            pytest.param(
                {},
                3,
                [Scale(deployment="web-canary", resource_version="web-canary-7", replicas=3)],
                id="as they were found",
            ),
            pytest.param(
                {"scaling": {"idleReplicas": 0}},
                3,
                [Scale(deployment="web-canary", resource_version="web-canary-7", replicas=0)],
                id="as asked",
            ),
            pytest.param({"scaling": {"mode": "None"}}, 3, [], id="nobody wants that"),
        ],
    )
    def test_gives_the_canarys_pods_back(self, spec: Mapping[str, object], found: int, effects: list[Effect]) -> None:
        decided = tick(a_snapshot(a_status(Phase.ROLLING_BACK, 0, found_replicas=found), spec=spec))
        assert list(decided.effects) == effects

    def test_leaves_an_autoscaled_canary_alone(self) -> None:
        assert self.back(canary=canary(autoscaled=True)).effects == ()

    def test_gives_pods_back_only_after_their_traffic_is_gone(self) -> None:
        decided = self.back(canary=canary(desired=4), split=a_split(500))
        assert kinds(decided.effects) == ["SetWeights"]

    def test_ends_a_superseded_rollout_as_such(self) -> None:
        status = a_status(Phase.ROLLING_BACK, 0, outcome=Outcome.SUPERSEDED, fault_message="c3 came.", found_replicas=4)
        decided = tick(a_snapshot(status))
        assert (decided.status.phase, decided.status.reason) == (Phase.IDLE, Reason.SUPERSEDED)
        assert (decided.status.message, decided.status.condemned) == ("c3 came.", frozenset())
        waits = tick(a_snapshot(status, split=a_split(300)))
        assert waits.status.reason is Reason.SUPERSEDED

    @pytest.mark.parametrize(
        ("seen", "waits"),
        [
            pytest.param({"canary": canary(desired=3)}, "web-canary to be scaled from 3 to 1", id="for the scale"),
            pytest.param(
                {"stable": released(), "canary": canary(desired=1)}, "to have the template of s1", id="for the template"
            ),
        ],
    )
    def test_says_after_each_deadline_what_it_waits_for(self, seen: dict[str, object], waits: str) -> None:
        status = a_status(Phase.ROLLING_BACK, 0, copying=True)
        story = Story(seen=replace(a_snapshot(status), **seen))  # type: ignore[arg-type] # a table's own columns
        told = [(i, n) for i in range(400) for n in story.go().notices if n.reason is Reason.STEP_TIMEOUT]
        assert [i for i, _ in told] == [179, 359]
        assert all(
            n.warning and waits in n.message and "RollingBack has not ended in 30m" in n.message for _, n in told
        )

    @pytest.mark.parametrize(
        ("seen", "waits"),
        [
            pytest.param({"stable": stable(ready=0)}, "0 of stable's 4 pods", id="for a stable without pods"),
            pytest.param(
                {"wiring": Wiring(missing_services=("web-stable",))},
                "'web-stable' does not exist",
                id="for its Service",
            ),
        ],
    )
    def test_keeps_traffic_where_it_is_served_and_says_so_after_each_deadline(
        self, seen: dict[str, object], waits: str
    ) -> None:
        status = a_status(Phase.ROLLING_BACK, 1000, spent=LATE)
        decided = tick(replace(a_snapshot(status), **seen))  # type: ignore[arg-type] # a table's own columns
        assert (decided.status.weight, decided.effects) == (1000, ())
        (told,) = [n.message for n in decided.notices if n.reason is Reason.STEP_TIMEOUT]
        assert waits in told

    def test_has_a_deadline_of_its_own_when_promoted(self) -> None:
        status = a_status(Phase.PROMOTING, 1000, spent=LATE - MINUTE)
        story = Story(seen=a_snapshot(status, stable=released(), canary=canary(desired=3)))
        told = [i for i in range(200) for n in story.go().notices if "Finalising has not ended" in n.message]
        assert told == [180]

    def test_forgets_what_was_in_the_way(self) -> None:
        held = replace(a_status(Phase.ROLLING_BACK, 1000), reason=Reason.STABLE_NOT_READY)
        decided = tick(a_snapshot(held))
        assert (decided.status.weight, decided.status.reason) == (0, Reason.SUCCESS_RATE)
        assert not next(c for c in decided.status.conditions if c.type == "Held").status


class TestAWholeRollout:
    def begin(self, **per_tick: Load) -> Story:
        idle = a_snapshot(a_status(Phase.IDLE, 0), canary=canary(desired=4))
        return Story(seen=idle, per_tick={"c2": Load(), "s1": Load(sent=900, failed=1), **per_tick})

    def test_of_a_good_release(self) -> None:
        story = self.begin(c2=Load(sent=100))
        story.go(2)
        assert story.seen.status.weight == 100
        weights = [story.go().status.weight for _ in range(20)]
        assert sorted(set(weights)) == [100, 200, 500, 1000]
        story.go(40)
        assert story.seen.status.phase is Phase.PROMOTING
        assert story.go().effects[0] == SetTemplate(
            deployment="web-stable", resource_version="web-stable-7", template=a_template("c2", app="web-stable")
        )
        story.seen = replace(story.seen, stable=released())
        reasons = [story.go().status.reason for _ in range(2)]
        assert reasons == [Reason.FINALISING, Reason.PROMOTED]
        status = story.seen.status
        assert (status.phase, status.promoted, status.weight) == (Phase.IDLE, "c2", 0)
        past = status.history[-1]
        assert (past.outcome, past.peak) == (Outcome.PROMOTED, 1000)
        assert past.requests > 1000
        assert not story.go().save

    def test_of_a_release_that_fails_at_once(self) -> None:
        story = self.begin(c2=Load(sent=100, failed=100))
        story.go(5)
        status = story.seen.status
        past = status.history[-1]
        assert (status.phase, status.weight, *status.condemned) == (Phase.IDLE, 0, "c2")
        assert (past.outcome, past.reason, past.peak) == (Outcome.ROLLED_BACK, Reason.SUCCESS_RATE, 100)
        assert "100% of 200 canary requests failed" in past.message
        assert not story.go().save, "it is not tried again"

    def test_of_a_release_that_ends_by_a_clock_that_was_set_back(self) -> None:
        story = self.begin(c2=Load(sent=100, failed=100))
        story.go(2)
        story.seen = replace(story.seen, at=story.seen.at - timedelta(hours=1))
        story.go(3)
        assert story.seen.status.history[-1].seconds >= TICK.total_seconds()

    def test_of_a_release_that_fails_in_the_bake_only(self) -> None:
        story = self.begin(c2=Load(sent=100))
        while story.go().status.phase is not Phase.BAKING:
            assert len(story.decided) < 40
        story.per_tick = {"c2": Load(sent=1000, failed=1000)}
        phases = [story.go().status.phase for _ in range(3)]
        assert Phase.ROLLING_BACK in phases, "three ticks"

    def test_of_a_release_that_hangs(self) -> None:
        story = self.begin(c2=Load(sent=100, hanging=50))
        story.go(12)
        assert story.seen.status.history[-1].reason is Reason.UNANSWERED
        assert "requests to the canary are still without an answer" in story.seen.status.history[-1].message

    def test_of_a_release_that_slows_down(self) -> None:
        limited = {"gates": {"successRate": {"min": "99%"}, "latency": {"p99": "300ms"}}}
        idle = a_snapshot(a_status(Phase.IDLE, 0), canary=canary(desired=4), spec=limited)
        story = Story(seen=idle, per_tick={"c2": Load(sent=100, slow=40), "s1": Load(sent=900, slow=1)})
        story.go(12)
        past = story.seen.status.history[-1]
        assert past.reason is Reason.LATENCY
        assert "canary requests took longer than 300 ms" in past.message

    def test_while_stable_is_just_as_sick(self) -> None:
        story = self.begin(c2=Load(sent=100, failed=5), s1=Load(sent=900, failed=45))
        story.go(25)
        assert story.seen.status.active
        assert not any(
            isinstance(e, SetWeights) and e.weights["web-canary"] == 0 for d in story.decided for e in d.effects
        )
