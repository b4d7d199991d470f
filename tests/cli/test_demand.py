"""Today's traffic is measured as a rollout would count it."""

import math
from collections.abc import Callable
from datetime import timedelta

import pytest

from canary.cli.demand import measured
from canary.core.counters import Series
from canary.core.demand import Demand
from canary.core.history import CEILING
from canary.core.manifest import parse_spec
from canary.core.snapshot import Key
from canary.core.spec import CanarySpec
from canary.runtime.readings import SETTLE, Readings
from tests.canaries import a_route, with_gates
from tests.load import Load, at_client, at_server
from tests.runtime.virtual import VirtualClock
from tests.runtime.world import SCRAPE, TELL_THE_TIME, selects

NOW = 1_000_000.0
TICK = 10.0
SHOP = Key("shop", "web")
TEN = timedelta(minutes=10)
Past = Callable[[float], list[Series]]


class History:
    """The port `Metrics` over a service's past: what its counters were at each moment."""

    def __init__(self, past: Past, bounds: tuple[str, ...] = ("500",)) -> None:
        self.past, self.bounds = past, bounds

    async def query(self, promql: str, at: float | None) -> tuple[Series, ...]:
        if promql == TELL_THE_TIME:
            return (Series({}, ((NOW, NOW + SETTLE),)),)
        if promql.startswith("count by (le)"):
            return tuple(Series({"le": bound}, ((NOW, 1.0),)) for bound in self.bounds)
        end = at or NOW
        reach = float(promql.rpartition("[")[2].removesuffix("ms]")) / 1000
        samples: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
        for scrape in range(math.ceil(reach / TICK) - 1, -1, -1):
            for series in self.past(end - scrape * TICK):
                if selects(promql, series.labels):
                    samples.setdefault(tuple(series.labels.items()), []).extend(series.samples)
        return tuple(Series(dict(labels), tuple(dict.fromkeys(times))) for labels, times in samples.items())


async def demand(past: Past, spec: CanarySpec, window: timedelta = TEN) -> dict[str, Demand]:
    readings = Readings(History(past), VirtualClock(), SCRAPE)
    return dict((await measured(readings, spec, SHOP, window))[1])


def figures(demand: Demand) -> tuple[float, float]:
    return demand.rps, demand.failure


SPEC = parse_spec(with_gates(latency={"p99": "500ms"}))
ROUTED = parse_spec(with_gates(routes=[a_route("POST /"), a_route("GET /")]))


def steady(at: float, revision: str = "s1", since: float = NOW - 3600) -> list[Series]:
    """Serve 10 requests a second of which 1 % fail and 2 % are slow."""
    sent = 10 * (at - since)
    load = Load(sent=sent, failed=sent / 100, slow=sent / 50)
    return load.series(at_client(revision), at, (500.0,)) if at >= since else []


async def test_each_gate_sees_its_own_failures() -> None:
    found = await demand(steady, SPEC)
    assert figures(found["service: success rate"]) == pytest.approx((10, 0.01))
    assert figures(found["service: p99 latency"]) == pytest.approx((9.9, 0.02 / 0.99))


async def test_a_short_past_is_not_taken_for_a_quiet_one() -> None:
    found = await demand(lambda at: steady(at, since=NOW - 240), SPEC)
    assert found["service: success rate"].rps == pytest.approx(10)


async def test_a_service_of_seconds_is_measured_by_its_seconds() -> None:
    found = await demand(lambda at: steady(at, since=NOW - 30), SPEC)
    assert found["service: success rate"].rps == pytest.approx(10)


async def test_a_counter_that_began_anew_loses_nothing_but_what_no_reading_saw() -> None:
    def restarted(at: float) -> list[Series]:
        return steady(at) if at < NOW - 300 else steady(at, since=NOW - 300)

    found = await demand(restarted, SPEC)
    assert found["service: success rate"].rps == pytest.approx(10, rel=0.02)  # ten seconds are not known


async def test_a_release_in_between_is_counted_under_both_revisions() -> None:
    def released(at: float) -> list[Series]:
        old, new = steady(min(at, NOW - 300)), steady(at, "s2", since=NOW - 300)
        return [*(Series(s.labels, ((at, s.samples[0][1]),)) for s in old), *new]

    found = await demand(released, SPEC)
    assert found["service: success rate"].rps == pytest.approx(10, rel=0.01)


async def test_a_latency_bucket_that_nobody_has_tells_nothing_of_its_gate() -> None:
    found = await demand(lambda at: [s for s in steady(at) if s.labels.get("le") != "500.0"], SPEC)
    assert set(found) == {"service: success rate"}


async def test_the_gates_carry_what_the_past_tells_of_bursts() -> None:
    def bursts(at: float) -> list[Series]:
        spells = math.floor((at - NOW + 3600) / 100)
        return Load(sent=10 * (at - NOW + 3600), failed=50.0 * spells).series(at_client("s1"), at)

    readings = Readings(History(bursts), VirtualClock(), SCRAPE)
    (gate, _), found = await measured(readings, SPEC, SHOP, TEN)
    assert gate.promise.icc == found["service: success rate"].icc
    assert gate.promise.icc == CEILING, "half the requests of every tenth tick"


async def test_routes_are_counted_at_the_servers_and_one_without_requests_has_no_demand() -> None:
    def routed(at: float) -> list[Series]:
        load = Load(sent=2 * (at - NOW + 3600), failed=0.0)
        return [*steady(at), *load.series(at_server("s1", "POST /"), at, prefix="route_")]

    found = await demand(routed, ROUTED)
    assert figures(found["POST /: success rate"]) == pytest.approx((2, 0))
    assert "GET /: success rate" not in found


async def test_a_service_that_nobody_knows_has_no_demand() -> None:
    assert await demand(lambda _: [], SPEC) == {}
