"""Tells people what a tick decided: one log line, our metrics, an Event and a notice for what is new.

The `Herald` of the loop. Everything here returns at once and never raises: Events and notices are queued by those who
send them.
"""

from collections.abc import Callable
from datetime import timedelta

import structlog

from canary.core.decision import Decision, Notice
from canary.core.judgement import GateView
from canary.core.snapshot import Key, Snapshot
from canary.core.status import Reason
from canary.errors import CanaryError, Forbidden, Unreachable
from canary.runtime.repeats import Repeats
from canary.runtime.telemetry import Telemetry

log = structlog.get_logger()

NEWS = timedelta(minutes=5)  # what is older is no news, and its Event may have been dropped for its age


def _numbers(gate: GateView) -> dict[str, object]:
    tally = gate.tally
    return {
        "verdict": gate.verdict,
        "against": float(f"{gate.against:.4g}"),
        "passing": float(f"{gate.passing:.4g}"),
        "canary": [round(tally.canary_failures), round(tally.canary_requests)],
        "stable": [round(tally.stable_failures), round(tally.stable_requests)],
    }


class PublicHerald:
    """Herald by log, metrics, and the two senders it is given."""

    def __init__(
        self,
        telemetry: Telemetry,
        publish: Callable[[Snapshot, Notice], None],
        notify: Callable[[Snapshot, Decision, Notice], None],
        remind: Callable[[Snapshot, Notice], None],
    ) -> None:
        self._telemetry, self._publish, self._notify, self._remind = telemetry, publish, notify, remind
        self._known: set[Key] = set()
        self._repeats = Repeats()

    def tell(self, seen: Snapshot, decision: Decision, took: timedelta) -> None:
        """Tell of one tick; quiet about an idle Canary that stays as it is."""
        self._telemetry.observe(seen, decision, took)
        self._make_up(seen)
        status, judgement = decision.status, decision.judgement
        told = log.info if status.active or decision.effects or decision.notices else log.debug
        told(
            "tick.decided",
            canary=str(seen.key),
            rollout=status.rollout.id if status.rollout is not None else None,
            phase=status.phase,
            weight=status.weight,
            reason=status.reason,
            message=status.message,
            gates={gate.name: _numbers(gate) for gate in judgement.gates} if judgement is not None else {},
            against=round(judgement.against, 3) if judgement is not None else None,
            alone=round(judgement.alone, 3) if judgement is not None else None,
            effects=[type(effect).__name__ for effect in decision.effects],
            saved=decision.save,
            took_ms=round(took.total_seconds() * 1000, 1),
        )
        for notice in self._repeats.sift(seen, decision):
            self._publish(seen, notice)
            self._notify(seen, decision, notice)

    def _make_up(self, seen: Snapshot) -> None:
        """Tell what the process before us may not have told: it may have crashed after the save of a decision."""
        new = seen.key not in self._known
        self._known.add(seen.key)
        for told in seen.status.told if new else ():
            if abs(seen.at - told.at) < NEWS:
                self._remind(seen, Notice(reason=told.reason, message=told.message, warning=told.warning))

    def fault(self, key: Key, error: Exception) -> None:
        """Tell that a tick failed; a bug comes with its traceback."""
        system = error.system if isinstance(error, Unreachable) else type(error).__name__
        self._telemetry.fault(system)
        if isinstance(error, CanaryError):
            log.warning("tick.failed", canary=str(key), system=system, error=error.hint)
        else:
            log.error("tick.crashed", canary=str(key), exc_info=error)

    def refused(self, seen: Snapshot, error: CanaryError) -> None:
        """Tell where people look, with the API server's words, once: what is missing is theirs to give."""
        reason = Reason.FORBIDDEN if isinstance(error, Forbidden) else Reason.REJECTED
        self._remind(seen, Notice(reason=reason, message=error.hint, warning=True))

    def gone(self, key: Key) -> None:
        """Forget a Canary that was deleted."""
        self._telemetry.gone(key)
        self._repeats.forget(key)
        self._known.discard(key)
