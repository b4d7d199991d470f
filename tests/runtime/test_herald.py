"""What a tick makes people hear: one line, and an Event and a notice for each that is new."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
import structlog
from prometheus_client import generate_latest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from canary.core.book import Tally
from canary.core.decision import Decision, Notice, SetWeights
from canary.core.gates import gates
from canary.core.judgement import GateView, Judgement, Verdict
from canary.core.snapshot import Snapshot
from canary.core.status import CanaryStatus, Reason, Told
from canary.errors import CanaryError, ClusterUnreachable, Forbidden, Rejected
from canary.runtime.herald import PublicHerald
from canary.runtime.telemetry import Telemetry
from tests.build import a_spec
from tests.runtime.virtual import NOON
from tests.runtime.world import WEB, a_snapshot, idle, progressing

TOOK = timedelta(milliseconds=12.34)
TALLY = Tally(canary_requests=1000.4, canary_failures=12.0, stable_requests=9000.0, stable_failures=3.0)
GATE = GateView(
    gate=replace(gates(a_spec(), ())[0], name="POST /api/task: successRate"),
    verdict=Verdict.HOLD,
    against=12.3456789,
    passing=0.000012345678,
    tally=TALLY,
)
JUDGEMENT = Judgement(against=6.0, alone=0.0, calm=False, passed=False, fault=None, message="", gates=(GATE,))
WEIGHTS = SetWeights(name="web", service="web", weights={"web-stable": 900, "web-canary": 100}, resource_version="5")


@dataclass
class Square:
    """Where people are told: what was published, and who was notified."""

    telemetry: Telemetry = field(default_factory=Telemetry)
    published: list[Notice] = field(default_factory=list)
    notified: list[Notice] = field(default_factory=list)
    reminded: list[Notice] = field(default_factory=list)
    lines: list[EventDict] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.herald = PublicHerald(
            self.telemetry,
            lambda _, notice: self.published.append(notice),
            lambda _, __, notice: self.notified.append(notice),
            lambda _, notice: self.reminded.append(notice),
        )

    def tell(self, status: CanaryStatus, **fields: object) -> EventDict:
        """Tell of one tick; returns its only line."""
        decision = Decision(status=status, counters=None, save=True)
        self.herald.tell(self.seen(status), dataclasses.replace(decision, **fields), TOOK)  # type: ignore[arg-type]
        (line,) = self.lines
        return line

    def metrics(self) -> str:
        return generate_latest(self.telemetry.registry).decode()

    @staticmethod
    def seen(status: CanaryStatus) -> Snapshot:
        return a_snapshot(status=status)


@pytest.fixture
def square() -> Iterator[Square]:
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.BoundLogger, cache_logger_on_first_use=False)
    square = Square()
    with capture_logs() as lines:
        square.lines = lines
        yield square
    structlog.configure(**before)


def test_one_line_says_which_rollout_where_it_is_why_and_by_which_numbers(square: Square) -> None:
    line = square.tell(progressing(), judgement=JUDGEMENT, effects=(WEIGHTS,))
    assert (line["event"], line["log_level"]) == ("tick.decided", "info")
    assert (line["canary"], line["rollout"], line["phase"]) == ("town/web", "web-new-1", "Progressing")
    assert (line["weight"], line["reason"], line["message"]) == (100, "Gathering", "At 100m.")
    assert line["gates"] == {
        "POST /api/task: successRate": {
            "verdict": "Hold",
            "against": 12.35,
            "passing": 1.235e-05,
            "canary": [12, 1000],
            "stable": [3, 9000],
        }
    }
    assert (line["effects"], line["saved"], line["took_ms"]) == (["SetWeights"], True, 12.3)


@pytest.mark.parametrize(
    ("status", "fields", "level"),
    [
        pytest.param(progressing(), {}, "info", id="a rollout"),
        pytest.param(idle(), {"effects": (WEIGHTS,)}, "info", id="idle, and does something"),
        pytest.param(idle(), {"notices": (Notice(reason=Reason.ADOPTED, message="."),)}, "info", id="idle, with news"),
        pytest.param(idle(), {}, "debug", id="idle, and stays as it is"),
    ],
)
def test_only_a_canary_that_stays_idle_is_quiet(
    square: Square, status: CanaryStatus, fields: dict[str, object], level: str
) -> None:
    assert square.tell(status, **fields)["log_level"] == level


def test_each_notice_becomes_an_event_and_goes_to_the_webhooks(square: Square) -> None:
    notices = tuple(Notice(reason=reason, message=".") for reason in (Reason.WEIGHT_INCREASED, Reason.SPLIT_RESTORED))
    square.tell(progressing(), notices=notices)
    assert (square.published, square.notified) == ([*notices], [*notices])


@pytest.mark.parametrize(
    ("age", "told"),
    [
        pytest.param(timedelta(seconds=20), True, id="a moment ago"),
        pytest.param(timedelta(minutes=6), False, id="long ago"),
    ],
)
def test_what_the_process_before_may_not_have_told_is_made_up_once(
    square: Square, age: timedelta, *, told: bool
) -> None:
    last = Told(at=NOON - age, reason=Reason.WEIGHT_INCREASED, message="0m -> 100m", warning=False)
    status = dataclasses.replace(progressing(), told=(last,))
    for _ in range(2):
        square.tell(status)
        square.lines.clear()
    notice = Notice(reason=last.reason, message=last.message)
    assert square.reminded == ([notice] if told else [])
    assert square.published == []


def test_a_tick_is_measured(square: Square) -> None:
    square.tell(progressing())
    assert 'canary_weight{canary="web",namespace="town"} 100.0' in square.metrics()


@pytest.mark.parametrize(
    ("error", "level", "system"),
    [
        pytest.param(ClusterUnreachable("GET /x: 503"), "warning", "kubernetes", id="outage"),
        pytest.param(Forbidden("GET /x: 403"), "warning", "Forbidden", id="rights"),
        pytest.param(ZeroDivisionError("a bug"), "error", "ZeroDivisionError", id="bug"),
    ],
)
def test_a_failed_tick_is_a_line_and_a_count(square: Square, error: Exception, level: str, system: str) -> None:
    square.herald.fault(WEB, error)
    (line,) = square.lines
    assert (line["canary"], line["log_level"]) == ("town/web", level)
    assert f'canary_errors_total{{system="{system}"}} 1.0' in square.metrics()
    assert (line["exc_info"] is error) if level == "error" else (line["error"] == str(error))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(Forbidden("PATCH /x: 403 no"), Reason.FORBIDDEN, id="rights"),
        pytest.param(Rejected("PATCH /x: 422 no"), Reason.REJECTED, id="a write that is none"),
    ],
)
def test_a_write_that_we_may_not_do_becomes_an_event(square: Square, error: CanaryError, reason: Reason) -> None:
    square.herald.refused(square.seen(idle()), error)
    assert square.reminded == [Notice(reason=reason, message=error.hint, warning=True)]


def test_a_deleted_canary_leaves_no_series(square: Square) -> None:
    square.tell(progressing())
    square.herald.gone(WEB)
    assert 'canary="web"' not in square.metrics()
