"""CustomResourceDefinitions: what they install, and their status.

`controllers` calls `establish` when one is written and `withdraw` when one is gone. Conversion is `None`: an object
is stored in one version and shown in any other by its apiVersion alone.
"""

from collections.abc import Iterator

from canary.lab.apiserver.resources import Registry, Resource
from canary.lab.apiserver.stamps import time_text
from canary.lab.apiserver.tree import Object, branch, reached, rows, text, texts


def establish(crd: Object, registry: Registry, revision: int) -> Object:
    """Serve what a definition declares, from a revision on; return the definition's status."""
    group, plural = text(crd, "spec", "group"), text(crd, "spec", "names", "plural")
    since = next((each.since for each in registry if (each.group, each.plural) == (group, plural)), revision)
    withdraw(crd, registry)
    for resource in _declared(crd, since):
        registry.add(resource)
    before = branch(crd, "status")
    storage = _storage(crd)
    stored = texts(before, "storedVersions")
    return {
        **before,
        "conditions": [_condition(before, *row) for row in _CONDITIONS],
        "acceptedNames": branch(crd, "spec", "names"),
        "storedVersions": stored if storage in stored else [*stored, storage],
    }


def withdraw(crd: Object, registry: Registry) -> None:
    """Serve it no more."""
    registry.drop(text(crd, "spec", "group"), text(crd, "spec", "names", "plural"))


_CONDITIONS = (
    ("NamesAccepted", "NoConflicts", "no conflicts found"),
    ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
)


def _condition(status: Object, kind: str, reason: str, message: str) -> Object:
    held = next((row for row in rows(status, "conditions") if row.get("type") == kind), {})
    since = text(held, "lastTransitionTime") or time_text()
    return {"type": kind, "status": "True", "lastTransitionTime": since, "reason": reason, "message": message}


def _storage(crd: Object) -> str:
    return next(text(row, "name") for row in rows(crd, "spec", "versions") if row.get("storage"))


def _declared(crd: Object, since: int) -> Iterator[Resource]:
    spec = branch(crd, "spec")
    names = branch(spec, "names")
    for version in rows(spec, "versions"):
        if version.get("served"):
            yield Resource(
                group=text(spec, "group"),
                version=text(version, "name"),
                plural=text(names, "plural"),
                kind=text(names, "kind"),
                namespaced=spec.get("scope") == "Namespaced",
                short_names=tuple(texts(names, "shortNames")),
                categories=tuple(texts(names, "categories")),
                subresources=frozenset(
                    name for name in ("status",) if reached(version, "subresources", name) is not None
                ),
                custom=True,
                stored_version=_storage(crd),
                since=since,
                schema=branch(version, "schema", "openAPIV3Schema"),
                columns=tuple(rows(version, "additionalPrinterColumns")),
            )
