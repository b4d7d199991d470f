"""What the demo shows, on a terminal and elsewhere."""

import io
import sys

import pytest

from canary.cli import stage as stages
from canary.cli.stage import Stage, staged
from canary.cli.story import Harm
from tests.cli.test_story import EVENT

TROUBLE: dict[str, object] = {"level": "warning", "event": "tick.failed", "error": "no answer"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def harms(revision: str) -> Harm:
    return {"new": Harm(requests=40, failed=2)}.get(revision, Harm(requests=0, failed=0))


class Lines:
    """What a stage without a terminal says."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def of(self, *events: dict[str, object]) -> list[str]:
        stage = Stage(None)
        stage.begin("a release", harms)
        for event in events:
            stage.hear(event)
        out, err = self._capsys.readouterr()
        assert out == ""
        return err.splitlines()


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    return Lines(capsys)


async def test_elsewhere_each_change_is_a_line_and_each_weight_comes_with_its_evidence(lines: Lines) -> None:
    said = lines.of(EVENT, {**EVENT, "message": "At 100m: more."}, {**EVENT, "reason": "NoData", "message": "Held."})
    assert said[0] == "a release"
    kinds = ["Gathering" if "Gathering" in line else "NoData" if "NoData" in line else "gate" for line in said[1:]]
    assert kinds == ["Gathering", "gate", "NoData"]


async def test_elsewhere_a_long_silence_is_broken(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "QUIET", 0.0)
    said = lines.of(EVENT, {**EVENT, "message": "At 100m: more."})
    assert said[-1].endswith("Gathering: At 100m: more.")


async def test_the_same_trouble_is_told_once(lines: Lines) -> None:
    assert lines.of(TROUBLE, TROUBLE, {**TROUBLE, "error": "refused"})[1:] == [
        "the controller says: tick.failed: no answer",
        "the controller says: tick.failed: refused",
    ]


async def test_the_end_of_the_last_release_is_not_told_under_the_next(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stage = Stage(None)
    stage.begin("first", harms)
    stage.hear(EVENT)
    stage.begin("second", harms)
    capsys.readouterr()
    stage.hear({**EVENT, "reason": "Promoted", "phase": "Idle", "weight": 0})
    assert capsys.readouterr().err == ""
    stage.hear({**EVENT, "rollout": "web-newer-2"})
    assert "Gathering" in capsys.readouterr().err


async def test_before_the_first_release_nothing_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    Stage(None).hear(EVENT)
    assert capsys.readouterr().err == ""


async def test_a_terminal_gets_the_weight_the_evidence_and_what_users_have(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "xterm-256color")
    with staged() as stage:
        stage.begin("a release", harms)
        stage.hear(EVENT)
    shown = terminal.getvalue()
    for part in (
        "a release",
        "████",
        "Gathering: At 100m: waiting.",
        "40 requests to this release, 2 of them",
        "7 of 117",
    ):
        assert part in shown
    assert "\x1b[" in shown


async def test_no_colour_on_a_terminal_that_wants_none(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    with staged() as stage:
        stage.begin("a release", harms)
        stage.hear(EVENT)
    assert "\x1b[1;31m" not in terminal.getvalue()
