"""One release of the chart, by the real Helm, as an administrator installs it."""

import asyncio
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

CHART = Path(__file__).parents[2] / "charts" / "canary"
HELM = shutil.which("helm", path=f"{os.environ['PATH']}{os.pathsep}{Path.home() / 'go' / 'bin'}")


class Refused(AssertionError):
    """Helm did not do it; says what Helm said."""


@dataclass(frozen=True)
class Release:
    """A release that is there or not. Every deed waits for its end."""

    name: str
    namespace: str
    kubeconfig: Path
    home: Path  # of Helm, which keeps caches

    async def install(self, *values: str) -> str:
        """Install, and wait until the controllers are ready."""
        return await self._helm("install", self.name, CHART, "--wait", "--timeout=120s", *_set(values))

    async def upgrade(self, *values: str) -> str:
        """Change values, and wait until the controllers are ready again."""
        return await self._helm(
            "upgrade", self.name, CHART, "--reuse-values", "--wait", "--timeout=120s", *_set(values)
        )

    async def rollback(self, revision: int) -> str:
        """Go back."""
        return await self._helm("rollback", self.name, str(revision), "--wait", "--timeout=120s")

    async def uninstall(self) -> str:
        """Uninstall, and wait until all is gone."""
        return await self._helm("uninstall", self.name, "--wait", "--timeout=180s")

    async def test(self) -> str:
        """Run the chart's own test."""
        return await self._helm("test", self.name, "--timeout=120s")

    async def manifest(self) -> str:
        """Give what is installed."""
        return await self._helm("get", "manifest", self.name)

    async def _helm(self, *words: str | Path) -> str:
        if HELM is None:
            raise Refused("there is no helm")
        environment = os.environ | {"KUBECONFIG": str(self.kubeconfig)}
        environment |= {f"HELM_{kind}_HOME": str(self.home / kind) for kind in ("CACHE", "CONFIG", "DATA")}
        process = await asyncio.create_subprocess_exec(
            HELM,
            *words,
            f"--namespace={self.namespace}",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
        )
        try:
            said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode:
            raise Refused(f"helm {' '.join(map(str, words))}: {said.decode()}")
        return said.decode()


def _set(values: tuple[str, ...]) -> list[str]:
    return [f"--set={value}" for value in values]
