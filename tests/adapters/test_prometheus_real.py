"""The query forms we use, against a real Prometheus where the machine has one."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
import pytest_asyncio

from canary.adapters.prometheus import Prometheus
from canary.core.counters import Series
from canary.core.promql import bounds_query, client_queries
from canary.core.queries import asked
from canary.core.questions import Scope
from canary.core.spec import Side
from canary.errors import MetricsUnreachable
from canary.runtime.clock import SystemClock
from canary.runtime.readings import Readings
from tests.adapters.recorded import recorded, reply
from tests.build import a_snapshot, with_query
from tests.prometheus import a_prometheus

pytestmark = pytest.mark.asyncio(loop_scope="module")
COUNTERS = """
request_total{direction="outbound",dst_namespace="shop",dst_service="web-canary"} 7
response_total{direction="outbound",dst_namespace="shop",dst_service="web-stable"} 40
response_total{direction="outbound",dst_namespace="shop",dst_service="web-canary"} 4
response_total{direction="outbound",dst_namespace="other",dst_service="web-canary"} 5
response_latency_ms_bucket{direction="outbound",dst_namespace="shop",dst_service="web-canary",le="300"} 3
response_latency_ms_bucket{direction="outbound",dst_namespace="shop",dst_service="web-canary",le="+Inf"} 4
response_latency_ms_bucket{direction="inbound",namespace="shop",deployment="web-canary",le="300"} 3
response_latency_ms_bucket{direction="inbound",namespace="shop",deployment="web-canary",le="+Inf"} 4
"""

SCOPE = Scope(
    namespace="shop",
    apex="web",
    stable=Side(service="web-stable", deployment="web-stable"),
    canary=Side(service="web-canary", deployment="web-canary"),
    bounds=frozenset({300.0}),
    routes=False,
)


async def test_the_forms_we_ask_in_are_answered_as_we_read_them(prometheus: Prometheus) -> None:
    requests_, responses, buckets = client_queries([SCOPE], timedelta(seconds=25))
    found = await scraped_twice(prometheus, responses)
    assert {series.labels["dst_service"]: series.samples[-1][1] for series in found} == {
        "web-stable": 40.0,
        "web-canary": 4.0,
    }
    now = (await prometheus.query("vector(time())"))[0].samples[0][1]
    for series in found:
        times = [at for at, _ in series.samples]
        assert times == sorted(times)
        assert 0 <= now - times[-1] < 25
        assert series.labels["__name__"] == "response_total"
    assert [series.samples[-1][1] for series in await prometheus.query(requests_)] == [7.0]
    assert {float(series.labels["le"]) for series in await prometheus.query(buckets)} == {300.0, float("inf")}
    counted = await prometheus.query(bounds_query(SCOPE))
    assert {float(series.labels["le"]): series.samples[0][1] for series in counted} == {300.0: 1, float("inf"): 1}
    assert await prometheus.query(responses, now - 3600) == ()
    with pytest.raises(MetricsUnreachable, match=r"answered 400.*parse error"):
        await prometheus.query("response_total{[25s]")
    with pytest.raises(MetricsUnreachable, match=r"answered 422.*duplicate series"):
        await prometheus.query("response_total * on () response_latency_ms_bucket")


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        pytest.param('sum(response_total{dst_service="{{canaryService}}"})', (9.0,), id="a vector"),
        pytest.param('scalar(request_total{dst_namespace="{{namespace}}"})', (7.0,), id="a scalar"),
        pytest.param("scalar(response_total)", (math.nan,), id="no single number"),
        pytest.param('response_total{dst_namespace="shop"}', (4.0, 40.0), id="two series"),
        pytest.param("response_total > 1000", (), id="nothing"),
        pytest.param("1 / vector(0)", (math.inf,), id="infinity"),
    ],
)
async def test_a_query_of_the_user_is_answered_with_its_numbers(
    prometheus: Prometheus, text: str, numbers: tuple[float, ...]
) -> None:
    await scraped_twice(prometheus, "response_total[25s]")
    (question,) = asked(a_snapshot(spec={"gates": with_query(query=text)}))
    found = await Readings(prometheus, SystemClock(), timedelta(seconds=10)).numbers(question)
    assert sorted(found.numbers) == pytest.approx(numbers, nan_ok=True)


async def scraped_twice(prometheus: Prometheus, promql: str) -> tuple[Series, ...]:
    async with asyncio.timeout(20):
        while True:
            found = await prometheus.query(promql)
            if found and min(len(series.samples) for series in found) > 1:
                return found
            await asyncio.sleep(0.2)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def prometheus(
    tmp_path_factory: pytest.TempPathFactory, unused_tcp_port_factory: Callable[[], int]
) -> AsyncIterator[Prometheus]:
    """Run one that scrapes the counters above, for all tests of this file: each only asks."""
    async with recorded(reply(body=COUNTERS.encode(), kind="text/plain; version=0.0.4")) as target:
        configuration = (
            "global: {scrape_interval: 500ms}\n"
            f"scrape_configs: [{{job_name: proxies, static_configs: [{{targets: ['{target.url[7:]}']}}]}}]\n"
        )
        home = tmp_path_factory.mktemp("prometheus")
        async with a_prometheus(home, unused_tcp_port_factory(), configuration) as prometheus:
            await until_ready(prometheus)
            yield prometheus


async def until_ready(prometheus: Prometheus) -> None:
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(MetricsUnreachable):
                await prometheus.query("vector(time())")
                return
            await asyncio.sleep(0.1)
