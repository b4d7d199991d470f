"""`canary status`: tables for people, documents for programs, each change once when watched."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from canary.core.status import Outcome
from tests.cli.town import Town, a_past, a_running, an_idle, said

GATES = [
    {
        "name": "POST /api/task: success rate",
        "verdict": "Hold",
        "share": 0.25,
        "promise": "at most 0.5% may fail",
        "oddsAgainst": 12.5,
        "oddsFor": 0.3,
        "canary": "4 of 100",
        "stable": "1 of 900",
    }
]


@pytest.fixture
def shop(town: Town) -> Town:
    town.found()
    return town


def with_gates(shop: Town) -> Town:
    shop.write(a_running(history=(a_past("older", 1, Outcome.ROLLED_BACK),)))
    shop.server.run(shop.api.patch(f"{shop.path}/status", {"status": {"gates": GATES}}))
    return shop


def test_all_canaries_stand_in_a_table(shop: Town) -> None:
    shop.write(a_running())
    head, line = shop.canary("status").stdout.splitlines()
    assert head.split() == ["NAME", "PHASE", "WEIGHT", "REVISION", "REASON", "MESSAGE"]
    cells = ["web", "Progressing", "100m", "new", "Gathering", "At 100m: waiting for the dwell."]
    assert line.split(maxsplit=5) == cells


def test_a_canary_that_no_controller_has_seen_says_so(shop: Town) -> None:
    assert shop.canary("status").stdout.splitlines()[1].endswith("not seen by a controller yet")


def test_no_canary_leaves_the_head_only(town: Town) -> None:
    assert len(town.canary("status").stdout.splitlines()) == 1


def test_one_canary_shows_its_gates_and_its_past(shop: Town) -> None:
    text = with_gates(shop).canary("status", "web").stdout
    about, gates, past = (block.splitlines() for block in text.split("\n\n"))
    assert about == [
        f"{shop.namespace}/web: Progressing",
        "rollout web-new-1 at 100m, since 2026-03-01T12:00:00Z",
        "Gathering: At 100m: waiting for the dwell.",
    ]
    assert gates[1].split("   ")[:2] == ["POST /api/task: success rate", "Hold"]
    assert "12.5:1" in gates[1]
    assert past[1].startswith("web-older-1   RolledBack   SuccessRate   100m   90")


def test_as_json_the_bulk_is_left_out(shop: Town) -> None:
    document = said(with_gates(shop).canary("status", "web", "-o", "json"))
    assert (document["name"], document["phase"], document["gates"]) == ("web", "Progressing", GATES)
    assert "evidence" not in document
    rollout = document["rollout"]
    assert isinstance(rollout, dict)
    assert rollout["id"] == "web-new-1"
    assert "spec" not in rollout


def test_as_json_all_canaries_are_one_document(shop: Town) -> None:
    shop.write(an_idle())
    canaries = said(shop.canary("status", "-o", "json"))["canaries"]
    assert isinstance(canaries, list)
    assert [canary["namespace"] for canary in canaries] == [shop.namespace]


def test_all_namespaces_get_a_column(shop: Town) -> None:
    lines = shop.canary("status", "-A").stdout.splitlines()
    assert lines[0].split()[:2] == ["NAMESPACE", "NAME"]
    assert [shop.namespace, "web"] in [line.split()[:2] for line in lines]


def test_a_name_has_one_namespace(town: Town) -> None:
    assert town.canary("status", "web", "-A").exit_code == 2


def test_a_missing_canary_is_an_error_in_one_line(town: Town) -> None:
    result = town.canary("status", "web")
    assert (result.exit_code, result.stderr) == (1, f"error: there is no Canary 'web' in namespace {town.namespace}\n")


@contextmanager
def watching(town: Town, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    place = {"CANARY_KUBECONFIG": str(town.server.kubeconfig), "CANARY_NAMESPACE": town.namespace}
    command = [sys.executable, "-m", "canary", "status", "--watch", *arguments]
    with subprocess.Popen(
        command, env={**os.environ, **place}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def test_watched_each_change_is_told_once_until_interrupted(shop: Town) -> None:
    with watching(shop, "web", "-o", "json") as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        shop.write(a_running())
        second = json.loads(process.stdout.readline())
        shop.write(an_idle(a_past("new", 1)))
        third = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=10)
    assert [seen.get("phase") for seen in (first, second, third)] == [None, "Progressing", "Promoted"]
    assert (process.returncode, rest, errors) == (130, "", "")


def test_watched_without_a_terminal_the_table_goes_on_line_by_line(shop: Town) -> None:
    with watching(shop) as process:
        assert process.stdout is not None
        assert process.stdout.readline().endswith("not seen by a controller yet\n")
        shop.write(a_running())
        assert process.stdout.readline().split()[:3] == ["web", "Progressing", "100m"]
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130


def test_watching_ends_when_the_canary_goes(shop: Town) -> None:
    with watching(shop, "web", "-o", "json") as process:
        assert process.stdout is not None
        process.stdout.readline()
        shop.server.run(shop.api.delete(shop.path))
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (1, "error: Canary 'web' is gone\n")


def test_on_a_terminal_it_is_redrawn_in_place(shop: Town) -> None:
    shop.write(a_running())
    ours, theirs = pty.openpty()
    place = {"CANARY_KUBECONFIG": str(shop.server.kubeconfig), "CANARY_NAMESPACE": shop.namespace}
    command = [sys.executable, "-m", "canary", "status", "web", "--watch"]
    with subprocess.Popen(
        command, env={**os.environ, **place, "TERM": "xterm", "COLUMNS": "120"}, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        try:
            first = shown(ours, "Progressing")
            shop.write(an_idle(a_past("new", 1)))
            second = shown(ours, "Promoted")
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 130
        finally:
            process.kill()
            os.close(ours)
    assert "Gathering: At 100m: waiting for the dwell." in first
    assert "\x1b[" in second


def shown(terminal: int, wanted: str) -> str:
    """Read a terminal until `wanted` is on it."""
    text = ""
    while wanted not in text:
        assert select.select([terminal], [], [], 20.0)[0], text
        text += os.read(terminal, 65536).decode()
    return text + os.read(terminal, 65536).decode() if select.select([terminal], [], [], 0.2)[0] else text
