"""What comes and goes again and again."""

import asyncio
from itertools import pairwise

from e2e.faults import metricsproxy
from e2e.faults.table import fault
from e2e.faults.trial import Trial


@fault(
    "Prometheus",
    "is up for a second and down for a second, 15 times",
    wanted="Held at its weight, one Event for the outages and one for their ends; then it goes on",
)
async def prometheus_flaps(trial: Trial) -> None:
    await trial.begun(100, dwell="1m")
    for _ in range(15):
        with trial.prometheus.during(metricsproxy.status(500, "out of memory")):
            await asyncio.sleep(1)
        await asyncio.sleep(1)
    assert await trial.weight() == 100
    reasons = [line["reason"] for line in trial.controller.lines() if line.get("event") == "tick.decided"]
    flaps = sum(before != after == "PrometheusUnreachable" for before, after in pairwise(reasons))
    assert flaps >= 5, reasons
    assert [await trial.told(reason) for reason in ("PrometheusUnreachable", "Gathering")] == [1, 1]
    trial.see(f"{flaps} flaps, one Event for each of the two")
    await trial.spec(dwell="3s")
    await trial.goes_on()
    await trial.promoted()
