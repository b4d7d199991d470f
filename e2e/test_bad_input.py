"""Bad input, on both control planes: each row ends in one clear error, and nothing changes in the cluster.

Rows that share a lab are played at once: what the API server refuses, what the controller finds in mid-work, what the
command line says. Each names the field, the value and what is allowed, as far as there are such.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import cast

import pytest
import yaml
from aiohttp import web

from canary.adapters.api import Api, Json
from canary.errors import CanaryError
from canary.lab import seed
from canary.lab.controlplane import PlaneFailed, choose
from canary.lab.lab import Lab, LabSettings
from e2e.bad_input import BARE, BLIND, COMMANDS, MISWIRED, RATE, REFUSED, RETRIES, ROWS, YARD, Bad, Wiring
from e2e.stage import QUICK, SECOND, Controller

CANARIES = "canaries.canary.dev"
SPLITS = "trafficsplits.split.smi-spec.io"
WITHIN = 40.0


@dataclass
class Outcome:
    """What was said about one row, and what changed in the cluster."""

    said: list[str]
    changed: list[str]


Outcomes = dict[str, Outcome]


def a_service(name: str, namespace: str = YARD) -> Json:
    spec = {"selector": {"app": name}, "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def a_deployment(name: str, namespace: str = YARD) -> Json:
    """Make one without pods: a revision is all that wiring needs."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "web:1"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
    }


def a_canary(name: str, **spec: object) -> Json:
    sides = {side: {"service": f"{name}-{side}"} for side in ("stable", "canary")}
    own = {"service": name, **sides, "gates": {"successRate": RATE, "latency": {"p99": "1s"}}, **spec}
    metadata = {"name": name, "namespace": YARD}
    return {"apiVersion": "canary.dev/v1alpha1", "kind": "Canary", "metadata": metadata, "spec": own}


def around(name: str, wiring: Wiring) -> list[Json]:
    """Make what is around a Canary: three Services, two Deployments, and what the row adds or takes away."""
    leaves = [f"{name}-stable", f"{name}-canary"]
    objects = [*map(a_service, [name, *leaves]), *map(a_deployment, leaves), *wiring.beside]
    return [obj for obj in objects if (obj["kind"], cast("Json", obj["metadata"])["name"]) not in wiring.without]


@dataclass
class Yard:
    """One lab and its API server."""

    lab: Lab

    @property
    def api(self) -> Api:
        return self.lab.api

    async def items(self, path: str, namespace: str) -> list[Json]:
        group, _, kind = path.rpartition("/")
        try:
            found = await self.api.get(f"{group}/namespaces/{namespace}/{kind}")
        except CanaryError:
            return []  # not served here
        return cast("list[Json]", found.get("items") or [])

    async def picture(self, namespace: str, prefix: str = "") -> dict[str, object]:
        """Describe what a user would not want changed: whole splits and Services, the specs of Deployments."""
        shown: dict[str, object] = {}
        for path in ("/api/v1/services", "/apis/split.smi-spec.io/v1alpha1/trafficsplits", "/apis/apps/v1/deployments"):
            for obj in await self.items(path, namespace):
                meta = cast("Json", obj["metadata"])
                name = str(meta["name"])
                version = meta["generation"] if path.endswith("deployments") else meta["resourceVersion"]
                if name.startswith(prefix):
                    shown[f"{path.rpartition('/')[2]}/{name}"] = (version, obj["spec"], meta.get("labels"))
        return shown

    async def condition(self, name: str, kind: str = "Ready", namespace: str = YARD) -> Json:
        conditions = (await self.status(name, namespace)).get("conditions")
        return next((c for c in cast("list[Json]", conditions or []) if c["type"] == kind), {})

    async def status(self, name: str, namespace: str = YARD) -> Json:
        obj = await self.api.get(f"/apis/canary.dev/v1alpha1/namespaces/{namespace}/canaries/{name}")
        return cast("Json", obj.get("status") or {})

    async def settled(self) -> None:
        """Wait until the Deployment controller has looked at all Deployments."""

        async def looked() -> bool:
            found = cast("list[Json]", (await self.api.get("/apis/apps/v1/deployments")).get("items") or [])
            seen = (cast("Json", obj.get("status") or {}).get("observedGeneration") for obj in found)
            wanted = [cast("Json", obj["metadata"])["generation"] for obj in found]
            return [*seen] == wanted

        await until(looked, "the Deployments to be looked at")


async def until(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    try:
        async with asyncio.timeout(WITHIN):
            while not await holds():  # noqa: ASYNC110 - asks other processes
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"waited {WITHIN:.0f} s for {what}") from None


def differences(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    names = sorted({*before, *after})
    return [f"{name}: {before.get(name)} -> {after.get(name)}" for name in names if before.get(name) != after.get(name)]


async def refusals(yard: Yard) -> Outcomes:
    """Change an adopted Canary with strict validation, as kubectl asks for it."""
    path = f"/apis/canary.dev/v1alpha1/namespaces/{YARD}/canaries/good"
    outcomes = {}
    for row in REFUSED:
        obj = await yard.api.get(path)
        before = {**await yard.picture(YARD, "good"), "spec": obj["spec"]}
        wrong = {**obj, "spec": merged(cast("Json", obj["spec"]), cast("Json", row.input))}
        try:
            await yard.api.replace(path, wrong, fieldValidation="Strict")
            said = []
        except CanaryError as error:
            said = [error.hint]
        after = {**await yard.picture(YARD, "good"), "spec": (await yard.api.get(path))["spec"]}
        outcomes[row.name] = Outcome(said, differences(before, after))
    return outcomes


def merged(spec: Mapping[str, object], change: Mapping[str, object]) -> Json:
    """Change some fields of a spec; None takes one away."""
    both = {**spec, **change}
    for name, value in change.items():
        old = spec.get(name)
        if isinstance(value, dict) and isinstance(old, dict):
            both[name] = merged(old, value)
    return {name: value for name, value in both.items() if value is not None}


async def wirings(yard: Yard, rows: list[Bad], beforehand: Awaitable[None] | None = None) -> Outcomes:
    """Apply Canaries whose surroundings are wrong, and wait for what the controller says of them."""
    told = [(row, cast("Wiring", row.input)) for row in rows]
    await yard.lab.apply(obj for row, wiring in told for obj in around(row.name, wiring))
    await yard.settled()
    if beforehand is not None:
        await beforehand
    before = {row.name: await yard.picture(YARD, row.name) for row in rows}
    await yard.lab.apply(a_canary(row.name, **wiring.spec) for row, wiring in told)
    outcomes = {}
    for row in rows:

        async def refused(name: str = row.name) -> bool:
            return (await yard.condition(name)).get("status") == "False"

        await until(refused, f"{row.name} to be refused")
    await asyncio.sleep(1)  # for whatever would follow
    for row in rows:
        ready = await yard.condition(row.name)
        said = [f"{ready['reason']}: {ready['message']}"] if ready.get("status") == "False" else []
        outcomes[row.name] = Outcome(said, differences(before[row.name], await yard.picture(YARD, row.name)))
    return outcomes


async def command(yard: Yard, *arguments: str) -> tuple[int, str, str]:
    """Run `canary` as a user does: exit code, stdout, stderr."""
    env = {**os.environ, "KUBECONFIG": str(yard.lab.kubeconfig), "CANARY_NAMESPACE": YARD, "COLUMNS": "500"}
    if arguments[0] == "run" and "--kubeconfig" not in arguments:
        arguments = (*arguments, "--kubeconfig", str(yard.lab.kubeconfig))
        arguments += () if "--prometheus-url" in arguments else ("--prometheus-url", "http://127.0.0.1:9")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "canary", *arguments, env=env,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(WITHIN):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return -1, "", "it did not end"
    return process.returncode or 0, out.decode(), err.decode()


def errors(err: str) -> list[str]:
    """Find the errors that a command told a person; its log is not for persons."""
    if "Traceback" in err:
        return [err]
    return [line for line in err.splitlines() if line.lower().startswith("error: ")]


async def commands(yard: Yard) -> Outcomes:
    """Run each wrong command, two at a time."""
    turns, outcomes = asyncio.Semaphore(2), {}
    before = await yard.picture(YARD, "good")

    async def play(row: Bad) -> None:
        wanted, *arguments = cast("tuple[object, ...]", row.input)
        async with turns:
            code, out, err = await command(yard, *map(str, arguments))
        changed = [] if code == wanted else [f"exit code {code}, stdout {out!r}, stderr {err!r}"]
        outcomes[row.name] = Outcome([*errors(err), *([" ".join(out.split())] if out else [])], changed)

    await asyncio.gather(*map(play, COMMANDS))
    changed = differences(before, await yard.picture(YARD, "good"))
    return {name: Outcome(outcome.said, outcome.changed + changed) for name, outcome in outcomes.items()}


async def retries(yard: Yard) -> Outcomes:
    """Ask for a rollout that never was, in the spec."""
    outcomes = {}
    for row in RETRIES:
        before = await yard.picture(YARD, row.name)
        path = f"/apis/canary.dev/v1alpha1/namespaces/{YARD}/canaries/{row.name}"
        await yard.api.patch(path, {"spec": {"retry": row.input, "abort": row.input, "approve": row.input}})

        async def refused(name: str = row.name) -> bool:
            return any(name in said for said in await warnings(yard))

        await until(refused, "the retry to be refused")
        said = [each for each in await warnings(yard) if row.name in each]
        outcomes[row.name] = Outcome(said, differences(before, await yard.picture(YARD, row.name)))
    return outcomes


async def warnings(yard: Yard) -> list[str]:
    found = await yard.items("/api/v1/events", YARD)
    return [f"{e['reason']}: {e['message']}" for e in found if e["type"] == "Warning" and e["reason"] == "RetryRefused"]


@contextlib.asynccontextmanager
async def standing_in(answer: object) -> AsyncIterator[str]:
    """Serve what a wrong Prometheus answers; None is nobody."""
    if answer is None:
        yield "http://127.0.0.1:9"
        return
    status, kind, text = cast("tuple[int, str, str]", answer)

    async def serve(_: web.Request) -> web.Response:
        return web.Response(status=status, content_type=kind, text=text)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", serve)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def controlled(lab: Lab, namespace: str, url: str, log: Path) -> AsyncIterator[Controller]:
    controller = Controller(lab.kubeconfig, url, log, ("--namespace", namespace) if namespace else ())
    await controller.start()
    try:
        yield controller
    finally:
        await controller.stop()


async def blind(yard: Yard, row: Bad, home: Path) -> Outcomes:
    """Let a rollout begin with a Prometheus that tells nothing."""
    manifests = seed.yamtam(namespace=row.name, clients=0)
    async with standing_in(row.input) as url, controlled(yard.lab, row.name, url, home / f"{row.name}.log"):
        await yard.lab.apply([*manifests, seed.canary(QUICK, namespace=row.name)])
        place = f"/apis/apps/v1/namespaces/{row.name}/deployments"

        async def adopted() -> bool:
            status = await yard.status(seed.APEX, row.name)
            stable = cast("Json", (await yard.api.get(f"{place}/{seed.STABLE}")).get("status") or {})
            return bool(status.get("promoted")) and stable.get("availableReplicas") == 2

        await until(adopted, f"{row.name} to be adopted")
        deployment = await yard.api.get(f"{place}/{seed.CANARY}")
        shipped = seed.with_env(deployment, {"RELEASE": "2"})["spec"]
        await yard.api.patch(f"{place}/{seed.CANARY}", {"spec": shipped})

        async def held() -> bool:
            found = await yard.condition(seed.APEX, "Held", row.name)
            return (found.get("status"), found.get("reason")) == ("True", "PrometheusUnreachable")

        await until(held, f"{row.name} to be held")
        before = await yard.picture(row.name)
        await asyncio.sleep(3)  # ticks, in which nothing may move
        found = await yard.condition(seed.APEX, "Held", row.name)
        said = [str(found["message"])] if found["status"] == "True" else []
        return {row.name: Outcome(said, differences(before, await yard.picture(row.name)))}


async def whole(plane: str, home: Path) -> Outcomes:
    """Play all that wants a whole lab."""
    async with Lab(home, LabSettings(control_plane=plane, scrape_interval=SECOND)) as lab:
        yard = Yard(lab)
        await lab.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": YARD}}])
        async with controlled(lab, YARD, lab.prometheus.url, home / "controller.log"):
            await lab.apply(obj for name in ("good", "again") for obj in around(name, Wiring()))
            await lab.apply(map(a_canary, ("good", "again")))
            for name in ("good", "again"):

                async def adopted(name: str = name) -> bool:
                    ready = (await yard.condition(name)).get("status") == "True"
                    return ready and f"trafficsplits/{name}" in await yard.picture(YARD, name)

                await until(adopted, f"{name} to be adopted")
            blinded = asyncio.gather(*(blind(yard, row, home) for row in BLIND))
            found = [await refusals(yard), await wirings(yard, MISWIRED), await retries(yard), await commands(yard)]
            return {name: o for each in [*found, *await blinded] for name, o in each.items()}


async def bare(plane: str, home: Path) -> Outcomes:
    """Play what wants a cluster without our definitions."""
    settings = LabSettings(control_plane=plane, scrape_interval=SECOND, without=frozenset({CANARIES, SPLITS}))
    shown, run, unsupported = BARE
    async with Lab(home, settings) as lab:
        yard = Yard(lab)
        await lab.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": YARD}}])
        async with controlled(lab, "", lab.prometheus.url, home / "controller.log") as controller:

            async def complained() -> bool:
                return bool(complaints(controller))

            await until(complained, "the controller to miss the definition")
            code, _, err = await command(yard, *map(str, cast("tuple[object, ...]", shown.input)[1:]))
            outcomes = {
                shown.name: Outcome(errors(err), [] if code == 1 else [f"exit code {code}: {err}"]),
                run.name: Outcome(complaints(controller), []),
            }
            definition = yaml.safe_load((files("canary") / "crds" / "canaries.yaml").read_text())
            return {**outcomes, **await wirings(yard, [unsupported], lab.apply([definition]))}


def complaints(controller: Controller) -> list[str]:
    """Read what the controller's log says of its own definition, each once."""
    lines = [line for line in controller.lines() if line.get("event") == "watch.failed"]
    return sorted({str(line["error"]) for line in lines if "/canaries" in str(line["path"])})


async def play_all(plane: str, home: Path) -> Outcomes:
    return {**await whole(plane, home / "whole"), **await bare(plane, home / "bare")}


@pytest.fixture(scope="session", params=["embedded", pytest.param("real", marks=pytest.mark.controlplane)])
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """Play all rows on one plane."""
    plane, home = str(request.param), tmp_path_factory.mktemp(str(request.param))
    try:
        choose(plane, home)
    except PlaneFailed as missing:
        pytest.skip(missing.hint)
    return asyncio.run(play_all(plane, home))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS])
def test_it_ends_in_one_clear_error_and_changes_nothing(row: Bad, outcomes: Outcomes) -> None:
    outcome = outcomes[row.name]
    assert len(outcome.said) == 1, outcome
    missing = [words for words in row.words if words not in outcome.said[0]]
    assert not missing, outcome.said[0]
    assert outcome.changed == []


def test_there_are_enough_rows() -> None:
    assert len(ROWS) >= 25
