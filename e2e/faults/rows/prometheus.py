"""What Prometheus answers on a bad day, seen by one controller through its proxy."""

import time
from pathlib import Path
from typing import Any

from e2e.faults import metricsproxy
from e2e.faults.metricsproxy import Answer
from e2e.faults.table import fault
from e2e.faults.trial import Trial

HELD = "Held at its weight with its evidence, one Event; then it goes on"


async def held(trial: Trial, answer: Answer, *reasons: str, seconds: float = 12, within: float = 30) -> None:
    """Let Prometheus answer so for a while at 100m: the rollout holds, and goes on after it."""
    await trial.begun(100)
    with trial.prometheus.during(answer):
        begun = time.monotonic()
        await trial.says(*reasons, within=within)
        said = (await trial.status())["reason"]
        trial.see(f"{said} after {time.monotonic() - begun:.0f} s")
        await trial.stays(seconds, 100)
    await trial.goes_on()
    told = await trial.told(str(said))
    assert told == 1, told
    trial.see("held at 100m, one Event")


@fault("Prometheus", "is gone (connection refused) for 20 s", wanted=HELD)
async def prometheus_down(trial: Trial) -> None:
    await trial.begun(100)
    async with trial.prometheus.refusing():
        await trial.says("PrometheusUnreachable")
        await trial.stays(20, 100)
        assert await trial.condition("Held") == "True"
    await trial.goes_on()
    assert await trial.told("PrometheusUnreachable") == 1
    past = await trial.promoted()
    trial.see(f"held at 100m, one Event; {trial.audit.once(past['id'])}")


@fault(
    "Prometheus",
    "is gone for 15 s while a bad release (every fifth request fails) is under way",
    wanted="Held; rolled back for its success rate as soon as Prometheus answers again",
    rps=40,
)
async def prometheus_down_bad_release(trial: Trial) -> None:
    await trial.adopt()
    await trial.ship(RELEASE="2", LAB_FAILURES="*=20%")
    await trial.at_least(100)
    async with trial.prometheus.refusing():
        await trial.says("PrometheusUnreachable")
        await trial.stays(15, 100)
    with trial.recovering():
        await trial.rolled_back("SuccessRate", within=30)
    trial.see(f"held at 100m, then rolled back {trial.outcome.recovery} s after it answered again")


@fault("Prometheus", "answers 403 for 15 s", wanted=HELD)
async def prometheus_forbids(trial: Trial) -> None:
    await held(trial, metricsproxy.status(403, "forbidden"), "PrometheusUnreachable")
    assert "AuthorizationPolicy" in dict(await trial.events())["PrometheusUnreachable"]
    trial.see("the Event says which policy is missing")


@fault("Prometheus", "answers 500 for 15 s", wanted=HELD)
async def prometheus_fails(trial: Trial) -> None:
    await held(trial, metricsproxy.status(500, "out of memory"), "PrometheusUnreachable")


@fault("Prometheus", "takes the question and never answers", wanted=HELD)
async def prometheus_hangs(trial: Trial) -> None:
    await held(trial, metricsproxy.never, "PrometheusUnreachable")


@fault("Prometheus", "answers a byte at a time, without end", wanted=HELD)
async def prometheus_drips(trial: Trial) -> None:
    await held(trial, metricsproxy.drips, "PrometheusUnreachable")


@fault("Prometheus", "answers after 5 s", wanted="The rollout goes on at that pace, or holds; a bad release is caught")
async def prometheus_slow(trial: Trial) -> None:
    await trial.begun(100)
    with trial.prometheus.during(metricsproxy.slow(5)):
        asked = trial.prometheus.asked
        await trial.goes_on(within=90)
        trial.see(f"500m after {trial.outcome.recovery} s, {trial.prometheus.asked - asked} queries")
        await trial.ship(RELEASE="3", LAB_FAILURES="*=50%")
        await trial.rolled_back("SuccessRate", count=2, within=90)
    trial.see("the bad release after it was rolled back")


@fault("Prometheus", "answers without any series", wanted="Held as NoData")
async def prometheus_empty(trial: Trial) -> None:
    await held(trial, metricsproxy.series(lambda _: []), "NoData")


@fault(
    "Prometheus", "answers without the canary's series, while stable's go on", wanted="Held as NoTraffic, not NoData"
)
async def prometheus_empty_canary(trial: Trial) -> None:
    def change(each: dict[str, Any]) -> list[dict[str, Any]]:
        return [] if each["metric"].get("dst_service", "").endswith("-canary") else [each]

    await held(trial, metricsproxy.series(change), "NoTraffic")


@fault("Prometheus", "answers NaN for every value", wanted="Held as NoData: what is no number counts nothing")
async def prometheus_nan(trial: Trial) -> None:
    def change(each: dict[str, Any]) -> list[dict[str, Any]]:
        return [{**each, "values": [[at, "NaN"] for at, _ in each["values"]]}]

    await held(trial, metricsproxy.series(change), "NoData")


@fault(
    "Prometheus",
    "answers three series where there was one, each with its part of the count",
    wanted="Summed: no request is counted twice or left out; promoted",
)
async def prometheus_several_series(trial: Trial) -> None:
    def change(each: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {
                "metric": {**each["metric"], "shard": f"{part}"},
                "values": [[at, f"{(int(value) + part) // 3}"] for at, value in each["values"]],
            }
            for part in range(3)
        ]

    with trial.prometheus.during(metricsproxy.series(change)):
        await trial.begun(100)
        past = await trial.promoted()
    counted = trial.audit.once(past["id"])
    trial.see(f"promoted; {counted}")


@fault("Prometheus", "answers, but warns that this may be a part", wanted=HELD)
async def prometheus_warns(trial: Trial) -> None:
    def warns(document: dict[str, Any]) -> dict[str, Any]:
        return {**document, "warnings": ["remote read of store-2 failed"]}

    await held(trial, metricsproxy.changed(warns), "PrometheusUnreachable")


@fault("Prometheus", "answers 200 with a login page", wanted=HELD)
async def prometheus_login_page(trial: Trial) -> None:
    await held(trial, metricsproxy.status(200, "<html>" + "log in " * 5000), "PrometheusUnreachable")
    said = dict(await trial.events())["PrometheusUnreachable"]
    assert len(said) <= 1024, len(said)


@fault("Prometheus", "answers 200 with JSON that has no end", wanted=HELD + "; its memory stays bounded")
async def prometheus_endless(trial: Trial) -> None:
    await held(trial, metricsproxy.endless, "PrometheusUnreachable")
    peak = next(
        int(line.split()[1]) // 1024
        for line in Path(f"/proc/{trial.first.pid}/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )
    assert peak < 450, peak  # the chart allows 512 MiB
    trial.see(f"at most {peak} MiB of memory")
