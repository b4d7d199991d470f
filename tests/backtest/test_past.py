"""A Prometheus' past is read in chunks and counted as the controller would have counted it."""

from collections.abc import Iterable
from datetime import timedelta

import pytest

from canary.backtest.past import CHUNK, Interval, Past, Period
from canary.core.counters import Series
from canary.core.counts import Version
from canary.core.manifest import parse_spec
from canary.core.snapshot import Key
from canary.core.spec import CanarySpec
from tests.canaries import a_route, with_gates
from tests.load import Load, at_client, at_server
from tests.runtime.virtual import VirtualClock
from tests.runtime.world import SCRAPE, selects

NOW = 1_000_000.0
STEP = timedelta(seconds=10)
SPEC = parse_spec(with_gates(latency={"p99": "500ms"}))
ROUTED = parse_spec(with_gates(routes=[a_route("POST /")]))


class Stored:
    """The port `Metrics` over series with all their samples: a range selector gives those of its window."""

    def __init__(self, series: Iterable[Series]) -> None:
        self.series = list(series)
        self.largest = self.asked = 0

    async def query(self, promql: str, at: float | None) -> tuple[Series, ...]:
        if promql.startswith("count by (le)"):
            return (Series({"le": "500"}, ((NOW, 1.0),)), Series({"le": "+Inf"}, ((NOW, 1.0),))) if at == NOW else ()
        window = float(promql.rpartition("[")[2].removesuffix("ms]")) / 1000
        found = []
        for series in self.series:
            samples = tuple(sample for sample in series.samples if (at or NOW) - window < sample[0] <= (at or NOW))
            if samples and selects(promql, series.labels):
                found.append(Series(series.labels, samples))
        self.asked += 1
        self.largest = max(self.largest, max((len(series.samples) for series in found), default=0))
        return tuple(found)


def grown(labels: dict[str, str], rate: Load, since: float, until: float, prefix: str = "") -> list[Series]:
    """Scrape, a second before each multiple of ten, what grows by `rate` a second."""
    moments = [at - 1 for at in range(int(since), int(until) + 1, 10)]
    scrapes = []
    for at in moments:
        age = at + 1 - since
        load = Load(sent=age * rate.sent, failed=age * rate.failed, slow=age * rate.slow)
        scrapes.append(load.series(labels, at, () if prefix else (500.0,), prefix=prefix))
    return [Series(many[0].labels, tuple(one.samples[0] for one in many)) for many in zip(*scrapes, strict=True)]


async def past(series: Iterable[Series], minutes: float = 10, spec: CanarySpec = SPEC) -> tuple[list[Interval], Stored]:
    stored = Stored(series)
    reader = Past(stored, VirtualClock(), SCRAPE)
    _, scope = await reader.cuts(spec, Key("shop", "web"), NOW)
    period = Period(begin=NOW - 60 * minutes, end=NOW)
    return [seen async for seen in reader.intervals(scope, period, STEP)], stored


def total(seen: Iterable[Interval], side: Version, route: str = "") -> list[float]:
    """Sum requests, failures and what was slow."""
    found = [
        (counted.requests, counted.failures, *(slower for _, slower in counted.over))
        for interval in seen
        for whose, counted in interval.counted.items()
        if (whose.side, whose.route) == (side, route)
    ]
    return [sum(column) for column in zip(*found, strict=True)]


RATE = Load(sent=10, failed=1, slow=2)


async def test_every_request_counts_once_whatever_the_chunks() -> None:
    seen, stored = await past(grown(at_client("s1"), RATE, NOW - 3600, NOW), minutes=40)
    assert total(seen, Version.STABLE) == [24000, 2400, 4800]
    assert [interval.end for interval in seen] == [NOW - 2400 + 10 * number for number in range(1, 241)]
    assert all(interval.begin == interval.end - 10 for interval in seen)
    assert stored.largest <= CHUNK.total_seconds() / 10 + 3  # however long the past
    assert stored.asked == 2 * 9


async def test_sides_revisions_and_pods_are_told_apart() -> None:
    release = grown(at_client("c2"), Load(sent=1, failed=0.5), NOW - 300, NOW)
    seen, _ = await past([*grown(at_client("s1"), RATE, NOW - 3600, NOW), *release])
    (canary,) = {whose for interval in seen for whose in interval.counted if whose.side is Version.CANARY}
    assert (canary.revision, canary.route, canary.pod) == ("c2", "", "c2-0")
    assert total(seen, Version.CANARY)[:2] == [300, 150]
    assert [bool(total([interval], Version.CANARY)) for interval in seen] == [number >= 31 for number in range(1, 61)]


async def test_a_counter_that_began_anew_loses_no_request_that_was_scraped() -> None:
    before = grown(at_client("s1"), RATE, NOW - 3600, NOW - 300)
    after = grown(at_client("s1"), RATE, NOW - 300, NOW)
    both = [Series(b.labels, b.samples + a.samples[1:]) for b, a in zip(before, after, strict=True)]
    seen, _ = await past(both)
    assert total(seen, Version.STABLE)[:2] == [6000, 600]


async def test_a_hole_in_the_past_is_counted_where_it_ends() -> None:
    whole = grown(at_client("s1"), RATE, NOW - 3600, NOW)
    holed = [Series(s.labels, tuple(x for x in s.samples if not NOW - 300 < x[0] < NOW - 200)) for s in whole]
    seen, _ = await past(holed)
    assert total(seen, Version.STABLE)[0] == 6000
    assert len([interval for interval in seen if not interval.counted]) == 10


async def test_routes_are_counted_at_the_servers() -> None:
    routes = grown(at_server("s1", "POST /"), Load(sent=2), NOW - 3600, NOW, "route_")
    seen, _ = await past([*grown(at_client("s1"), RATE, NOW - 3600, NOW), *routes], spec=ROUTED)
    assert total(seen, Version.STABLE, "POST /")[:1] == [1200]
    assert total(seen, Version.STABLE)[:1] == [6000]


async def test_without_a_client_the_service_is_counted_at_its_servers() -> None:
    seen, _ = await past(grown(at_server("s1"), RATE, NOW - 3600, NOW))
    assert total(seen, Version.STABLE) == [6000, 600, 1200]


async def test_where_clients_come_later_nothing_is_counted_twice() -> None:
    servers = grown(at_server("s1"), RATE, NOW - 3600, NOW)
    clients = grown(at_client("s1"), RATE, NOW - 240, NOW)
    seen, _ = await past([*servers, *clients])
    (requests, *_) = total(seen, Version.STABLE)
    assert 6000 - 10 * CHUNK.total_seconds() < requests <= 6000  # of one chunk, only what clients saw


@pytest.mark.parametrize("seconds", [9.0, 0.5])
async def test_a_time_shorter_than_an_interval_has_none(seconds: float) -> None:
    seen, _ = await past(grown(at_client("s1"), RATE, NOW - 3600, NOW), minutes=seconds / 60)
    assert seen == []


async def test_nobody_knows_of_a_service_that_had_no_requests() -> None:
    seen, _ = await past([])
    assert [interval.counted for interval in seen] == [{}] * 60
