"""What is shipped and how it is made: the make targets, the dependencies and their reasons."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = tomllib.loads((ROOT / "uv.lock").read_text())


def name_of(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9-]", requirement, maxsplit=1)[0]


def test_make_has_ten_targets_at_most_of_one_line_each() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    targets = [line for line in lines if re.match(r"[a-z0-9]+:", line)]
    assert 2 <= len(targets) <= 10
    assert all("; @" in line for line in targets)
    assert not [line for line in lines if line.startswith("\t")]
    assert {"demo", "test", "check", "e2e"} <= {line.split(":")[0] for line in targets}


@pytest.mark.parametrize("script", sorted((ROOT / "scripts").glob("*.sh")), ids=lambda path: path.name)
def test_scripts_need_no_more_than_a_posix_shell(script: Path) -> None:
    assert script.read_text().startswith("#!/bin/sh\n")
    checked = subprocess.run(["/bin/sh", "-n", script], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_every_dependency_is_locked_and_has_its_reason() -> None:
    reasons = (ROOT / "docs" / "dependencies.md").read_text()
    locked = {package["name"] for package in LOCK["package"]}
    groups = [line for group in PROJECT["dependency-groups"].values() for line in group if isinstance(line, str)]
    lines = [*PROJECT["project"]["dependencies"], *groups, *PROJECT["build-system"]["requires"]]
    wanted = {name_of(line) for line in lines}
    assert {name for name in wanted if f"`{name}`" not in reasons} == set()
    assert wanted <= locked


def test_the_wheel_brings_the_crd_and_the_licence(tmp_path: Path) -> None:
    build = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, tmp_path], cwd=ROOT, check=True, capture_output=True)
    (made,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(made) as wheel:
        names = wheel.namelist()
    assert "canary/crds/canaries.yaml" in names
    assert [name for name in names if name.endswith("/LICENSE")]
    assert not [name for name in names if name.startswith(("tests/", "e2e/"))]
