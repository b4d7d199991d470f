"""A few bad inputs over real sockets: answers from a server to the adapter, and pages through a real Prometheus."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
import yaml

from canary.adapters.prometheus import Access, Prometheus
from canary.core.counters import Series
from canary.core.intake import scope_of
from canary.core.promql import client_queries
from canary.errors import MetricsUnreachable
from canary.lab.exposition import BROKEN, Ending, Metrics, label_text
from tests.adapters.recorded import Asked, head, recorded
from tests.fuzz.answers import UNRIPE, Answers, held, short
from tests.fuzz.mutation import LONG, scrambled
from tests.load import at_client
from tests.prometheus import a_prometheus, program

SEED = "wire"
ANSWERS, PAGES = 300, 120


async def test_bad_answers_of_a_server_are_answers_or_an_outage() -> None:
    target, chance = Answers(), Random(SEED)
    bodies = [target.draw(Random(f"{SEED} {number}")) for number in range(ANSWERS)]
    left = list(bodies)

    async def answer(_: Asked, writer: asyncio.StreamWriter) -> None:
        raw, status = left.pop(), chance.choice((200, 200, 200, 200, 204, 400, 422, 503))
        after = chance.choice(("1", "9" * 400, "-1", "soon"))
        length = str(len(raw) + chance.choice((0, 0, 0, 0, -1, 5)))
        writer.write(head(status, Content_Length=length, Retry_After=after) + raw)
        await writer.drain()
        writer.close()

    read = 0
    async with recorded(answer) as server:
        prometheus = Prometheus(Access(url=server.url), within=timedelta(seconds=5))
        for _ in bodies:
            try:
                held(await prometheus.query("request_total[25s]"))
                read += 1
            except MetricsUnreachable as error:
                short(error)
        prometheus.close()
    assert 0 < read < ANSWERS


def a_page(chance: Random) -> str:
    """Write what a proxy exposes of both sides, with a label as nobody should have it."""
    metrics = Metrics()
    odd = chance.choice(("ü漢", 'a"b\\c\nd', LONG, "", "\x00\x1f\u2028", "{}=,#"))
    for revision in ("c2", "s1"):
        labels = {**at_client(revision), "authority": odd}
        scope = metrics.scope(label_text((n, v) for n, v in labels.items() if n not in ("instance", "pod")), 0.0)
        for ending in (Ending(200, failed=False), Ending(503, failed=True), BROKEN):
            scope.request(0.0)
            scope.response(ending, chance.random(), 0.0)
    return "\n".join(metrics.render()) + "\n"


@pytest.fixture
async def scraped(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[Prometheus]:
    """Run a Prometheus over many bad pages and one good one."""
    chance = Random(SEED)
    pages = [a_page(chance).encode(), *(scrambled(a_page(chance), chance, most=2) for _ in range(PAGES))]

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        raw = pages[int(asked.path[1:])]
        writer.write(head(200, "text/plain; version=0.0.4", Content_Length=str(len(raw))) + raw)
        await writer.drain()

    async with recorded(answer) as server:
        targets = [
            {"targets": [server.url[7:]], "labels": {"__metrics_path__": f"/{number}", "instance": f"p{number}"}}
            for number in range(len(pages))
        ]
        config = {
            "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms"},
            "scrape_configs": [{"job_name": "proxies", "static_configs": targets}],
        }
        async with a_prometheus(tmp_path, unused_tcp_port, yaml.safe_dump(config)) as prometheus:
            yield prometheus


async def test_bad_pages_of_proxies_come_through_prometheus_and_do_no_harm(scraped: Prometheus) -> None:
    async with asyncio.timeout(30):
        while len(await _all(scraped, ("up",))) <= PAGES:  # noqa: ASYNC110 - asks a server
            await asyncio.sleep(0.2)
    series = await _all(scraped, client_queries([scope_of(UNRIPE)], timedelta(seconds=25)))
    instances = {one.labels["instance"] for one in series}
    assert "p0" in instances
    assert 1 < len(instances) < PAGES, "no page was bad enough for Prometheus, or none good enough"
    held(series)


async def _all(prometheus: Prometheus, queries: tuple[str, ...]) -> tuple[Series, ...]:
    try:
        return sum([await prometheus.query(query) for query in queries], ())
    except MetricsUnreachable:  # not up yet
        return ()


def test_prometheus_own_tool_reads_our_pages() -> None:
    tool = str(program("promtool"))
    chance = Random(SEED)
    for _ in range(20):
        told = subprocess.run(
            [tool, "check", "metrics"], input=a_page(chance).encode(), capture_output=True, check=False
        )
        assert b"error while linting" not in told.stderr, told.stderr[:500]
        assert told.returncode in (0, 3), told.stderr[:500]  # 3: it would name metrics otherwise
