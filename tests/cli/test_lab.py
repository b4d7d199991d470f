"""`canary lab` and `canary demo`: up, shipped into, and gone without a trace when they are told to."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

from canary.adapters.api import Json
from canary.lab.promfetch import NoPrometheus, find_prometheus
from tests.cli.town import Town, an_idle


def a_prometheus() -> None:
    try:
        asyncio.run(find_prometheus())
    except NoPrometheus as error:
        pytest.skip(error.hint)


@contextmanager
def running(*arguments: str, home: Path) -> "Iterator[subprocess.Popen[str]]":
    command = [sys.executable, "-m", "canary", *arguments]
    with subprocess.Popen(
        command, env={**os.environ, "TMPDIR": str(home)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def children(process: "subprocess.Popen[str]") -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def env_of(town: Town) -> Json:
    path = f"/apis/apps/v1/namespaces/{town.namespace}/deployments/web-canary"
    pod = town.server.run(town.api.get(path))["spec"]["template"]["spec"]  # type: ignore[index]
    return {row["name"]: row["value"] for row in pod["containers"][0].get("env", [])}


def test_a_release_is_shipped_by_its_environment(town: Town) -> None:
    town.found()
    town.write(an_idle(promoted=town.revision()))
    assert town.canary("lab", "ship", "web", "RELEASE=2", "LAB_FAILURES=*=5%").exit_code == 0
    assert town.canary("lab", "ship", "web", "RELEASE=3").exit_code == 0
    assert env_of(town) == {"RELEASE": "3", "LAB_FAILURES": "*=5%"}


@pytest.mark.parametrize("odd", ["RELEASE", "=2", ""])
def test_what_is_no_variable_is_wrong_usage(town: Town, odd: str) -> None:
    result = town.canary("lab", "ship", "web", odd)
    assert result.exit_code == 2
    assert f"{odd!r} is not VARIABLE=VALUE" in result.stderr


def test_the_lab_says_where_it_is_and_goes_when_it_is_told(tmp_path: Path) -> None:
    a_prometheus()
    with running("lab", "up", "-o", "json", home=tmp_path) as process:
        assert process.stdout is not None
        said = "".join(iter(process.stdout.readline, "}\n")) + "}"
        places = cast("dict[str, str]", json.loads(said))
        assert Path(places["kubeconfig"]).is_file()
        assert Path(places["kubeconfig"]).is_absolute()
        assert places["prometheus"].startswith("http://127.")
        started = children(process)
        assert started
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (143, "")
    assert not any(map(alive, started))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def demo(tmp_path: Path) -> "Iterator[subprocess.Popen[str]]":
    """A demo whose first release has begun."""
    a_prometheus()
    with running("demo", home=tmp_path) as process:
        assert process.stderr is not None
        assert any("Weight 0m -> 100m" in line for line in process.stderr)
        yield process


def test_an_interrupted_demo_leaves_nothing_behind(demo: "subprocess.Popen[str]", tmp_path: Path) -> None:
    started = children(demo)
    assert len(started) == 2  # the controller and Prometheus
    demo.send_signal(signal.SIGINT)
    out, _ = demo.communicate(timeout=20)
    assert (demo.returncode, out) == (130, "")
    assert not any(map(alive, started))
    assert list(tmp_path.iterdir()) == []


def test_a_demo_without_its_controller_ends_and_says_where_the_logs_are(
    demo: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    started = children(demo)
    os.kill(next(pid for pid in started if b"canary" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")), 9)
    out, errors = demo.communicate(timeout=20)
    (home,) = tmp_path.iterdir()
    assert (demo.returncode, out) == (1, "")
    assert errors.splitlines()[-2] == f"what was logged is in {home}"
    assert errors.splitlines()[-1].startswith("error: the controller ended with code -9: ")
    assert (home / "controller.log").is_file()
    assert not any(map(alive, started))
