"""Tables: how the server prints objects for `kubectl get`.

`http` calls it where a client accepts `as=Table`. Columns of custom kinds come from their definition; built-in kinds
have name, age and what a reader of the lab looks for.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime

from canary.lab.apiserver.resources import Resource
from canary.lab.apiserver.stamps import parsed_time
from canary.lab.apiserver.tree import Object, branch, count, reached, rows, text

_META = "meta.k8s.io/v1"


def table(resource: Resource, found: Object) -> Object:
    """Print an object or a list of them."""
    items = rows(found, "items") if "items" in found else [found]
    columns, cells = _columns(resource)
    return {
        "kind": "Table",
        "apiVersion": _META,
        "metadata": {**branch(found, "metadata")} if "items" in found else {},
        "columnDefinitions": columns,
        "rows": [{"cells": cells(item), "object": _partial(item)} for item in items],
    }


def event(resource: Resource, event: Object) -> Object:
    """Print the object of a watch event."""
    if event["type"] == "ERROR":
        return event
    return {"type": event["type"], "object": table(resource, branch(event, "object"))}


def _partial(item: Object) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": _META, "metadata": branch(item, "metadata")}


Cells = Callable[[Object], list[object]]


def _columns(resource: Resource) -> tuple[list[Object], Cells]:
    if resource.columns:
        own = [_custom_column(row) for row in resource.columns]
        paths = [(text(row, "jsonPath"), text(row, "type")) for row in resource.columns]
        named = [_column("Name", "string", "name", 0)]
        return named + own, lambda item: [_name(item), *(_cell(item, path, kind) for path, kind in paths)]
    titles, cells = _BUILT_IN.get(resource.store_kind, _PLAIN)
    return [_column(title, "string", "name" if title == "Name" else "", 0) for title in titles], cells


def _column(name: str, kind: str, form: str, priority: int) -> Object:
    return {"name": name, "type": kind, "format": form, "description": name, "priority": priority}


def _custom_column(row: Object) -> Object:
    return _column(text(row, "name"), text(row, "type"), text(row, "format"), count(row, "priority"))


def _name(item: Object) -> str:
    return text(item, "metadata", "name")


def _age(item: Object) -> str:
    return _since(text(item, "metadata", "creationTimestamp"))


def _since(moment: str) -> str:
    began = parsed_time(moment)
    if began is None:
        return "<unknown>"
    seconds = max(0, int((datetime.now(UTC) - began).total_seconds()))
    minutes, hours = seconds // 60, seconds // 3600
    forms = ((2 * 60, f"{seconds}s"), (10 * 60, f"{minutes}m{seconds % 60}s"), (3 * 3600, f"{minutes}m"))
    short = next((form for limit, form in forms if seconds < limit), "")
    return short or (f"{hours}h" if hours < 2 * 24 else f"{hours // 24}d")


def _cell(item: Object, path: str, kind: str) -> object:
    found = _followed(item, path)
    if found is None:
        return None
    return _since(str(found)) if kind == "date" else found


def _followed(node: object, path: str) -> object:
    """Follow a simple JSONPath: names, indices and `[?(@.name=="value")]`."""
    for name, index, key, value in _STEP.findall(path):
        if name:
            node = reached(node, name.replace("\\.", "."))
        elif index:
            node = node[int(index)] if isinstance(node, list) and int(index) < len(node) else None
        else:
            node = next((row for row in rows({"": node}, "") if row.get(key) == value), None)
    return node


_STEP = re.compile(r"""\.((?:\\\.|[^.\[\]])+)|\[(\d+)\]|\[\?\(@\.(\w+)\s*==\s*["']([^"']*)["']\)\]""")


def _pod_cells(item: Object) -> list[object]:
    containers = rows(item, "status", "containerStatuses")
    ready = sum(bool(each.get("ready")) for each in containers)
    phase = "Terminating" if text(item, "metadata", "deletionTimestamp") else text(item, "status", "phase")
    restarts = sum(count(each, "restartCount") for each in containers)
    return [_name(item), f"{ready}/{len(rows(item, 'spec', 'containers'))}", phase, restarts, _age(item)]


def _deployment_cells(item: Object) -> list[object]:
    status = branch(item, "status")
    ready = f"{count(status, 'readyReplicas')}/{count(item, 'spec', 'replicas')}"
    return [_name(item), ready, count(status, "updatedReplicas"), count(status, "availableReplicas"), _age(item)]


def _replica_set_cells(item: Object) -> list[object]:
    status = branch(item, "status")
    sizes = [count(item, "spec", "replicas"), count(status, "replicas"), count(status, "readyReplicas")]
    return [_name(item), *sizes, _age(item)]


def _service_cells(item: Object) -> list[object]:
    ports = ",".join(f"{each.get('port')}/{each.get('protocol')}" for each in rows(item, "spec", "ports"))
    spec = branch(item, "spec")
    return [_name(item), text(spec, "type"), text(spec, "clusterIP"), "<none>", ports or "<none>", _age(item)]


def _event_cells(item: Object) -> list[object]:
    about = branch(item, "involvedObject") or branch(item, "regarding")
    where = f"{text(about, 'kind').lower()}/{text(about, 'name')}"
    seen = text(item, "lastTimestamp") or text(item, "metadata", "creationTimestamp")
    return [_since(seen), text(item, "type"), text(item, "reason"), where, text(item, "message") or text(item, "note")]


_PLAIN: tuple[tuple[str, ...], Cells] = (("Name", "Age"), lambda item: [_name(item), _age(item)])
_BUILT_IN: dict[str, tuple[tuple[str, ...], Cells]] = {
    "pods": (("Name", "Ready", "Status", "Restarts", "Age"), _pod_cells),
    "deployments.apps": (("Name", "Ready", "Up-to-date", "Available", "Age"), _deployment_cells),
    "replicasets.apps": (("Name", "Desired", "Current", "Ready", "Age"), _replica_set_cells),
    "services": (("Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age"), _service_cells),
    "namespaces": (("Name", "Status", "Age"), lambda item: [_name(item), text(item, "status", "phase"), _age(item)]),
    "leases.coordination.k8s.io": (
        ("Name", "Holder", "Age"),
        lambda item: [_name(item), text(item, "spec", "holderIdentity"), _age(item)],
    ),
    "events": (("Last Seen", "Type", "Reason", "Object", "Message"), _event_cells),
}
