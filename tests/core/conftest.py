"""What tests of the core share: the reference implementation of the engine, where it is at hand."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

REFERENCE = Path(__file__).resolve().parents[2].parent / "shared" / "reference" / "gates.py"


@pytest.fixture(scope="session")
def reference() -> SimpleNamespace:
    """Load it, or skip the test."""
    if not REFERENCE.exists():
        pytest.skip("the reference implementation is not beside this repository; its frozen outputs are tested anyway")
    return SimpleNamespace(**runpy.run_path(str(REFERENCE)))
