"""The app inside a pod: what becomes of one request, by the release's behaviour. No sockets, no metrics here."""

from collections import deque
from dataclasses import dataclass
from random import Random

from canary.lab.behaviour import Behaviour

WINDOW = 1.0  # seconds over which the pod's own request rate is taken


@dataclass(frozen=True, slots=True)
class Plan:
    """What the app will do: answer `status` after `delay` seconds, or never (None)."""

    delay: float
    status: int | None


class App:
    """One start of one pod's app. Its chances come from a seed, so that a lab can be repeated."""

    def __init__(self, behaviour: Behaviour, rng: Random, started: float) -> None:
        self._behaviour = behaviour
        self._rng = rng
        self._started = started
        self._recent: deque[float] = deque()

    def ready(self, now: float) -> bool:
        """Answer the readiness probe."""
        span = self._behaviour.ready
        return span.after <= now - self._started < span.until

    def plan(self, method: str, path: str, now: float) -> Plan:
        """Decide about one request."""
        overloaded = self._overloaded(now)
        latency = self._behaviour.latencies.find(method, path)
        delay = latency.typical * (1 + latency.spread * self._rng.uniform(-1, 1)) if latency else 0.0
        if self._rng.random() < (self._behaviour.hangs.find(method, path) or 0.0):
            return Plan(delay, None)
        failure = self._behaviour.failures.find(method, path)
        if failure is not None and self._rng.random() < failure.share:
            return Plan(delay, failure.status)
        return Plan(delay, 503 if overloaded else 200)

    def _overloaded(self, now: float) -> bool:
        overload = self._behaviour.overload
        if overload is None:
            return False
        self._recent.append(now)
        while self._recent[0] <= now - WINDOW:
            self._recent.popleft()
        return len(self._recent) > overload.limit * WINDOW and self._rng.random() < overload.share
