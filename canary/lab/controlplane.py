"""What the lab asks of an API server, whichever of the two back ends it is.

`choose` is called by `canary lab` and by the stories. The back ends are imported only when chosen: the embedded one
needs nothing but this package, the real one needs programs that are built or given (see `realplane`).
"""

from pathlib import Path
from typing import Protocol

from canary.errors import CanaryError


class PlaneFailed(CanaryError):
    """A control plane cannot be started, did not become ready, or died; the hint names the log to read."""


class ControlPlane(Protocol):
    """An API server of our own, with controllers for Deployments and ReplicaSets, without nodes."""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig; the file exists from `start` on."""

    async def start(self) -> None:
        """Return when the API server answers. Raises PlaneFailed; nothing is left running then."""

    async def stop(self) -> None:
        """End everything that `start` began. Does nothing the second time."""


def choose(kind: str, home: Path) -> ControlPlane:
    """Make the back end called `kind`, "embedded" or "real"; it keeps its files in `home` and has not started yet.

    Raises PlaneFailed for any other name, and for the real one when its programs are not there.
    """
    match kind:
        case "embedded":
            from canary.lab.apiserver.plane import EmbeddedPlane

            return EmbeddedPlane(home)
        case "real":
            from canary.lab.realplane import RealPlane

            return RealPlane(home)
        case _:
            raise PlaneFailed(f"no control plane is called {kind!r}; there are 'embedded' and 'real'")
