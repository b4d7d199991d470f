"""What is shipped and how it is made: the image, the make targets, the dependencies and their reasons."""

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
DOCKERFILE = (ROOT / "Dockerfile").read_text()
STAGES = re.split(r"^(?=FROM )", DOCKERFILE, flags=re.MULTILINE)[1:]


def instructions(stage: str) -> list[str]:
    joined = stage.replace("\\\n", " ")
    return [" ".join(line.split()) for line in joined.splitlines() if line and not line.startswith("#")]


def name_of(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9-]", requirement, maxsplit=1)[0]


def test_the_image_is_built_in_two_stages_on_one_base() -> None:
    build, final = STAGES
    assert instructions(build)[0] == f"{instructions(final)[0]} AS build"
    assert re.fullmatch(r"FROM python:3\.\d+-slim-\w+", instructions(final)[0])


def test_the_image_holds_what_the_lock_says_and_no_tools_of_ours() -> None:
    syncs = [line for line in instructions(STAGES[0]) if "uv sync" in line]
    assert syncs
    assert all("--locked" in line and "--no-dev" in line for line in syncs)
    assert not [line for line in instructions(STAGES[1]) if line.startswith("RUN")]


def test_the_image_runs_as_the_chart_wants_it() -> None:
    final = instructions(STAGES[1])
    (user,) = [line.removeprefix("USER ") for line in final if line.startswith("USER")]
    assert user == "65532:65532"
    assert 'ENTRYPOINT ["canary"]' in final
    deployment = (ROOT / "charts" / "canary" / "templates" / "deployment.yaml").read_text()
    assert f"runAsUser: {user.split(':', maxsplit=1)[0]}\n" in deployment


def test_what_is_copied_into_the_image_is_not_ignored() -> None:
    first, *exceptions = (ROOT / ".dockerignore").read_text().splitlines()
    kept = {line.removeprefix("!") for line in exceptions if line.startswith("!")}
    copied = {
        word.removeprefix("./")
        for line in instructions(STAGES[0])
        if line.startswith("COPY")
        for word in line.split()[1:-1]
    }
    assert first == "*"
    assert kept == copied


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
