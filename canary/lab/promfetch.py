"""Finds a Prometheus: on PATH, in the user's cache, else unpacked from the distribution's package into that cache."""

import shutil
from pathlib import Path

from canary.errors import CanaryError
from canary.lab.debian import NotFetched, cached, unpacked

PACKAGE = "prometheus"


class NoPrometheus(CanaryError):
    """There is no Prometheus and none could be fetched."""


def cache_home() -> Path:
    """Return where the lab keeps what it fetched."""
    return cached(PACKAGE)


async def find_prometheus() -> Path:
    """Return the program. Raises NoPrometheus with what to do about it."""
    on_path = shutil.which(PACKAGE)
    if on_path is not None:
        return Path(on_path)
    try:
        return await unpacked(PACKAGE) / "usr" / "bin" / PACKAGE
    except NotFetched as error:
        raise NoPrometheus(f"no prometheus on PATH; put a prometheus on PATH, for {error.hint}") from error
