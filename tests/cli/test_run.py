"""`canary run` put together: what it is told, how it begins, how it ends, and what it refuses to begin with."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import aiohttp
import pytest
import structlog
from click.testing import CliRunner, Result
from structlog.testing import capture_logs
from structlog.typing import EventDict

from canary.adapters.api import Json
from canary.adapters.lease import Term
from canary.adapters.prometheus import Access
from canary.cli import main
from canary.cli.process import LEASE, Settings, StillGuarded
from canary.cli.run import LOST, UNFINISHED, _headers, control
from canary.errors import CanaryError, Forbidden, NotFound, veiled
from canary.lab.apiserver.faults import Fault
from canary.runtime.clock import SystemClock
from tests.adapters.neighbourhood import (
    CANARIES,
    SPLITS,
    TOWN,
    Neighbourhood,
    a_neighbourhood,
    definition,
    furnish,
    meta,
    named,
)
from tests.adapters.recorded import recorded, reply, until
from tests.canaries import a_webhook, with_gates

LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
NOBODY = "http://127.0.0.1:9"
"""A Prometheus that refuses connections."""


@pytest.fixture(autouse=True)
def lines() -> Iterator[list[EventDict]]:
    """Collect what is logged; leave structlog as it was."""
    before = structlog.get_config()
    with capture_logs() as lines:
        yield lines
    structlog.configure(**before)


def settings(near: Neighbourhood, **fields: object) -> Settings:
    least = Settings(
        kubeconfig=near.plane.kubeconfig,
        namespaces=(TOWN,),
        prometheus=Access(url=NOBODY),
        scrape=timedelta(seconds=1),
        host="127.0.0.1",
        port=0,
        lease_namespace="",
    )
    return replace(least, **fields)  # type: ignore[arg-type]


@pytest.fixture
async def near(tmp_path: Path) -> AsyncIterator[Neighbourhood]:
    async with a_neighbourhood(tmp_path, definition("canaries"), definition("trafficsplits")) as near:
        await furnish(near)
        yield near


@dataclass
class Run:
    """One controller in this process."""

    lines: list[EventDict]
    task: "asyncio.Task[int]" = field(init=False)

    def said(self, event: str) -> list[EventDict]:
        return [line for line in self.lines if line["event"] == event]

    async def until(self, event: str) -> EventDict:
        await until(lambda: bool(self.said(event)) or self.task.done())
        assert self.said(event), (event, self.lines)
        return self.said(event)[-1]

    async def get(self, path: str) -> tuple[int, str]:
        port = (await self.until("controller.started"))["probes"]
        async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, await answer.text()


@contextlib.asynccontextmanager
async def running(settings: Settings, lines: list[EventDict]) -> AsyncIterator[Run]:
    run = Run(lines)
    run.task = asyncio.create_task(control(settings))
    try:
        yield run
    finally:
        if not run.task.done():
            run.task.cancel()
        await asyncio.wait([run.task])


async def status(near: Neighbourhood, name: str = "web") -> Json:
    return cast("Json", (await near.live(f"{CANARIES}/{name}")).get("status") or {})


async def conditions(near: Neighbourhood) -> list[Json]:
    return cast("list[Json]", (await status(near)).get("conditions") or [])


async def adopted(near: Neighbourhood) -> None:
    async with asyncio.timeout(20):
        while not (await status(near)).get("promoted"):  # noqa: ASYNC110 - asks a server
            await asyncio.sleep(0.05)


class TestWorking:
    async def test_it_takes_a_canary_over_and_tells_of_it(self, near: Neighbourhood, lines: list[EventDict]) -> None:
        async with running(settings(near), lines) as run:
            await adopted(near)
            tick = await run.until("tick.decided")
            assert (tick["canary"], tick["reason"]) == ("town/web", "Adopted")
            await until(lambda: near.count > 0)
            _, page = await run.get("/metrics")
            assert 'canary_phase{canary="web",namespace="town",phase="Idle"} 1.0' in page
            assert "canary_leading 1.0" in page
            assert 'canary_api_requests_total{verb="WATCH"} 5.0' in page
            async with asyncio.timeout(10):
                while not (events := await events_of(near)):  # noqa: ASYNC110 - asks a server
                    await asyncio.sleep(0.05)
        assert events[0][0] == "Adopted"
        assert "starts no rollout" in events[0][1]
        backends = cast("Json", (await near.live(f"{SPLITS}/web"))["spec"])["backends"]
        assert [backend["weight"] for backend in cast("list[Json]", backends)] == ["1000m", "0m"]
        assert "canary.dev/traffic" in cast("list[str]", meta(await near.live(f"{CANARIES}/web"))["finalizers"])

    async def test_webhooks_that_want_to_know_are_told(self, near: Neighbourhood, lines: list[EventDict]) -> None:
        async with recorded(reply(200)) as hook:
            await near.apply(named(with_gates(webhooks=[a_webhook(url=hook.url)]), "web"))
            async with running(settings(near), lines):
                await until(lambda: bool(hook.asked))
        assert hook.asked[0].json["reason"] == "Adopted"

    async def test_it_keeps_to_its_namespace(self, near: Neighbourhood, lines: list[EventDict]) -> None:
        async with running(settings(near, namespaces=("default",)), lines) as run:
            await run.until("lease.acquired")
            await asyncio.sleep(0.3)
        assert await status(near) == {}

    async def test_events_that_cannot_be_written_are_counted_and_stop_nothing(
        self, near: Neighbourhood, lines: list[EventDict]
    ) -> None:
        near.plane.faults.add(Fault(answer=403, path=".*/events", agent="canary"))
        async with running(settings(near), lines) as run:
            assert "403" in (await run.until("event.dropped"))["error"]
            _, page = await run.get("/metrics")
            assert 'canary_dropped_total{kind="event"} 1.0' in page
        assert (await status(near))["promoted"]

    async def test_a_right_that_is_missing_is_told_where_people_look(
        self, near: Neighbourhood, lines: list[EventDict]
    ) -> None:
        near.plane.faults.add(Fault(answer=403, method="POST", path=".*/trafficsplits", agent="canary"))
        async with running(settings(near), lines) as run:
            assert (await run.until("tick.failed"))["system"] == "Forbidden"
            async with asyncio.timeout(10):
                while "Forbidden" not in [reason for reason, _ in await events_of(near)]:  # noqa: ASYNC110 - asks a server
                    await asyncio.sleep(0.05)
        message = next(message for reason, message in await events_of(near) if reason == "Forbidden")
        assert message.startswith("POST /apis/split.smi-spec.io/v1alpha1/namespaces/town/trafficsplits: 403")

    async def test_a_right_to_look_that_is_missing_is_told_in_the_condition(
        self, near: Neighbourhood, lines: list[EventDict]
    ) -> None:
        near.plane.faults.add(Fault(answer=403, path=".*/replicasets", agent="canary"))
        async with running(settings(near), lines), asyncio.timeout(20):
            while not (said := [c for c in await conditions(near) if c["reason"] == "Forbidden"]):  # noqa: ASYNC110 - asks a server
                await asyncio.sleep(0.05)
        assert ("Ready", "False") in [(c["type"], c["status"]) for c in said]
        assert "GET /apis/apps/v1/namespaces/town/replicasets: 403" in str(said[0]["message"])

    async def test_prometheus_is_found_by_vizs_annotation(self, near: Neighbourhood, lines: list[EventDict]) -> None:
        viz = {
            "name": "linkerd-viz",
            "labels": {"linkerd.io/extension": "viz"},
            "annotations": {"viz.linkerd.io/external-prometheus": NOBODY.replace("//", "//me:secret@")},
        }
        await near.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": viz})
        async with running(settings(near, prometheus=Access(url="")), lines) as run:
            assert (await run.until("prometheus.found"))["url"] == NOBODY


async def events_of(near: Neighbourhood) -> list[tuple[object, str]]:
    found = cast("list[Json]", (await near.live(f"/api/v1/namespaces/{TOWN}/events"))["items"])
    ours = [event for event in found if cast("Json", event["involvedObject"])["kind"] == "Canary"]
    return [(event["reason"], str(event["message"])) for event in ours]


class TestEnding:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    async def test_a_signal_ends_it_well(
        self, near: Neighbourhood, lines: list[EventDict], number: signal.Signals
    ) -> None:
        async with running(settings(near, lease_namespace="default"), lines) as run:
            await run.until("lease.acquired")
            await adopted(near)
            begun = asyncio.get_running_loop().time()
            os.kill(os.getpid(), number)
            assert await run.task == 0
            assert asyncio.get_running_loop().time() - begun < 2
        assert [line["event"] for line in lines[-2:]] == ["lease.released", "controller.stopped"]
        lease = cast("Json", (await near.live(f"{LEASES}/{LEASE}"))["spec"])
        assert lease["holderIdentity"] == ""

    async def test_one_that_waits_for_the_lease_ends_as_well(self, near: Neighbourhood, lines: list[EventDict]) -> None:
        await held_by_another(near)
        async with running(settings(near, lease_namespace="default"), lines) as run:
            await run.until("controller.started")
            os.kill(os.getpid(), signal.SIGTERM)
            assert await run.task == 0
        assert not run.said("lease.acquired")

    async def test_a_lost_lease_ends_it_with_a_code_of_its_own(
        self, near: Neighbourhood, lines: list[EventDict], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        quick = Term(duration=timedelta(seconds=3), renew_within=timedelta(seconds=2), retry=timedelta(seconds=0.1))
        monkeypatch.setattr("canary.adapters.lease.Term", lambda: quick)
        async with running(settings(near, lease_namespace="default"), lines) as run:
            await run.until("lease.acquired")
            await near.anybody.patch(f"{LEASES}/{LEASE}", {"spec": {"holderIdentity": "another"}})
            assert await run.task == LOST
        assert "held by another" in (await run.until("lease.lost"))["error"]

    async def test_it_ends_before_it_has_begun(self, near: Neighbourhood, lines: list[EventDict]) -> None:
        near.plane.faults.add(Fault(answer="hang", path="/api/v1/namespaces"))
        async with running(settings(near, prometheus=Access(url="")), lines) as run:
            await asyncio.sleep(0.2)
            os.kill(os.getpid(), signal.SIGTERM)
            assert await run.task == 0
        assert run.said("controller.stopped")


class TestLeaving:
    async def test_every_canary_is_let_go_and_stays(self, near: Neighbourhood, lines: list[EventDict]) -> None:
        async with running(settings(near), lines):
            await adopted(near)
        async with running(settings(near, leave=True, lease_namespace="default", lease_name="l"), lines) as run:
            assert await run.task == 0
        left = await near.live(f"{CANARIES}/web")
        assert "finalizers" not in meta(left)
        assert "deletionTimestamp" not in meta(left)
        assert (await status(near))["reason"] == "Leaving"
        assert [line["event"] for line in run.lines[-2:]] == ["canaries.let_go", "lease.released"]

    async def test_a_controller_that_comes_back_guards_it_again(
        self, near: Neighbourhood, lines: list[EventDict]
    ) -> None:
        async with running(settings(near, leave=True), lines) as run:
            assert await run.task == 0
        async with running(settings(near), lines):
            await adopted(near)
            async with asyncio.timeout(10):
                while "finalizers" not in meta(await near.live(f"{CANARIES}/web")):  # noqa: ASYNC110 - asks a server
                    await asyncio.sleep(0.05)

    async def test_the_other_controllers_are_scaled_away_first(
        self, near: Neighbourhood, lines: list[EventDict]
    ) -> None:
        leaving = settings(near, leave=True, lease_namespace=TOWN, stand_down="web-stable")
        async with running(leaving, lines) as run:
            assert await run.task == 0
        deployment = await near.live(f"/apis/apps/v1/namespaces/{TOWN}/deployments/web-stable")
        assert cast("Json", deployment["spec"])["replicas"] == 0

    async def test_controllers_that_are_gone_already_need_not_be_scaled(
        self, near: Neighbourhood, lines: list[EventDict]
    ) -> None:
        async with running(settings(near, leave=True, lease_namespace=TOWN, stand_down="nobody"), lines) as run:
            assert await run.task == 0

    async def test_what_cannot_be_let_go_is_named(
        self, near: Neighbourhood, lines: list[EventDict], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with running(settings(near), lines):
            await adopted(near)
        monkeypatch.setattr("canary.cli.process.PATIENCE", 0.5)
        near.plane.faults.add(Fault(answer=403, method="PATCH", path=".*/canaries/web", agent="canary"))
        async with running(settings(near, leave=True), lines) as run:
            with pytest.raises(StillGuarded, match=r"town/web"):
                await run.task

    async def test_what_cannot_be_listed_is_not_taken_for_let_go(
        self, near: Neighbourhood, lines: list[EventDict], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("canary.cli.process.PATIENCE", 0.5)
        near.plane.faults.add(Fault(answer=403, path=".*/canaries", agent="canary"))
        async with running(settings(near, leave=True, namespaces=()), lines) as run:
            with pytest.raises(StillGuarded, match="could not be listed"):
                await run.task

    async def test_one_that_is_stopped_before_its_end_has_failed(
        self, near: Neighbourhood, lines: list[EventDict]
    ) -> None:
        await held_by_another(near)
        async with running(settings(near, leave=True, lease_namespace="default"), lines) as run:
            await asyncio.sleep(0.2)
            os.kill(os.getpid(), signal.SIGTERM)
            assert await run.task == UNFINISHED

    async def test_without_our_definition_there_is_nothing_to_let_go(
        self, tmp_path: Path, lines: list[EventDict]
    ) -> None:
        async with a_neighbourhood(tmp_path) as near, running(settings(near, leave=True), lines) as run:
            assert await run.task == 0


class TestEndingNamespaces:
    async def test_a_canary_is_let_go_as_soon_as_its_namespace_is_being_deleted(
        self, near: Neighbourhood, lines: list[EventDict]
    ) -> None:
        async with running(settings(near), lines) as run:
            await adopted(near)
            await near.anybody.patch(f"{CANARIES}/web", {"metadata": {"finalizers": ["canary.dev/traffic", "my/own"]}})
            await near.anybody.delete(f"/api/v1/namespaces/{TOWN}")
            assert (await run.until("namespace.ending"))["namespace"] == TOWN
            async with asyncio.timeout(10):
                while meta(await near.live(f"{CANARIES}/web"))["finalizers"] != ["my/own"]:  # noqa: ASYNC110 - asks a server
                    await asyncio.sleep(0.05)


async def held_by_another(near: Neighbourhood) -> None:
    spec = {"holderIdentity": "another", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z"}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": LEASE}, "spec": spec}
    await near.anybody.create(LEASES, lease)


class TestHealth:
    async def test_a_follower_is_alive_and_ready_and_does_nothing(
        self, near: Neighbourhood, lines: list[EventDict], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("canary.cli.process.STUCK", 0.2)
        await held_by_another(near)
        async with running(settings(near, lease_namespace="default"), lines) as run:
            await run.until("controller.started")
            async with asyncio.timeout(10):
                while (await run.get("/readyz"))[0] != 200:  # noqa: ASYNC110 - asks a server
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.5)
            assert await run.get("/healthz") == (200, "ok\n")
            assert "canary_leading 0.0" in (await run.get("/metrics"))[1]
        assert await status(near) == {}

    async def test_it_is_not_ready_while_something_cannot_be_listed(
        self, near: Neighbourhood, lines: list[EventDict]
    ) -> None:
        near.plane.faults.add(Fault(answer=403, path=".*/deployments", agent="canary"))
        async with running(settings(near, namespaces=()), lines) as run:
            said = await run.until("watch.failed")
            assert said["path"] == "/apis/apps/v1/deployments"
            assert "403" in said["error"]
            for _ in range(5):  # in the moments after, too
                assert (await run.get("/readyz"))[0] == 503
                await asyncio.sleep(0.1)
            assert await run.get("/healthz") == (200, "ok\n")


async def test_a_cluster_without_our_definition_is_said_loudly(tmp_path: Path, lines: list[EventDict]) -> None:
    async with a_neighbourhood(tmp_path) as near, running(settings(near), lines) as run:
        said = await run.until("watch.failed")
        assert said["log_level"] == "warning"
        assert said["error"].startswith("the CustomResourceDefinition canaries.canary.dev is not installed")


class TestRefusingToBegin:
    async def test_without_the_right_to_a_lease(self, near: Neighbourhood, lines: list[EventDict]) -> None:
        near.plane.faults.add(Fault(answer=403, path=".*/leases", agent="canary"))
        async with running(settings(near, lease_namespace="default"), lines) as run:
            with pytest.raises(Forbidden, match="leases"):
                await run.task

    async def test_without_the_namespace_of_the_lease(self, near: Neighbourhood, lines: list[EventDict]) -> None:
        async with running(settings(near, lease_namespace="nowhere"), lines) as run:
            with pytest.raises(NotFound, match="nowhere"):
                await run.task

    async def test_with_a_port_that_is_taken(self, near: Neighbourhood, lines: list[EventDict]) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            async with running(settings(near, port=port), lines) as run:
                with pytest.raises(CanaryError, match=rf"cannot listen on 127\.0\.0\.1:{port}"):
                    await run.task

    async def test_without_a_prometheus(self, near: Neighbourhood, lines: list[EventDict]) -> None:
        async with running(settings(near, prometheus=Access(url="")), lines) as run:
            with pytest.raises(CanaryError, match="give --prometheus-url"):
                await run.task

    async def test_a_bug_is_not_dressed_up_as_anything_else(
        self, near: Neighbourhood, lines: list[EventDict], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("canary.adapters.watch.place", lambda _: 1 / 0)
        async with running(settings(near), lines) as run:
            with pytest.raises(ExceptionGroup) as group:
                await run.task
        assert group.group_contains(ZeroDivisionError)


def run(*options: str, env: Mapping[str, str] | None = None) -> Result:
    return CliRunner().invoke(main, ["run", *options], env=dict(env or {}), prog_name="canary")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param(["--listen", "8080"], "--listen: '8080' is not HOST:PORT", id="listen without a host"),
        pytest.param(["--listen", "localhost:http"], "'localhost:http' is not HOST:PORT", id="listen on a word"),
        pytest.param(["--prometheus-header", "X-Scope"], "'X-Scope' is not NAME: VALUE", id="header without a value"),
        pytest.param(["--prometheus-header", "Bearer hunter2"], "'Bearer h…' is not NAME: VALUE", id="a secret alone"),
        pytest.param(["--prometheus-header", ": v"], "': v' is not NAME: VALUE", id="header without a name"),
        pytest.param(["--scrape-interval", "soon"], "'soon' is not a duration like 90s", id="interval"),
        pytest.param(["--scrape-interval", "0s"], "'0s' is not a duration", id="interval of nothing"),
        pytest.param(["--log-format", "xml"], "'xml' is not one of 'auto', 'json', 'console'", id="log format"),
        pytest.param(["--log-level", "loud"], "'loud' is not one of 'debug'", id="log level"),
        pytest.param(["--wieght"], "No such option", id="unknown"),
    ],
)
def test_a_wrong_option_is_named_with_its_value_and_what_is_allowed(options: list[str], words: str) -> None:
    result = run(*options)
    assert result.exit_code == 2
    assert words in result.stderr.replace("\n", " ")
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(None, "there is no kubeconfig at", id="missing"),
        pytest.param("{", "does the kubeconfig name one?", id="no YAML"),
        pytest.param("[]", "does the kubeconfig name one?", id="no object"),
        pytest.param("apiVersion: v1\nkind: Config\n", "does the kubeconfig name one?", id="empty"),
    ],
)
def test_a_kubeconfig_that_leads_nowhere_is_one_line(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "kubeconfig"
    if text is not None:
        path.write_text(text)
    result = run("--kubeconfig", str(path))
    assert result.exit_code == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert words in errors[0]
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("url", ["prometheus", "ftp://prometheus:9090", "http://", "http://p:x", "http://p?query=up"])
def test_a_prometheus_url_that_is_none_is_one_line(tmp_path: Path, url: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(
        "{apiVersion: v1, kind: Config, current-context: x, clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}],"
        " users: [{name: u, user: {}}], contexts: [{name: x, context: {cluster: c, user: u}}]}"
    )
    result = run("--kubeconfig", str(path), "--prometheus-url", url)
    assert result.exit_code == 1
    assert f"the Prometheus URL {veiled(url)!r} is none" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("written", "headers"),
    [
        pytest.param((), {}, id="none"),
        pytest.param(("X-Scope-OrgID: team",), {"X-Scope-OrgID": "team"}, id="one"),
        pytest.param(("A:1", "B: 2:3 "), {"A": "1", "B": "2:3"}, id="two, one with a colon in it"),
        pytest.param(("A:",), {"A": ""}, id="empty"),
    ],
)
def test_headers_for_prometheus_are_read(written: tuple[str, ...], headers: dict[str, str]) -> None:
    assert _headers(written) == headers


@pytest.mark.parametrize("how", ["options", "environment"])
def test_what_it_is_told_arrives(how: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told: list[Settings] = []

    async def listen(settings: Settings) -> int:
        told.append(settings)
        return 0

    monkeypatch.setattr("canary.cli.run.control", listen)
    given = {
        "kubeconfig": str(tmp_path / "k"),
        "namespace": TOWN,
        "prometheus-url": NOBODY,
        "prometheus-token-file": str(tmp_path / "t"),
        "prometheus-header": "A:1",
        "prometheus-ca-file": str(tmp_path / "ca"),
        "scrape-interval": "30s",
        "listen": "[::1]:8081",
        "lease-namespace": "canary",
        "lease-name": "lead",
        "stand-down": "controller",
        "log-format": "json",
        "log-level": "error",
    }
    if how == "options":
        words = [part for name, value in given.items() for part in (f"--{name}", value)]
        result = run(*words, "--namespace", "village", "--leave")
    else:
        names = {name: "CANARY_RUN_" + name.upper().replace("-", "_") for name in given}
        given["namespace"] += " village"
        result = run(env={"CANARY_RUN_LEAVE": "true"} | {names[name]: value for name, value in given.items()})
    assert (result.exit_code, result.output) == (0, "")
    access = Access(url=NOBODY, token_file=tmp_path / "t", headers={"A": "1"}, ca_file=tmp_path / "ca")
    assert told == [
        Settings(
            kubeconfig=tmp_path / "k",
            namespaces=(TOWN, "village"),
            prometheus=access,
            scrape=timedelta(seconds=30),
            host="[::1]",
            port=8081,
            lease_namespace="canary",
            lease_name="lead",
            leave=True,
            stand_down="controller",
        )
    ]


def test_the_exit_code_is_what_the_controller_says(monkeypatch: pytest.MonkeyPatch) -> None:
    async def lost(_: Settings) -> int:
        return LOST

    monkeypatch.setattr("canary.cli.run.control", lost)
    assert run().exit_code == LOST


async def test_the_real_clock_goes_on() -> None:
    clock = SystemClock()
    day, before = clock.now(), clock.monotonic()
    await clock.sleep(timedelta(milliseconds=20))
    assert 0.01 < clock.monotonic() - before < 5
    assert day.tzinfo is UTC
    assert timedelta() < clock.now() - day < timedelta(seconds=5)
    assert abs(datetime.now(UTC) - clock.now()) < timedelta(seconds=1)
