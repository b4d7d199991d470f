"""A real API server for the tests of a module, where one is built."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from canary.lab.controlplane import PlaneFailed
from canary.lab.realplane import RealPlane


@asynccontextmanager
async def a_real_plane(home: Path) -> AsyncIterator[RealPlane]:
    """Start one, or skip the test with what is missing."""
    try:
        plane = RealPlane(home)
    except PlaneFailed as missing:
        pytest.skip(missing.hint)
    await plane.start()
    try:
        yield plane
    finally:
        await plane.stop()
