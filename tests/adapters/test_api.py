import asyncio
import inspect
import json
import logging
import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from ssl import SSLError

import aiohttp
import pytest
import yaml
from kubernetes.aio.config import config_exception, incluster_config

from canary.adapters import api as module
from canary.adapters.api import CONNECTIONS, FAULTS, JSON_PATCH, MISREAD, Api, Json, refusal
from canary.errors import (
    CanaryError,
    ClusterUnreachable,
    Conflict,
    Expired,
    Forbidden,
    NotFound,
    Rejected,
    Unreachable,
)
from tests.adapters import recorded as wire
from tests.adapters.planes import a_kubeconfig, a_plane, an_api
from tests.adapters.recorded import Answer, Recorded, a_certificate, recorded, reply, serving, until

PATH = "/api/v1/namespaces/default/configmaps"
OBJECT = {"kind": "ConfigMap", "metadata": {"name": "a"}}


@asynccontextmanager
async def asking(answer: Answer, home: Path, user: object = None) -> AsyncIterator[tuple[Api, Recorded]]:
    async with recorded(answer) as server, an_api(a_kubeconfig(home, server.url, user)) as api:
        yield api, server


def status(code: int, message: str) -> Json:
    return {"kind": "Status", "status": "Failure", "message": message, "code": code}


def chunks(*parts: bytes, end: bool = True) -> Answer:
    """Send a chunked answer; without its end the connection is cut."""

    async def answer(_: wire.Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(wire.head(Transfer_Encoding="chunked"))
        for part in parts:
            writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)
        if end:
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        else:
            writer.transport.abort()

    return answer


def event(type_: str, /, **obj: object) -> bytes:
    return json.dumps({"type": type_, "object": obj}).encode() + b"\n"


async def seen(api: Api) -> list[Json]:
    async with aclosing(api.watch(PATH, "7")) as events:
        return [each async for each in events]


class TestRequests:
    async def test_a_burst_shares_a_few_connections(self, tmp_path: Path) -> None:
        present: set[asyncio.StreamWriter] = set()
        most = 0

        async def answer(_: wire.Asked, writer: asyncio.StreamWriter) -> None:
            nonlocal most
            present.add(writer)
            most = max(most, len(present))
            await asyncio.sleep(0.01)
            await reply(body=OBJECT)(_, writer)
            present.discard(writer)

        async with asking(answer, tmp_path) as (api, server):
            await asyncio.gather(*(api.get(PATH) for _ in range(4 * CONNECTIONS)))
            assert len(server.asked) == 4 * CONNECTIONS
        assert most == CONNECTIONS

    async def test_objects_come_and_go_as_plain_dicts(self, tmp_path: Path) -> None:
        async with asking(reply(body=OBJECT), tmp_path) as (api, server):
            assert await api.get(f"{PATH}/a") == OBJECT
            assert await api.create(PATH, OBJECT, fieldManager="canary") == OBJECT
            assert await api.replace(f"{PATH}/a", OBJECT) == OBJECT
            assert await api.delete(f"{PATH}/a", {"preconditions": {"uid": "1"}}) == OBJECT
        assert [(asked.method, asked.target) for asked in server.asked] == [
            ("GET", f"{PATH}/a"),
            ("POST", f"{PATH}?fieldManager=canary"),
            ("PUT", f"{PATH}/a"),
            ("DELETE", f"{PATH}/a"),
        ]
        assert [asked.json for asked in server.asked[1:]] == [OBJECT, OBJECT, {"preconditions": {"uid": "1"}}]
        assert {asked.headers["user-agent"] for asked in server.asked} == {"canary"}

    async def test_a_patch_says_which_kind_it_is(self, tmp_path: Path) -> None:
        async with asking(reply(body=OBJECT), tmp_path) as (api, server):
            await api.patch(f"{PATH}/a", {"data": {"b": None}})
            await api.patch(f"{PATH}/a", [{"op": "remove", "path": "/data"}], JSON_PATCH)
        assert [asked.headers["content-type"] for asked in server.asked] == [
            "application/merge-patch+json",
            "application/json-patch+json",
        ]
        assert json.loads(server.asked[1].body) == [{"op": "remove", "path": "/data"}]

    @pytest.mark.parametrize(
        ("details", "error"),
        [
            pytest.param({"causes": [{"reason": "NamespaceTerminating"}]}, NotFound, id="the namespace is going"),
            pytest.param({"causes": [{"reason": "Other"}, None]}, Forbidden, id="another cause"),
            pytest.param({"causes": None}, Forbidden, id="no cause"),
            pytest.param(None, Forbidden, id="no details"),
        ],
    )
    async def test_a_namespace_that_is_being_deleted_lacks_no_right(
        self, tmp_path: Path, details: Json | None, error: type[CanaryError]
    ) -> None:
        async with asking(reply(403, {**status(403, "no"), "details": details}), tmp_path) as (api, _):
            with pytest.raises(error):
                await api.create(PATH, OBJECT)

    async def test_a_refusal_without_json_is_one_of_rights(self, tmp_path: Path) -> None:
        async with asking(reply(403, b"no"), tmp_path) as (api, _):
            with pytest.raises(Forbidden, match="no"):
                await api.create(PATH, OBJECT)

    async def test_selectors_are_escaped(self, tmp_path: Path) -> None:
        async with asking(reply(body=OBJECT), tmp_path) as (api, server):
            await api.get(PATH, labelSelector="a=b,c in (d,e)", limit=1)
        assert server.asked[0].query == {"labelSelector": "a=b,c in (d,e)", "limit": "1"}

    @pytest.mark.parametrize(
        ("code", "error"),
        [
            (400, Rejected),
            (401, Forbidden),
            (403, Forbidden),
            (404, NotFound),
            (405, Rejected),
            (408, ClusterUnreachable),
            (409, Conflict),
            (410, Expired),
            (413, Rejected),
            (422, Rejected),
            (429, ClusterUnreachable),
            (500, ClusterUnreachable),
            (503, ClusterUnreachable),
            (507, ClusterUnreachable),
        ],
    )
    async def test_refusals_are_sorted_by_what_the_loop_does_about_them(
        self, tmp_path: Path, code: int, error: type[CanaryError]
    ) -> None:
        async with asking(reply(code, status(code, "because\nof this")), tmp_path) as (api, server):
            with pytest.raises(error) as refused:
                await api.replace(f"{PATH}/a", OBJECT)
        assert type(refused.value) is error
        assert refused.value.hint == f"PUT {PATH}/a: {code} because of this"
        assert len(server.asked) == 1

    @pytest.mark.parametrize(
        ("after", "seconds"),
        [("7", 7.0), ("0", 0.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None), ("²", None)],
    )
    async def test_it_says_when_to_come_back(self, after: str, seconds: float | None) -> None:
        error = refusal(429, "GET", PATH, b"{}", after)
        assert isinstance(error, Unreachable)
        assert error.retry_after == seconds

    def test_a_refusal_without_a_status_object_is_cut_short(self) -> None:
        assert refusal(502, "GET", PATH, b"<html>" + b"x" * 1000).hint == f"GET {PATH}: 502 <html>{'x' * 249}…"

    @pytest.mark.parametrize(
        ("answer", "hint"),
        [
            pytest.param(wire.cut, "GET", id="cut"),
            pytest.param(wire.cut_in_the_body, "GET", id="cut in the body"),
            pytest.param(wire.cut_in_a_chunk, "GET", id="cut in a chunk"),
            pytest.param(wire.nonsense, "GET", id="another protocol"),
            pytest.param(reply(body=b"<html>log in</html>"), "no JSON: <html>log in", id="no JSON"),
            pytest.param(reply(body=b"\xff\xfe{"), "no JSON", id="no text"),
            pytest.param(reply(body=[1]), r"no object: \[1\]", id="no object"),
            pytest.param(reply(302, Location=PATH), "GET", id="a redirect loop"),
            pytest.param(reply(body=b"raw", Content_Encoding="gzip"), "GET", id="broken compression"),
        ],
    )
    async def test_whatever_is_no_answer_is_unreachable(self, tmp_path: Path, answer: Answer, hint: str) -> None:
        async with asking(answer, tmp_path) as (api, _):
            with pytest.raises(ClusterUnreachable, match=hint):
                await api.get(PATH)

    async def test_a_server_that_is_not_there_is_unreachable(self, tmp_path: Path) -> None:
        async with an_api(a_kubeconfig(tmp_path, "http://127.0.0.1:9")) as api:
            with pytest.raises(ClusterUnreachable, match=r"Connect call failed|Cannot connect"):
                await api.get(PATH)

    @pytest.mark.parametrize("answer", [wire.hang, wire.drip()], ids=["hangs", "drips"])
    async def test_one_request_has_one_deadline(
        self, tmp_path: Path, answer: Answer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "TIMEOUT", 0.3)
        began = time.monotonic()
        async with asking(answer, tmp_path) as (api, _):
            with pytest.raises(ClusterUnreachable, match=f"GET {PATH}: .+"):
                await api.get(PATH)
        assert time.monotonic() - began < 1.5


class TestWatches:
    async def test_events_come_one_by_one_bookmarks_too(self, tmp_path: Path) -> None:
        stream = event("ADDED", n=1) + b"\n" + event("BOOKMARK", n=2)
        async with asking(chunks(stream[:20], stream[20:]), tmp_path) as (api, server):
            assert [each["type"] for each in await seen(api)] == ["ADDED", "BOOKMARK"]
        asked = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": "7"}
        assert server.asked[0].query == {**asked, "timeoutSeconds": str(module.PERIOD)}

    async def test_a_line_that_was_cut_short_is_no_event(self, tmp_path: Path) -> None:
        async with asking(chunks(event("ADDED", n=1), b'{"type":"MODIF', end=False), tmp_path) as (api, _):
            events = api.watch(PATH, "7")
            assert (await anext(events))["type"] == "ADDED"
            with pytest.raises(ClusterUnreachable, match=r"the watch of .* broke"):
                await anext(events)

    async def test_a_stream_that_ends_in_a_line_ends(self, tmp_path: Path) -> None:
        async with asking(chunks(event("ADDED", n=1), b'{"type":"MODIF'), tmp_path) as (api, _):
            assert len(await seen(api)) == 1

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(reply(410, status(410, "too old")), id="at once"),
            pytest.param(chunks(event("ADDED", n=1), event("ERROR", **status(410, "too old"))), id="in the stream"),
        ],
    )
    async def test_a_version_that_is_gone_is_expired_in_either_form(self, tmp_path: Path, answer: Answer) -> None:
        async with asking(answer, tmp_path) as (api, _):
            with pytest.raises(Expired, match="410"):
                await seen(api)

    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            pytest.param(reply(403, status(403, "no")), Forbidden, id="403"),
            pytest.param(reply(404, b"404 page not found"), NotFound, id="404"),
            pytest.param(chunks(event("ERROR", **status(500, "oops"))), ClusterUnreachable, id="500 in the stream"),
            pytest.param(chunks(event("ERROR")), ClusterUnreachable, id="an error without words"),
            pytest.param(chunks(b"nonsense\n"), ClusterUnreachable, id="no JSON in the stream"),
            pytest.param(chunks(*[b"x" * 2**20] * 9), ClusterUnreachable, id="a line without end"),
        ],
    )
    async def test_other_errors_are_sorted(self, tmp_path: Path, answer: Answer, error: type[CanaryError]) -> None:
        async with asking(answer, tmp_path) as (api, _):
            with pytest.raises(error):
                await seen(api)

    async def test_an_event_of_some_megabytes_is_read(self, tmp_path: Path) -> None:
        async with asking(chunks(event("ADDED", data="x" * 3 * 2**20)), tmp_path) as (api, _):
            assert len(await seen(api)) == 1

    async def test_a_silent_stream_is_taken_for_dead(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "QUIET", 0.3)
        monkeypatch.setattr(module, "PERIOD", 0)
        async with asking(wire.hang, tmp_path) as (api, _):
            with pytest.raises(ClusterUnreachable):
                await asyncio.wait_for(seen(api), 2)

    async def test_who_stops_watching_hangs_up(self, tmp_path: Path) -> None:
        async def answer(asked: wire.Asked, writer: asyncio.StreamWriter) -> None:
            writer.write(wire.head(Transfer_Encoding="chunked") + b"5\r\n{}\n{}\r\n")
            await wire.hang(asked, writer)

        async with asking(answer, tmp_path) as (api, server):
            async with aclosing(api.watch(PATH, "7")) as events:
                assert await anext(events) == {}
            await asyncio.wait_for(server.hung_up.wait(), 2)

    async def test_an_api_server_cuts_a_stream_and_forgets_its_versions(self, tmp_path: Path) -> None:
        async with a_plane(tmp_path) as plane, an_api(plane.kubeconfig) as api:
            version = (await api.get(PATH))["metadata"]
            assert isinstance(version, dict)
            await api.create(PATH, OBJECT)
            async with aclosing(api.watch(PATH, str(version["resourceVersion"]))) as events:
                assert (await anext(events))["type"] == "ADDED"
                plane.cut()
                with pytest.raises(ClusterUnreachable):
                    await anext(events)
            plane.compact()
            with pytest.raises(Expired):
                await anext(api.watch(PATH, str(version["resourceVersion"])))


PLUGIN = """
import json, pathlib, sys
count = pathlib.Path(sys.argv[1]); number = int(count.read_text() or 0) + 1; count.write_text(str(number))
status = {"token": f"token-{number}", "expirationTimestamp": sys.argv[2]}
print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}))
"""


def a_plugin(home: Path, lasts: timedelta) -> Json:
    """Make a credential plugin: its tokens are numbered, and last so long."""
    (home / "plugin.py").write_text(PLUGIN)
    (home / "count").write_text("")
    expires = (datetime.now(UTC) + lasts).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": [str(home / "plugin.py"), str(home / "count"), expires],
    }


class TestCredentials:
    async def test_a_token_is_sent(self, tmp_path: Path) -> None:
        async with asking(reply(body=OBJECT), tmp_path, {"token": "secret"}) as (api, server):
            await api.get(PATH)
        assert server.asked[0].headers["authorization"] == "Bearer secret"

    @pytest.mark.parametrize(
        ("lasts", "tokens"),
        [
            pytest.param(timedelta(hours=1), ["token-1", "token-1"], id="lasts"),
            pytest.param(timedelta(minutes=1), ["token-2", "token-3"], id="about to expire"),
        ],
    )
    async def test_a_plugin_is_asked_again_once_its_token_expires(
        self, tmp_path: Path, lasts: timedelta, tokens: list[str]
    ) -> None:
        plugin = a_plugin(tmp_path, lasts)
        async with asking(reply(body=OBJECT), tmp_path, {"exec": plugin}) as (api, server):
            for _ in range(2):
                await api.get(PATH)
        assert [asked.headers["authorization"] for asked in server.asked] == [f"Bearer {token}" for token in tokens]

    async def test_netrc_is_not_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "netrc").write_text("default login eve password secret\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        async with asking(reply(body=OBJECT), tmp_path, {"token": "ours"}) as (api, server):
            await api.get(PATH)
        assert server.asked[0].headers["authorization"] == "Bearer ours"

    @pytest.mark.parametrize("exempt", [False, True], ids=["named", "named, but not for this host"])
    async def test_a_proxy_of_the_environment_is_used(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exempt: bool
    ) -> None:
        async with recorded(reply(body=OBJECT)) as proxy:
            for name in ("http_proxy", "HTTP_PROXY"):
                monkeypatch.setenv(name, proxy.url)
            for name in ("no_proxy", "NO_PROXY"):
                monkeypatch.setenv(name, "127.0.0.1" if exempt else "")
            async with asking(reply(body=OBJECT), tmp_path) as (api, server):
                await api.get(PATH)
            assert (len(proxy.asked), len(server.asked)) == ((0, 1) if exempt else (1, 0))

    async def test_credentials_that_vanish_are_an_outage(self, tmp_path: Path) -> None:
        certificate = a_certificate(tmp_path)
        async with recorded(reply(body=OBJECT), serving(certificate)) as server:
            path = a_kubeconfig(tmp_path, server.url, {"exec": a_plugin(tmp_path, timedelta(minutes=1))})
            config = yaml.safe_load(path.read_text())
            config["clusters"][0]["cluster"]["certificate-authority"] = str(certificate[0])
            path.write_text(yaml.safe_dump(config))
            async with an_api(path) as api:
                assert await api.get(PATH) == OBJECT
                certificate[0].unlink()
                with pytest.raises(ClusterUnreachable, match="our credentials cannot be read"):
                    await api.get(PATH)

    async def test_in_a_pod_it_is_the_service_account(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        certificate = a_certificate(tmp_path)
        for name, text in {"token": "ours", "namespace": "canary-system\n"}.items():
            (tmp_path / name).write_text(text)
        monkeypatch.setattr(module, "SERVICE_ACCOUNT", tmp_path)
        monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
        monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(certificate[0]))
        async with recorded(reply(body=OBJECT), serving(certificate)) as server:
            monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
            monkeypatch.setenv("KUBERNETES_SERVICE_PORT", server.url.rpartition(":")[2])
            api = await Api.connect()
            assert await api.get(PATH) == OBJECT
            await api.close()
        assert api.namespace == "canary-system"
        assert server.asked[0].headers["authorization"] == "bearer ours"

    async def test_half_a_service_account_is_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "token").write_text("ours")
        monkeypatch.setattr(module, "SERVICE_ACCOUNT", tmp_path)
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        with pytest.raises(CanaryError, match="Service host/port is not set"):
            await Api.connect()

    @pytest.mark.parametrize(
        ("text", "hint"),
        [
            pytest.param(None, "there is no kubeconfig at", id="no file"),
            pytest.param("", "", id="empty"),
            pytest.param("{", "", id="no YAML"),
            pytest.param("[1, 2]", "", id="a list"),
            pytest.param("just words", "", id="words"),
            pytest.param("apiVersion: v1\nkind: Config\n", "current-context", id="no context"),
            pytest.param("\x00", "", id="no text"),
        ],
    )
    async def test_a_kubeconfig_that_is_none_is_said(self, tmp_path: Path, text: str | None, hint: str) -> None:
        path = tmp_path / "config"
        if text is not None:
            path.write_text(text)
        with pytest.raises(CanaryError, match=f"no way to reach a cluster.*{hint}"):
            await Api.connect(path)

    @pytest.mark.parametrize(
        "cluster",
        [
            pytest.param({"certificate-authority-data": "no base64"}, id="no base64"),
            pytest.param({"certificate-authority-data": "bm8gY2VydGlmaWNhdGU="}, id="no certificate"),
            pytest.param({"certificate-authority": "missing.crt"}, id="no file"),
            pytest.param({"server": 5}, id="no URL"),
        ],
    )
    async def test_a_cluster_that_cannot_be_trusted_is_said(self, tmp_path: Path, cluster: Json) -> None:
        path = a_kubeconfig(tmp_path, "https://127.0.0.1:9")
        config = yaml.safe_load(path.read_text())
        config["clusters"][0]["cluster"] |= cluster
        path.write_text(yaml.safe_dump(config))
        with pytest.raises(CanaryError, match="no way to reach a cluster"):
            await Api.connect(path)

    async def test_a_plugin_that_fails_leaves_us_without_a_token(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.CRITICAL)
        plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "false"}
        async with asking(reply(401, status(401, "Unauthorized")), tmp_path, {"exec": plugin}) as (api, _):
            with pytest.raises(Forbidden, match="401 Unauthorized"):
                await api.get(PATH)


UNMET = {
    "BadContentDispositionHeader",
    "BadContentDispositionParam",
    "EofStream",
    "WSMessageTypeError",
    "WebSocketError",
}
"""Of multipart bodies and websockets, which we do not use."""


def test_every_error_that_aiohttp_knows_is_mapped() -> None:
    known = {
        name: kind for name, kind in vars(aiohttp).items() if inspect.isclass(kind) and issubclass(kind, Exception)
    }
    assert len(known) > 20
    assert {name for name, kind in known.items() if not issubclass(kind, FAULTS)} == UNMET & known.keys()


def test_what_credentials_may_fail_with_is_mapped() -> None:
    known = [kind for kind in vars(config_exception).values() if inspect.isclass(kind)]
    assert all(issubclass(kind, MISREAD) for kind in [*known, SSLError, yaml.YAMLError, UnicodeDecodeError])


async def test_the_connection_is_kept(tmp_path: Path) -> None:
    connections = set()

    async def answer(asked: wire.Asked, writer: asyncio.StreamWriter) -> None:
        connections.add(writer.get_extra_info("peername"))
        await reply(404 if len(connections) > 5 else 200, OBJECT)(asked, writer)

    async with asking(answer, tmp_path) as (api, server):
        for _ in range(4):
            await api.get(PATH)
        await until(lambda: len(server.asked) == 4)
    assert len(connections) == 1
