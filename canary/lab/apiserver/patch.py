"""The three patch formats: JSON merge patch (RFC 7386), JSON patch (RFC 6902), strategic merge patch.

`objects` calls `patched`; the object given is left as it is. The strategic merge knows the merge keys of pods,
Services and conditions; lists it does not know are replaced, as upstream's `atomic`.
"""

from canary.lab.apiserver.jsonpatch import apply_operations
from canary.lab.apiserver.refusal import Refused, bad_request
from canary.lab.apiserver.tree import Object

MERGE, JSON, STRATEGIC = (f"application/{name}+json" for name in ("merge-patch", "json-patch", "strategic-merge-patch"))
TYPES = (JSON, MERGE, STRATEGIC)

_MERGE_KEYS = {
    "containers": "name", "initContainers": "name", "ephemeralContainers": "name", "volumes": "name", "env": "name",
    "imagePullSecrets": "name", "volumeMounts": "mountPath", "volumeDevices": "devicePath", "hostAliases": "ip",
    "conditions": "type", "ownerReferences": "uid", "containerStatuses": "name", "podIPs": "ip",
    "topologySpreadConstraints": "topologyKey",
}  # fmt: skip
_MERGED_SETS = ("finalizers",)
_ORDER, _DELETED = "$setElementOrder/", "$deleteFromPrimitiveList/"


def patched(obj: Object, patch: object, content_type: str) -> Object:
    """Apply a patch of the given content type."""
    if content_type == JSON:
        return apply_operations(obj, patch)
    if not isinstance(patch, dict):
        raise bad_request("a merge patch must be a JSON object")
    merged = _merged(obj, patch) if content_type == MERGE else _strategic(obj, patch)
    if not isinstance(merged, dict):
        raise Refused(500, "InternalError", "the patch leaves no object")
    return merged


def _merged(target: object, patch: object) -> object:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), value)
    return result


def _strategic(target: Object, patch: Object) -> Object:
    if patch.get("$patch") == "replace":
        return {name: value for name, value in patch.items() if name != "$patch"}
    if patch.get("$patch") == "delete":
        return {}
    result = dict(target)
    keys = patch.get("$retainKeys")
    if isinstance(keys, list):
        result = {name: value for name, value in result.items() if name in keys}
    for name, value in patch.items():
        if name.startswith(_DELETED):
            _take_out(result, name.removeprefix(_DELETED), value)
        elif not name.startswith("$"):
            _set(result, name, value, patch.get(_ORDER + name))
    for name, order in patch.items():
        field = name.removeprefix(_ORDER)
        if name.startswith(_ORDER) and field not in patch:
            _set(result, field, [], order)
    return result


def _set(result: Object, name: str, value: object, order: object) -> None:
    before = result.get(name)
    if value is None:
        result.pop(name, None)
    elif isinstance(value, dict):
        result[name] = _strategic(before if isinstance(before, dict) else {}, value)
    elif isinstance(value, list):
        wanted = order if isinstance(order, list) else value
        result[name] = _list(name, before if isinstance(before, list) else [], value, wanted)
    else:
        result[name] = value


def _list(name: str, before: list[object], patch: list[object], order: list[object]) -> list[object]:
    if name in _MERGED_SETS:
        return _ordered([*before, *(value for value in patch if value not in before)], before, order, "")
    key = _key_of(name, [*patch, *order])
    if key is None:
        return patch
    if any(isinstance(row, dict) and row.get("$patch") == "replace" for row in patch):
        return [row for row in patch if isinstance(row, dict) and "$patch" not in row]
    result = list(before)
    for row in patch:
        if not isinstance(row, dict) or key not in row:
            raise bad_request(f"map: {row} does not contain declared merge key: {key}")
        place = next((at for at, old in enumerate(result) if _mark(old, key) == row[key]), None)
        if row.get("$patch") == "delete":
            if place is not None:
                del result[place]
        elif place is None:
            result.append(_strategic({}, row))
        else:
            old = result[place]
            result[place] = _strategic(old if isinstance(old, dict) else {}, row)
    return _ordered(result, before, order, key)


def _mark(row: object, key: str) -> object:
    return row.get(key) if key and isinstance(row, dict) else row


def _ordered(merged: list[object], before: list[object], order: list[object], key: str) -> list[object]:
    """Put a merged list in order as upstream does: what the patch names in the patch's order, the rest in between.

    What only the server has comes before the first item of the patch that it preceded, else at the end.
    """
    wanted, live = [_mark(row, key) for row in order], [_mark(row, key) for row in before]
    named = sorted((row for row in merged if _mark(row, key) in wanted), key=lambda row: wanted.index(_mark(row, key)))
    rest = [row for row in merged if _mark(row, key) not in wanted]
    result: list[object] = []
    for row in named:
        mark = _mark(row, key)
        while rest and mark in live and live.index(_mark(rest[0], key)) < live.index(mark):
            result.append(rest.pop(0))
        result.append(row)
    return result + rest


def _key_of(name: str, rows: list[object]) -> str | None:
    # `ports` is keyed by containerPort in containers and by port in Services.
    if name == "ports":
        return "containerPort" if any(isinstance(row, dict) and "containerPort" in row for row in rows) else "port"
    return _MERGE_KEYS.get(name)


def _take_out(result: Object, name: str, values: object) -> None:
    before = result.get(name)
    if isinstance(before, list) and isinstance(values, list):
        result[name] = [value for value in before if value not in values]
