"""What is asked, and when to look again, where the end of a rollout is decided already."""

from datetime import timedelta

from canary.core.decide import questions
from canary.core.status import Phase, Reason
from tests.build import NOW, a_snapshot, a_status, canary, stable, tick


def test_an_aborted_rollout_waits_for_no_answer() -> None:
    seen = a_snapshot(spec={"abort": "web-c2-1"})
    assert questions(seen) == ()
    assert tick(seen).status.reason is Reason.ABORTED


def test_the_abort_of_another_rollout_keeps_nobody_from_asking() -> None:
    assert questions(a_snapshot(spec={"abort": "web-c1-0"}))


def test_a_deleted_canary_waits_for_no_answer() -> None:
    assert questions(a_snapshot(deleted_at=NOW)) == ()


class TestHowSoon:
    def test_a_deletion_that_waits_for_stable_is_looked_at_each_second(self) -> None:
        seen = a_snapshot(a_status(Phase.BAKING, 1000), deleted_at=NOW, stable=stable(ready=0))
        assert tick(seen).status.weight == 1000
        assert tick(seen).requeue_after == timedelta(seconds=1)

    def test_a_deletion_that_waits_for_others_only_is_left_to_the_watch(self) -> None:
        seen = a_snapshot(a_status(Phase.PROGRESSING, 0), deleted_at=NOW, guarded=False, canary=canary(ready=0))
        assert tick(seen).effects == ()
        assert tick(seen).requeue_after is None
