"""One tick over fakes of our ports: what is done, in which order, and what is not done any more."""

from dataclasses import replace

import pytest

from canary.core.decision import SetWeights
from canary.core.status import CanaryStatus, Phase, Reason
from canary.errors import CanaryError, ClusterUnreachable, Conflict, Forbidden, MetricsUnreachable, Rejected
from canary.runtime.tick import PATIENCE, tick
from tests.runtime.virtual import pass_time
from tests.runtime.world import WEB, Everything, a_snapshot, a_spec, a_split, a_workload, idle, progressing

UNSEEN = CanaryStatus()
BY_HAND = replace(a_split(700), editor="kubectl")


@pytest.fixture
def all_of_it() -> Everything:
    return Everything()


class TestOrder:
    async def test_the_first_look_saves_before_it_guards_and_creates_the_split(self, all_of_it: Everything) -> None:
        all_of_it.holds(a_snapshot(status=UNSEEN, split=None, guarded=False))
        await tick(WEB, all_of_it.world)
        assert all_of_it.journal == ["look", "save", "Guard", "SetWeights", "tell"]

    async def test_counters_are_asked_for_between_look_and_save(self, all_of_it: Everything) -> None:
        all_of_it.holds(a_snapshot(split=BY_HAND))
        await tick(WEB, all_of_it.world)
        asked = all_of_it.journal.count("ask")
        assert asked > 0
        assert all_of_it.journal == ["look", *["ask"] * asked, "save", "SetWeights", "tell"]

    async def test_a_tick_with_effects_saves_although_the_intent_is_the_same(self, all_of_it: Everything) -> None:
        first = a_snapshot()
        all_of_it.holds(first)
        await tick(WEB, all_of_it.world)  # sets the conditions
        settled = all_of_it.town.looks[WEB]
        all_of_it.holds(replace(settled, split=BY_HAND))
        await tick(WEB, all_of_it.world)
        before, after = all_of_it.town.saved[-2:]
        assert (before.status.phase, before.status.weight) == (after.status.phase, after.status.weight)
        assert all_of_it.journal[-3:] == ["save", "SetWeights", "tell"]

    async def test_an_idle_canary_is_looked_at_and_nothing_more(self, all_of_it: Everything) -> None:
        all_of_it.holds(a_snapshot(status=idle()))
        await tick(WEB, all_of_it.world)  # sets the conditions
        all_of_it.journal.clear()
        assert await tick(WEB, all_of_it.world) is None
        assert all_of_it.journal == ["look", "tell"]

    async def test_an_undisturbed_rollout_is_not_saved_again(self, all_of_it: Everything) -> None:
        all_of_it.holds(a_snapshot())
        await tick(WEB, all_of_it.world)
        saves = all_of_it.journal.count("save")
        await pass_time(10)
        await tick(WEB, all_of_it.world)
        assert all_of_it.journal.count("save") == saves

    async def test_what_to_do_next_and_when_is_the_decisions(self, all_of_it: Everything) -> None:
        all_of_it.holds(a_snapshot(spec=a_spec(interval="20s")))
        after = await tick(WEB, all_of_it.world)
        assert after is not None
        assert 19 <= after.total_seconds() <= 20


class TestWhenItFails:
    @pytest.mark.parametrize("error", [Conflict("someone wrote"), ClusterUnreachable("503"), RuntimeError("a bug")])
    async def test_nothing_is_performed_and_nothing_told_without_a_saved_status(
        self, all_of_it: Everything, error: Exception
    ) -> None:
        all_of_it.holds(a_snapshot(status=UNSEEN, split=None, guarded=False))
        all_of_it.town.trouble("save", error)
        with pytest.raises(type(error)):
            await tick(WEB, all_of_it.world)
        assert all_of_it.journal == ["look", "save"]

    async def test_what_follows_a_failed_effect_is_left_to_the_next_tick(self, all_of_it: Everything) -> None:
        all_of_it.holds(a_snapshot(status=UNSEEN, split=None, guarded=False))
        all_of_it.town.trouble("Guard", ClusterUnreachable("503"))
        with pytest.raises(ClusterUnreachable):
            await tick(WEB, all_of_it.world)
        assert all_of_it.journal == ["look", "save", "Guard", "tell"]
        assert (all_of_it.town.saved[-1].status.promoted, len(all_of_it.town.saved)) == ("old", 1)
        await tick(WEB, all_of_it.world)
        assert all_of_it.journal[4:] == ["look", "save", "Guard", "SetWeights", "tell"]

    async def test_a_rollback_is_told_although_the_split_was_written_by_someone_meanwhile(
        self, all_of_it: Everything
    ) -> None:
        rollout = replace(progressing().rollout, spent=a_spec().step_timeout)  # type: ignore[type-var]
        all_of_it.holds(a_snapshot(status=progressing(rollout=rollout)))
        all_of_it.town.trouble("SetWeights", Conflict("someone wrote"))
        with pytest.raises(Conflict):
            await tick(WEB, all_of_it.world)
        await tick(WEB, all_of_it.world)
        told = [notice.reason for _, decision, _ in all_of_it.crier.told for notice in decision.notices]
        assert told.count(Reason.STEP_TIMEOUT) == 1

    async def test_that_the_split_was_put_back_is_told_once_it_was(self, all_of_it: Everything) -> None:
        all_of_it.holds(a_snapshot(split=BY_HAND))
        all_of_it.town.trouble("SetWeights", Conflict("what was seen is old"))
        with pytest.raises(Conflict):
            await tick(WEB, all_of_it.world)
        told = [[notice.reason for notice in decision.notices] for _, decision, _ in all_of_it.crier.told]
        await tick(WEB, all_of_it.world)
        _, again, _ = all_of_it.crier.told[-1]
        assert Reason.SPLIT_RESTORED not in told[-1]
        assert Reason.SPLIT_RESTORED in [notice.reason for notice in again.notices]

    @pytest.mark.parametrize("word", ["save", "SetWeights"])
    @pytest.mark.parametrize("error", [Forbidden("may not patch"), Rejected("not like that")])
    async def test_a_write_that_the_api_server_does_not_let_us_do_is_told_to_people(
        self, all_of_it: Everything, word: str, error: CanaryError
    ) -> None:
        all_of_it.holds(a_snapshot(status=UNSEEN, split=None, guarded=False))
        all_of_it.town.trouble(word, error)
        with pytest.raises(type(error)):
            await tick(WEB, all_of_it.world)
        assert all_of_it.crier.refusals == [error]

    async def test_a_failed_look_decides_nothing(self, all_of_it: Everything) -> None:
        all_of_it.town.trouble("look", ClusterUnreachable("503"))
        with pytest.raises(ClusterUnreachable):
            await tick(WEB, all_of_it.world)
        assert all_of_it.journal == ["look"]

    async def test_requests_are_counted_once_although_a_save_in_between_failed(self, all_of_it: Everything) -> None:
        all_of_it.holds(a_snapshot())
        await tick(WEB, all_of_it.world)
        remembered = all_of_it.world.ledger.recall(all_of_it.town.looks[WEB], all_of_it.clock.monotonic())
        all_of_it.holds(replace(all_of_it.town.looks[WEB], split=BY_HAND))
        all_of_it.town.trouble("save", ClusterUnreachable("503"))
        await pass_time(10)
        with pytest.raises(ClusterUnreachable):
            await tick(WEB, all_of_it.world)
        again = all_of_it.world.ledger.recall(all_of_it.town.looks[WEB], all_of_it.clock.monotonic())
        assert (again.counters, again.status) == (remembered.counters, remembered.status)
        assert again.elapsed.total_seconds() == pytest.approx(10.2, abs=0.3)


class TestOutages:
    async def test_a_dead_prometheus_is_an_answer(self, all_of_it: Everything) -> None:
        all_of_it.prometheus.errors[""] = MetricsUnreachable("connection refused")
        all_of_it.holds(a_snapshot())
        await tick(WEB, all_of_it.world)
        _, decision, _ = all_of_it.crier.told[-1]
        assert decision.status.reason is Reason.METRICS_UNREACHABLE
        assert "connection refused" in decision.status.message
        assert (decision.status.phase, decision.status.weight) == (Phase.PROGRESSING, 100)

    async def test_a_tick_ends_although_prometheus_never_answers(self, all_of_it: Everything) -> None:
        all_of_it.prometheus.pause = 1e6
        all_of_it.holds(a_snapshot())
        await tick(WEB, all_of_it.world)
        _, decision, took = all_of_it.crier.told[-1]
        assert took.total_seconds() == pytest.approx(PATIENCE.total_seconds())
        assert decision.status.reason is Reason.METRICS_UNREACHABLE
        assert "no answer within 9 s" in decision.status.message


class TestGone:
    async def test_a_canary_that_was_deleted_is_forgotten_everywhere(self, all_of_it: Everything) -> None:
        all_of_it.holds(a_snapshot())
        await tick(WEB, all_of_it.world)
        del all_of_it.town.looks[WEB]
        assert await tick(WEB, all_of_it.world) is None
        assert all_of_it.crier.left == [WEB]
        again = a_snapshot()
        assert all_of_it.world.ledger.recall(again, all_of_it.clock.monotonic()) is again


async def test_a_failing_release_is_taken_off_traffic_in_the_tick_of_the_verdict(all_of_it: Everything) -> None:
    lost = a_workload("web-canary", "new", 0, desired=1, settled=False)
    deadline = progressing(rollout=replace(progressing().rollout, spent=a_spec().step_timeout))  # type: ignore[type-var]
    all_of_it.holds(a_snapshot(status=deadline, canary=lost))
    await tick(WEB, all_of_it.world)
    _, decision, _ = all_of_it.crier.told[-1]
    weights = next(effect for effect in decision.effects if isinstance(effect, SetWeights))
    assert (decision.status.phase, weights.weights["web-canary"]) == (Phase.ROLLING_BACK, 0)
