"""What the API server answers on a bad day, seen by one controller through its proxy."""

from e2e.faults.apiproxy import Toxin
from e2e.faults.table import fault
from e2e.faults.trial import Trial


@fault(
    "API server",
    "answers 503 to every request for 15 s",
    wanted="Nothing is written, no step; goes on when it answers again",
)
async def api_unavailable(trial: Trial) -> None:
    await trial.begun(100)
    with trial.proxy.during(Toxin(answer=503)):
        trial.proxy.cut()
        await trial.stays(15, 100)
        trial.see("stayed at 100m")
    await trial.goes_on()
    await trial.promoted()
