"""`metadata.managedFields`: who wrote what, so that a hand edit can be told by its manager.

Kept more coarsely than upstream does: lists are one field, and there is no server-side apply.
"""

from collections.abc import Iterator
from typing import TypeAlias, cast

from canary.lab.apiserver.stamps import time_text
from canary.lab.apiserver.tree import Object, branch, rows, text

Path: TypeAlias = tuple[str, ...]

_UNOWNED = ("apiVersion", "kind")
_OWNED_METADATA = ("labels", "annotations", "finalizers", "ownerReferences")


def record(old: Object | None, new: Object, manager: str, subresource: str) -> None:
    """Note in `new` (in place) that `manager` made it out of `old`."""
    before, after = _leaves(old or {}), _leaves(new)
    written = {path for path, value in after.items() if before.get(path, _Absent) != value}
    entries = []
    own = {"manager": manager, "operation": "Update", "apiVersion": text(new, "apiVersion")}
    if subresource:
        own["subresource"] = subresource
    mine = None
    for entry in rows(branch(old or {}, "metadata"), "managedFields"):
        if all(entry.get(name) == value for name, value in own.items()) and entry.get("subresource", "") == subresource:
            mine = entry
            continue
        kept = {path for path in _paths(branch(entry, "fieldsV1")) if path in after} - written
        if kept:
            entries.append(entry | {"fieldsV1": _nested(kept)})
    owned = written | {path for path in _paths(branch(mine or {}, "fieldsV1")) if path in after}
    if owned:
        stamp = text(mine or {}, "time") if mine and not written else time_text()
        entries.append({**own, "time": stamp, "fieldsType": "FieldsV1", "fieldsV1": _nested(owned)})
    new["metadata"] = {**branch(new, "metadata"), "managedFields": entries}


class _Absent:
    """Unequal to every value."""


def _leaves(obj: Object) -> dict[Path, object]:
    top = {name: value for name, value in obj.items() if name not in (*_UNOWNED, "metadata")}
    meta = {name: value for name, value in branch(obj, "metadata").items() if name in _OWNED_METADATA}
    return dict(_walk(top | ({"metadata": meta} if meta else {}), ()))


def _walk(node: object, path: Path) -> Iterator[tuple[Path, object]]:
    if isinstance(node, dict) and node:
        for name, below in node.items():
            yield from _walk(below, (*path, f"f:{name}"))
    elif path:
        yield path, node


def _paths(fields: Object, path: Path = ()) -> Iterator[Path]:
    for name, below in fields.items():
        if below:
            yield from _paths(cast("Object", below), (*path, name))
        else:
            yield (*path, name)


def _nested(paths: set[Path]) -> Object:
    fields: Object = {}
    for path in sorted(paths):
        node = fields
        for name in path:
            node = cast("Object", node.setdefault(name, {}))
    return fields
