"""The user's own queries: asked once an interval, filled in, held or failed by what they say, never by an outage."""

from dataclasses import replace
from datetime import timedelta

import pytest

from canary.core import queries
from canary.core.decide import questions
from canary.core.questions import Numbers, RunQuery, Unanswered
from canary.core.record import parse_status, render_status
from canary.core.snapshot import Snapshot
from canary.core.status import CanaryStatus, Phase, Reason
from tests.build import TICK, Story, a_hook, a_raw_spec, a_snapshot, a_status, tick, with_query

OUT, IN = Numbers(numbers=(7.0,)), Numbers(numbers=(3.0,))
NONE, MANY, NAN = Numbers(numbers=()), Numbers(numbers=(7.0, 8.0)), Numbers(numbers=(float("nan"),))
GONE = Unanswered(detail="connection refused")


def look(phase: Phase = Phase.PROGRESSING, weight: int = 100, **query: object) -> Snapshot:
    gates = with_query(**query)
    status = a_status(phase, weight)
    if status.rollout is not None:
        status = replace(status, rollout=replace(status.rollout, spec=a_raw_spec(gates=gates)))
    return a_snapshot(status, spec={"gates": gates})


def asked(seen: Snapshot) -> list[RunQuery]:
    return [question for question in questions(seen) if isinstance(question, RunQuery)]


def test_the_text_is_filled_in() -> None:
    text = "x{ns='{{namespace}}',s='{{ service }}',a='{{stableService}}',b='{{canaryService}}',c='{{stableDeployment}}'"
    text += ",d='{{canaryDeployment}}',e='{{stableRevision}}',f='{{canaryRevision}}'}[{{interval}}]"
    (question,) = asked(look(query=text))
    assert question.promql == (
        "x{ns='shop',s='web',a='web-stable',b='web-canary',c='web-stable',d='web-canary',e='s1',f='c2'}[10s]"
    )


@pytest.mark.parametrize(
    ("seen", "times"),
    [
        pytest.param(look(Phase.IDLE, 0), 0, id="idle"),
        pytest.param(look(Phase.PROGRESSING, 0), 1, id="before the first weight"),
        pytest.param(look(Phase.BAKING, 1000), 1, id="baking"),
        pytest.param(look(Phase.PROMOTING, 1000), 1, id="promoting"),
        pytest.param(look(Phase.ROLLING_BACK, 0), 0, id="rolling back"),
        pytest.param(replace(look(), elapsed=timedelta(seconds=1)), 0, id="between readings"),
    ],
)
def test_it_is_asked_once_an_interval_while_a_rollout_runs(seen: Snapshot, times: int) -> None:
    assert len(asked(seen)) == times


def test_without_a_rollout_there_is_nothing_to_fill_in() -> None:
    assert list(queries.asked(look(Phase.IDLE, 0))) == []


def told(seen: Snapshot, *answers: Numbers | Unanswered) -> CanaryStatus:
    """Run a tick for each answer, all else being well."""
    story = Story(seen=seen)
    for answer in answers:
        story.go(numbers={"depth": answer})
    return story.seen.status


@pytest.mark.parametrize(
    ("answers", "reason", "words"),
    [
        pytest.param([OUT], Reason.QUERY_OUTSIDE, "Held at 100m: query 'depth' is 7, at most 5", id="out of range"),
        pytest.param([NONE], Reason.QUERY_UNANSWERED, "query 'depth' has no number: it found no data", id="no data"),
        pytest.param([NAN] * 9, Reason.QUERY_UNANSWERED, "its answer is nan", id="NaN, however often"),
        pytest.param([MANY] * 9, Reason.QUERY_UNANSWERED, "2 numbers and not one", id="two numbers, however often"),
        pytest.param([GONE] * 9, Reason.QUERY_UNANSWERED, "connection refused", id="an outage, however long"),
        pytest.param([OUT, OUT, GONE, OUT, OUT], Reason.QUERY_OUTSIDE, "outside for 10 s", id="an outage in between"),
    ],
)
@pytest.mark.parametrize(("phase", "weight"), [(Phase.PROGRESSING, 100), (Phase.BAKING, 1000)])
def test_it_holds(phase: Phase, weight: int, answers: list[Numbers | Unanswered], reason: Reason, words: str) -> None:
    status = told(look(phase, weight), *answers)
    assert (status.phase, status.weight, status.reason) == (phase, weight, reason)
    assert words.replace("100m", f"{weight}m") in status.message


def test_it_goes_on_once_the_number_is_in_range_again() -> None:
    assert told(look(), OUT, OUT, IN).reason is Reason.WEIGHT_INCREASED


@pytest.mark.parametrize(("phase", "weight"), [(Phase.PROGRESSING, 100), (Phase.BAKING, 1000), (Phase.PROMOTING, 1000)])
def test_out_of_range_for_long_enough_is_rolled_back(phase: Phase, weight: int) -> None:
    status = told(look(phase, weight), *[OUT] * 4)
    assert (status.phase, status.reason) == (Phase.ROLLING_BACK, Reason.QUERY)
    assert "query 'depth' is 7, at most 5 is promised; outside for 30 s, 30s roll back" in status.message


def test_before_the_first_weight_it_only_holds() -> None:
    status = told(look(Phase.PROGRESSING, 0), *[OUT] * 9)
    assert (status.phase, status.weight, status.reason) == (Phase.PROGRESSING, 0, Reason.QUERY_OUTSIDE)


def test_how_long_it_is_outside_survives_a_restart() -> None:
    story = Story(seen=look())
    for _ in range(3):
        story.go(numbers={"depth": OUT})
    again = parse_status(render_status(story.seen.status))
    assert again.book.queries["depth"].outside == 20
    seen = replace(story.seen, status=again, saved=again, counters=None, elapsed=TICK)
    assert tick(seen, numbers={"depth": OUT}).status.reason is Reason.QUERY


def test_a_query_that_was_edited_begins_anew() -> None:
    story = Story(seen=look())
    for _ in range(3):
        story.go(numbers={"depth": OUT})
    edited = a_snapshot(story.seen.status, spec={"gates": with_query(max=6)})
    decided = tick(edited, numbers={"depth": OUT})
    assert decided.status.reason is Reason.QUERY_OUTSIDE
    assert decided.status.book.queries["depth"].outside == 0


def between_readings(story: Story, **edit: object) -> Snapshot:
    """Look a second after a reading, at a query that was edited meanwhile."""
    seen, gates = story.seen, with_query(**edit)
    return a_snapshot(seen.status, spec={"gates": gates}, elapsed=timedelta(seconds=1), counters=seen.counters)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        pytest.param({"max": 8}, Reason.GATHERING, id="a range that the last answer is in"),
        pytest.param({"max": 6}, Reason.QUERY_OUTSIDE, id="a range that it is not in"),
        pytest.param({"for": "10s"}, Reason.QUERY, id="how long it may be outside"),
    ],
)
def test_an_answer_to_the_same_question_is_held_against_what_is_promised_now(
    edit: dict[str, object], reason: Reason
) -> None:
    story = Story(seen=look())
    for _ in range(2):
        story.go(numbers={"depth": OUT})
    decided = tick(between_readings(story, **edit))
    assert decided.status.reason is reason


@pytest.mark.parametrize(
    ("phase", "weight", "reason"), [(Phase.PROGRESSING, 100, Reason.GATHERING), (Phase.BAKING, 1000, Reason.BAKING)]
)
def test_another_question_between_two_readings_is_waited_for_without_an_alarm(
    phase: Phase, weight: int, reason: Reason
) -> None:
    story = Story(seen=look(phase, weight))
    story.go(numbers={"depth": IN})
    decided = tick(between_readings(story, query="sum(other)"))
    assert (decided.status.weight, decided.status.reason) == (story.seen.status.weight, reason)
    assert "it was not asked yet" in decided.status.message
    assert [notice.reason for notice in decided.notices] == [Reason.SPEC_CHANGED]


def test_a_spec_of_another_version_leaves_no_query_known() -> None:
    story = Story(seen=look())
    story.go(numbers={"depth": OUT})
    assert story.seen.status.rollout is not None
    strange = replace(story.seen.status, rollout=replace(story.seen.status.rollout, spec={"later": True}))
    decided = tick(a_snapshot(strange, spec={"gates": with_query()}), numbers={"depth": OUT})
    assert decided.status.book.queries["depth"].outside == 0


def test_nobody_is_asked_to_confirm_a_step_while_a_query_holds() -> None:
    gates = {**with_query(), "webhooks": [a_hook("boss", "confirm-step")]}
    seen = a_snapshot(a_status(Phase.PROGRESSING, 100), spec={"gates": gates})
    names = {type(question).__name__ for question in questions(seen)}
    assert "RunQuery" in names
    assert "CallGate" not in names


def test_it_stands_in_the_status_for_people() -> None:
    decided = tick(look(), numbers={"depth": OUT})
    written = render_status(decided.status, decided.judgement)
    assert written["queries"] == [
        {
            "name": "depth",
            "verdict": "Hold",
            "value": 7.0,
            "promise": "at most 5",
            "message": "query 'depth' is 7, at most 5 is promised; outside for 0 s, 30s roll back",
        }
    ]
    gone = tick(look(), numbers={"depth": GONE})
    assert "'value'" not in str(render_status(gone.status, gone.judgement)["queries"])
