"""What holds for all tests."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests import tracing

# A busy machine is slow, not wrong: pytest's own timeout bounds every test.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# `pytest --hypothesis-profile thorough tests/core` looks for an hour.
settings.register_profile("thorough", settings.get_profile("here"), max_examples=5000)
settings.load_profile("here")


@pytest.fixture
def untraced() -> Iterator[None]:
    """Run without coverage."""
    with tracing.untraced():
        yield
