"""Many Canaries, few queries: what is shared, what is not, and whom an error reaches."""

import asyncio
import gc
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from canary.core.counters import Sample, Series
from canary.core.history import WINDOW
from canary.core.questions import Bounds, FindBounds, History, ReadCounters, ReadHistory, Reading, Scope
from canary.core.spec import Side
from canary.errors import MetricsUnreachable
from canary.runtime.readings import GATHER, GLANCE, MOST_SCOPES, PIECE, RESYNC, SETTLE, STANDS, Readings
from tests.runtime.virtual import VirtualClock, pass_time
from tests.runtime.world import PROMETHEUS, SCRAPE, Prometheus, a_spec

AT_CLIENT = ["request_total", "response_total"]
AT_ROUTES = ["route_request_total", "route_response_total"]


def a_scope(name: str = "web", **fields: object) -> Scope:
    least = Scope(
        namespace="town",
        apex=name,
        stable=Side(service=f"{name}-stable", deployment=f"{name}-v1"),
        canary=Side(service=f"{name}-canary", deployment=f"{name}-v2"),
        bounds=frozenset(),
        routes=False,
    )
    return replace(least, **fields)  # type: ignore[arg-type]


def at_client(
    leaf: str = "web-stable", namespace: str = "town", samples: tuple[Sample, ...] = ((1.0, 5.0),), **more: str
) -> Series:
    labels = {
        "__name__": "response_total",
        "direction": "outbound",
        "dst_namespace": namespace,
        "dst_service": leaf,
        "instance": "client",
    }
    return Series({**labels, **more}, samples)


def at_server(deployment: str = "web-v1", name: str = "response_total", **more: str) -> Series:
    labels = {"__name__": name, "direction": "inbound", "namespace": "town", "deployment": deployment, "tls": "true"}
    return Series({**labels, "instance": deployment, **more}, ((1.0, 5.0),))


@pytest.fixture
def prometheus() -> Prometheus:
    return Prometheus([])


@pytest.fixture
def readings(prometheus: Prometheus) -> Readings:
    return Readings(prometheus, VirtualClock(), SCRAPE)


@pytest.fixture
def unheard() -> Iterator[list[str]]:
    """Collect what asyncio would log about errors that nobody asked for."""
    heard: list[str] = []
    yield heard
    assert not heard


async def read_all(readings: Readings, *scopes: Scope) -> list[Reading]:
    return await asyncio.gather(*(readings.read(ReadCounters(scope=scope)) for scope in scopes))


class TestSharing:
    async def test_fifty_canaries_share_one_query_for_each_family(
        self, readings: Readings, prometheus: Prometheus
    ) -> None:
        scopes = [a_scope(f"web{number}") for number in range(50)]
        prometheus.series = [at_client(f"web{number}-stable") for number in range(50)]
        await read_all(readings, *scopes)
        assert prometheus.families() == AT_CLIENT

    async def test_each_gets_its_own_series_and_nobody_elses(self, readings: Readings, prometheus: Prometheus) -> None:
        shop, web = a_scope("shop"), a_scope("web")
        elsewhere = at_client("web-stable", namespace="village")
        prometheus.series = [at_client("shop-canary"), at_client("web-stable"), at_client("web-canary"), elsewhere]
        of_shop, of_web = await read_all(readings, shop, web)
        assert [s.labels["dst_service"] for s in of_shop.series] == ["shop-canary"]
        assert [s.labels["dst_service"] for s in of_web.series] == ["web-stable", "web-canary"]

    async def test_who_comes_a_moment_later_joins(self, readings: Readings, prometheus: Prometheus) -> None:
        prometheus.series = [at_client("web-stable"), at_client("shop-stable")]
        first = asyncio.create_task(readings.read(ReadCounters(scope=a_scope("web"))))
        await pass_time(GATHER.total_seconds() / 2)
        await readings.read(ReadCounters(scope=a_scope("shop")))
        await first
        assert prometheus.families() == AT_CLIENT

    async def test_who_comes_when_the_queries_are_out_waits_for_the_next(
        self, readings: Readings, prometheus: Prometheus
    ) -> None:
        prometheus.series, prometheus.pause = [at_client("web-stable"), at_client("shop-stable")], 1.0
        first = asyncio.create_task(readings.read(ReadCounters(scope=a_scope("web"))))
        await pass_time(1.5)
        second = await readings.read(ReadCounters(scope=a_scope("shop")))
        assert prometheus.families() == AT_CLIENT * 2
        assert (await first).at < second.at

    async def test_the_same_scope_twice_is_asked_for_once(self, readings: Readings, prometheus: Prometheus) -> None:
        prometheus.series = [at_client()]
        one, other = await read_all(readings, a_scope(), a_scope())
        assert one == other
        assert prometheus.families() == AT_CLIENT

    async def test_a_query_is_for_so_many_canaries_and_no_more(
        self, readings: Readings, prometheus: Prometheus
    ) -> None:
        scopes = [a_scope(f"web{number}") for number in range(MOST_SCOPES + 1)]
        prometheus.series = [at_client(f"web{number}-stable") for number in range(MOST_SCOPES + 1)]
        found = await read_all(readings, *scopes)
        assert all(len(reading.series) == 1 for reading in found)
        assert Counter(prometheus.families()) == Counter(AT_CLIENT * 2)

    async def test_a_name_that_looks_like_a_pattern_is_a_name(self, readings: Readings, prometheus: Prometheus) -> None:
        prometheus.series = [at_client("web-stable"), at_client("webxstable")]
        odd = a_scope("web", stable=Side(service="web.stable", deployment="web.v1"))
        found, _ = await read_all(readings, odd, a_scope("shop"))
        assert found.series == ()


class TestFamilies:
    async def test_latency_is_read_at_the_bounds_of_all_and_routes_where_there_are_some(
        self, readings: Readings, prometheus: Prometheus
    ) -> None:
        prometheus.series = [at_client("web-stable"), at_client("shop-stable")]
        fast, slow = a_scope("web", bounds=frozenset({50.0})), a_scope("shop", bounds=frozenset({300.0}), routes=True)
        await read_all(readings, fast, slow)
        assert prometheus.families() == [
            *AT_CLIENT,
            "response_latency_ms_bucket",
            *AT_ROUTES,
            "route_response_latency_ms_bucket",
        ]
        latency = next(query for query, _ in prometheus.asked if query.startswith("response_latency"))
        assert 'le=~"50(\\\\.0)?|300(\\\\.0)?|\\\\+Inf"' in latency
        assert "shop" in prometheus.asked[-1][0]
        assert "web" not in prometheus.asked[-1][0]

    async def test_both_spellings_of_a_bound_are_found(self, readings: Readings, prometheus: Prometheus) -> None:
        name = "response_latency_ms_bucket"
        prometheus.series = [at_client(__name__=name, le=le) for le in ("300", "300.0", "400", "+Inf")]
        (reading,) = await read_all(readings, a_scope(bounds=frozenset({300.0})))
        assert [s.labels["le"] for s in reading.series] == ["300", "300.0", "+Inf"]

    async def test_the_window_holds_two_scrapes(self, readings: Readings, prometheus: Prometheus) -> None:
        await read_all(readings, a_scope())
        assert all(query.endswith("[25000ms]") for query, _ in prometheus.asked)

    async def test_where_no_client_is_scraped_the_server_is_asked(
        self, readings: Readings, prometheus: Prometheus
    ) -> None:
        seen, unseen = a_scope("web"), a_scope("shop")
        prometheus.series = [at_client("web-stable"), at_server("shop-v1"), at_server("web-v1")]
        of_web, of_shop = await read_all(readings, seen, unseen)
        assert prometheus.families() == AT_CLIENT * 2
        assert "web" not in prometheus.asked[-1][0]
        assert [s.labels["direction"] for s in of_web.series] == ["outbound"]
        assert [s.labels["deployment"] for s in of_shop.series] == ["shop-v1"]

    async def test_probes_and_scrapes_are_not_asked_for_at_the_server(
        self, readings: Readings, prometheus: Prometheus
    ) -> None:
        noise = [at_server(route_name="probe"), at_server(target_port="4191")]
        prometheus.series = [*noise, at_server(target_port="8080")]
        (reading,) = await read_all(readings, a_scope())
        assert [s.labels.get("target_port") for s in reading.series] == ["8080"]

    async def test_bounds_are_numbers_in_order_without_infinity(
        self, readings: Readings, prometheus: Prometheus
    ) -> None:
        name = "response_latency_ms_bucket"
        prometheus.series = [at_server(name=name, le=le) for le in ("+Inf", "1000.0", "50", "50.0", "6")]
        assert await readings.bounds(FindBounds(scope=a_scope())) == Bounds(bounds=(6.0, 50.0, 1000.0))

    async def test_bounds_that_are_none_are_left_out(self, readings: Readings, prometheus: Prometheus) -> None:
        name = "response_latency_ms_bucket"
        prometheus.series = [at_server(name=name, le=le) for le in ("fast", "NaN", "-1", "0", "-Inf", "50")]
        assert await readings.bounds(FindBounds(scope=a_scope())) == Bounds(bounds=(50.0,))

    async def test_no_bounds_where_nothing_was_timed(self, readings: Readings) -> None:
        assert await readings.bounds(FindBounds(scope=a_scope())) == Bounds(bounds=())


class TestTime:
    async def test_a_reading_is_a_little_in_the_past_of_prometheus_own_clock(
        self, readings: Readings, prometheus: Prometheus
    ) -> None:
        begun = asyncio.get_running_loop().time()
        (reading,) = await read_all(readings, a_scope())
        assert reading.at == pytest.approx(begun + GATHER.total_seconds() + PROMETHEUS - SETTLE)
        assert {at for _, at in prometheus.asked} == {reading.at}

    async def test_our_clock_on_the_wall_means_nothing(self, prometheus: Prometheus) -> None:
        clock = VirtualClock()
        readings = Readings(prometheus, clock, SCRAPE)
        (first,) = await read_all(readings, a_scope())
        clock.wrong -= 3600 * SCRAPE
        await pass_time(9.9)
        (second,) = await read_all(readings, a_scope())
        assert second.at - first.at == pytest.approx(10)

    async def test_the_difference_of_the_clocks_is_looked_up_once_a_minute(
        self, readings: Readings, prometheus: Prometheus
    ) -> None:
        for _ in range(6):
            await read_all(readings, a_scope())
            await pass_time(9.9)
        assert prometheus.syncs == 1
        prometheus.ahead += 100
        await pass_time(RESYNC)
        (reading,) = await read_all(readings, a_scope())
        assert prometheus.syncs == 2
        assert reading.at == pytest.approx(asyncio.get_running_loop().time() + PROMETHEUS + 100 - SETTLE)

    async def test_a_moment_in_the_past_is_read_on_its_own(self, readings: Readings, prometheus: Prometheus) -> None:
        prometheus.series = [at_client()]
        reading = await readings.read(ReadCounters(scope=a_scope(), at=1234.5))
        assert (reading.at, len(reading.series)) == (1234.5, 1)
        assert {at for _, at in prometheus.asked} == {1234.5}
        assert prometheus.syncs == 0


class TestHistory:
    async def test_the_past_is_read_in_pieces_whose_ticks_miss_nothing(
        self, readings: Readings, prometheus: Prometheus
    ) -> None:
        prometheus.series = [at_client(dst_pod_template_hash="s1", samples=a_past(prometheus, 10.0))]
        found = await readings.history(a_history())
        (demand,) = found.demand.values()
        assert demand.rps == pytest.approx(10, rel=0.01)
        assert len(prometheus.asked) == math.ceil(181 / PIECE)
        assert all("request" not in query for query, _ in prometheus.asked)

    async def test_of_latencies_is_read_at_the_buckets_that_there_are(
        self, readings: Readings, prometheus: Prometheus
    ) -> None:
        prometheus.series = [at_server(name="response_latency_ms_bucket", le="300")]
        await readings.history(a_history(gates={"latency": {"p99": "250ms"}}))
        first, *rest = [query for query, _ in prometheus.asked]
        assert first.startswith("count by (le)")
        assert all('le=~"300' in query for query in rest if "_bucket" in query)
        assert any("_bucket" in query for query in rest)

    async def test_a_long_look_is_joined_by_the_next_tick(self, readings: Readings, prometheus: Prometheus) -> None:
        prometheus.pause = GLANCE / 4
        with pytest.raises(MetricsUnreachable, match="still being read"):
            await readings.history(a_history())
        await pass_time(2 * GLANCE)
        asked = len(prometheus.asked)
        assert await readings.history(a_history()) == History(demand={})
        assert len(prometheus.asked) == asked == 2 * math.ceil(181 / PIECE)

    async def test_a_look_that_failed_is_begun_anew_after_a_while(
        self, readings: Readings, prometheus: Prometheus
    ) -> None:
        prometheus.errors[""] = MetricsUnreachable("it is down")
        for _ in range(2):
            with pytest.raises(MetricsUnreachable, match="it is down"):
                await readings.history(a_history())
            prometheus.errors.clear()
        await pass_time(STANDS + 1)
        assert await readings.history(a_history()) == History(demand={})

    async def test_a_look_that_took_longer_than_it_stands_is_told_to_the_next_tick(
        self, readings: Readings, prometheus: Prometheus
    ) -> None:
        prometheus.pause = STANDS / 4
        with pytest.raises(MetricsUnreachable, match="still being read"):
            await readings.history(a_history())
        await pass_time(2 * STANDS)
        asked = len(prometheus.asked)
        assert await readings.history(a_history()) == History(demand={})
        assert len(prometheus.asked) == asked == 2 * math.ceil(181 / PIECE)

    async def test_what_nobody_came_for_is_dropped(self, readings: Readings, prometheus: Prometheus) -> None:
        prometheus.pause = GLANCE
        with pytest.raises(MetricsUnreachable, match="still being read"):
            await readings.history(a_history("shop"))
        await pass_time(40 * GLANCE)
        prometheus.pause, asked = 0.0, len(prometheus.asked)
        await readings.history(a_history("web"))
        await readings.history(a_history("shop"))
        assert len(prometheus.asked) == asked + 2 * 2 * math.ceil(181 / PIECE)


def a_history(name: str = "web", **spec: object) -> ReadHistory:
    sides = {
        "stable": {"service": f"{name}-stable", "deployment": f"{name}-v1"},
        "canary": {"service": f"{name}-canary", "deployment": f"{name}-v2"},
    }
    return ReadHistory(spec=a_spec(service=name, **{**sides, **spec}), namespace="town", window=WINDOW)


def a_past(prometheus: Prometheus, rps: float) -> tuple[tuple[float, float], ...]:
    """Scrape every ten seconds for an hour."""
    now = asyncio.get_running_loop().time() + prometheus.ahead
    return tuple((now - 10 * left, rps * 10 * (360 - left)) for left in range(360, -1, -1))


class TestErrors:
    @pytest.mark.parametrize("part", ["", "vector", "request_total", "response_total"])
    async def test_an_outage_reaches_everyone_who_waits(
        self, readings: Readings, prometheus: Prometheus, part: str
    ) -> None:
        prometheus.errors[part] = MetricsUnreachable("it is down")
        waiting = [readings.read(ReadCounters(scope=a_scope(f"web{number}"))) for number in range(3)]
        errors = await asyncio.gather(*waiting, return_exceptions=True)
        assert [str(error) for error in errors] == ["it is down"] * 3

    async def test_a_prometheus_that_does_not_tell_the_time_is_an_outage(
        self, readings: Readings, prometheus: Prometheus
    ) -> None:
        prometheus.mute = True
        with pytest.raises(MetricsUnreachable, match="does not tell the time"):
            await read_all(readings, a_scope())

    @pytest.mark.parametrize("time", [float("nan"), float("inf")])
    async def test_a_time_that_is_none_is_an_outage(
        self, readings: Readings, prometheus: Prometheus, time: float
    ) -> None:
        prometheus.tells = time
        with pytest.raises(MetricsUnreachable, match="does not tell the time"):
            await read_all(readings, a_scope())

    async def test_a_bug_reaches_everyone_who_waits_and_cancels_nobody(
        self, readings: Readings, prometheus: Prometheus
    ) -> None:
        prometheus.errors["vector"] = ZeroDivisionError("a bug")
        waiting = [readings.read(ReadCounters(scope=a_scope(f"web{number}"))) for number in range(3)]
        errors = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(error) for error in errors] == [ZeroDivisionError] * 3

    async def test_after_an_outage_all_is_well_again(self, readings: Readings, prometheus: Prometheus) -> None:
        prometheus.errors[""], prometheus.series = MetricsUnreachable("it is down"), [at_client()]
        with pytest.raises(MetricsUnreachable):
            await read_all(readings, a_scope())
        del prometheus.errors[""]
        (reading,) = await read_all(readings, a_scope())
        assert len(reading.series) == 1

    async def test_one_who_stops_waiting_takes_nothing_from_the_others(
        self, readings: Readings, prometheus: Prometheus
    ) -> None:
        prometheus.series, prometheus.pause = [at_client("web-stable"), at_client("shop-stable")], 1.0
        leaving = asyncio.create_task(readings.read(ReadCounters(scope=a_scope("web"))))
        staying = asyncio.create_task(readings.read(ReadCounters(scope=a_scope("shop"))))
        await pass_time(0.5)
        leaving.cancel()
        assert len((await staying).series) == 1

    async def test_an_error_that_nobody_waits_for_is_no_news(
        self, readings: Readings, prometheus: Prometheus, unheard: list[str]
    ) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: unheard.append(str(context["message"])))
        prometheus.errors[""], prometheus.pause = MetricsUnreachable("it is down"), 1.0
        leaving = asyncio.create_task(readings.read(ReadCounters(scope=a_scope())))
        await pass_time(0.5)
        leaving.cancel()
        await pass_time(5)
        del leaving
        gc.collect()

    async def test_the_duration_of_every_query_is_told_also_of_one_that_failed(self, prometheus: Prometheus) -> None:
        took: list[float] = []
        readings = Readings(prometheus, VirtualClock(), SCRAPE, took.append)
        prometheus.series, prometheus.pause = [at_client()], 0.25
        prometheus.errors["request_total"] = MetricsUnreachable("it is down")
        with pytest.raises(MetricsUnreachable):
            await read_all(readings, a_scope())
        assert took == [pytest.approx(0.25)] * 2
