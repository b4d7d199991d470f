"""Log configuration and our own metrics. Called by `cli.run` once, and by `herald` in every tick.

Events of the log are dotted and in the past tense, from a closed list, with the numbers as fields.
"""

import asyncio
import logging
import sys
from collections.abc import Callable
from datetime import timedelta

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from canary.core.decision import Decision
from canary.core.snapshot import Key, Snapshot
from canary.core.status import Phase


def configure_log(style: str, level: str) -> None:
    """Write JSON lines, or lines for a terminal, to stderr: stdout is for data."""
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if style == "console" or (style == "auto" and sys.stderr.isatty()):
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper(), logging.INFO)),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )


class Telemetry:
    """Our own metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        one = ("namespace", "canary")
        self._weight = Gauge("canary_weight", "The canary's intended weight, of 1000", one, registry=self.registry)
        self._phase = Gauge("canary_phase", "1 for the phase a Canary is in", (*one, "phase"), registry=self.registry)
        self._verdict = Gauge("canary_gate_verdict", "-1 Fail, 0 Hold, 1 Pass", (*one, "gate"), registry=self.registry)
        self._against = Gauge(
            "canary_evidence_against",
            "Odds against the release, merged over all gates",
            (*one, "ledger"),
            registry=self.registry,
        )
        self._outcomes = Counter(
            "canary_rollouts", "Rollouts that ended", (*one, "outcome", "reason"), registry=self.registry
        )
        self._ticks = Histogram("canary_tick_seconds", "One tick, from look to last effect", registry=self.registry)
        self._queries = Histogram("canary_query_seconds", "One query of Prometheus", registry=self.registry)
        self._requests = Counter("canary_api_requests", "Requests to the API server", ("verb",), registry=self.registry)
        self._errors = Counter("canary_errors", "Ticks that could not be finished", ("system",), registry=self.registry)
        self._dropped = Counter("canary_dropped", "Events and notices nobody got", ("kind",), registry=self.registry)
        self._leading = Gauge("canary_leading", "1 while this process leads", registry=self.registry)
        self._tasks = Gauge("canary_tasks", "Tasks of the event loop", registry=self.registry)
        self._overdue = Gauge(
            "canary_queue_overdue_seconds", "How long the Canary that waits longest is due", registry=self.registry
        )
        blocks = Gauge("canary_allocated_blocks", "Python's own memory in use, in objects", registry=self.registry)
        blocks.set_function(sys.getallocatedblocks)  # what leaks shows here; the process' memory has gaps, too
        ProcessCollector(registry=self.registry)  # memory, processor, files

    def watch(self, overdue: Callable[[], float]) -> None:
        """Show how the loop is whenever someone scrapes; called from the loop."""
        loop = asyncio.get_running_loop()
        self._tasks.set_function(lambda: len(asyncio.all_tasks(loop)))
        self._overdue.set_function(overdue)

    def observe(self, seen: Snapshot, decision: Decision, took: timedelta) -> None:
        """Take in one tick."""
        names = tuple(seen.key)
        self._ticks.observe(took.total_seconds())
        self._weight.labels(*names).set(decision.status.weight)
        for phase in Phase:
            self._phase.labels(*names, phase).set(phase is decision.status.phase)
        judgement = decision.judgement
        if judgement is not None:
            self._against.labels(*names, "control").set(judgement.against)
            self._against.labels(*names, "alone").set(judgement.alone)
            for gate, verdict in judgement.verdicts.items():
                self._verdict.labels(*names, gate).set({"Fail": -1, "Hold": 0, "Pass": 1}[verdict])
        before = {past.id for past in seen.status.history}
        for past in decision.status.history:
            if past.id not in before:
                self._outcomes.labels(*names, past.outcome, past.reason).inc()

    def fault(self, system: str) -> None:
        """Count a tick that failed."""
        self._errors.labels(system).inc()

    def dropped(self, kind: str) -> None:
        """Count something that people will not be told."""
        self._dropped.labels(kind).inc()

    def requested(self, verb: str) -> None:
        """Count one request to the API server."""
        self._requests.labels(verb).inc()

    def queried(self, seconds: float) -> None:
        """Take in the duration of one query."""
        self._queries.observe(seconds)

    def leading(self, *, leads: bool) -> None:
        """Note whether this process leads."""
        self._leading.set(leads)

    def gone(self, key: Key) -> None:
        """Drop the series of a Canary that no longer exists."""
        for metric in (self._weight, self._phase, self._verdict, self._against):
            metric.remove_by_labels({"namespace": key.namespace, "canary": key.name})
