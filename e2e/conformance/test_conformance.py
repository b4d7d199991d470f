"""One table of requests and answers, run against both back ends: where they differ, the embedded one is wrong."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from canary.lab.controlplane import PlaneFailed, choose
from e2e.conformance.rows import Scenario, all_rows, scenarios
from e2e.conformance.server import Server


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=["embedded", pytest.param("real", marks=pytest.mark.controlplane)]
)
async def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    home: Path = tmp_path_factory.mktemp(request.param)
    try:
        plane = choose(request.param, home)
    except PlaneFailed as missing:
        pytest.skip(str(missing))
    await plane.start()
    try:
        reached = Server.of(request.param, plane.kubeconfig)
        yield reached
        await reached.close()
    finally:
        await plane.stop()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.timeout(90)
@pytest.mark.parametrize("scenario", scenarios(), ids=lambda scenario: scenario.title)
async def test_every_row_is_answered_as_the_table_says(server: Server, scenario: Scenario) -> None:
    if server.name == "embedded" and scenario.title.startswith("rules:"):
        pytest.importorskip(
            "celpy", reason="the embedded server evaluates CEL rules only where cel-python is installed"
        )
    names = await server.namespace()
    wrong: list[str] = []
    for row in scenario.rows:
        wrong += await server.play(row, names)
    assert not wrong, "\n" + "\n".join(wrong)


def test_the_table_has_at_least_150_rows() -> None:
    assert sum(1 for _ in all_rows()) >= 150
