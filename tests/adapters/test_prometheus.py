import asyncio
import contextlib
import http.client
import inspect
import math
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import prometheus_api_client.exceptions
import pytest
import requests
import urllib3

from canary.adapters.prometheus import FAULTS, Access, Prometheus, shown
from canary.core.counters import Series
from canary.errors import CanaryError, MetricsUnreachable
from tests.adapters import recorded as wire
from tests.adapters.recorded import Answer, Recorded, a_certificate, recorded, reply, serving, until

QUERY = 'response_total{direction="outbound"}[25000ms]'
SOON = timedelta(seconds=0.4)


def success(result: object, **more: object) -> dict[str, object]:
    return {"status": "success", "data": {"resultType": "matrix", "result": result}, **more}


MATRIX = success(
    [
        {"metric": {"__name__": "response_total", "pod": "a"}, "values": [[1000.123, "1"], [1010.123, "3"]]},
        {"metric": {"__name__": "response_total", "pod": "b"}, "values": [[1005, "NaN"], [1015, "+Inf"]]},
    ]
)
VECTOR = success([{"metric": {"le": "300"}, "value": [1000, "4"]}, {"metric": {"le": "+Inf"}, "value": [1000, "5"]}])


@contextlib.asynccontextmanager
async def asking(answer: Answer, **settings: object) -> AsyncIterator[tuple[Prometheus, Recorded]]:
    within, largest = settings.pop("within", timedelta(seconds=5)), settings.pop("largest", 2**20)
    abreast = settings.pop("abreast", 4)
    assert isinstance(within, timedelta)
    assert isinstance(largest, int)
    assert isinstance(abreast, int)
    async with recorded(answer) as server:
        access = Access(url=server.url + "/prom/", **settings)  # type: ignore[arg-type]  # the test's own keywords
        prometheus = Prometheus(access, within=within, largest=largest, abreast=abreast)
        try:
            yield prometheus, server
        finally:
            prometheus.close()


class TestAnswers:
    async def test_a_matrix_gives_each_series_its_raw_samples_with_their_scrape_times(self) -> None:
        async with asking(reply(body=MATRIX)) as (prometheus, _):
            first, second = await prometheus.query(QUERY)
        assert first == Series({"__name__": "response_total", "pod": "a"}, ((1000.123, 1.0), (1010.123, 3.0)))
        assert [at for at, _ in second.samples] == [1005.0, 1015.0]
        assert [str(value) for _, value in second.samples] == ["nan", "inf"]

    async def test_a_scalar_is_a_series_without_labels(self) -> None:
        async with asking(reply(body=success([1784.5, "NaN"]))) as (prometheus, _):
            (one,) = await prometheus.query("scalar(x)")
        assert (one.labels, one.samples[0][0], math.isnan(one.samples[0][1])) == ({}, 1784.5, True)

    async def test_a_vector_gives_each_series_one_sample(self) -> None:
        async with asking(reply(body=VECTOR)) as (prometheus, _):
            assert await prometheus.query("count by (le) (x)") == (
                Series({"le": "300"}, ((1000.0, 4.0),)),
                Series({"le": "+Inf"}, ((1000.0, 5.0),)),
            )

    async def test_an_empty_answer_is_an_answer(self) -> None:
        async with asking(reply(body=success([]))) as (prometheus, _):
            assert await prometheus.query(QUERY) == ()

    async def test_a_native_histogram_has_no_samples_to_count(self) -> None:
        row = {"metric": {"pod": "a"}, "histograms": [[1000, {"count": "1", "sum": "2"}]]}
        async with asking(reply(body=success([row]))) as (prometheus, _):
            assert await prometheus.query(QUERY) == (Series({"pod": "a"}, ()),)

    async def test_labels_that_are_no_utf_8_are_read_with_replacements(self) -> None:
        body = b'{"status":"success","data":{"result":[{"metric":{"pod":"a\xff\xfe"},"value":[1,"2"]}]}}'
        async with asking(reply(body=body)) as (prometheus, _):
            (series,) = await prometheus.query(QUERY)
        assert series.labels == {"pod": "a��"}

    async def test_a_huge_label_is_read(self) -> None:
        row = {"metric": {"pod": "ü" * 100_000}, "value": [1, "2"]}
        async with asking(reply(body=success([row]))) as (prometheus, _):
            (series,) = await prometheus.query(QUERY)
        assert len(series.labels["pod"]) == 100_000

    async def test_information_that_is_no_warning_does_no_harm(self) -> None:
        body = success([], infos=["PromQL info: metric might not be a counter"], warnings=[])
        async with asking(reply(body=body)) as (prometheus, _):
            assert await prometheus.query(QUERY) == ()


class TestQuestions:
    async def test_the_query_its_time_and_its_timeout_go_into_the_url(self) -> None:
        async with asking(reply(body=MATRIX)) as (prometheus, server):
            await prometheus.query(QUERY, 1784000000.5)
        asked = server.asked[0]
        assert (asked.method, asked.path) == ("GET", "/prom/api/v1/query")
        assert asked.query == {"query": QUERY, "time": "1784000000.500", "timeout": "5000ms"}

    async def test_without_a_time_it_is_asked_for_now(self) -> None:
        async with asking(reply(body=MATRIX)) as (prometheus, server):
            await prometheus.query(QUERY)
        assert "time" not in server.asked[0].query

    async def test_headers_are_sent(self) -> None:
        async with asking(reply(body=MATRIX), headers={"X-Scope-OrgID": "shop"}) as (prometheus, server):
            await prometheus.query(QUERY)
        assert server.asked[0].headers["x-scope-orgid"] == "shop"
        assert "authorization" not in server.asked[0].headers

    async def test_a_token_that_was_rotated_is_read_again(self, tmp_path: Path) -> None:
        token = tmp_path / "token"
        async with asking(reply(body=MATRIX), token_file=token) as (prometheus, server):
            for text in ("one\n", "two\n"):
                token.write_text(text)
                await prometheus.query(QUERY)
        assert [asked.headers["authorization"] for asked in server.asked] == ["Bearer one", "Bearer two"]

    async def test_neither_netrc_nor_proxies_of_the_environment_are_used(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login eve password secret\n")
        (tmp_path / "token").write_text("ours")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        async with asking(reply(body=MATRIX), token_file=tmp_path / "token") as (prometheus, server):
            await prometheus.query(QUERY)
        assert server.asked[0].headers["authorization"] == "Bearer ours"

    async def test_a_connection_is_used_again(self) -> None:
        connections = set()

        async def answer(asked: wire.Asked, writer: asyncio.StreamWriter) -> None:
            connections.add(writer.get_extra_info("peername"))
            await reply(body=MATRIX)(asked, writer)

        async with asking(answer) as (prometheus, _):
            for _ in range(3):
                await prometheus.query(QUERY)
        assert len(connections) == 1


@pytest.mark.parametrize("status", [200, 400, 503])
async def test_what_a_server_repeats_of_our_secrets_is_not_told(tmp_path: Path, status: int) -> None:
    async def echo(asked: wire.Asked, writer: asyncio.StreamWriter) -> None:
        words = " ".join(asked.headers.values()).encode()
        writer.write(wire.head(status, Content_Length=str(len(words))) + words)
        await writer.drain()

    (tmp_path / "token").write_text("hunter2-token")
    async with recorded(echo) as server:
        with_password = server.url.replace("//", "//me:hunter2%2Fpassword@")
        for access in (
            Access(url=server.url, token_file=tmp_path / "token", headers={"X-Key": "hunter2-key"}),
            Access(url=with_password),
        ):
            prometheus = Prometheus(access, within=timedelta(seconds=5))
            with pytest.raises(MetricsUnreachable) as found:
                await prometheus.query(QUERY)
            prometheus.close()
            assert "hunter2" not in found.value.hint
            assert "…" in found.value.hint
            assert server.asked[-1].headers["authorization"].split()[1] not in found.value.hint


@pytest.mark.parametrize(
    "url", ["http://me:hunter2@p:x", "http://me:hunt/er2@p", "ftp://me:hunter2@p", "http://me:hunter2@p?token=hunter2"]
)
def test_a_url_that_is_none_is_told_without_its_password(url: str) -> None:
    with pytest.raises(CanaryError, match="is none") as found:
        shown(url)
    assert "hunter2" not in found.value.hint
    assert "hunt" not in found.value.hint


REFUSALS = [
    pytest.param(reply(401), "AuthorizationPolicy", id="401 names the policy that is missing"),
    pytest.param(reply(403, b"", "text/plain"), "AuthorizationPolicy", id="403 names the policy that is missing"),
    pytest.param(reply(404, b"404 page not found"), "no Prometheus answers under this URL", id="404"),
    pytest.param(
        reply(400, {"status": "error", "errorType": "bad_data", "error": "parse error: unexpected end"}),
        "answered 400: parse error: unexpected end",
        id="400 tells what is wrong with the query",
    ),
    pytest.param(reply(422, {"status": "error", "error": "too many samples"}), "answered 422: too many", id="422"),
    pytest.param(reply(409, b"conflict"), "answered 409: conflict", id="409"),
    pytest.param(reply(410, b"gone"), "answered 410: gone", id="410"),
    pytest.param(reply(500, b"<html>oops</html>"), "answered 500: <html>oops", id="500 of a proxy"),
    pytest.param(reply(503, b"[" * 100_000), r"answered 503: \[\[\[", id="503 with nested nonsense"),
    pytest.param(reply(204), "answered 204", id="204"),
    pytest.param(reply(302, Location="/prom/"), "redirects to '/prom/'", id="a redirect loop is not followed"),
    pytest.param(reply(body=b"<html>log in</html>"), "no JSON but '<html>log in", id="a page instead of JSON"),
    pytest.param(reply(body=b""), "no JSON", id="nothing"),
    pytest.param(reply(body=b"[" * 100_000), r"no JSON but '\[\[\[", id="JSON nested without end"),
    pytest.param(reply(body=[]), "what is no answer", id="a list"),
    pytest.param(reply(body={"status": "error", "error": "x"}), "what is no answer", id="200 with an error in it"),
    pytest.param(reply(body=success(None)), "what is no answer", id="a result that is no list"),
    pytest.param(reply(body=success([1784.0, "one"])), "neither vector nor matrix", id="a text"),
    pytest.param(reply(body=success([{"value": [1, "2"]}])), "neither vector nor matrix", id="no labels"),
    pytest.param(reply(body=success([{"metric": {}, "value": [1]}])), "neither vector nor matrix", id="no value"),
    pytest.param(
        reply(body=success([{"metric": {}, "values": [[1, "2"], [2, "many"]]}])),
        "neither vector nor matrix",
        id="a value that is no number",
    ),
    pytest.param(
        reply(body=success([{"metric": {}, "value": [1, 10**400]}])),
        "neither vector nor matrix: int too large",
        id="a value that no float holds",
    ),
    pytest.param(
        reply(body=b'{"status":"success","data":{"result":[{"metric":{},"value":[NaN,"1"]}]}}'),
        "a time that is none",
        id="a time that is not a number",
    ),
    pytest.param(
        reply(body=success([], warnings=["remote read of store-2 failed"])),
        "warned: remote read of store-2",
        id="a warning makes the answer a part",
    ),
    pytest.param(wire.cut, "Connection|Remote end closed", id="cut before the answer"),
    pytest.param(wire.cut_in_the_body, "IncompleteRead|reset", id="cut in the body"),
    pytest.param(wire.cut_in_a_chunk, "IncompleteRead|reset|invalid literal", id="cut in a chunk"),
    pytest.param(wire.nonsense, "SSH", id="another protocol"),
    pytest.param(reply(body=b"raw", Content_Encoding="gzip"), "header", id="broken compression"),
    pytest.param(wire.endless(), "over 1 MiB", id="a body without end"),
    pytest.param(reply(body=b" " * (2**20 + 1)), "over 1 MiB", id="a body too large"),
]


class TestRefusals:
    @pytest.mark.parametrize(("answer", "hint"), REFUSALS)
    async def test_whatever_is_no_whole_answer_is_unreachable_with_a_hint(self, answer: Answer, hint: str) -> None:
        async with asking(answer) as (prometheus, _):
            with pytest.raises(MetricsUnreachable, match=hint) as refused:
                await prometheus.query(QUERY)
        assert len(refused.value.hint) < 500

    async def test_after_each_of_them_it_answers_again(self) -> None:
        bad = [param.values[0] for param in REFUSALS]
        async with asking(wire.in_turn(*bad, reply(body=MATRIX))) as (prometheus, server):  # type: ignore[arg-type]
            for _ in bad:
                with contextlib.suppress(MetricsUnreachable):
                    await prometheus.query(QUERY)
            assert len(await prometheus.query(QUERY)) == 2
        assert len(server.asked) == len(bad) + 1  # nothing was tried twice

    async def test_it_says_when_to_come_back(self) -> None:
        async with asking(reply(429, b"slow down", Retry_After="7")) as (prometheus, _):
            with pytest.raises(MetricsUnreachable) as refused:
                await prometheus.query(QUERY)
        assert refused.value.retry_after == 7

    async def test_a_closed_port_is_named_without_the_librarys_wrappings(self) -> None:
        prometheus = Prometheus(Access(url="http://me:secret@127.0.0.1:9"))
        with pytest.raises(MetricsUnreachable) as refused:
            await prometheus.query(QUERY)
        assert refused.value.hint == "Prometheus at http://127.0.0.1:9: [Errno 111] Connection refused"

    async def test_a_name_that_does_not_resolve_is_unreachable(self) -> None:
        with pytest.raises(MetricsUnreachable):
            await Prometheus(Access(url=f"http://{'a' * 70}.invalid:9090")).query(QUERY)

    @pytest.mark.parametrize(
        ("token", "hint"),
        [
            pytest.param(None, "No such file", id="missing"),
            pytest.param(b"\xff\xfe", "codec", id="no text"),
            pytest.param(b"one\ntwo", "no valid HTTP header$", id="two lines"),
        ],
    )
    async def test_a_bad_token_file_is_unreachable(self, tmp_path: Path, token: bytes | None, hint: str) -> None:
        if token is not None:
            (tmp_path / "token").write_bytes(token)
        async with asking(reply(body=MATRIX), token_file=tmp_path / "token") as (prometheus, server):
            with pytest.raises(MetricsUnreachable, match=hint):
                await prometheus.query(QUERY)
        assert not server.asked

    async def test_a_missing_ca_file_is_unreachable(self, tmp_path: Path) -> None:
        prometheus = Prometheus(Access(url="https://127.0.0.1:9", ca_file=tmp_path / "ca.crt"))
        with pytest.raises(MetricsUnreachable, match=r"ca\.crt"):
            await prometheus.query(QUERY)

    @pytest.mark.parametrize(
        "url", ["prometheus:9090", "ftp://prometheus", "http://", "http://p:port", "http://p/?x=1", "http://[::1", ""]
    )
    async def test_a_url_that_is_none_is_refused_at_once(self, url: str) -> None:
        with pytest.raises(CanaryError, match="Prometheus URL"):
            Prometheus(Access(url=url))


class TestTime:
    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(wire.hang, id="hangs"),
            pytest.param(wire.drip(), id="drips"),
            pytest.param(wire.drip(500), id="drips a refusal"),
            pytest.param(wire.drip_the_head, id="drips its head"),
        ],
    )
    async def test_there_is_one_deadline_for_everything(self, answer: Answer) -> None:
        began = time.monotonic()
        async with asking(answer, within=SOON) as (prometheus, _):
            with pytest.raises(MetricsUnreachable, match=r"no whole answer .* within 0\.4 s|timed out"):
                await prometheus.query(QUERY)
        assert time.monotonic() - began < 2

    async def test_a_dripping_answer_is_hung_up_on_and_its_thread_ends(self) -> None:
        async with asking(wire.drip(), within=SOON) as (prometheus, server):
            with pytest.raises(MetricsUnreachable):
                await prometheus.query(QUERY)
            await asyncio.wait_for(server.hung_up.wait(), 2)
            await until(no_thread_waits)

    async def test_who_stops_waiting_lets_go_of_the_connection(self) -> None:
        async with asking(wire.drip()) as (prometheus, server):
            waiting = asyncio.create_task(prometheus.query(QUERY))
            await until(lambda: len(server.asked) == 1)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await asyncio.wait_for(server.hung_up.wait(), 2)

    async def test_at_most_so_many_queries_run_abreast_and_the_others_wait_for_their_turn(self) -> None:
        now, most = 0, 0

        async def answer(asked: wire.Asked, writer: asyncio.StreamWriter) -> None:
            nonlocal now, most
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.02)
            now -= 1
            await reply(body=MATRIX)(asked, writer)

        async with asking(answer, abreast=2) as (prometheus, server):
            await asyncio.gather(*(prometheus.query(QUERY) for _ in range(8)))
        assert (most, len(server.asked)) == (2, 8)

    async def test_queries_that_hang_do_not_pile_up(self) -> None:
        async with asking(wire.drip_the_head, within=SOON, abreast=2) as (prometheus, server):
            before = threading.active_count()
            outcomes = await asyncio.gather(*(prometheus.query(QUERY) for _ in range(6)), return_exceptions=True)
            hints = sorted(outcome.hint for outcome in outcomes if isinstance(outcome, MetricsUnreachable))
            assert [hint.split(" from ")[0] for hint in hints] == [
                *["earlier queries still hang, no answer"] * 4,
                *["no whole answer"] * 2,
            ]
            assert threading.active_count() <= before + 2
        assert len(server.asked) == 2

    async def test_after_a_dripping_answer_the_next_one_is_read(self) -> None:
        async with asking(wire.in_turn(wire.drip(), reply(body=MATRIX)), within=SOON) as (prometheus, _):
            with pytest.raises(MetricsUnreachable):
                await prometheus.query(QUERY)
            assert len(await prometheus.query(QUERY)) == 2

    async def test_a_process_without_threads_to_spare_asks_again_later(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        async with asking(reply(body=MATRIX), abreast=1) as (prometheus, _):
            with monkeypatch.context() as patch:
                patch.setattr(threading.Thread, "start", refuse)
                with pytest.raises(MetricsUnreachable, match="can't start new thread"):
                    await prometheus.query(QUERY)
            assert len(await prometheus.query(QUERY)) == 2

    async def test_other_work_goes_on_meanwhile(self) -> None:
        async with asking(wire.hang, within=SOON) as (prometheus, _):
            waiting = asyncio.create_task(prometheus.query(QUERY))
            turns = 0
            while not waiting.done():
                await asyncio.sleep(0.01)
                turns += 1
            with pytest.raises(MetricsUnreachable):
                await waiting
        assert turns > 10


PROGRAM = """
import asyncio, signal, sys
from canary.adapters.prometheus import Access, Prometheus

async def main() -> None:
    prometheus = Prometheus(Access(url=sys.argv[1]))
    work = asyncio.create_task(prometheus.query("up"))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        print("stopped", flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("answer", [pytest.param(wire.drip(), id="drips"), pytest.param(wire.hang, id="hangs")])
async def test_a_process_that_is_told_to_stop_ends_while_an_answer_is_under_way(answer: Answer) -> None:
    async with recorded(answer) as server:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, server.url, stdout=asyncio.subprocess.PIPE, env={**os.environ}
        )
        try:
            await until(lambda: len(server.asked) == 1)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            said, _ = await asyncio.wait_for(process.communicate(), 10)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert (said, process.returncode) == (b"stopped\n", 0)
    assert time.monotonic() - began < 2


class TestTls:
    async def test_a_server_is_trusted_by_the_ca_that_was_given(self, certificate: tuple[Path, Path]) -> None:
        async with recorded(reply(body=MATRIX), serving(certificate)) as server:
            prometheus = Prometheus(Access(url=server.url, ca_file=certificate[0]))
            assert len(await prometheus.query(QUERY)) == 2
            prometheus.close()

    async def test_another_server_is_not(self, certificate: tuple[Path, Path]) -> None:
        async with recorded(reply(body=MATRIX), serving(certificate)) as server:
            with pytest.raises(MetricsUnreachable, match="certificate verify failed"):
                await Prometheus(Access(url=server.url)).query(QUERY)
        assert not server.asked

    async def test_a_dripping_answer_is_hung_up_on_over_tls_too(self, certificate: tuple[Path, Path]) -> None:
        async with recorded(wire.drip(), serving(certificate)) as server:
            prometheus = Prometheus(Access(url=server.url, ca_file=certificate[0]), within=SOON)
            with pytest.raises(MetricsUnreachable, match="no whole answer"):
                await prometheus.query(QUERY)
            await asyncio.wait_for(server.hung_up.wait(), 2)
            await until(no_thread_waits)
            prometheus.close()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    return a_certificate(tmp_path)


@pytest.mark.parametrize(
    "module",
    [requests.exceptions, urllib3.exceptions, prometheus_api_client.exceptions, http.client],
    ids=lambda module: str(module.__name__),
)
def test_every_error_that_the_libraries_know_is_mapped(module: object) -> None:
    known = {
        name: kind
        for name, kind in vars(module).items()
        if inspect.isclass(kind) and issubclass(kind, Exception) and not issubclass(kind, Warning)
    }
    assert known
    assert {name for name, kind in known.items() if not issubclass(kind, FAULTS)} == set()


def no_thread_waits() -> bool:
    return all(thread.name != "prometheus" for thread in threading.enumerate())
