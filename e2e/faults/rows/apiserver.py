"""What the API server answers on a bad day, seen by one controller through its proxy."""

import asyncio
import json
from itertools import pairwise

from e2e.faults.apiproxy import Toxin
from e2e.faults.table import fault
from e2e.faults.trial import Trial

UNTOUCHED = "Nothing is written, no step; goes on when it answers again"
STATUS, SPLIT, SCALE, TEMPLATE = (
    r".*/canaries/[^/]*/status", r".*/trafficsplits/", r".*/deployments/[^/]*/scale", r".*/deployments/[^/]*\?",
)  # fmt: skip
ANY = ".*"
WRITES = "POST|PUT|PATCH|DELETE"


async def outage(trial: Trial, toxin: Toxin, *, seconds: float = 12, weight: int = 100) -> None:
    """Begin a rollout, let a fault last for a while at a weight that may not move, and let it end well."""
    await trial.begun(weight)
    with trial.proxy.during(toxin):
        trial.proxy.cut()
        await trial.stays(seconds, weight)
        trial.see(f"stayed at {weight}m through {len(toxin.met)} requests")
    await trial.goes_on()
    await trial.promoted()


@fault("API server", "answers 503 to every request for 15 s", wanted=UNTOUCHED)
async def api_unavailable(trial: Trial) -> None:
    await outage(trial, Toxin(answer=503), seconds=15)


@fault("API server", "answers 500 to every request for 12 s", wanted=UNTOUCHED)
async def api_fails(trial: Trial) -> None:
    await outage(trial, Toxin(answer=500))


@fault("API server", "takes every request and never answers, for 15 s", wanted=UNTOUCHED)
async def api_hangs(trial: Trial) -> None:
    await outage(trial, Toxin(answer="hang"), seconds=15)


@fault("API server", "takes every write and never answers, for 15 s; reads go on", wanted=UNTOUCHED)
async def api_hangs_writes(trial: Trial) -> None:
    await outage(trial, Toxin(answer="hang", method=WRITES), seconds=15)


@fault("API server", "answers 200 with a page of HTML for 12 s", wanted=UNTOUCHED)
async def api_garbage(trial: Trial) -> None:
    await outage(trial, Toxin(answer=200, body=b"<html>" + b"log in " * 5000))


@fault("API server", "answers 409 to every write of the status for 12 s", wanted=UNTOUCHED)
async def api_conflict_status(trial: Trial) -> None:
    await outage(trial, Toxin(answer=409, method="PUT", path=STATUS))


@fault(
    "API server",
    "answers 409 to every write of the split for 12 s",
    wanted="The next weight is meant and not there; it is once the split can be written",
)
async def api_conflict_split(trial: Trial) -> None:
    await outage(trial, Toxin(answer=409, method="PATCH", path=SPLIT))


@fault(
    "API server",
    "answers 409 to every scaling for 12 s",
    wanted="No weight that the canary's pods cannot carry: the step waits for them",
)
async def api_conflict_scale(trial: Trial) -> None:
    await trial.adopt(steps=["500m", "1000m"])
    toxin = Toxin(answer=409, method="PATCH", path=SCALE)
    with trial.proxy.during(toxin):
        await trial.ship(RELEASE="2")
        await trial.stays(15, 0)
        assert toxin.met, "it was not scaled"
        trial.see(f"stayed at 0m through {len(toxin.met)} tries")
    await trial.goes_on()
    await trial.promoted()


@fault(
    "API server",
    "answers 409 to every write of stable's template for 12 s",
    wanted="The canary keeps its traffic; promoted once the template can be written",
)
async def api_conflict_template(trial: Trial) -> None:
    toxin = Toxin(answer=409, method="PATCH", path=TEMPLATE)
    with trial.proxy.during(toxin):
        await trial.begun(100)
        await trial.says("Promoting", within=120)
        await trial.stays(12, 1000)
        trial.see(f"served at 1000m through {len(toxin.met)} tries")
    with trial.recovering():
        await trial.promoted()


@fault(
    "API server",
    "answers 429 with Retry-After 5 to every request for 16 s",
    wanted="Asks for nothing again before it may; no step, no Event lost",
)
async def api_throttles(trial: Trial) -> None:
    toxin = Toxin(answer=429, retry_after=5)
    await outage(trial, toxin, seconds=16)
    times: dict[tuple[str, str], list[float]] = {}
    for at, verb, path in toxin.met:
        times.setdefault((verb, path), []).append(at)
    gaps = {each: min(late - early for early, late in pairwise(ats)) for each, ats in times.items() if len(ats) > 1}
    assert min(gaps.values()) > 4.9, gaps
    trial.see(f"nothing was asked again within {min(gaps.values()):.1f} s")


@fault(
    "API server",
    "does what it is told, but every second answer to a write is lost, for a whole rollout",
    wanted="No step twice, nothing lost; promoted",
)
async def api_answers_lost(trial: Trial) -> None:
    await trial.adopt()
    toxin = Toxin(answer="cut", method=WRITES, after=True, every=2)
    with trial.proxy.during(toxin):
        await trial.ship(RELEASE="2")
        await trial.promoted()
    trial.see(f"promoted; {len(toxin.met)} answers lost")


@fault("API server", "cuts all connections each second for 15 s", wanted="Goes on at its pace; nothing is done twice")
async def api_watches_cut(trial: Trial) -> None:
    await trial.begun(100)
    before = trial.proxy.requests["WATCH"]
    for _ in range(15):
        trial.proxy.cut()
        await asyncio.sleep(1)
    trial.see(f"{trial.proxy.requests['WATCH'] - before} watches begun")
    await trial.promoted()


EXPIRED = b'{"type":"ERROR","object":{"kind":"Status","status":"Failure","reason":"Expired","code":410}}\n'


@fault(
    "API server",
    "ends every watch with 410 (Expired) for 12 s",
    wanted="Lists again, at a bearable pace; goes on",
)
async def api_watches_expired(trial: Trial) -> None:
    await trial.begun(100)
    toxin = Toxin(answer=200, body=EXPIRED, path=r".*watch=true")
    with trial.proxy.during(toxin):
        trial.proxy.cut()
        await asyncio.sleep(12)
    trial.see(f"{len(toxin.met)} watches were refused")
    assert len(toxin.met) < 60, len(toxin.met)
    await trial.promoted()


@fault(
    "API server",
    "lets all watches fall silent, connections open (half-open), and a release is pushed",
    wanted="The push is seen in the end, and judged",
)
async def api_watches_silent(trial: Trial) -> None:
    await trial.adopt()
    count = trial.proxy.deafen()
    await trial.ship(RELEASE="2", LAB_FAILURES="*=40%")
    with trial.recovering():
        await trial.at_least(100, within=330)
    trial.see(f"{count} watches silent; the push had traffic after {trial.outcome.recovery} s")
    await trial.rolled_back("SuccessRate")


@fault(
    "API server",
    "lets all watches fall silent in mid-rollout; the Canary is annotated and the split edited meanwhile",
    wanted="A bad release is rolled back all the same",
)
async def api_watches_silent_bad_release(trial: Trial) -> None:
    await trial.adopt()
    await trial.ship(RELEASE="2", LAB_FAILURES="*=40%")
    await trial.at_least(100)
    trial.proxy.deafen()
    for kind, name in (("canaries", "yamtam-agent"), ("trafficsplits", "yamtam-canary")):
        await trial.stage.api.patch(trial.path(kind, name), {"metadata": {"annotations": {"note": "by hand"}}})
    with trial.recovering():
        await trial.rolled_back("SuccessRate", within=60)
    trial.see(f"rolled back after {trial.outcome.recovery} s")


@fault(
    "API server",
    "cuts its watches and answers the next lists from an old cache, of before the release",
    wanted="Nothing is begun anew, nobody is blamed; goes on",
)
async def api_old_lists(trial: Trial) -> None:
    await trial.adopt()
    kinds = ("canaries", "deployments", "trafficsplits")
    old = {kind: json.dumps(await trial.stage.api.get(trial.path(kind))).encode() for kind in kinds}
    await trial.ship(RELEASE="2")
    await trial.at_least(100)
    begun = await trial.rollout()
    toxins = [
        trial.proxy.add(Toxin(answer=200, body=old[kind], path=rf".*/{kind}\?(?!.*watch)", times=1)) for kind in kinds
    ]
    trial.proxy.cut()
    await trial.goes_on()
    assert [len(toxin.met) for toxin in toxins] == [1, 1, 1]
    past = await trial.promoted()
    assert past["id"] == begun["id"], past
    told = [await trial.told(reason) for reason in ("NewRevision", "SplitRestored", "StableChanged")]
    assert told == [1, 0, 0], told
    trial.see("the same rollout went on")


@fault("API server", "answers each request after 2 s", wanted="Goes on at that pace; a bad release is caught")
async def api_slow(trial: Trial) -> None:
    await trial.adopt()
    trial.proxy.delay = 2
    await trial.ship(RELEASE="2", LAB_FAILURES="*=40%")
    await trial.at_least(100)
    with trial.recovering():
        await trial.rolled_back("SuccessRate")
    trial.see(f"rolled back {trial.outcome.recovery} s after its first request")


@fault(
    "API server",
    "answers 503 to every request for 15 s while a bad release has traffic",
    wanted="Rolled back as soon as it answers again",
)
async def api_unavailable_bad_release(trial: Trial) -> None:
    await trial.adopt()
    await trial.ship(RELEASE="2", LAB_FAILURES="*=40%")
    await trial.at_least(100)
    with trial.proxy.during(Toxin(answer=503)):
        await trial.stays(15, 100)
    with trial.recovering():
        await trial.rolled_back("SuccessRate")


@fault(
    "API server",
    "answers 403 to writes of the split for 10 s (a right was taken away)",
    wanted="Ready=False with Forbidden, one Event; goes on once the right is back",
)
async def api_forbids_split(trial: Trial) -> None:
    await trial.begun(100)
    with trial.proxy.during(Toxin(answer=403, method="PATCH", path=SPLIT)):
        await trial.until(lambda: _says(trial, "False"), "Ready to be False", within=30)
        await trial.stays(10, 100)
    await trial.goes_on()
    await trial.until(lambda: _says(trial, "True"), "Ready to be True again", within=30)
    told = await trial.told("Forbidden")
    assert 1 <= told <= 2, told  # at the refusal, and with the status that says so
    await trial.promoted()


@fault(
    "API server",
    "answers 403 to reading pods for 10 s (a right was taken away)",
    wanted="No step; people are told; goes on once the right is back",
)
async def api_forbids_pods(trial: Trial) -> None:
    await trial.begun(100)
    with trial.proxy.during(Toxin(answer=403, method="GET", path=r".*/pods")):
        await trial.stays(12, 100)
        ready = await trial.condition("Ready")
        trial.see(f"Ready={ready} meanwhile")
    await trial.goes_on()
    await trial.promoted()


async def _says(trial: Trial, ready: str) -> bool:
    return await trial.condition("Ready") == ready
