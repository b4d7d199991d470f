"""What `canary check` finds: each Canary as the controller reads it, then against the objects in the same files.

Pure. Files need not hold everything a Canary names: a kind is compared only where one of it stands in the Canary's
namespace.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from canary.cli.documents import Document, Fault
from canary.core.gates import remarks
from canary.core.manifest import API_VERSION, parse_spec
from canary.errors import InvalidSpec, Problem

FLAGGER = "flagger.app/"  # has a kind of the same name


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What a Canary names, by field. Read from what is written, valid or not; what is missing is not here."""

    services: Mapping[str, str]
    deployments: Mapping[str, str]
    split: str
    routes: Mapping[str, str]

    @classmethod
    def of(cls, canary: Document) -> "Names":
        """Collect the names, the defaults as the controller has them."""
        spec = canary.spec()
        services = {"spec.service": spec.get("service")}
        deployments: dict[str, object] = {}
        for side in ("stable", "canary"):
            leaf = canary.spec(side)
            services[f"spec.{side}.service"] = leaf.get("service")
            deployments[f"spec.{side}.deployment"] = leaf.get("deployment") or leaf.get("service")
        written = canary.spec("gates").get("routes")
        rows = list(enumerate(written)) if isinstance(written, list) else []
        routes = {f"spec.gates.routes[{i}].name": row.get("name") for i, row in rows if isinstance(row, Mapping)}
        split = canary.spec("route").get("name") or canary.name
        return cls(
            services=_texts(services),
            deployments=_texts(deployments),
            split=split if isinstance(split, str) else "",
            routes=_texts(routes),
        )

    @property
    def apex(self) -> str:
        """The apex Service."""
        return self.services.get("spec.service", "")

    @property
    def leaves(self) -> list[str]:
        """The Services behind it."""
        return sorted(name for field, name in self.services.items() if field != "spec.service")


def is_canary(document: Document) -> bool:
    """Tell whether a document is meant for us."""
    return document.kind == "Canary" and not str(document.obj.get("apiVersion")).startswith(FLAGGER)


def check(documents: Sequence[Document], files: Sequence[str]) -> list[Fault]:
    """Find every fault of every Canary."""
    canaries = [document for document in documents if is_canary(document)]
    if not canaries:
        none = f"a file with a Canary of {API_VERSION}"
        return [Fault(file=file, document=0, name="", problem=Problem("", file, none)) for file in files]
    faults: list[Fault] = []
    for canary in canaries:
        try:
            parse_spec(canary.obj)
        except InvalidSpec as error:
            faults += [Fault.of(canary, problem) for problem in error.problems]
    for canary in canaries:
        beside = [other for other in documents if other.namespace == canary.namespace]
        faults += [Fault.of(canary, problem) for problem in _against(Names.of(canary), beside)]
    return [*faults, *_rivals(canaries)]


def remarked(documents: Sequence[Document]) -> list[tuple[Document, str]]:
    """Find what is valid and may still not be what was meant."""
    found = []
    for canary in filter(is_canary, documents):
        try:
            found += [(canary, remark) for remark in remarks(parse_spec(canary.obj))]
        except InvalidSpec:  # a fault, and told as one
            continue
    return found


def _against(names: Names, beside: Sequence[Document]) -> Iterator[Problem]:
    yield from _named("Service", names.services, beside)
    yield from _named("Deployment", names.deployments, beside)
    yield from _split(names, beside)
    yield from _routes(names, beside)


def _named(kind: str, wanted: Mapping[str, str], beside: Iterable[Document]) -> Iterator[Problem]:
    known = sorted({document.name for document in beside if document.kind == kind})
    for field, name in wanted.items():
        if known and name not in known:
            yield Problem(field, name, f"a {kind} of these files, which have {', '.join(known)}")


def _split(names: Names, beside: Iterable[Document]) -> Iterator[Problem]:
    splits = {document.name: document for document in beside if document.kind == "TrafficSplit"}
    for name, split in splits.items():
        apex = split.spec().get("service")
        found = sorted(str(backend.get("service")) for backend in split.rows("backends"))
        if name != names.split and apex == names.apex:
            yield Problem("spec.route.name", names.split, f"{name!r}, the TrafficSplit of {apex!r} in these files")
        elif name == names.split and apex != names.apex:
            yield Problem("spec.service", names.apex, f"{apex!r}, which TrafficSplit {name!r} splits")
        elif name == names.split and found != names.leaves:
            told = f"the backends of TrafficSplit {name!r}, which are {', '.join(found) or 'none'}"
            yield Problem("spec.stable.service and spec.canary.service", names.leaves, told)


def _routes(names: Names, beside: Iterable[Document]) -> Iterator[Problem]:
    """Compare with the profile of the apex, `<apex>.<namespace>.svc.cluster.local`."""
    for name, profile in {d.name: d for d in beside if d.kind == "ServiceProfile"}.items():
        known = [str(route.get("name")) for route in profile.rows("routes")]
        for field, route in names.routes.items():
            if name.split(".", 1)[0] == names.apex and route not in known:
                told = f"a route of ServiceProfile {name!r}, which has {', '.join(known) or 'none'}"
                yield Problem(field, route, told)


def _rivals(canaries: Sequence[Document]) -> Iterator[Fault]:
    """Two Canaries must not claim the same: in a cluster the older one would win."""
    owners: dict[tuple[str, str, str], Document] = {}
    for canary in canaries:
        names = Names.of(canary)
        claims = [("metadata.name", "name", canary.name), ("spec.service", "Service", names.apex)]
        claims += [(field, "Deployment", name) for field, name in names.deployments.items()]
        claims += [("spec.route.name", "TrafficSplit", names.split)]
        for field, kind, name in claims:
            owner = owners.setdefault((canary.namespace, kind, name), canary)
            if name and owner is not canary:
                told = f"free: Canary {owner.name!r} in {owner.file} has this {kind}"
                yield Fault.of(canary, Problem(field, name, told))


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {field: value for field, value in values.items() if isinstance(value, str) and value}
