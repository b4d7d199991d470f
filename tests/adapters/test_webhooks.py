import asyncio
import inspect
import json
import logging
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import httpx
import pytest

from canary.adapters.webhooks import CLOSING, Notifier, Webhooks, faults, notice_body
from canary.core.decision import Notice
from canary.core.questions import CallGate
from canary.core.snapshot import Key
from canary.core.spec import Webhook, WebhookKind
from canary.core.status import CanaryStatus, Phase, Reason, Rollout
from canary.errors import GateUnreachable
from tests.adapters import recorded as wire
from tests.adapters.recorded import Answer, recorded, reply, until

BODY = '{"canary": "web", "weight": 100}'


def a_gate(url: str, within: float = 5.0) -> CallGate:
    hook = Webhook(name="check", kind=WebhookKind.CONFIRM_STEP, url=url, timeout=timedelta(seconds=within))
    return CallGate(webhook=hook, body=BODY)


def a_notify(url: str, within: float = 5.0) -> Webhook:
    return replace(a_gate(url, within).webhook, kind=WebhookKind.NOTIFY)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def webhooks() -> AsyncIterator[Webhooks]:
    webhooks = Webhooks()
    yield webhooks
    await webhooks.close()


LONG = b"no: " + b"x" * 10_000


class TestGates:
    @pytest.mark.parametrize(
        ("answer", "yes", "detail"),
        [
            pytest.param(reply(200, b"whatever"), True, "HTTP 200", id="200"),
            pytest.param(reply(204), True, "HTTP 204", id="204"),
            pytest.param(wire.drip(), True, "HTTP 200", id="200 whose body drips"),
            pytest.param(wire.endless(), True, "HTTP 200", id="200 without an end"),
            pytest.param(wire.cut_in_the_body, True, "HTTP 200", id="200 cut in the body"),
            pytest.param(reply(503, b"not\n yet"), False, "HTTP 503: not yet", id="503"),
            pytest.param(reply(403), False, "HTTP 403", id="403 without words"),
            pytest.param(reply(429, b"busy", Retry_After="1"), False, "HTTP 429: busy", id="429"),
            pytest.param(reply(500, b"\xff\xfe"), False, "HTTP 500: ��", id="no UTF-8"),
            pytest.param(reply(500, b"raw", Content_Encoding="gzip"), False, "HTTP 500: raw", id="broken compression"),
            pytest.param(reply(400, LONG), False, f"HTTP 400: no: {'x' * 251}…", id="a long refusal"),
            pytest.param(
                reply(302, Location="/"), False, "HTTP 302: redirects to /, which is not followed", id="a redirect loop"
            ),
        ],
    )
    async def test_2xx_is_yes_and_any_other_answer_no(
        self, webhooks: Webhooks, answer: Answer, yes: bool, detail: str
    ) -> None:
        async with recorded(answer) as server:
            said = await webhooks.call(a_gate(server.url))
        assert (said.yes, said.detail) == (yes, detail)
        assert len(server.asked) == 1

    @pytest.mark.parametrize("path", ["/services/T0000/B0000/hunter2hunter2", "/?token=hunter2%2F", "/a#hunter2"])
    @pytest.mark.parametrize("status", [302, 404, 500])
    async def test_what_an_endpoint_repeats_of_its_address_is_not_told(
        self, webhooks: Webhooks, path: str, status: int
    ) -> None:
        async def echo(asked: wire.Asked, writer: asyncio.StreamWriter) -> None:
            login = asked.headers.get("authorization", "")
            words = f"no {asked.target}, no {asked.target[1:]} {login} {path} {unquote(asked.target)}".encode()
            where = f"https://elsewhere{asked.target}"
            writer.write(wire.head(status, Content_Length=str(len(words)), Location=where) + words)
            await writer.drain()

        async with recorded(echo) as server:
            address = server.url.replace("//", "//me:hunter2hunter2@") + path
            said = await webhooks.call(a_gate(address))
        assert server.asked[0].headers["authorization"].startswith("Basic ")
        assert server.asked[0].headers["authorization"].split()[1] not in said.detail
        assert "hunter2" not in said.detail
        assert said.detail.startswith(f"HTTP {status}: ")

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(wire.drip(503, b"because of reasons, many of them"), id="drips"),
            pytest.param(wire.drip(503, b"b" + b" " * 10_000), id="drips without end"),
        ],
    )
    async def test_a_refusal_counts_although_its_words_drip(self, webhooks: Webhooks, answer: Answer) -> None:
        async with recorded(answer) as server:
            said = await webhooks.call(a_gate(server.url, within=2))
        assert not said.yes
        assert said.detail.startswith("HTTP 503: b")

    async def test_a_refusal_without_end_is_read_to_a_limit(self, webhooks: Webhooks) -> None:
        sent = 0

        async def answer(_: wire.Asked, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            writer.write(wire.head(500))
            while True:
                writer.write(b"no" * 2**15)
                await writer.drain()
                sent += 2**16

        async with recorded(answer) as server:
            said = await webhooks.call(a_gate(server.url))
        assert said.detail == f"HTTP 500: {'no' * 127}n…"
        assert sent < 2**24  # what fits into the sockets' buffers

    async def test_it_is_sent_json(self, webhooks: Webhooks) -> None:
        async with recorded(reply(200)) as server:
            await webhooks.call(a_gate(server.url + "/hook?x=1"))
        asked = server.asked[0]
        assert (asked.method, asked.target, asked.body.decode()) == ("POST", "/hook?x=1", BODY)
        assert (asked.headers["content-type"], asked.headers["user-agent"]) == ("application/json", "canary")

    @pytest.mark.parametrize(
        ("answer", "hint"),
        [
            pytest.param(wire.hang, r"webhook check: no answer within 0\.3 s", id="hangs"),
            pytest.param(wire.drip_the_head, r"no answer within 0\.3 s", id="drips its head"),
            pytest.param(wire.cut, "webhook check: ", id="cut"),
            pytest.param(wire.nonsense, "webhook check: ", id="another protocol"),
        ],
    )
    async def test_no_answer_in_time_is_unreachable(self, webhooks: Webhooks, answer: Answer, hint: str) -> None:
        began = time.monotonic()
        async with recorded(answer) as server:
            with pytest.raises(GateUnreachable, match=hint):
                await webhooks.call(a_gate(server.url, within=0.3))
        assert time.monotonic() - began < 1.5

    @pytest.mark.parametrize(
        "url",
        [
            pytest.param("http://127.0.0.1:9", id="a closed port"),
            pytest.param(f"http://{'a' * 70}.invalid", id="a name that cannot be"),
            pytest.param("ftp://127.0.0.1", id="another scheme"),
            pytest.param("http://127.0.0.1:99999", id="a port that cannot be"),
            pytest.param("http://", id="no host"),
            pytest.param("http://\x00", id="no URL"),
            pytest.param("", id="nothing"),
        ],
    )
    async def test_what_cannot_be_called_is_unreachable(self, webhooks: Webhooks, url: str) -> None:
        with pytest.raises(GateUnreachable, match=r"webhook check: .+"):
            await webhooks.call(a_gate(url))

    async def test_a_secret_in_the_url_is_not_logged(
        self, webhooks: Webhooks, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        async with recorded(reply(200)) as server:
            await webhooks.call(a_gate(server.url + "/services/TOKEN"))
        assert "TOKEN" not in caplog.text


def test_every_error_that_httpx_knows_is_mapped() -> None:
    known = [kind for kind in vars(httpx).values() if inspect.isclass(kind) and issubclass(kind, Exception)]
    assert len(known) > 20
    assert [kind for kind in known if not issubclass(kind, faults())] == []


def test_httpx_is_not_imported_before_a_webhook_is_called() -> None:
    program = "import sys, canary.adapters.webhooks as w; w.Webhooks(); sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_notice_says_what_happened_where_and_when() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    rollout = Rollout(id="web-abc-1", number=1, revision="abc", baseline="", started_at=at, spec={}, found_replicas=1)
    status = CanaryStatus(phase=Phase.PROGRESSING, weight=100, rollout=rollout)
    notice = Notice(reason=Reason.SUCCESS_RATE, message="97 % of 300 requests", warning=True)
    assert json.loads(json.dumps(notice_body(Key("shop", "web"), status, notice, at))) == {
        "canary": "web",
        "namespace": "shop",
        "rollout": "web-abc-1",
        "phase": "Progressing",
        "weight": 100,
        "reason": "SuccessRate",
        "message": "97 % of 300 requests",
        "warning": True,
        "at": "2026-01-02T03:04:05.000000Z",
    }


class Mailbox:
    """A notifier, and what it dropped."""

    def __init__(self, webhooks: Webhooks, room: int = 200) -> None:
        self.dropped: Counter[str] = Counter()
        soon = timedelta(seconds=0.1)
        self.notifier = Notifier(webhooks, lambda why: self.dropped.update([why]), room=room, back_off=soon)

    def send(self, *hooks: Webhook, number: int = 0) -> None:
        self.notifier.notify(hooks, {"number": number})


class TestNotices:
    async def test_they_arrive_in_order(self, webhooks: Webhooks) -> None:
        mailbox = Mailbox(webhooks)
        async with recorded(reply(200)) as server:
            for number in range(5):
                mailbox.send(a_notify(server.url), number=number)
            await until(lambda: len(server.asked) == 5)
            await mailbox.notifier.close()
        assert [asked.json for asked in server.asked] == [{"number": number} for number in range(5)]
        assert not mailbox.dropped

    async def test_only_those_that_want_notices_get_them(self, webhooks: Webhooks) -> None:
        mailbox = Mailbox(webhooks)
        async with recorded(reply(200)) as server:
            mailbox.send(a_gate(server.url).webhook, a_notify(server.url + "/n"))
            await mailbox.notifier.close()
        assert [asked.path for asked in server.asked] == ["/n"]

    @pytest.mark.parametrize(
        "bad", [reply(503), reply(429, Retry_After="0"), wire.cut, wire.nonsense], ids=["503", "429", "cut", "nonsense"]
    )
    async def test_what_may_pass_is_tried_three_times(self, webhooks: Webhooks, bad: Answer) -> None:
        mailbox = Mailbox(webhooks)
        async with recorded(wire.in_turn(bad, bad, reply(200))) as server:
            mailbox.send(a_notify(server.url))
            await until(lambda: len(server.asked) == 3)
            await mailbox.notifier.close()
        assert not mailbox.dropped

    async def test_after_three_times_it_is_dropped_and_counted(self, webhooks: Webhooks) -> None:
        mailbox = Mailbox(webhooks)
        async with recorded(reply(503)) as server:
            mailbox.send(a_notify(server.url))
            await until(lambda: bool(mailbox.dropped))
        assert len(server.asked) == 3
        assert mailbox.dropped == {"unreachable": 1}

    @pytest.mark.parametrize("status", [302, 400, 404])
    async def test_a_refusal_is_not_tried_again(self, webhooks: Webhooks, status: int) -> None:
        mailbox = Mailbox(webhooks)
        async with recorded(reply(status)) as server:
            mailbox.send(a_notify(server.url))
            await until(lambda: bool(mailbox.dropped))
        assert len(server.asked) == 1
        assert mailbox.dropped == {"refused": 1}

    async def test_a_dead_endpoint_holds_up_no_other(self, webhooks: Webhooks) -> None:
        mailbox = Mailbox(webhooks)
        async with recorded(wire.hang) as dead, recorded(reply(200)) as living:
            for number in range(5):
                mailbox.send(a_notify(dead.url), a_notify(living.url), number=number)
            await until(lambda: len(living.asked) == 5)
            assert len(dead.asked) == 1
            await mailbox.notifier.close()
        assert mailbox.dropped == {"closed": 5}

    async def test_where_one_is_far_behind_its_oldest_go(self, webhooks: Webhooks) -> None:
        mailbox = Mailbox(webhooks, room=2)
        gate = asyncio.Event()

        async def answer(asked: wire.Asked, writer: asyncio.StreamWriter) -> None:
            await gate.wait()
            await reply(200)(asked, writer)

        async with recorded(answer) as server:
            mailbox.send(a_notify(server.url), number=0)
            await until(lambda: len(server.asked) == 1)
            for number in range(1, 6):
                mailbox.send(a_notify(server.url), number=number)
            gate.set()
            await mailbox.notifier.close()
        assert [asked.json["number"] for asked in server.asked] == [0, 4, 5]
        assert mailbox.dropped == {"full": 3}

    async def test_an_endpoint_that_had_nothing_to_get_for_a_while_gets_the_next(self, webhooks: Webhooks) -> None:
        mailbox = Mailbox(webhooks)
        async with recorded(reply(200)) as server:
            for count in (1, 2):
                mailbox.send(a_notify(server.url))
                await until(lambda count=count: len(server.asked) == count)  # type: ignore[misc]  # bound on purpose
                await asyncio.sleep(0.05)
            await mailbox.notifier.close()
        assert len(server.asked) == 2

    async def test_queueing_takes_no_time(self, webhooks: Webhooks) -> None:
        mailbox = Mailbox(webhooks)
        async with recorded(wire.hang) as server:
            began = time.monotonic()
            for _ in range(1000):
                mailbox.send(a_notify(server.url))
            assert time.monotonic() - began < 0.5
            await mailbox.notifier.close()
        assert mailbox.dropped.total() == 1000

    async def test_the_end_takes_less_than_a_second(self, webhooks: Webhooks) -> None:
        mailbox = Mailbox(webhooks)
        async with recorded(wire.hang) as server:
            mailbox.send(a_notify(server.url))
            await until(lambda: len(server.asked) == 1)
            began = time.monotonic()
            await mailbox.notifier.close()
            assert CLOSING <= time.monotonic() - began < 1
        mailbox.send(a_notify(server.url))
        assert mailbox.dropped == {"closed": 2}
