"""What the Dockerfile says, stage by stage, and its carrying out in a directory, without a container engine.

A stage's absolute paths lie in `root`, everything else of a base image is the machine's own: its shell, its libraries,
and one Python that a stage finds on PATH.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).parents[2]
OURS = re.compile(r"(?<![\w./-])/(?=(?:opt|src)\b)")  # what the Dockerfile itself makes at the top of the file system
NOT_DOCKERS = ("UV_", "VIRTUAL_ENV", "PYTHON", "CANARY_")


@dataclass(frozen=True, slots=True)
class Instruction:
    word: str
    value: str

    def pairs(self) -> dict[str, str]:
        return dict(word.split("=", 1) for word in shlex.split(self.value))


def stages(dockerfile: Path = ROOT / "Dockerfile") -> list[list[Instruction]]:
    found: list[list[Instruction]] = []
    with dockerfile.open() as file:
        for line in DockerfileParser(fileobj=file).structure:
            if line["instruction"] == "FROM":
                found.append([])
            if line["instruction"] != "COMMENT":
                found[-1].append(Instruction(line["instruction"], line["value"]))
    return found


def values(stage: list[Instruction], word: str) -> Iterator[str]:
    return (each.value for each in stage if each.word == word)


class StepFailed(Exception):
    """A RUN did not end with 0."""


@dataclass
class Image:
    """The stage under way. `base` stands for what its FROM brings on PATH."""

    root: Path
    base: Path
    stage_before: Path | None = None
    env: dict[str, str] = field(default_factory=dict)
    workdir: Path = Path("/")
    user: str = ""
    entrypoint: list[str] = field(default_factory=list)

    def follow(self, stage: list[Instruction]) -> None:
        self.env["PATH"] = str(self.base)
        for step in stage:
            match step.word:
                case "FROM" | "EXPOSE":
                    pass
                case "ENV":
                    self.env |= {name: self._here(self._filled(value)) for name, value in step.pairs().items()}
                case "WORKDIR":
                    self.workdir = Path(self._here(step.value))
                    self.workdir.mkdir(parents=True)
                case "COPY":
                    self._copy(shlex.split(step.value))
                case "RUN":
                    self._run(step.value)
                case "USER":
                    self.user = step.value
                case "ENTRYPOINT":
                    self.entrypoint = shlex.split(step.value.strip("[]").replace(",", " "))
                case unknown:
                    raise AssertionError(f"{unknown} is new to this test")

    def _here(self, text: str) -> str:
        return OURS.sub(f"{self.root}/", text)

    def _filled(self, text: str) -> str:
        return re.sub(r"\$(\w+)", lambda name: self.env.get(name[1], ""), text)

    def _copy(self, words: list[str]) -> None:
        source = ROOT
        if words[0].startswith("--from="):
            assert self.stage_before is not None
            source = self.stage_before
            words = words[1:]
        *names, target = words
        into = self.workdir / self._here(target)
        for name in names:
            what = source / name.lstrip("/")
            if what.is_dir():
                shutil.copytree(what, into, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(what, into / what.name if target.endswith("/") else into)

    def _run(self, command: str) -> None:
        path = f"{self.env['PATH']}:{os.environ['PATH']}"  # the base image's own programs: sh, ldconfig
        ran = subprocess.run(
            ["/bin/sh", "-c", self._here(command)],
            cwd=self.workdir,
            env={**_clean(os.environ), **self.env, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            raise StepFailed(f"RUN {command}\n{ran.stderr}")


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(NOT_DOCKERS)}
