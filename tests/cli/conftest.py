from collections.abc import Iterator

import pytest

from tests.cli.town import Server, Town, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("plane")) as running:
        yield running


@pytest.fixture
def town(server: Server) -> Iterator[Town]:
    town = server.town()
    yield town
    town.finish()
