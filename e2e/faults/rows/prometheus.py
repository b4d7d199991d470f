"""What Prometheus does on a bad day, seen by one controller through its proxy."""

from e2e.faults import metricsproxy
from e2e.faults.table import fault
from e2e.faults.trial import Trial


@fault(
    "Prometheus",
    "answers 403 for 15 s",
    wanted="Held at its weight, one Event when it begins and one when it ends; then it goes on",
)
async def prometheus_forbids(trial: Trial) -> None:
    await trial.begun(100)
    with trial.prometheus.during(metricsproxy.status(403, "forbidden")):
        await trial.says("PrometheusUnreachable")
        await trial.stays(15, 100)
        trial.see("held at 100m")
    await trial.goes_on()
    assert await trial.told("PrometheusUnreachable") == 1
    await trial.promoted()
