"""What Prometheus missed, forgot, or saw twice: an instance of the row's own, or counters that begin again."""

import asyncio
import time
from typing import cast

from canary.adapters.api import Json
from canary.lab import seed
from e2e.faults import metricsproxy
from e2e.faults.scraping import scraping
from e2e.faults.table import fault
from e2e.faults.trial import Trial

ONCE = "Every request is counted once; promoted"


@fault("Prometheus", "scrapes no more for 12 s: its newest samples grow old", wanted="Held as StaleData")
async def prometheus_stale(trial: Trial) -> None:
    await trial.begun(100)
    with trial.prometheus.during(metricsproxy.pinned(time.time())):
        await trial.says("StaleData")
        await trial.stays(12, 100)
    await trial.goes_on()
    assert await trial.told("StaleData") == 1
    trial.see("held at 100m, one Event")


@fault("Prometheus", "gets 503 from every proxy for 12 s", wanted="Held as NoData or StaleData; " + ONCE.lower())
async def proxies_not_scraped(trial: Trial) -> None:
    async with scraping(trial) as (pages, _):
        await trial.begun(100)
        pages.down = True
        await trial.says("NoData", "StaleData")
        trial.see(str((await trial.status())["reason"]))
        await trial.stays(12, 100)
        pages.down = False
        await trial.goes_on()
        past = await trial.promoted()
    trial.see(trial.audit.once(past["id"]))


@fault("Prometheus", "is frozen (SIGSTOP) for 15 s", wanted="Held; " + ONCE.lower())
async def prometheus_frozen(trial: Trial) -> None:
    async with scraping(trial) as (_, (prometheus,)):
        await trial.begun(100)
        prometheus.pause()
        await trial.says("PrometheusUnreachable")
        await trial.stays(10, 100)
        prometheus.resume()
        await trial.goes_on()
        past = await trial.promoted()
    trial.see(trial.audit.once(past["id"]))


@fault(
    "Prometheus",
    "restarts without its history in mid-rollout",
    wanted="Held while it is away; no evidence is lost, and nothing counted twice; promoted",
)
async def prometheus_forgets(trial: Trial) -> None:
    async with scraping(trial) as (_, (prometheus,)):
        await trial.begun(100)
        await asyncio.sleep(5)
        await prometheus.restart(keep_history=False)
        await trial.goes_on()
        past = await trial.promoted()
    trial.see(trial.audit.once(past["id"]))


@fault(
    "Prometheus",
    "restarts without its history, and so does the controller",
    wanted="It goes on from the evidence in the Canary; only the gap is not counted; promoted",
)
async def prometheus_and_controller_forget(trial: Trial) -> None:
    async with scraping(trial) as (_, (prometheus,)):
        await trial.begun(500)
        saved = trial.truth.answered
        await asyncio.sleep(5)
        await trial.first.kill()
        await prometheus.restart(keep_history=False)
        await trial.first.start()
        await asyncio.sleep(8)
        gap = trial.truth.answered - saved
        with trial.recovering():
            past = await trial.promoted()
    trial.see(f"{trial.audit.once(past['id'], missing=gap)}, of {gap} between checkpoint and restart")


@fault(
    "Prometheus",
    "is two replicas behind one address, which scrape at different moments and are asked by chance",
    wanted=ONCE,
)
async def prometheus_replicas(trial: Trial) -> None:
    async with scraping(trial, replicas=2) as (_, instances):
        await trial.begun(100)
        past = await trial.promoted()
        first, second = [await scrape_time(trial, each.url) % 1 for each in instances]
    trial.see(f"scraped {abs(first - second) * 1000:.0f} ms apart, {trial.prometheus.asked} queries")
    trial.see(trial.audit.once(past["id"]))


async def scrape_time(trial: Trial, url: str) -> float:
    """Say when a Prometheus last scraped a client."""
    query = f'timestamp(response_total{{direction="outbound",dst_namespace="{trial.namespace}"}})'
    return max(float(row["value"][1]) for row in await trial.stage.ask(query, time.time(), url))


@fault(
    "Prometheus",
    "saw the canary's idle series vanish (15 s without requests) and come back at 0, in a second try",
    wanted="The second try counts its own requests once; promoted",
)
async def series_idle(trial: Trial) -> None:
    await trial.begun(500)
    first = str((await trial.rollout())["id"])
    await trial.spec(abort=first)
    await trial.rolled_back("Aborted")
    await asyncio.sleep(20)
    query = f'response_total{{dst_namespace="{trial.namespace}",dst_service="{seed.CANARY}"}}'
    assert not await trial.stage.ask(query, time.time())
    await trial.spec(retry=first)
    past = await trial.promoted(count=2)
    trial.see(trial.audit.once(past["id"]))


@fault("Prometheus", "sees the counters of the client's proxy begin at 0 again, three times", wanted=ONCE)
async def counters_reset(trial: Trial) -> None:
    async with scraping(trial) as (pages, _):
        pages.change = again = Again("load-")
        await trial.begun(100)
        for _ in range(3):
            again.begin()
            await asyncio.sleep(5)
        past = await trial.promoted()
    trial.see(f"{again.times} times")
    trial.see(trial.audit.once(past["id"]))


class Again:
    """A proxy that seems to have been started again: what it counted until its last page is taken off."""

    def __init__(self, pod: str) -> None:
        self.pod, self.times = pod, 0
        self._gone: dict[bytes, float] = {}
        self._shown: dict[bytes, float] = {}

    def begin(self) -> None:
        """Begin at 0."""
        self._gone, self.times = dict(self._shown), self.times + 1

    def __call__(self, pod: str, page: bytes) -> bytes:
        return b"\n".join(map(self._line, page.split(b"\n"))) if pod.startswith(self.pod) else page

    def _line(self, line: bytes) -> bytes:
        name, _, value = line.rpartition(b" ")
        if not name or line.startswith(b"#") or b"_total{" not in name:
            return line
        self._shown[name] = float(value)
        return b"%s %d" % (name, self._shown[name] - self._gone.get(name, 0.0))


@fault("Prometheus", "loses the client's proxy, as its pod is deleted, and finds another one", wanted=ONCE)
async def client_replaced(trial: Trial) -> None:
    await trial.begun(500)
    pods = cast("list[Json]", (await trial.stage.api.get(trial.path("pods")))["items"])
    names = [str(cast("Json", pod["metadata"])["name"]) for pod in pods]
    for name in [name for name in names if name.startswith("load-")]:
        await trial.stage.api.delete(trial.path("pods", name))
    await trial.goes_on(within=90)
    past = await trial.promoted()
    trial.see(trial.audit.once(past["id"], missing=20))  # what no scrape saw before it went: ten a second
