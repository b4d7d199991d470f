"""The image's steps carried out in a directory, and what they make run as a pod runs it: another's tree, no shell.

As root the user is the image's own; as anybody else it is oneself, who may not write there either.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from packaging.requirements import Requirement

from canary import __version__
from tests.cli.town import Server, serving
from tests.image.recipe import ROOT, Image, StepFailed, stages

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

UNREACHABLE = re.compile(
    r"dns error|error sending request|Failed to (fetch|establish)|No matching distribution", re.IGNORECASE
)
WITHIN = 60.0
NAMES = "import importlib.metadata as m; print(*sorted({d.name + '==' + d.version for d in m.distributions()}))"


def uv() -> str:
    found = shutil.which("uv") or str(ROOT / ".cache" / "uv" / "bin" / "uv")
    if not Path(found).exists():
        pytest.skip("no uv, which scripts/setup.sh would have fetched")
    return found


def normal(requirement: str) -> str:
    name, _, version = requirement.partition("==")
    return f"{re.sub(r'[-_.]+', '-', name).lower()}=={version}"


def as_user(user: str) -> list[str]:
    if os.getuid():
        return []
    uid, gid = user.split(":")
    return ["setpriv", "--reuid", uid, "--regid", gid, "--clear-groups", "--no-new-privs", "--"]


def a_python(user: str) -> str:
    """Find one that the user may run: root's own is often in a home that nobody else enters."""
    version = stages()[0][0].value.removeprefix("python:").partition("-")[0]
    system = shutil.which(f"python{version}", path="/usr/local/bin:/usr/bin")
    for candidate in (os.path.realpath(sys.executable), system):
        # Through env: what setpriv executes itself it still finds with root's capabilities.
        if (
            candidate
            and subprocess.run([*as_user(user), "/usr/bin/env", candidate, "-c", ""], check=False).returncode == 0
        ):
            return candidate
    pytest.skip(f"no python{version} that user {user} may run")


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """Make a directory that other users may enter, unlike pytest's."""
    with tempfile.TemporaryDirectory(prefix="canary-image-") as name:
        home = Path(name)
        home.chmod(0o755)
        yield home
        for path in [home, *home.rglob("*")]:
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)


@pytest.fixture(scope="session")
def image(home: Path) -> Image:
    build, final = stages()
    python = a_python(next(step.value for step in final if step.word == "USER"))
    base = home / "base"
    made = subprocess.run(
        [uv(), "venv", "--quiet", "--seed", "--python", python, base], capture_output=True, text=True, check=False
    )
    stage = Image(home / "image", base / "bin", env={"UV_PYTHON": python})
    try:
        assert made.returncode == 0, made.stderr
        stage.follow(build)
    except (AssertionError, StepFailed) as failed:
        if UNREACHABLE.search(str(failed)):
            pytest.skip(f"the package index cannot be reached: {str(failed).splitlines()[-1]}")
        raise
    before = (home / "image").rename(home / "build")
    shutil.rmtree(base)
    image = Image(home / "image", base / "bin", stage_before=before)
    image.root.mkdir()
    image.follow(final)
    shutil.rmtree(before)
    for path in [image.root, *image.root.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)
    return image


def command(image: Image, *arguments: str, entry: list[str] | None = None) -> list[str]:
    return [*as_user(image.user), "/usr/bin/env", "-i", *settings(image), *(entry or image.entrypoint), *arguments]


def settings(image: Image) -> list[str]:
    inside = ":".join(part for part in image.env["PATH"].split(":") if part.startswith(str(image.root)))
    return [f"{name}={value}" for name, value in {**image.env, "PATH": inside}.items()]


def run(image: Image, *arguments: str, entry: list[str] | None = None) -> str:
    line = command(image, *arguments, entry=entry)
    ran = subprocess.run(line, cwd="/", capture_output=True, text=True, check=False, timeout=WITHIN)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def installed(image: Image) -> set[str]:
    return {normal(each) for each in run(image, "-c", NAMES, entry=["python"]).split()}


def test_it_answers_with_its_version(image: Image) -> None:
    assert run(image, "--version").strip().endswith(__version__)


def test_no_shell_is_on_its_path_and_nothing_of_it_can_be_written(image: Image) -> None:
    probe = "import os, shutil, sys; print(shutil.which('sh'), os.access(sys.prefix, os.W_OK))"
    assert run(image, "-c", probe, entry=["python"]).split() == ["None", "False"]


def test_only_what_is_locked_for_run_time_is_installed_and_no_installer(image: Image) -> None:
    options = ("--locked", "--no-dev", "--no-hashes", "--no-emit-project", "--quiet")
    exported = subprocess.run([uv(), "export", *options], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    wanted = [Requirement(line) for line in exported.splitlines() if line and not line.startswith((" ", "#"))]
    locked = {normal(f"{each.name}{each.specifier}") for each in wanted if not each.marker or each.marker.evaluate()}
    assert installed(image) == locked | {f"linkerd-canary=={__version__}"}
    assert not {"pip", "uv", "setuptools"} & {name.partition("==")[0] for name in installed(image)}
    assert not {"pip", "uv"} & {path.name for path in (image.root / "opt" / "canary" / "bin").iterdir()}


def test_its_bill_of_materials_lists_exactly_what_is_installed(image: Image) -> None:
    bill = json.loads((image.root / "opt" / "canary" / "sbom.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    listed = {normal(f"{each['name']}=={each['version']}") for each in bill["components"]}
    assert listed == installed(image)


def test_the_controller_becomes_ready_and_ends_in_time(image: Image, home: Path) -> None:
    with serving(home / "plane") as server, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        assert ends_after_ready(image, server, port) == 0


def ends_after_ready(image: Image, server: Server, port: int) -> int:
    town = server.town()
    kubeconfig = ("--kubeconfig", str(server.kubeconfig), "--namespace", town.namespace)
    line = command(image, "run", *kubeconfig, "--prometheus-url", "http://127.0.0.1:9", "--listen", f"127.0.0.1:{port}")
    with subprocess.Popen(line, cwd="/", stderr=subprocess.PIPE, text=True) as process:
        try:
            ready = is_ready(port, process)
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=WITHIN)
        finally:
            process.kill()
        assert ready, said
        return process.returncode


def is_ready(port: int, process: subprocess.Popen[str]) -> bool:
    end = time.monotonic() + WITHIN
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == httpx.codes.OK:
                return True
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    return False
