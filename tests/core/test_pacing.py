"""The ramp in the rollout: what sizes its weights, what it waits for, and that it says so."""

from dataclasses import replace
from datetime import timedelta

import pytest

from canary.core.counts import Counts
from canary.core.decision import Scale
from canary.core.demand import Demand
from canary.core.exposure import Traffic
from canary.core.snapshot import Snapshot
from canary.core.status import Phase, Reason
from tests.build import (
    BAD,
    CALM,
    DOWN,
    GOOD,
    JUDGED,
    SUSPECT,
    Story,
    a_book,
    a_snapshot,
    a_status,
    canary,
    counts,
    stable,
    tick,
)
from tests.load import Load

RAMP = {"ramp": {"budget": 100}}
BUSY = Traffic(requests=5e8, seconds=1e6)
SECONDS = timedelta(seconds=1)


def at(weight: int, *intervals: Counts, traffic: Traffic = BUSY, answered: float = 1.0, **rollout: object) -> Snapshot:
    status = a_status(Phase.PROGRESSING, weight, **{"step": 0 if weight else -1, **rollout})  # type: ignore[arg-type] # a table's own columns
    book = a_book(*(intervals or CALM), weight=weight, answered=answered, traffic={"": traffic})
    return a_snapshot(replace(status, book=book), spec=RAMP)


class TestTheFirstWeight:
    def begin(self, **spec: object) -> Story:
        status = replace(a_status(Phase.PROGRESSING, 0), book=a_book())
        return Story(seen=a_snapshot(status, spec={**RAMP, **spec}), per_tick={"s1": Load(sent=10_000)})

    def test_is_sized_by_what_stable_is_asked_meanwhile(self) -> None:
        status = self.begin().go().status
        assert (status.weight, status.reason) == (4, Reason.WEIGHT_INCREASED)
        assert "Weight 0m -> 4m; ramp: at most 100 failures at risk, 100 allowed" in status.message

    def test_is_sized_by_the_budget(self) -> None:
        assert self.begin(ramp={"budget": 1000}).go().status.weight == 40

    def test_is_sized_by_the_time_that_a_rollback_takes(self) -> None:
        story = self.begin(interval="30s", dwell="30s")
        story.seen = replace(story.seen, elapsed=30 * SECONDS)
        assert story.go(3).status.weight == 1  # two ticks of 30 s and half a scrape, at 1000 requests a second

    def test_waits_for_a_whole_scrape_with_requests(self) -> None:
        story = self.begin(interval="2s")
        story.per_tick = {"s1": Load()}
        assert "waiting for the service's requests to be counted" in story.go().status.message
        story.per_tick = {"s1": Load(sent=10_000)}
        status = story.go().status
        assert 4 <= status.weight <= 8, "less than a tenth, although the first interval had none"

    def test_is_a_tenth_where_there_is_no_traffic(self) -> None:
        story = self.begin()
        story.per_tick = {"s1": Load()}
        assert [story.go().status.weight for _ in range(4)] == [0, 0, 100, 100]

    def past(self, rps: float, requests: float) -> int:
        story = self.begin()
        story.per_tick = {"s1": Load(sent=requests)}
        learned = {JUDGED: Demand(rps=rps, failure=0.001)}
        rollout = replace(a_status(Phase.PROGRESSING, 0).rollout, learned=learned)  # type: ignore[type-var] # there is one
        story.seen = replace(story.seen, status=replace(story.seen.status, rollout=rollout))
        return story.go().status.weight

    def test_is_sized_by_what_stable_had_before_where_that_is_known(self) -> None:
        assert self.past(100.0, requests=0) == 40

    def test_is_sized_by_what_is_counted_where_that_is_more(self) -> None:
        assert self.past(100.0, requests=10_000) == 4

    def test_is_not_taken_blindly(self) -> None:
        assert self.begin().go(5, reading=DOWN).status.weight == 0

    def test_waits_for_its_pods(self) -> None:
        story = self.begin()
        story.seen = replace(story.seen, canary=canary(ready=0))
        assert (story.go().status.weight, story.decided[-1].status.reason) == (0, Reason.STARTING)


class TestTheNextWeight:
    @pytest.mark.parametrize(("weight", "following"), [(4, 8), (5, 10), (32, 64), (250, 500), (300, 500)])
    def test_is_the_double_and_at_most_half(self, weight: int, following: int) -> None:
        assert tick(at(weight, *GOOD)).status.weight == following

    def test_needs_no_dwell_and_one_answer(self) -> None:
        assert tick(at(4, *GOOD, dwelt=timedelta())).status.weight == 8
        waiting = Story(seen=at(4, *GOOD, answered=0.0), per_tick={"s1": Load(sent=900)}).go()
        assert waiting.status.weight == 4
        assert "canary requests, 0 of 1 answered" in waiting.status.message

    def test_waits_for_evidence_on_the_release_s_side(self) -> None:
        decided = tick(at(4, *SUSPECT))
        assert decided.status.weight == 4
        assert "evidence on the release's side" in decided.status.message

    def test_waits_where_more_would_risk_more_than_the_budget(self) -> None:
        decided = tick(at(100, counts((5, 0), (995, 1)), traffic=Traffic(requests=9e8, seconds=1e6)))
        assert decided.status.weight == 100
        told = "room in the ramp: above 100m more than 100 failures would be at risk (service: success rate: up to "
        assert told in decided.status.message
        assert "more than stable, of 900 requests/s, for 25 s)" in decided.status.message

    def test_is_what_the_budget_bears_between_here_and_the_double(self) -> None:
        weight = tick(at(10, counts((400, 0), (3600, 4)), traffic=Traffic(requests=7e9, seconds=1e6))).status.weight
        assert 10 < weight < 20

    def test_forgets_what_a_changed_gate_counted(self) -> None:
        seen = at(100, *GOOD, traffic=Traffic(requests=10_000, seconds=10))
        stricter = a_snapshot(seen.status, spec={**RAMP, "gates": {"successRate": {"min": "99.5%"}}})
        assert tick(seen).status.book.effective["service: success rate"][0] > 500
        assert tick(stricter).status.book.effective["service: success rate"][0] < 100

    def test_waits_for_its_pods_which_come_ahead_of_it(self) -> None:
        seen = replace(at(100, *GOOD, needed=1), canary=canary(desired=1), stable=stable(desired=10))
        decided = tick(seen)
        assert decided.status.weight == 100
        assert decided.effects == (Scale(deployment="web-canary", resource_version="web-canary-7", replicas=2),)

    def test_after_a_half_is_1000m_with_pass(self) -> None:
        assert tick(at(500, *CALM)).status.weight == 500
        decided = tick(at(500, *GOOD))
        assert (decided.status.weight, decided.status.phase) == (1000, Phase.BAKING)

    def test_is_none_for_a_bad_release(self) -> None:
        decided = tick(at(4, *BAD))
        assert (decided.status.phase, decided.status.weight) == (Phase.ROLLING_BACK, 0)

    def test_goes_on_where_steps_become_a_ramp_in_mid_rollout(self) -> None:
        seen = at(300, *GOOD, step=2)
        assert tick(seen).status.weight == 500
        steps = {"steps": ["200m", "400m", "500m", "1000m"]}
        assert tick(a_snapshot(at(300, *CALM).status, spec=steps)).status.weight == 400

    def test_at_the_deadline_is_the_double_if_the_user_wants_to_go_on(self) -> None:
        seen = at(100, *SUSPECT, spent=timedelta(minutes=30))
        decided = tick(a_snapshot(seen.status, spec={**RAMP, "onInconclusive": "Promote"}))
        assert decided.status.weight == 200


def test_each_weight_of_a_ramp_is_told() -> None:
    status = replace(a_status(Phase.PROGRESSING, 0), book=a_book())
    story = Story(seen=a_snapshot(status, spec=RAMP), per_tick={"c2": Load(sent=1000), "s1": Load(sent=9_000)})
    story.go(9)
    told = [n.message.split(";")[0] for d in story.decided for n in d.notices if n.reason is Reason.WEIGHT_INCREASED]
    assert told[:4] == ["Weight 0m -> 4m", "Weight 4m -> 8m", "Weight 8m -> 16m", "Weight 16m -> 32m"]
    assert [d.status.rollout.step for d in story.decided if d.status.rollout][:5] == [0, 0, 1, 2, 3]
