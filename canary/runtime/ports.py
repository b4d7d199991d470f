"""What the loop needs from outside, in its own words. Adapters meet these structurally; `cli.process` joins the two.

Four ports are enough, because questions and effects are data: a new kind of gate or deed adds a case, not a method.
"""

from datetime import datetime, timedelta
from typing import Protocol

from canary.core.counters import Series
from canary.core.decision import Decision, Effect
from canary.core.questions import CallGate, GateReply
from canary.core.snapshot import Key, Snapshot
from canary.errors import CanaryError


class Cluster(Protocol):
    """The Kubernetes API, as far as Canaries go. Raises the errors of `canary.errors`."""

    async def snapshot(self, key: Key) -> Snapshot | None:
        """Look once at everything about `key`; None when the Canary is gone."""

    async def save_status(self, seen: Snapshot, decision: Decision) -> Snapshot:
        """PUT the status, only if nobody wrote since `seen`. Raises Conflict. Returns `seen` with what is saved now."""

    async def perform(self, seen: Snapshot, effect: Effect) -> None:
        """Do one effect; idempotent."""


class Metrics(Protocol):
    """Prometheus: one instant query at a time."""

    async def query(self, promql: str, at: float | None) -> tuple[Series, ...]:
        """Evaluate at `at` (Unix seconds, its clock; None: now). Raises MetricsUnreachable, also when it warns."""


class Gatekeeper(Protocol):
    """The user's webhooks."""

    async def call(self, gate: CallGate) -> GateReply:
        """Ask one. Raises GateUnreachable."""


class Herald(Protocol):
    """Tells people: log line, own metrics, Events, notices. Never raises, never blocks."""

    def tell(self, seen: Snapshot, decision: Decision, took: timedelta) -> None:
        """Tell what a tick decided and did."""

    def fault(self, key: Key, error: Exception) -> None:
        """Tell that a tick could not be finished."""

    def refused(self, seen: Snapshot, error: CanaryError) -> None:
        """Tell that the API server does not let us write: no waiting heals that."""

    def gone(self, key: Key) -> None:
        """Forget a Canary that no longer exists."""


class Clock(Protocol):
    """Time of day for records, monotonic time for durations."""

    def now(self) -> datetime:
        """Give the time of day, aware, in UTC."""

    def monotonic(self) -> float:
        """Give seconds that never go back."""

    async def sleep(self, time: timedelta) -> None:
        """Let time pass."""
