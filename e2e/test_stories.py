"""Every story, on both control planes. Those of one plane are played at once, each in a namespace of its own."""

import asyncio
import importlib.util
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from e2e.stage import Stage

# aiohttp's server leaves a connection to the collector that a dying pod drops in mid-answer
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

ABREAST = 5  # more would have two cores too busy to keep pods ready
STORIES = sorted(path.stem for path in (Path(__file__).parent / "stories").glob("[a-z]*.py"))


def load(name: str) -> ModuleType:
    """Import a story."""
    spec = importlib.util.spec_from_file_location(f"stories_{name}", Path(__file__).parent / "stories" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def play_all(plane: str, home: Path, say: Callable[[str], None]) -> dict[str, str]:
    """Play the stories; returns what went wrong in each, empty where nothing did. A second try is said."""
    wrong: dict[str, str] = {}
    room = asyncio.Semaphore(ABREAST)

    async def play(name: str, stage: Stage) -> None:
        own = stage.shared()
        try:
            async with room:
                try:
                    await load(name).play(own)
                finally:
                    await asyncio.gather(*(scene.silence() for scene in own.scenes))
            wrong[name] = ""
        except Exception:  # noqa: BLE001 - told by the story's own test
            wrong[name] = traceback.format_exc()

    async with Stage(plane, home) as stage:
        stories = {name: load(name) for name in STORIES}
        here = [name for name in STORIES if plane in getattr(stories[name], "PLANES", (plane,))]
        alone = [name for name in here if getattr(stories[name], "ALONE", False)]  # these break what all share
        await asyncio.gather(*(play(name, stage) for name in here if name not in alone))
        for name in alone:
            await play(name, stage)
        # two cores may have been too busy with all of them: by itself a story must hold
        stage.suffix = "-again"
        for name in [name for name in here if wrong[name]]:
            say(f"\n{plane}: {name} did not hold among the others and is played again:\n{wrong[name]}")
            await stage.mend()
            await play(name, stage)
    return wrong


@pytest.fixture(scope="session", params=["embedded", pytest.param("real", marks=pytest.mark.controlplane)])
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Play all stories on one plane."""
    plane = str(request.param)
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    assert reporter is not None
    return asyncio.run(play_all(plane, tmp_path_factory.mktemp(plane), reporter.write_line))


@pytest.mark.parametrize("story", STORIES)
def test_story(story: str, outcome: dict[str, str]) -> None:
    if story not in outcome:
        pytest.skip("this story is another control plane's")
    assert not outcome[story], outcome[story]
