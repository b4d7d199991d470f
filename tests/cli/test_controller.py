"""The shipped controller as a process: heard, ended, and missed when it is gone."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from canary.cli.controller import Controller, ControllerEnded
from tests.cli.town import Town

WITHIN = 30.0


class Ear:
    def __init__(self) -> None:
        self.heard: dict[str, Mapping[str, object]] = {}
        self.news = asyncio.Event()

    def __call__(self, event: Mapping[str, object]) -> None:
        self.heard[str(event.get("event"))] = event
        self.news.set()

    async def until(self, name: str) -> Mapping[str, object]:
        async with asyncio.timeout(WITHIN):
            while name not in self.heard:
                await self.news.wait()
                self.news.clear()
        return self.heard[name]


def options(town: Town) -> list[str]:
    place = ["--kubeconfig", str(town.server.kubeconfig), "--namespace", town.namespace]
    return [*place, "--prometheus-url", "http://127.0.0.1:9", "--listen", "127.0.0.1:0"]


async def test_its_log_is_heard_and_kept_until_it_is_stopped(town: Town, tmp_path: Path) -> None:
    ear, log = Ear(), tmp_path / "log"
    controller = Controller(options(town), log, ear)
    await controller.start()
    try:
        await ear.until("controller.started")
    finally:
        await controller.stop()
    assert "controller.stopped" in ear.heard
    assert '"controller.started"' in log.read_text()
    await controller.stop()


async def test_settings_of_the_one_who_starts_it_are_not_its_own(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY_NAMESPACE", "elsewhere")
    monkeypatch.setenv("CANARY_RUN_LISTEN", "nonsense")
    ear = Ear()
    controller = Controller(options(town)[:2] + options(town)[4:], tmp_path / "log", ear)
    await controller.start()
    try:
        assert (await ear.until("controller.started"))["namespace"] == "*"
    finally:
        await controller.stop()


async def test_one_that_ends_by_itself_is_said_with_its_last_words(tmp_path: Path) -> None:
    controller = Controller(["--kubeconfig", str(tmp_path / "none")], tmp_path / "log", Ear())
    await controller.start()
    with pytest.raises(ControllerEnded, match=r"ended with code 1: .*no way to reach a cluster"):
        await asyncio.wait_for(controller.ended(), WITHIN)
    await controller.stop()
