"""Time passes for these tests when nothing else can happen: an hour of waiting takes a moment, and is exact."""

from collections.abc import Callable, Mapping

import pytest

from tests.runtime.virtual import VirtualLoop


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Callable[[], VirtualLoop]]:
    return {"virtual": VirtualLoop}
