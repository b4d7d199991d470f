"""No secret that the controller is told comes out again: planted everywhere, and everything is made to fail.

The shipped process runs against the embedded API server, beside a Prometheus and webhooks that refuse and that repeat
whatever they were told.
"""

import asyncio
import contextlib
import json
import os
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import aiohttp
import pytest
import yaml
from click.testing import CliRunner

from canary.adapters.api import Json
from canary.cli import main
from canary.errors import Conflict, NotFound
from canary.lab.apiserver.faults import Fault
from tests.adapters.neighbourhood import (
    CANARIES,
    DEPLOYMENTS,
    TOWN,
    Neighbourhood,
    a_deployment,
    a_neighbourhood,
    definition,
    furnish,
    named,
    without_rules,
)
from tests.adapters.planes import a_kubeconfig
from tests.adapters.recorded import Answer, Asked, head, recorded
from tests.canaries import a_canary, a_webhook

SECRET = "hunter2"
"""In each of them, and nowhere else."""
LOGIN = f"me:{SECRET}password"
HIDDEN = (SECRET, b64encode(LOGIN.encode()).decode())
WITHIN = 40.0


@dataclass
class Echo:
    """A server that repeats all it was told, or, as Prometheus, tells the time and one number."""

    status: int = 401
    asked: list[Asked] = field(default_factory=list)

    async def __call__(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        self.asked.append(asked)
        told = f"no: {asked.target} " + " ".join(asked.headers.values())
        raw = told.encode()
        if self.status == 200:
            raw = json.dumps({"status": "success", "data": {"result": [_row(asked.query["query"])]}}).encode()
        if self.status == 0:
            writer.transport.abort()
            return
        writer.write(head(self.status, Content_Length=str(len(raw)), Location=f"http://else{asked.target}") + raw)
        await writer.drain()


def _row(query: str) -> Json:
    now = datetime.now(UTC).timestamp()
    labels = {"direction": "outbound", "dst_namespace": TOWN, "dst_service": "web-stable", "instance": "c"}
    return {"metric": {"__name__": query.partition("{")[0], **labels}, "value": [now, f"{now}"]}


def hooked(url: str) -> Json:
    """Make a Canary whose every webhook holds secrets, at an address that answers or at none."""
    path = f"/services/T0/{SECRET}{SECRET}?token={SECRET}%2Fquery"
    told = url.replace("//", f"//{LOGIN}@") + path
    nobody = f"http://{LOGIN}@127.0.0.1:9{path}"
    hooks = [
        a_webhook(name="may", type="confirm-start", url=told),
        a_webhook(name="stop", type="rollback", url=told),
        a_webhook(name="news", url=told),
        a_webhook(name="more", url=nobody),
    ]
    gates = {"successRate": {"min": "99%"}, "webhooks": hooks}
    return named(a_canary(interval="1s", dwell="1s", bake="1s", gates=gates), "web")


def misspelt(name: str, **fields: object) -> Json:
    """Make a Canary that nobody can follow because of an address."""
    hook = a_webhook(**{"url": f"hooks.shop/services/{SECRET}", **fields})
    sides = {"stable": {"service": f"{name}-a"}, "canary": {"service": f"{name}-b"}}
    return named(a_canary(service=name, **sides, gates={"webhooks": [hook]}), name)


@dataclass
class Running:
    """The process, and what it has said so far."""

    near: Neighbourhood
    home: Path
    log: Path

    def said(self, words: str) -> bool:
        return words in self.log.read_text()

    async def until(self, words: str) -> None:
        await until(lambda: _true(self.said(words)), words)

    async def page(self) -> str:
        started = next(line for line in self.log.read_text().splitlines() if "controller.started" in line)
        url = f"http://127.0.0.1:{json.loads(started)['probes']}/metrics"
        async with aiohttp.ClientSession() as client, client.get(url) as answer:
            return await answer.text()


async def _true(value: bool) -> bool:
    return value


async def until(done: Callable[[], Awaitable[bool]], what: str) -> None:
    try:
        async with asyncio.timeout(WITHIN):
            while not await done():  # noqa: ASYNC110 - asks a server, or reads a file
                await asyncio.sleep(0.1)
    except TimeoutError:
        pytest.fail(f"it never came to: {what}")


async def ready(near: Neighbourhood) -> None:
    """Be a kubelet: every pod is ready as soon as it is there."""
    conditions = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    known: set[object] = set()
    while True:
        for pod in cast("list[Json]", (await near.live(f"/api/v1/namespaces/{TOWN}/pods"))["items"]):
            name = cast("Json", pod["metadata"])["name"]
            if name not in known:
                known.add(name)
                with contextlib.suppress(NotFound, Conflict):  # it goes already
                    await near.anybody.patch(f"/api/v1/namespaces/{TOWN}/pods/{name}/status", conditions)
        await asyncio.sleep(0.1)


def meshed(name: str) -> Json:
    """Make a Deployment with Linkerd's proxy in it."""
    obj = a_deployment(name)
    template = cast("Json", cast("Json", obj["spec"])["template"])
    template["metadata"] = {"labels": {"app": name, "linkerd.io/control-plane-ns": "linkerd"}}
    cast("list[Json]", cast("Json", template["spec"])["containers"]).append({"name": "linkerd-proxy", "image": "proxy"})
    return obj


@contextlib.asynccontextmanager
async def running(near: Neighbourhood, home: Path, prometheus: str) -> AsyncIterator[Running]:
    (home / "token").write_text(f"{SECRET}token")
    config = a_kubeconfig(home / "own", near.plane.url, {"token": f"{SECRET}kube"})
    options = ["--kubeconfig", str(config), "--namespace", TOWN, "--listen", "127.0.0.1:0", "--scrape-interval", "1s"]
    options += ["--prometheus-url", prometheus, "--prometheus-token-file", str(home / "token")]
    options += ["--prometheus-header", f"X-Key: {SECRET}header", "--log-level", "debug", "--log-format", "json"]
    with (home / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "canary", "run", *options),
            env={**os.environ, "PYTHONASYNCIODEBUG": "1"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    kubelet = asyncio.create_task(ready(near))
    try:
        yield Running(near, home, home / "log")
        assert process.returncode is None
    finally:
        kubelet.cancel()
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def everything(run: Running) -> dict[str, str]:
    """Read all that people can see of it."""
    found = {"log": run.log.read_text(), "metrics": await run.page()}
    for obj in cast("list[Json]", (await run.near.live(CANARIES))["items"]):
        found[f"status of {cast('Json', obj['metadata'])['name']}"] = json.dumps(obj.get("status"))
    found["events"] = json.dumps((await run.near.live(f"/api/v1/namespaces/{TOWN}/events"))["items"])
    for output in ("table", "json"):
        arguments = ["status", "--kubeconfig", str(run.near.plane.kubeconfig), "-n", TOWN, "-o", output]
        result = await asyncio.to_thread(CliRunner().invoke, main, arguments, env={"COLUMNS": "400"})
        assert result.exit_code == 0, result.output
        found[f"canary status as {output}"] = result.output
    return found


async def test_no_secret_comes_out_of_a_controller_to_which_all_else_fails(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    metrics, hooks = Echo(401), Echo(500)
    crds = (without_rules(definition("canaries")), definition("trafficsplits"))
    async with (
        a_neighbourhood(tmp_path / "plane", *crds) as near,
        recorded(cast("Answer", metrics)) as prometheus,
        recorded(cast("Answer", hooks)) as webhooks,
    ):
        near.plane.faults.add(Fault(answer=403, path=".*/events", agent="canary", times=2))
        near.plane.faults.add(Fault(answer=503, path=".*/trafficsplits", agent="canary", times=2))
        await furnish(near)
        await near.apply(meshed("web-stable"), meshed("web-canary"), hooked(webhooks.url), misspelt("odd"))
        await near.apply(
            misspelt("long", url=f"http://{LOGIN}@hook/{SECRET * 60}"), misspelt("own", uri=f"http://hook/{SECRET}")
        )
        async with running(near, tmp_path, prometheus.url.replace("//", f"//{LOGIN}@")) as run:
            await until(lambda: promoted(near), "a Canary taken over")
            await near.image("web-canary", "web:2")
            for status, words in (
                (401, "answered 401"),
                (500, "answered 500"),
                (302, "redirects to"),
                (0, "Held at 0m"),
            ):
                metrics.status = status
                await run.until(words)
            metrics.status = 200
            await run.until("says no: HTTP 500")
            hooks.status = 302
            await run.until("says no: HTTP 302")
            found = await everything(run)
    assert any(SECRET in asked.target for asked in hooks.asked)
    assert any(f"{SECRET}header" in asked.headers.values() for asked in metrics.asked)
    assert '"InvalidSpec"' in found["status of odd"]
    assert "says no: HTTP 500" in found["status of web"]
    assert "says no: HTTP 302" in found["log"]
    for place, text in found.items():
        for secret in HIDDEN:
            at = text.find(secret)
            assert at < 0, f"{place}: {text[max(0, at - 200) : at + 50]}"


async def promoted(near: Neighbourhood) -> bool:
    status = cast("Json", (await near.live(f"{CANARIES}/web")).get("status") or {})
    return bool(status.get("promoted")) and bool(await near.live(f"{DEPLOYMENTS}/web-canary"))


KUBECONFIGS = [
    pytest.param(f"users: [{{name: u, user: {{token: {SECRET}: x}}}}]", id="broken YAML beside the token"),
    pytest.param(f"users: [{{name: u, user: {{token: [{SECRET}]}}}}]", id="a token that is a list"),
    pytest.param(f"users: [{{user: {{token: {SECRET}}}}}]", id="a user without a name"),
    pytest.param(f"users: {{name: u, token: {SECRET}}}", id="users that are no list"),
    pytest.param(
        f"users: [{{name: u, user: {{client-key-data: {SECRET}, client-certificate-data: {SECRET}}}}}]", id="a bad key"
    ),
    pytest.param(f"users: [{{name: u, user: {{username: me, password: {SECRET}}}}}]", id="a password"),
    pytest.param(f"users: [{{name: u, user: {{token: '{SECRET}\n\nx'}}}}]", id="a token of many lines"),
]


@pytest.mark.parametrize("users", KUBECONFIGS)
@pytest.mark.parametrize("command", ["run", "status"])
def test_no_kubeconfig_is_quoted(tmp_path: Path, users: str, command: str) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(
        "{apiVersion: v1, kind: Config, current-context: x, contexts: [{name: x, context: {cluster: c, user: u}}],"
        f" clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:9'}}}}], {users}}}"
    )
    arguments = [command, "--kubeconfig", str(file)]
    arguments += ["--prometheus-url", f"http://{LOGIN}@127.0.0.1:9/?{SECRET}"] if command == "run" else []
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert "error: " in result.stderr
    assert "Traceback" not in result.stderr
    assert SECRET not in result.output


@pytest.mark.parametrize("output", ["table", "json"])
def test_no_address_is_quoted_by_check(tmp_path: Path, output: str) -> None:
    file = tmp_path / "canaries.yaml"
    bad = [misspelt("odd"), misspelt("long", url=f"http://{LOGIN}@hook/{SECRET * 60}")]
    file.write_text(yaml.safe_dump_all(bad))
    result = CliRunner().invoke(main, ["check", str(file), "-o", output])
    assert result.exit_code == 1
    assert "webhooks[0].url" in result.output
    assert SECRET not in result.output
