"""A service's past as a Prometheus has it: releases, pods and what they answered, as OpenMetrics for `promtool`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.prometheus import backfill

BEGIN = 1_772_000_000.0 - 1_772_000_000.0 % 7200  # a block's
SCRAPE = 10.0


@dataclass(frozen=True, kw_only=True)
class Pods:
    """The pods of one revision, each with so many requests in a scrape, from `since` until `until`."""

    revision: str
    requests: int
    failure: float = 0.001
    count: int = 2
    since: float = 0.0
    until: float = 3600.0

    @property
    def service(self) -> str:
        return "web-canary" if self.revision.startswith("c") else "web-stable"


def samples(pods: list[Pods], seconds: float) -> Iterator[tuple[dict[str, str], float, float]]:
    """Give labels, time and value of every sample, in order of time. Failures are spread evenly."""
    for number in range(int(seconds / SCRAPE) + 1):
        at = SCRAPE * number
        for some in pods:
            if some.since <= at <= some.until:
                for pod in range(some.count):
                    answered = some.requests * int((at - some.since) / SCRAPE)
                    failed = int(some.failure * answered)
                    for what, total in (("success", answered - failed), ("failure", failed)):
                        yield _labels(some, pod) | {"classification": what}, BEGIN + at, float(total)


def _labels(pods: Pods, pod: int) -> dict[str, str]:
    return {
        "__name__": "response_total",
        "direction": "outbound",
        "dst_namespace": "shop",
        "dst_service": pods.service,
        "dst_pod_template_hash": pods.revision,
        "dst_pod": f"{pods.revision}-{pod}",
        "instance": "client:4191",
        "pod": "client",
    }


def stored(home: Path, pods: list[Pods], seconds: float = 3600.0) -> Path:
    """Write the past as a Prometheus' storage, or skip the test."""
    series: dict[str, list[str]] = {}
    for labels, at, value in samples(pods, seconds):
        text = ",".join(f'{name}="{value_}"' for name, value_ in labels.items() if name != "__name__")
        series.setdefault(text, []).append(f"{labels['__name__']}{{{text}}} {value:g} {at:.3f}\n")
    return backfill(home, series.values())
