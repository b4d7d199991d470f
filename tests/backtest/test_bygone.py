"""Hours of a service that are known request by request, read back from a real Prometheus.

`PAST_HOURS=48 pytest tests/backtest/test_bygone.py` tries two days.
"""

import asyncio
import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from click.testing import CliRunner

from canary.adapters.prometheus import Access, Prometheus
from canary.backtest.past import Past, Period
from canary.cli import main
from canary.cli.demand import measured
from canary.core.demand import Demand
from canary.core.eprocess import FLOOR
from canary.core.manifest import parse_spec
from canary.core.snapshot import Key
from canary.runtime.clock import SystemClock
from canary.runtime.readings import Readings
from tests.backtest.bygone import BLOCK, ROUTES, SCRAPE, Bygone, Pod, a_service, backfilled
from tests.canaries import a_canary
from tests.prometheus import served

HOURS = float(os.environ.get("PAST_HOURS", "6"))
EARLY = timedelta(hours=HOURS / 6) * 0.3  # so that stable has a past before the period that is replayed
STEADY = (Pod(name="s1-a"), Pod(name="s1-b"), Pod(name="s1-c"))


class Store(NamedTuple):
    """A Prometheus that runs, and what it has."""

    url: str
    past: Bygone
    home: Path

    def run(self, command: str, service: str, *arguments: str) -> Any:
        file = self.home / f"{service}.yaml"
        file.write_text(yaml.safe_dump(the_canary(service)))
        asked = [command, "-f", str(file), "-n", "shop", "--prometheus", self.url, "-o", "json", *arguments]
        result = CliRunner().invoke(main, asked)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def replay(self, *arguments: str) -> Any:
        begin, end = (
            datetime.fromtimestamp(at, UTC).isoformat()
            for at in (self.past.begin + EARLY.total_seconds(), self.past.end)
        )
        return self.run("backtest", "web", "--from", begin, "--to", end, *arguments)


def the_canary(service: str) -> dict[str, object]:
    gates = {"successRate": {"min": "99%"}, "latency": {"p99": "500ms"}}
    made = a_canary(
        service=service,
        stable={"service": f"{service}-stable"},
        canary={"service": f"{service}-canary"},
        gates={**gates, "routes": [{"name": route, **gates} for route in ROUTES]},
    )
    return {**made, "metadata": {"name": service}}


@pytest.fixture(scope="module")
def long_ago(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    home = tmp_path_factory.mktemp("long-ago")
    past = backfilled(home, [a_service(hours=HOURS)], 1_772_000_000.0 - 1_772_000_000.0 % BLOCK, HOURS)
    with served(home, "global: {}\n") as url:
        yield Store(url, past, home)


@pytest.fixture(scope="module")
def lately(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """An hour until now, and a little longer: of a service whose requests fail each for itself, and one of bursts."""
    home = tmp_path_factory.mktemp("lately")
    still = replace(a_service(), stable=STEADY, releases=(), incidents=())
    # of one client: of two, scraped at different moments, a burst of one interval may be half in each of two readings
    jobs = replace(still, name="jobs", seed=8, burst=(0.05, 0.1), clients=(Pod(name="cron-a"),))
    begin = math.floor(time.time() / SCRAPE) * SCRAPE - 3600
    past = backfilled(home, [still, jobs], begin, 1.1)
    with served(home, "global: {}\n") as url:
        yield Store(url, past, home)


async def counted(store: Store, service: str, period: Period) -> Mapping[tuple[str, str], tuple[float, float, float]]:
    """Count what each side answered at each place, what failed, and what took longer than half a second."""
    metrics, spec = Prometheus(Access(url=store.url)), parse_spec(the_canary(service))
    past = Past(metrics, SystemClock(), timedelta(seconds=SCRAPE))
    _, scope = await past.cuts(spec, Key("shop", service), period.end)
    found: dict[tuple[str, str], tuple[float, float, float]] = {}
    async for seen in past.intervals(scope, period, spec.interval):
        for whose, its in seen.counted.items():
            n, f, slow = found.get((whose.side, whose.route), (0.0, 0.0, 0.0))
            more = its.requests, its.failures, dict(its.over)[0.5]
            found[whose.side, whose.route] = n + more[0], f + more[1], slow + more[2]
    metrics.close()
    return found


def test_no_request_is_lost_or_counted_twice_in_hours_of_pods_that_come_crash_and_go(long_ago: Store) -> None:
    begin = long_ago.past.begin + 600.2
    period = Period(begin=begin, end=begin + SCRAPE * math.floor((long_ago.past.end - begin) / SCRAPE))
    found = asyncio.run(counted(long_ago, "web", period))
    for side in ("stable", "canary"):
        for place in ("", *ROUTES):
            wanted = long_ago.past.total("web", side, place, period.begin, period.end)
            assert found.get((side, place), (0, 0, 0)) == wanted, (side, place)
    assert found["stable", ""][0] > 100_000 * HOURS


def test_what_was_released_is_judged_by_what_is_known_of_it_and_recorded(long_ago: Store) -> None:
    recording = long_ago.home / "recording.jsonl"
    found = long_ago.replay("--record", str(recording))
    bad, good, struck = found["episodes"]
    assert [each["episode"][:2] for each in (bad, good, struck)] == ["c1", "c2", "c3"]
    assert [bad["decision"], good["decision"]] == ["Fail", "Pass"]
    assert bad["seconds"] <= 90
    assert struck["decision"] != "Fail", "what hits both sides is not held against the release"
    rows = [json.loads(line) for line in recording.read_text().splitlines()]
    for each in (bad, good, struck):
        mine = [row for row in rows if row["episode"] == each["episode"] and row["side"] == "canary"]
        for place in ("", *ROUTES):
            here = [row for row in mine if row.get("route", "") == place]
            revision = each["episode"][:2]
            wanted = [g for g in long_ago.past.gains["web"] if (g.revision, g.place) == (revision, place)]
            assert sum(row["requests"] for row in here) == sum(gain.requests for gain in wanted)
            assert sum(row["failures"] for row in here) == sum(gain.failures for gain in wanted)


def test_stable_against_itself_is_never_rolled_back_and_waits_for_no_route_that_is_nearly_silent(
    long_ago: Store,
) -> None:
    found = long_ago.replay("--aa")
    decisions = [each["decision"] for each in found["episodes"]]
    assert len(decisions) >= HOURS
    assert set(decisions) == {"Pass"}


def demand(store: Store, service: str) -> Mapping[str, Demand]:
    async def asked() -> Mapping[str, Demand]:
        metrics = Prometheus(Access(url=store.url))
        readings = Readings(metrics, SystemClock(), timedelta(seconds=SCRAPE))
        spec = parse_spec(the_canary(service))
        _, found = await measured(readings, spec, Key("shop", service), timedelta(minutes=30))
        metrics.close()
        return found

    return asyncio.run(asked())


@pytest.mark.parametrize("service", ["web", "jobs"])
def test_what_stable_did_in_the_last_half_hour_is_what_is_learned(lately: Store, service: str) -> None:
    found, until = demand(lately, service), time.time()
    for place, name in (("", "service"), ("POST /api/task", "POST /api/task"), ("GET /", "GET /")):
        n, f, slow = lately.past.total(service, "stable", place, until - 1800, until)
        told, late = found[f"{name}: success rate"], found[f"{name}: p99 latency"]
        assert told.rps == pytest.approx(n / 1800, rel=0.02)
        assert told.failure == pytest.approx(f / n, rel=0.1)
        assert late.failure == pytest.approx(slow / (n - f), rel=0.1)


def test_failures_that_come_alone_are_told_from_those_that_come_in_bursts(lately: Store) -> None:
    planted = replace(a_service(), burst=(0.05, 0.1)).icc
    alone, bursts = (demand(lately, service)["service: success rate"].icc for service in ("web", "jobs"))
    assert alone == FLOOR
    assert bursts is not None
    assert planted / 2 < bursts < planted * 2


def test_a_forecast_is_of_the_traffic_there_is(lately: Store) -> None:
    found = lately.run("forecast", "web")
    until = time.time()
    n, _, _ = lately.past.total("web", "stable", "", until - 1800, until)
    whole = next(gate for gate in found["gates"] if gate["gate"] == "service: success rate")
    assert whole["requestsPerSecond"] == pytest.approx(n / 1800, rel=0.02)
    assert 60 <= whole["secondsToPass"] <= 300
    assert not whole["quiet"]
    rare = [gate for gate in found["gates"] if gate["gate"] == "GET /rare: success rate"]
    assert all(gate["quiet"] for gate in rare)
    assert rare or "GET /rare: success rate" in found["withoutTraffic"]
