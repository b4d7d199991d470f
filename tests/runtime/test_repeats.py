"""What people are told of what comes again and again."""

from dataclasses import replace
from datetime import timedelta

import pytest

from canary.core.decision import Decision, Notice
from canary.core.status import Reason
from canary.runtime.repeats import WHILE, Repeats
from tests.runtime.virtual import NOON
from tests.runtime.world import SECOND, WEB, a_snapshot, progressing

DOWN, UP, SPLIT = Reason.METRICS_UNREACHABLE, Reason.GATHERING, Reason.SPLIT_RESTORED


class Told:
    """One Canary whose ticks are told of, one a second; `heard` is what passed, by second."""

    def __init__(self) -> None:
        self.repeats = Repeats()
        self.at = NOON
        self.heard: list[tuple[int, Reason, str]] = []

    def tick(self, reason: Reason, *notices: Notice) -> list[str]:
        seen = replace(a_snapshot(), at=self.at)
        decision = Decision(status=progressing(reason=reason), counters=None, save=False, notices=notices)
        told = self.repeats.sift(seen, decision)
        second = round((self.at - NOON).total_seconds())
        self.heard += [(second, notice.reason, notice.message) for notice in told]
        self.at += SECOND
        return [notice.message for notice in told]

    def recurs(self, reason: Reason) -> list[str]:
        return self.tick(reason, Notice(reason=reason, message=f"{reason}.", recurring=True))

    def flaps(self, seconds: int) -> None:
        for second in range(seconds):
            self.recurs(UP if second % 2 else DOWN)


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_flap_each_second_is_told_once_in_a_while_for_each_reason_with_its_number(told: Told) -> None:
    told.flaps(601)
    assert told.heard == [
        (0, DOWN, "PrometheusUnreachable."),
        (1, UP, "Gathering."),
        (300, DOWN, "PrometheusUnreachable. This came 150 times since 12:00:00 UTC."),
        (301, UP, "Gathering. This came 150 times since 12:00:01 UTC."),
        (600, DOWN, "PrometheusUnreachable. This came 150 times since 12:05:00 UTC."),
    ]


def test_what_was_held_back_and_lasts_is_told_when_the_while_is_over(told: Told) -> None:
    told.flaps(3)  # down since the last one
    for _ in range(600):
        told.tick(DOWN)
    assert [(second, reason) for second, reason, _ in told.heard] == [(0, DOWN), (1, UP), (300, DOWN)]


def test_what_was_held_back_and_is_over_is_not_told(told: Told) -> None:
    told.flaps(4)
    told.tick(UP)
    told.at += WHILE
    told.tick(Reason.PAUSED)
    assert len(told.heard) == 2


def test_a_decision_passes_at_once_and_what_recurs_after_it_is_news(told: Told) -> None:
    told.flaps(10)
    step = Notice(reason=Reason.WEIGHT_INCREASED, message="Weight 100m -> 200m.")
    assert told.tick(Reason.WEIGHT_INCREASED, step) == ["Weight 100m -> 200m."]
    assert told.tick(Reason.WEIGHT_INCREASED, step) == ["Weight 100m -> 200m."]
    assert told.recurs(DOWN) == ["PrometheusUnreachable."]


def test_what_comes_with_a_decision_is_told_after_it(told: Told) -> None:
    back = Notice(reason=SPLIT, message="It is put back.", recurring=True)
    failed = Notice(reason=Reason.SUCCESS_RATE, message="Rolling back.")
    assert told.tick(Reason.SUCCESS_RATE, back, failed) == ["Rolling back.", "It is put back."]


def test_two_who_fight_over_the_split_are_told_of_with_a_number(told: Told) -> None:
    for second in range(302):
        told.tick(UP, Notice(reason=SPLIT, message=f"Put back {second}.", recurring=True))
    assert [message for _, _, message in told.heard] == [
        "Put back 0.",
        "Put back 300. This came 300 times since 12:00:00 UTC.",
    ]


@pytest.mark.parametrize("step", [timedelta(hours=1), -timedelta(hours=1)])
def test_a_stepped_clock_never_silences(told: Told, step: timedelta) -> None:
    told.recurs(DOWN)
    told.at += step
    assert told.recurs(DOWN) == ["PrometheusUnreachable."]


def test_another_canary_has_its_own_while(told: Told) -> None:
    told.recurs(DOWN)
    seen = a_snapshot(key=WEB._replace(name="shop"))
    notice = Notice(reason=DOWN, message="Down.", recurring=True)
    decision = Decision(status=progressing(reason=DOWN), counters=None, save=False, notices=(notice,))
    assert told.repeats.sift(seen, decision) == (notice,)


def test_a_canary_of_the_same_name_begins_anew(told: Told) -> None:
    told.recurs(DOWN)
    told.repeats.forget(WEB)
    assert told.recurs(DOWN) == ["PrometheusUnreachable."]
