"""The lab's embedded API server, and how to reach it: real HTTP, real conflicts, faults on demand."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from canary.adapters.api import Api
from canary.lab.apiserver.plane import EmbeddedPlane


@contextlib.asynccontextmanager
async def a_plane(home: Path) -> AsyncIterator[EmbeddedPlane]:
    plane = EmbeddedPlane(home)
    await plane.start()
    try:
        yield plane
    finally:
        await plane.stop()


@contextlib.asynccontextmanager
async def an_api(kubeconfig: Path, agent: str = "canary") -> AsyncIterator[Api]:
    api = await Api.connect(kubeconfig, agent=agent)
    try:
        yield api
    finally:
        await api.close()


def a_kubeconfig(home: Path, url: str, user: object = None) -> Path:
    """Write one for a server that is none of the lab's."""
    import yaml

    path = home / "kubeconfig"
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {"server": url}}],
                "users": [{"name": "u", "user": user or {}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    )
    return path
