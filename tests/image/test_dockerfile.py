"""What the Dockerfile and .dockerignore say: nothing is built here."""

import json
import re
import shlex
from itertools import pairwise

from tests.image.recipe import ROOT, stages, values

BUILD, FINAL = stages()


def test_there_are_two_stages_on_one_base() -> None:
    assert BUILD[0].value == f"{FINAL[0].value} AS build"
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", FINAL[0].value)


def test_what_is_installed_is_what_the_lock_says() -> None:
    syncs = [step for step in values(BUILD, "RUN") if "uv sync" in step]
    assert syncs
    assert all("--locked" in step and "--no-dev" in step for step in syncs)
    assert not list(values(FINAL, "RUN"))


def test_tools_of_the_build_are_pinned() -> None:
    for step in values(BUILD, "RUN"):
        words = shlex.split(step)
        assert not [word for before, word in pairwise(words) if before == "install" and not word.startswith("-")]
        assert all("==" in word for word in words if word.startswith("uv="))
        assert "uv run" not in step or "--locked" in step


def test_it_runs_as_the_chart_wants_it() -> None:
    (user,), (entry,) = values(FINAL, "USER"), values(FINAL, "ENTRYPOINT")
    assert user == "65532:65532"
    assert json.loads(entry) == ["canary"]
    templates = (ROOT / "charts" / "canary" / "templates").iterdir()
    users = {
        found for each in templates if each.is_file() for found in re.findall(r"runAsUser: (.+)", each.read_text())
    }
    assert users == {user.partition(":")[0]}


def test_what_is_copied_is_not_ignored() -> None:
    first, *exceptions = (ROOT / ".dockerignore").read_text().splitlines()
    kept = {line.removeprefix("!") for line in exceptions if line.startswith("!")}
    copied = {word.removeprefix("./") for step in values(BUILD, "COPY") for word in step.split()[:-1]}
    assert first == "*"
    assert kept == copied
