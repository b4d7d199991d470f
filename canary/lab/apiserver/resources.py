"""What is served: one `Resource` per group, version and plural, and the `Registry` of them.

The built-in kinds are the table at the end; `crds` adds and removes those that CustomResourceDefinitions install.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from canary.lab.apiserver.tree import Object


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One kind in one version, and how it behaves."""

    group: str = ""
    version: str = "v1"
    plural: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: frozenset[str] = frozenset()
    custom: bool = False
    stored_as: str = ""  # `plural.group` of another resource with the same objects
    stored_version: str = ""
    generation_by: tuple[str, ...] = ()  # top-level fields whose change makes a new generation
    put_creates: bool = False
    answers_deleted: bool = False  # DELETE answers the object, not a Status
    since: int = 0  # the revision at which it came to be served: a watch knows nothing older
    schema: Object | None = None
    columns: tuple[Object, ...] = field(default=())

    @property
    def api_version(self) -> str:
        """`v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        """The name of one, as in `kubectl get pod`."""
        return self.kind.lower()

    @property
    def store_kind(self) -> str:
        """Under which kind the store keeps the objects."""
        return self.stored_as or (f"{self.plural}.{self.group}" if self.group else self.plural)

    @property
    def has_status(self) -> bool:
        """Whether `status` is written through its own subresource only."""
        return "status" in self.subresources


class Registry:
    """The resources served now."""

    def __init__(self) -> None:
        self._served: dict[tuple[str, str, str], Resource] = {}
        for resource in BUILT_IN:
            self.add(resource)

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._served.values())

    def add(self, resource: Resource) -> None:
        """Serve a resource."""
        self._served[resource.group, resource.version, resource.plural] = resource

    def drop(self, group: str, plural: str) -> None:
        """Serve a resource no more, in no version."""
        for key in [key for key in self._served if (key[0], key[2]) == (group, plural)]:
            del self._served[key]

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """Look a resource up by its place in a URL."""
        return self._served.get((group, version, plural))

    def by_kind(self, api_version: str, kind: str) -> Resource | None:
        """Look a resource up by what an object says it is."""
        found = (each for each in self if each.api_version == api_version and each.kind == kind)
        return next(found, None)

    def stored(self, store_kind: str) -> Resource | None:
        """Return the resource through which the objects of a kind are written."""
        return next((each for each in self if each.store_kind == store_kind and not each.stored_as), None)

    def versions(self, group: str) -> list[str]:
        """Return the served versions of a group, the preferred one first; none: no such group."""
        return sorted({each.version for each in self if each.group == group}, key=_priority)

    def groups(self) -> list[str]:
        """Return the served groups, the core group left out."""
        return sorted({each.group for each in self if each.group})


def _priority(version: str) -> tuple[int, int, int, str]:
    # Upstream: stable before beta before alpha, higher numbers first, other names last.
    found = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if found is None:
        return 3, 0, 0, version
    stage = {None: 0, "beta": 1, "alpha": 2}[found[2]]
    return stage, -int(found[1]), -int(found[3] or 0), version


_STATUS = frozenset({"status"})
_SCALED = frozenset({"status", "scale"})

BUILT_IN = (
    Resource(plural="namespaces", kind="Namespace", namespaced=False, short_names=("ns",), subresources=_STATUS),
    Resource(plural="nodes", kind="Node", namespaced=False, short_names=("no",), subresources=_STATUS),
    Resource(
        plural="pods",
        kind="Pod",
        short_names=("po",),
        categories=("all",),
        subresources=frozenset({"status", "binding"}),
        generation_by=("spec",),
        answers_deleted=True,
    ),
    Resource(
        plural="services",
        kind="Service",
        short_names=("svc",),
        categories=("all",),
        subresources=_STATUS,
        put_creates=True,
        answers_deleted=True,
    ),
    Resource(plural="endpoints", kind="Endpoints", short_names=("ep",), put_creates=True),
    Resource(plural="configmaps", kind="ConfigMap", short_names=("cm",)),
    Resource(plural="secrets", kind="Secret"),
    Resource(plural="serviceaccounts", kind="ServiceAccount", short_names=("sa",), answers_deleted=True),
    Resource(plural="events", kind="Event", short_names=("ev",), put_creates=True),
    Resource(
        group="events.k8s.io",
        plural="events",
        kind="Event",
        short_names=("ev",),
        stored_as="events",
        put_creates=True,
    ),
    Resource(
        group="apps",
        plural="deployments",
        kind="Deployment",
        short_names=("deploy",),
        categories=("all",),
        subresources=_SCALED,
        generation_by=("spec", "annotations"),
    ),
    Resource(
        group="apps",
        plural="replicasets",
        kind="ReplicaSet",
        short_names=("rs",),
        categories=("all",),
        subresources=_SCALED,
        generation_by=("spec",),
    ),
    Resource(group="coordination.k8s.io", plural="leases", kind="Lease", put_creates=True),
    Resource(group="discovery.k8s.io", plural="endpointslices", kind="EndpointSlice", generation_by=("endpoints",)),
    Resource(
        group="autoscaling",
        version="v2",
        plural="horizontalpodautoscalers",
        kind="HorizontalPodAutoscaler",
        short_names=("hpa",),
        categories=("all",),
        subresources=_STATUS,
    ),
    Resource(
        group="apiextensions.k8s.io",
        plural="customresourcedefinitions",
        kind="CustomResourceDefinition",
        namespaced=False,
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        subresources=_STATUS,
        generation_by=("spec",),
    ),
)
