"""Look-ups of names: answered, failed, refused where too many hang, and left behind at the end."""

import asyncio
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from canary.adapters.api import Json
from canary.cli.threads import DaemonThreads
from tests.canaries import a_webhook
from tests.cli.town import Town

HANGS = """
import socket, time
known = socket.getaddrinfo
def asked(host, *rest, **more):
    if host in ("hangs.example", b"hangs.example"):
        print("asked for it", file=sys.stderr, flush=True)
        time.sleep(120)
    return known(host, *rest, **more)
import sys
socket.getaddrinfo = asked
from canary.cli import main
main(prog_name="canary")
"""
"""`canary`, where the name server of one name never answers."""
WITHIN = 30.0
ENDS = 2.0


async def test_the_loop_takes_them() -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(DaemonThreads())
    assert (await loop.getaddrinfo("127.0.0.1", 80))[0][4] == ("127.0.0.1", 80)
    with pytest.raises(OSError, match=r"not known|failure"):
        await loop.getaddrinfo("no such name", 80)


async def test_more_than_so_many_at_once_are_refused_until_one_ends() -> None:
    threads, go = DaemonThreads(most=2), threading.Event()
    hanging = [threads.submit(go.wait, WITHIN) for _ in range(2)]
    with pytest.raises(OSError, match="too many names"):
        threads.submit(int)
    go.set()
    assert [future.result(WITHIN) for future in hanging] == [True, True]
    end = time.monotonic() + WITHIN
    while time.monotonic() < end:
        try:
            assert threads.submit(int).result(WITHIN) == 0
        except OSError:
            continue
        return
    pytest.fail("they are never free again")


def test_a_name_server_that_never_answers_does_not_hold_the_controller(town: Town, tmp_path: Path) -> None:
    hook: Json = a_webhook(type="notify", url="http://hangs.example/", timeout="60s")
    town.found(gates={"successRate": {"min": "99%"}, "webhooks": [hook]})
    place = ["--kubeconfig", str(town.server.kubeconfig), "--namespace", town.namespace]
    options = [*place, "--prometheus-url", "http://127.0.0.1:9", "--listen", "127.0.0.1:0"]
    command = [sys.executable, "-c", HANGS, "run", *options]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            end = time.monotonic() + WITHIN
            while "asked for it" not in (tmp_path / "log").read_text():
                assert time.monotonic() < end, (tmp_path / "log").read_text()
                time.sleep(0.05)
            begun = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(WITHIN) == 0
            assert time.monotonic() - begun < ENDS
        finally:
            process.kill()
