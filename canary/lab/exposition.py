"""The text a proxy serves at :4191/metrics, as linkerd2-proxy writes it (label order, bounds, HELP lines).

A `Scope` is all that the proxy knows about one target (an endpoint, a route): it is created, kept and dropped as
one. A scope nobody holds that was idle for longer than the proxy's retention vanishes on the next scrape and later
starts again at 0, as on the real proxy. Used by both sides of the lab's proxies; knows nothing of requests, pods or
the API.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field

from canary.core.gates import PROXY_BOUNDS

Labels = Iterable[tuple[str, str]]

BOUNDS = tuple(map(int, PROXY_BOUNDS))  # milliseconds
_LE = (*(str(bound) for bound in BOUNDS), "+Inf")
_LATENCY_HELP = "Elapsed times between a request's headers being received and its response stream completing"


def label_text(labels: Labels) -> str:
    """Render labels in the order given."""
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


class Histogram:
    """Counts of whole milliseconds, rounded down, as the proxy records them."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * len(_LE)
        self.sum = 0

    def add(self, seconds: float, times: int = 1) -> None:
        """Record a latency."""
        milliseconds = int(seconds * 1000)
        self.counts[bisect_left(BOUNDS, milliseconds)] += times
        self.sum += milliseconds * times


@dataclass(frozen=True, slots=True)
class Ending:
    """How a response ended. `status` is None where no HTTP response came; then there is no latency sample either."""

    status: int | None
    failed: bool
    error: str = ""

    def labels(self) -> str:
        """Render what `response_total` says about it."""
        word = "failure" if self.failed else "success"
        status = "" if self.status is None else f'status_code="{self.status}",'
        return f'{status}classification="{word}",grpc_status="",error="{self.error}"'


BROKEN = Ending(None, failed=True, error="unclassified")  # a connection that broke, an error of the proxy itself


@dataclass(slots=True)
class Scope:
    """The counters of one target. While the proxy has a use for it (`held`) it stays, however idle."""

    labels: str
    touched: float
    held: bool = False
    requests: int = 0
    responses: dict[Ending, int] = field(default_factory=dict)
    latencies: dict[int, Histogram] = field(default_factory=dict)
    retryable: int | None = None  # only routes of the outbound side know retries
    skipped: int = 0

    def request(self, now: float) -> None:
        """Count a request as it is passed on."""
        self.requests += 1
        self.touched = now

    def response(self, ending: Ending, seconds: float, now: float) -> None:
        """Count a response as it ends; `seconds` went by until its first byte."""
        self.responses[ending] = self.responses.get(ending, 0) + 1
        if ending.status is not None:
            self.latencies.setdefault(ending.status, Histogram()).add(seconds)
        self.touched = now

    def retry(self, now: float, *, sent: bool) -> None:
        """Count a failure that may be retried, and whether the budget allowed it."""
        self.retryable = (self.retryable or 0) + 1
        self.skipped += not sent
        self.touched = now


class Metrics:
    """One of the proxy's registries of requests: the plain one, `route_` or `route_actual_`."""

    def __init__(self, prefix: str = "", *, latency: bool = True) -> None:
        self._prefix = prefix
        self._latency = latency
        self._scopes: dict[str, Scope] = {}

    def scope(self, labels: str, now: float) -> Scope:
        """Return the counters of a target, new ones if it was never seen or was forgotten."""
        found = self._scopes.get(labels)
        if found is None:
            found = self._scopes[labels] = Scope(labels, now)
        return found

    def forget_idle(self, before: float) -> None:
        """Drop every scope that nobody holds and nothing touched since `before`."""
        for labels in [s.labels for s in self._scopes.values() if not s.held and s.touched <= before]:
            del self._scopes[labels]

    def render(self) -> list[str]:
        """Write all families of this registry; none when it is empty."""
        scopes = list(self._scopes.values())
        if not scopes:
            return []
        lines = _head(f"{self._prefix}request_total", "counter", "Total count of HTTP requests.")
        lines += [f"{self._prefix}request_total{{{scope.labels}}} {scope.requests}" for scope in scopes]
        if self._latency and any(scope.latencies for scope in scopes):
            lines += _head(f"{self._prefix}response_latency_ms", "histogram", _LATENCY_HELP)
            for scope in scopes:
                for status, histogram in scope.latencies.items():
                    labels = f'{scope.labels},status_code="{status}"'
                    lines += _histogram_lines(f"{self._prefix}response_latency_ms", labels, histogram)
        if any(scope.responses for scope in scopes):
            lines += _head(f"{self._prefix}response_total", "counter", "Total count of HTTP responses.")
            for scope in scopes:
                for ending, count in scope.responses.items():
                    lines.append(f"{self._prefix}response_total{{{scope.labels},{ending.labels()}}} {count}")
        return lines + _retry_lines(self._prefix, [scope for scope in scopes if scope.retryable is not None])


def _retry_lines(prefix: str, scopes: list[Scope]) -> list[str]:
    if not scopes:
        return []
    name = f"{prefix}retryable_total"
    lines = _head(name, "counter", "Total count of retryable HTTP responses.")
    for scope in scopes:
        lines.append(f"{name}{{{scope.labels}}} {scope.retryable}")
        lines.append(f'{name}{{{scope.labels},skipped="no_budget"}} {scope.skipped}')
    return lines


def _histogram_lines(name: str, labels: str, histogram: Histogram) -> list[str]:
    total, lines = 0, []
    for le, count in zip(_LE, histogram.counts, strict=True):
        total += count
        lines.append(f'{name}_bucket{{{labels},le="{le}"}} {total}')
    return [*lines, f"{name}_count{{{labels}}} {total}", f"{name}_sum{{{labels}}} {histogram.sum}"]


def family(name: str, kind: str, help_text: str, values: Iterable[tuple[str, float]], *, suffix: str = "") -> list[str]:
    """Write a plain family; `suffix` is what OpenMetrics adds to a counter's samples and not to its name."""
    rows = [f"{name}{suffix}{{{labels}}} {value}" if labels else f"{name}{suffix} {value}" for labels, value in values]
    return _head(name, kind, help_text) + rows if rows else []


def _head(name: str, kind: str, help_text: str) -> list[str]:
    return [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"]
