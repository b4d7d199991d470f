"""A Pod of the API server as the lab needs it, parsed once.

Read by the node agent (what to run), by the mesh (where requests may go and how their series are labelled) and by
the discovery of scrape targets.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from canary.adapters.api import Json
from canary.lab.fields import look, number, rows, strings, text

PROXY = "linkerd-proxy"
ADMIN_PORT = 4191
DOMAIN = "cluster.local"
MESH_LABEL = "linkerd.io/control-plane-ns"
OWNER_LABEL = "linkerd.io/proxy-deployment"
INJECT = "linkerd.io/inject"


@dataclass(frozen=True, slots=True)
class Probe:
    """A pod's readiness probe."""

    path: str
    period: float
    threshold: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """What the lab knows about a pod."""

    name: str
    namespace: str
    uid: str
    ip: str  # "" until the node agent gave it one
    node: str
    labels: Mapping[str, str]
    asks_for_mesh: bool  # by its annotation; the labels come from the injector
    owner: str  # name of the Deployment, "" without one
    service_account: str
    containers: tuple[Json, ...]  # sidecars that are init containers included
    env: Mapping[str, str]
    ports: Mapping[str, int]  # ports of the app by name; the first also stands under ""
    probe: Probe | None
    ready: bool
    deleting: bool
    grace: float

    @property
    def meshed(self) -> bool:
        """Tell whether it has a proxy and belongs to the mesh."""
        return MESH_LABEL in self.labels and any(text(container, "name") == PROXY for container in self.containers)

    @property
    def template_hash(self) -> str:
        """The revision it was made from."""
        return self.labels.get("pod-template-hash", "")

    @property
    def identity(self) -> str:
        """The name in its certificate, "" outside the mesh."""
        if not self.meshed:
            return ""
        mesh = self.labels[MESH_LABEL]
        return f"{self.service_account}.{self.namespace}.serviceaccount.identity.{mesh}.{DOMAIN}"

    def port(self, wanted: int | str) -> int | None:
        """Resolve the targetPort of a Service; a number need not be declared."""
        return wanted if isinstance(wanted, int) else self.ports.get(wanted)


def parse_pod(obj: Json) -> Pod:
    """Read a Pod object."""
    containers = [*rows(obj, "spec", "containers"), *_sidecars(obj)]
    app = next((container for container in containers if text(container, "name") != PROXY), {})
    labels = strings(obj, "metadata", "labels")
    return Pod(
        name=text(obj, "metadata", "name"),
        namespace=text(obj, "metadata", "namespace"),
        uid=text(obj, "metadata", "uid"),
        ip=text(obj, "status", "podIP"),
        node=text(obj, "spec", "nodeName"),
        labels=labels,
        asks_for_mesh=strings(obj, "metadata", "annotations").get(INJECT) == "enabled",
        owner=_owner(obj, labels),
        service_account=text(obj, "spec", "serviceAccountName") or "default",
        containers=tuple(containers),
        env={text(entry, "name"): text(entry, "value") for entry in rows(app, "env")},
        ports=_ports(app),
        probe=_probe(app),
        ready=any(c.get("type") == "Ready" and c.get("status") == "True" for c in rows(obj, "status", "conditions")),
        deleting=look(obj, "metadata", "deletionTimestamp") is not None,
        grace=number(obj, "metadata", "deletionGracePeriodSeconds", default=30.0),
    )


def _sidecars(obj: Json) -> list[Json]:
    """Native sidecars: Linkerd's default since 2.20."""
    return [c for c in rows(obj, "spec", "initContainers") if c.get("restartPolicy") == "Always"]


def _ports(app: Json) -> dict[str, int]:
    ports: dict[str, int] = {}
    for entry in rows(app, "ports"):
        declared = int(number(entry, "containerPort", default=0))
        ports.setdefault("", declared)
        ports[text(entry, "name")] = ports[""] if not text(entry, "name") else declared
    return ports


def _probe(app: Json) -> Probe | None:
    path = text(app, "readinessProbe", "httpGet", "path")
    if not path:
        return None
    period = number(app, "readinessProbe", "periodSeconds", default=10.0)
    return Probe(path, period, int(number(app, "readinessProbe", "failureThreshold", default=3)))


def _owner(obj: Json, labels: Mapping[str, str]) -> str:
    injected = labels.get(OWNER_LABEL, "")
    if injected:
        return injected
    owners = [
        text(owner, "name") for owner in rows(obj, "metadata", "ownerReferences") if owner.get("kind") == "ReplicaSet"
    ]
    return owners[0].removesuffix("-" + labels.get("pod-template-hash", "")) if owners else ""
