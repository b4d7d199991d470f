"""A status is written, and read back as it was; what cannot be read is left out rather than trusted."""

from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest

from canary.core.demand import Demand
from canary.core.exposure import Traffic
from canary.core.gates import gates
from canary.core.history import armed_gates
from canary.core.judgement import judge
from canary.core.record import parse_status, render_status
from canary.core.status import CanaryStatus, Condition, Outcome, Phase, Reason, Told
from tests.build import CALM, GOOD, JUDGED, NOW, a_book, a_past, a_rollout, a_spec, a_status

CONDITION = Condition(
    type="Ready", status=True, reason=Reason.READY, message="Wired and valid.", since=NOW, generation=3
)
TOLD = Told(at=NOW, reason=Reason.PROMOTING, message="Revision c2 is good.", warning=False)


@pytest.mark.parametrize(
    "status",
    [
        pytest.param(CanaryStatus(), id="never seen"),
        pytest.param(replace(a_status(Phase.IDLE, 0), conditions=(CONDITION,), retried="web-c0-1"), id="idle"),
        pytest.param(a_status(Phase.PROGRESSING, 300, lost=True, dwelt=timedelta(seconds=7.5)), id="progressing"),
        pytest.param(a_status(Phase.BAKING, 1000, baked=timedelta(minutes=2), overdue=True), id="baking"),
        pytest.param(a_status(Phase.PROMOTING, 1000), id="promoting"),
        pytest.param(replace(a_status(Phase.PROMOTING, 1000), told=(TOLD, TOLD)), id="told"),
        pytest.param(replace(a_status(Phase.PROMOTING, 1000), rollout=a_rollout(held_since=NOW)), id="held"),
        pytest.param(replace(a_status(Phase.IDLE, 0), rollout=a_rollout()), id="idle after a rollout"),
        pytest.param(
            a_status(Phase.ROLLING_BACK, 0, fault=Reason.LATENCY, fault_message="slow", outcome=Outcome.ROLLED_BACK),
            id="rolling back",
        ),
    ],
)
def test_what_is_written_is_read_back(status: CanaryStatus) -> None:
    again = parse_status(render_status(status))
    assert render_status(again) == render_status(status)
    assert (again.phase, again.weight, again.rollout, again.history) == (
        status.phase,
        status.weight,
        status.rollout,
        status.history,
    )
    assert again.told == status.told
    assert again.book.evidence == (status.book.evidence if status.active else {})


def test_what_sizes_a_ramp_is_read_back_but_for_what_no_count_can_be() -> None:
    traffic = {"": Traffic(requests=10.5, seconds=9.5, known=20.0), "GET /": Traffic()}
    status = replace(a_status(Phase.PROGRESSING, 40), book=a_book(*CALM, traffic=traffic))
    written = render_status(status)
    back = parse_status(written).book
    assert (back.traffic, back.effective) == (traffic, status.book.effective)
    evidence = cast("dict[str, dict[str, str]]", written["evidence"])
    evidence["traffic"]["service"] = "1 -1 1"
    evidence["traffic"]["GET /"] = "1 1"
    evidence["effective"] = {"service: success rate": "1 2", "x": "nan nan"}
    spoilt = parse_status(written).book
    assert (spoilt.traffic, spoilt.effective) == ({}, {})


def test_people_see_each_gate_with_its_numbers() -> None:
    spec = a_spec()
    book = a_book(*GOOD)
    shown = render_status(
        replace(a_status(Phase.PROGRESSING, 500), book=book), judge(book, gates(spec, ()), spec), gates(spec, ())
    )
    found = shown["gates"]
    assert isinstance(found, list)
    (gate,) = found
    assert (gate["name"], gate["verdict"], gate["share"]) == ("service: success rate", "Pass", 1.0)
    assert (gate["canary"], gate["stable"]) == ("0 of 4000", "32 of 36000")


def test_people_see_where_evidence_counts_as_less() -> None:
    spec, learned = a_spec(), {JUDGED: Demand(rps=500.0, failure=0.001, icc=0.05)}
    status = a_status(Phase.PROGRESSING, 500, learned=learned)
    status = replace(status, book=a_book(*GOOD, traffic={"": Traffic(requests=5000, seconds=10, known=60)}))
    judged = armed_gates(spec, status)
    shown = render_status(status, judge(status.book, judged, spec), judged)
    rollout, found = shown["rollout"], shown["gates"]
    assert isinstance(rollout, dict)
    assert isinstance(found, list)
    assert rollout["learned"] == {JUDGED: {"requestsPerSecond": 500.0, "failure": 0.001, "seconds": 0.0, "icc": 0.05}}
    assert found[0]["counting"] == "it fails in bursts: evidence counted at 1/26"


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(None, id="nothing"),
        pytest.param("Promoted", id="a text"),
        pytest.param({"phase": "Progressing"}, id="a phase without a rollout"),
        pytest.param({"phase": 7, "weight": "900", "rollouts": True, "history": {}, "conditions": 1}, id="other types"),
        pytest.param({"history": [{"id": "x"}, None], "conditions": [{"type": "Ready"}]}, id="halves"),
        pytest.param({"phase": "Baking", "rollout": {"id": "a", "revision": "b", "startedAt": "now"}}, id="no time"),
    ],
)
def test_what_cannot_be_read_is_idle(record: object) -> None:
    status = parse_status(record)
    assert (status.phase, status.rollout, status.history, status.conditions) == (Phase.IDLE, None, (), ())


@pytest.mark.parametrize("text", ["", "1 2 3", "x", "nan " * 48, "-1 " * 48, "inf 0 0 0"])
def test_evidence_that_no_fold_can_have_left_is_none(text: str) -> None:
    written = render_status(replace(a_status(Phase.PROGRESSING, 100), book=a_book(*CALM)))
    evidence = written["evidence"]
    assert isinstance(evidence, dict)
    for part in ("gates", "open", "counted"):
        evidence[part] = {"service: success rate": text}
    book = parse_status(written).book
    assert (book.evidence, book.open, book.tallies) == ({}, {}, {})


def test_a_past_that_nobody_can_place_is_left_out() -> None:
    written = render_status(replace(a_status(Phase.IDLE, 0), history=(a_past(), a_past("c3", Outcome.SUPERSEDED))))
    history = written["history"]
    assert isinstance(history, list)
    history[0]["outcome"] = "Exploded"
    assert [past.revision for past in parse_status(written).history] == ["c3"]


def test_a_word_that_nobody_can_date_is_left_out() -> None:
    written = dict(render_status(replace(a_status(Phase.PROMOTING, 1000), told=(TOLD,))))
    (word,) = cast("list[dict[str, object]]", written["told"])
    assert parse_status({**written, "told": [{**word, "at": "soon"}, word]}).told == (TOLD,)
