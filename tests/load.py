"""Traffic for tests of the core: what proxies have counted, and readings of it. Times are on Prometheus' clock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from canary.core import counters as counting
from canary.core.counters import Counters, Series
from canary.core.questions import Reading

SCRAPED = 1_000_000.0  # the time of the reading before
BOUNDS = (50.0, 100.0, 200.0, 300.0, 400.0, 500.0, 1000.0)


@dataclass(frozen=True, kw_only=True)
class Load:
    """Requests to one side since the beginning of time, and what became of them."""

    sent: float = 0.0
    failed: float = 0.0
    hanging: float = 0.0
    slow: float = 0.0

    def __add__(self, other: "Load") -> "Load":
        """Count on."""
        return Load(
            sent=self.sent + other.sent,
            failed=self.failed + other.failed,
            hanging=self.hanging + other.hanging,
            slow=self.slow + other.slow,
        )

    def series(
        self, labels: Mapping[str, str], at: float, bounds: Iterable[float] = (), prefix: str = ""
    ) -> list[Series]:
        """Write it as a proxy does, scraped at `at`; latencies only at the bounds that are asked for."""
        answered = self.sent - self.hanging
        values = {
            ("request_total",): self.sent,
            ("response_total", "classification", "success"): answered - self.failed,
            ("response_total", "classification", "failure"): self.failed,
        }
        edges = sorted(bounds)
        timed = answered - self.failed
        for bound in edges:
            values["response_latency_ms_bucket", "le", str(bound)] = timed - self.slow
        if edges:
            values["response_latency_ms_bucket", "le", "+Inf"] = timed
        return [
            Series({"__name__": prefix + name, **labels, **({rest[0]: rest[1]} if rest else {})}, ((at, value),))
            for (name, *rest), value in values.items()
        ]


BEFORE = {"c2": Load(sent=2000), "s1": Load(sent=18000, failed=20)}
"""What the clients' proxy had counted at the reading before."""


def at_client(revision: str) -> dict[str, str]:
    """Label what the client counts of one revision."""
    service = "web-canary" if revision.startswith("c") else "web-stable"
    return {
        "direction": "outbound",
        "dst_namespace": "shop",
        "dst_service": service,
        "dst_pod_template_hash": revision,
        "dst_pod": f"{revision}-0",
        "instance": "client:4191",
        "pod": "client",
    }


def at_server(revision: str, route: str = "") -> dict[str, str]:
    """Label what a pod of one revision counts itself."""
    labels = {
        "direction": "inbound",
        "namespace": "shop",
        "deployment": "web-canary" if revision.startswith("c") else "web-stable",
        "pod_template_hash": revision,
        "pod": f"{revision}-0",
        "instance": f"{revision}-0:4191",
    }
    if route:
        return {**labels, "rt_route": route, "dst": "web.shop.svc.cluster.local:80"}
    return {**labels, "tls": "true", "target_port": "8080"}


def a_reading(
    loads: Mapping[str, Load], *, at: float = SCRAPED + 10, scraped: float | None = None, bounds: Iterable[float] = ()
) -> Reading:
    """Read these totals, by revision, at the client."""
    when = at - 1 if scraped is None else scraped
    edges = tuple(bounds)
    series = tuple(s for revision, load in loads.items() for s in load.series(at_client(revision), when, edges))
    return Reading(at=at, series=series)


def since(**more: Load) -> dict[str, Load]:
    """Give the totals after this much more."""
    return {
        revision: BEFORE.get(revision, Load()) + load for revision, load in {"c2": Load(), "s1": Load(), **more}.items()
    }


def read_before(reading: Reading | None = None) -> Counters:
    """Give the counters as the reading before left them."""
    first = reading or a_reading(BEFORE, at=SCRAPED)
    counters, _ = counting.advance(Counters.fresh(), first.series, at=first.at, born={})
    return counters
