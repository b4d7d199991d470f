"""Labels and texts that nobody expects: endless, no text at all, or named like the proxy's own."""

import json
from typing import Any, cast

from canary.adapters.api import Json
from canary.errors import Rejected
from canary.lab import seed
from e2e.faults import metricsproxy
from e2e.faults.metricsproxy import Answer
from e2e.faults.scraping import scraping
from e2e.faults.table import fault
from e2e.faults.trial import GATE, GATES, Trial

LONG = "x" * 10_000
ROUTE = "POST /api/task"
COUNTED = "No crash; every request is counted once; promoted"
MARK = b'direction="outbound",'


@fault("Labels", "the client's proxy has a label of 10,000 characters on every series", wanted=COUNTED)
async def label_long_scraped(trial: Trial) -> None:
    async with scraping(trial) as (pages, _):
        pages.change = lambda _, page: page.replace(MARK, MARK + b'odd="' + LONG.encode() + b'",')
        await trial.begun(100)
        past = await trial.promoted()
    counted = trial.audit.once(past["id"])
    trial.see(f"promoted; {counted}")


@fault(
    "Labels",
    "the client's proxy has a label that is no UTF-8, for 12 s",
    wanted="Prometheus refuses the whole page: held as NoData or StaleData, then it goes on",
)
async def label_not_text_scraped(trial: Trial) -> None:
    async with scraping(trial) as (pages, _):
        await trial.begun(100)
        pages.change = lambda _, page: page.replace(MARK, MARK + b'odd="\xff\xfe",')
        await trial.says("NoData", "StaleData")
        reason = str((await trial.status())["reason"])
        await trial.stays(12, 100)
        pages.change = lambda _, page: page
        await trial.goes_on()
        assert await trial.told(reason) == 1
        past = await trial.promoted()
    counted = trial.audit.once(past["id"])
    trial.see(f"{reason}; {counted}")


@fault(
    "Labels",
    "the canary's own proxies serve what is no UTF-8, while a route is judged by them",
    wanted="The route has no evidence: nothing is promoted for want of it, nor rolled back before the deadline",
)
async def label_not_text_canary(trial: Trial) -> None:
    async with scraping(trial) as (pages, _):
        pages.change = lambda pod, page: (
            page.replace(b'direction="inbound",', b'direction="inbound",odd="\xff",') if "-canary-" in pod else page
        )
        gates = {**GATES, "routes": [{"name": ROUTE, "successRate": {"min": "95%"}}]}
        await trial.begun(500, gates=gates)
        await trial.stays(70, 500)
        shown = cast("list[Json]", (await trial.status())["gates"])
        verdicts = {str(gate["name"]): gate["verdict"] for gate in shown}
        assert verdicts == {GATE: "Pass", f"{ROUTE}: success rate": "Hold"}, verdicts
        trial.see("stayed at 500m for 70 s, the service having passed, the route not")


async def answered(trial: Trial, answer: Answer) -> None:
    """Let Prometheus answer so from the middle of a good release to the end of a bad one after it."""
    await trial.begun(100)
    with trial.prometheus.during(answer):
        await trial.promoted()
        await trial.ship(RELEASE="3", LAB_FAILURES="*=30%")
        await trial.rolled_back("SuccessRate", count=2)
    trial.see("the good release was promoted, the bad one after it rolled back")


@fault(
    "Labels",
    "Prometheus answers with a label of 10,000 characters on every series",
    wanted="No crash; a good release is promoted, a bad one rolled back",
)
async def label_long_answered(trial: Trial) -> None:
    def change(each: dict[str, Any]) -> list[dict[str, Any]]:
        return [{**each, "metric": {**each["metric"], "odd": LONG}}]

    await answered(trial, metricsproxy.series(change))


@fault(
    "Labels",
    "Prometheus answers with labels that are no UTF-8",
    wanted="No crash; a good release is promoted, a bad one rolled back",
)
async def label_not_text_answered(trial: Trial) -> None:
    def change(body: bytes) -> bytes:
        assert b'"metric":{"' in body or b'"result":[]' in body or b'"metric":{}' in body
        return body.replace(b'"metric":{"', b'"metric":{"o\xffd":"\xff\xfe\x80","')

    await answered(trial, metricsproxy.rewritten(change))


async def relabel(trial: Trial, name: str, **labels: str | None) -> None:
    """Give a Deployment's pods labels, or take them away."""
    changed = {"metadata": {"labels": labels}}
    await trial.stage.api.patch(trial.path("deployments", name), {"spec": {"template": changed}})


@fault(
    "Labels",
    "the canary's pods have a label `classification: success`, which hides the proxy's own; a route fails",
    wanted="Refused, saying which label; nothing gets weight; once it is renamed, the bad route is rolled back",
    rps=40,
)
async def label_collides(trial: Trial) -> None:
    routes = [{"name": ROUTE, "successRate": {"min": "95%"}}]
    await trial.adopt(gates={"routes": routes})
    await relabel(trial, seed.CANARY, classification="success")
    await trial.ship(RELEASE="2", LAB_FAILURES=f"{ROUTE}=30%")
    await trial.says("LabelCollision")
    assert await trial.condition("Ready") == "False"
    await trial.stays(10, 0)
    trial.see(str((await trial.status())["message"]))
    await relabel(trial, seed.CANARY, classification=None)
    with trial.recovering():
        await trial.until(lambda: failed(trial), "the bad route to be rolled back", within=90)
    assert await trial.told("LabelCollision") == 1


async def failed(trial: Trial) -> bool:
    """Tell whether the last rollout was rolled back for its failures."""
    return [past["reason"] for past in await trial.history()][-1:] == ["SuccessRate"]


@fault(
    "Labels",
    "all pods have one label `instance`, so that no target can be told from another by it, and the client is not "
    "scraped for 6 s",
    wanted=COUNTED,
)
async def label_instance(trial: Trial) -> None:
    for name in ("load", seed.STABLE, seed.CANARY):
        await relabel(trial, name, instance="production")
    async with scraping(trial) as (pages, _):
        await trial.begun(500)
        pages.dead = "load-"
        await trial.stays(6, 500)
        pages.dead = ""
        past = await trial.promoted()
    counted = trial.audit.once(past["id"])
    trial.see(f"promoted; {counted}")


@fault(
    "Labels",
    "the pod template has an annotation and a variable of 10,000 characters, and spec.retry a text as long",
    wanted="Copied to stable as they are; status stays under 16 KiB, no Event over 1 KiB",
)
async def texts_long(trial: Trial) -> None:
    await trial.adopt()
    note = {"metadata": {"annotations": {"shop.example/note": LONG}}}
    await trial.stage.api.patch(trial.path("deployments", seed.CANARY), {"spec": {"template": note}})
    await trial.ship(RELEASE="2", LONG=LONG)
    try:
        await trial.spec(retry=LONG)
    except Rejected:
        trial.see("the API server refuses such a spec.retry")
    await trial.until(lambda: over(trial), "a rollout to be promoted", within=180)
    stable = await trial.stage.api.get(trial.path("deployments", seed.STABLE))
    assert json.dumps(stable).count(LONG) >= 2
    size = len(json.dumps(await trial.status()))
    told = max(len(message) for _, message in await trial.events())
    assert size < 16 * 1024, size
    assert told <= 1024, told
    trial.see(f"status of {size} bytes, the longest Event {told} characters")


async def over(trial: Trial) -> bool:
    """Tell whether the last rollout was promoted."""
    return [past["outcome"] for past in await trial.history()][-1:] == ["Promoted"]
