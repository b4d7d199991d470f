"""Our own metrics as a scraper reads them, and the log as a reader of JSON lines does."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
import structlog
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from canary.core.decision import Decision
from canary.core.judgement import Judgement, Verdict
from canary.core.snapshot import Key
from canary.core.status import CanaryStatus, Outcome, Past, Phase, Reason
from canary.runtime.telemetry import Telemetry, configure_log
from tests.runtime.virtual import NOON
from tests.runtime.world import WEB, a_snapshot, idle, progressing

TOOK = timedelta(seconds=0.25)
SHOP = Key("town", "shop")
JUDGEMENT = Judgement(
    against=3.5,
    alone=0.5,
    calm=True,
    passed=False,
    fault=None,
    message="",
    verdicts={"successRate": Verdict.PASS, "GET /: latency": Verdict.FAIL, "latency": Verdict.HOLD},
)


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


def shown(telemetry: Telemetry) -> dict[tuple[str, ...], float]:
    """Read the page: (name, label values in the order of their names…) -> value."""
    text = generate_latest(telemetry.registry).decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(s.name, *(s.labels[name] for name in sorted(s.labels))): s.value for s in samples}


def observe(telemetry: Telemetry, status: CanaryStatus, key: Key = WEB, before: CanaryStatus | None = None) -> None:
    seen = a_snapshot(key=key, status=before or status)
    telemetry.observe(seen, Decision(status=status, counters=None, save=False, judgement=JUDGEMENT), TOOK)


def a_past(number: int, outcome: Outcome = Outcome.PROMOTED) -> Past:
    return Past(
        id=f"web-x-{number}",
        revision="x",
        outcome=outcome,
        reason=Reason.LATENCY if outcome is Outcome.ROLLED_BACK else Reason.PROMOTED,
        message="",
        started_at=NOON,
        seconds=60.0,
        peak=1000,
        requests=1.0,
        failures=0.0,
    )


def test_weight_phase_verdicts_and_evidence_of_a_rollout(telemetry: Telemetry) -> None:
    observe(telemetry, progressing(200))
    page = shown(telemetry)
    assert page["canary_weight", "web", "town"] == 200
    phases = {key[-1]: value for key, value in page.items() if key[0] == "canary_phase"}
    assert phases == {phase.value: float(phase is Phase.PROGRESSING) for phase in Phase}
    verdicts = {key[2]: value for key, value in page.items() if key[0] == "canary_gate_verdict"}
    assert verdicts == {"successRate": 1, "GET /: latency": -1, "latency": 0}
    assert page["canary_evidence_against", "web", "control", "town"] == 3.5
    assert page["canary_evidence_against", "web", "alone", "town"] == 0.5


def test_an_idle_canary_has_a_weight_and_no_evidence(telemetry: Telemetry) -> None:
    telemetry.observe(a_snapshot(status=idle()), Decision(status=idle(), counters=None, save=False), TOOK)
    page = shown(telemetry)
    assert page["canary_weight", "web", "town"] == 0
    assert not [key for key in page if key[0] in ("canary_evidence_against", "canary_gate_verdict")]


def test_durations_of_ticks_and_queries_and_requests_by_verb(telemetry: Telemetry) -> None:
    observe(telemetry, idle())
    telemetry.queried(0.5)
    for verb in ("GET", "GET", "PUT"):
        telemetry.requested(verb)
    page = shown(telemetry)
    assert (page["canary_api_requests_total", "GET"], page["canary_api_requests_total", "PUT"]) == (2, 1)
    assert (page["canary_tick_seconds_count",], page["canary_tick_seconds_sum",]) == (1, 0.25)
    assert (page["canary_query_seconds_count",], page["canary_query_seconds_sum",]) == (1, 0.5)


def test_a_rollout_that_ends_is_counted_once_by_outcome_and_reason(telemetry: Telemetry) -> None:
    before = replace(progressing(), history=(a_past(1),))
    after = replace(idle(), history=(a_past(1), a_past(2, Outcome.ROLLED_BACK)))
    observe(telemetry, after, before=before)
    observe(telemetry, after)
    counted = {key[1:]: value for key, value in shown(telemetry).items() if key[0] == "canary_rollouts_total"}
    assert counted == {("web", "town", "RolledBack", "Latency"): 1}


def test_errors_by_system_and_what_nobody_was_told(telemetry: Telemetry) -> None:
    for system in ("kubernetes", "kubernetes", "prometheus"):
        telemetry.fault(system)
    telemetry.dropped("event")
    page = shown(telemetry)
    assert page["canary_errors_total", "kubernetes"] == 2
    assert page["canary_errors_total", "prometheus"] == 1
    assert page["canary_dropped_total", "event"] == 1


@pytest.mark.parametrize("leads", [True, False])
def test_whether_it_leads(telemetry: Telemetry, leads: bool) -> None:
    telemetry.leading(leads=leads)
    assert shown(telemetry)["canary_leading",] == leads


def test_of_a_canary_that_is_gone_nothing_stays_but_what_happened(telemetry: Telemetry) -> None:
    ended = replace(idle(), history=(a_past(1),))
    observe(telemetry, ended, before=progressing())
    observe(telemetry, progressing(300), key=SHOP)
    telemetry.gone(WEB)
    telemetry.gone(WEB)
    page = shown(telemetry)
    assert {key[0] for key in page if "web" in key} <= {"canary_rollouts_total", "canary_rollouts_created"}
    assert page["canary_weight", "shop", "town"] == 300


async def test_how_the_loop_is_when_someone_looks(telemetry: Telemetry) -> None:
    telemetry.watch(lambda: 2.5)
    alone = shown(telemetry)["canary_tasks",]
    others = [asyncio.create_task(asyncio.sleep(60)) for _ in range(3)]
    assert shown(telemetry)["canary_tasks",] == alone + 3
    for other in others:
        other.cancel()
    await asyncio.wait(others)
    assert shown(telemetry)["canary_tasks",] == alone
    assert shown(telemetry)["canary_queue_overdue_seconds",] == 2.5


def test_what_the_process_takes(telemetry: Telemetry) -> None:
    page = shown(telemetry)
    assert page["process_resident_memory_bytes",] > 2**20
    assert page["process_open_fds",] > 2


def test_what_is_kept_shows_in_the_blocks_in_use(telemetry: Telemetry) -> None:
    before = shown(telemetry)["canary_allocated_blocks",]
    kept = [object() for _ in range(100_000)]
    assert shown(telemetry)["canary_allocated_blocks",] > before + 90_000
    del kept
    assert shown(telemetry)["canary_allocated_blocks",] < before + 50_000


@pytest.fixture
def log_as_it_was() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


class TestLog:
    @pytest.mark.parametrize("style", ["json", "auto"])
    def test_off_a_terminal_each_line_is_json_on_stderr(
        self, style: str, log_as_it_was: None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        configure_log(style, "info")
        structlog.get_logger().info("tick.decided", weight=100)
        out, err = capsys.readouterr()
        line = json.loads(err)
        assert (out, line["event"], line["weight"], line["level"]) == ("", "tick.decided", 100, "info")
        assert line["timestamp"].endswith("Z")

    def test_a_console_gets_words(self, log_as_it_was: None, capsys: pytest.CaptureFixture[str]) -> None:
        configure_log("console", "info")
        structlog.get_logger().info("tick.decided", weight=100)
        assert "weight=100" in capsys.readouterr().err

    @pytest.mark.parametrize(("level", "lines"), [("debug", 3), ("info", 2), ("warning", 1), ("error", 0)])
    def test_what_is_below_the_level_is_left_out(
        self, level: str, lines: int, log_as_it_was: None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        configure_log("json", level)
        log = structlog.get_logger()
        log.debug("a")
        log.info("b")
        log.warning("c")
        assert len(capsys.readouterr().err.splitlines()) == lines

    def test_an_error_brings_its_traceback(self, log_as_it_was: None, capsys: pytest.CaptureFixture[str]) -> None:
        configure_log("json", "info")
        try:
            raise ZeroDivisionError("a bug")
        except ZeroDivisionError as error:
            structlog.get_logger().error("tick.crashed", exc_info=error)
        assert "ZeroDivisionError: a bug" in json.loads(capsys.readouterr().err)["exception"]
