"""The conformance table, as far as it runs in a blink: all but its watches, on the embedded server alone.

The whole of it, on both back ends, is under e2e.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from canary.lab.apiserver.plane import EmbeddedPlane
from e2e.conformance.rows import Scenario, scenarios
from e2e.conformance.server import Server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    plane = EmbeddedPlane(tmp_path_factory.mktemp("embedded"))
    await plane.start()
    server = Server.of("embedded", Path(plane.kubeconfig))
    yield server
    await server.close()
    await plane.stop()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("scenario", scenarios(), ids=lambda scenario: scenario.title)
async def test_the_embedded_server_answers_as_the_table_says(server: Server, scenario: Scenario) -> None:
    if scenario.title.startswith("rules:"):
        pytest.importorskip("celpy", reason="CEL rules are evaluated only where cel-python is installed")
    names = await server.namespace()
    wrong: list[str] = []
    for row in scenario.rows:
        if row.events is None:
            wrong += await server.play(row, names)
    assert not wrong, "\n" + "\n".join(wrong)
