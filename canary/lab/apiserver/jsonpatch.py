"""JSON patch (RFC 6902) on JSON pointers (RFC 6901), with the API server's answers to what does not apply."""

from typing import cast

from canary.lab.apiserver.refusal import bad_request, unprocessable
from canary.lab.apiserver.tree import Object, copied


def apply_operations(obj: Object, operations: object) -> Object:
    """Apply operations in order to a copy; the first that does not apply refuses them all."""
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: a JSON patch is an array of operations")
    root: Object = {"": copied(obj)}
    for operation in operations:
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise bad_request("error decoding patch: an operation needs a path")
        try:
            _apply(root, operation)
        except (LookupError, ValueError) as error:
            raise unprocessable() from error
    return cast("Object", root[""])


def _apply(root: Object, operation: Object) -> None:
    path = str(operation["path"])
    match operation.get("op"):
        case "add":
            _put(root, path, operation["value"], insert=True)
        case "replace":
            # As upstream, and other than the RFC: a field that is not there is set.
            _put(root, path, operation["value"], insert=False)
        case "remove":
            _pop(root, path)
        case "test":
            if _at(root, path) != operation.get("value"):
                raise ValueError(f"testing value {path} failed")
        case "move":
            _put(root, path, _pop(root, str(operation["from"])), insert=True)
        case "copy":
            _put(root, path, copied({"": _at(root, str(operation["from"]))})[""], insert=True)
        case other:
            raise ValueError(f"unexpected kind: {other}")


def _steps(path: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")]


def _at(root: Object, path: str) -> object:
    node: object = root
    for step in _steps(path):
        node = _below(node, step)
    return node


def _below(node: object, step: str) -> object:
    if isinstance(node, dict):
        return node[step]
    if isinstance(node, list):
        return node[int(step)]
    raise KeyError(step)


def _holder(root: Object, path: str) -> tuple[object, str]:
    *parents, last = _steps(path)
    node: object = root
    for step in parents:
        node = _below(node, step)
    return node, last


def _put(root: Object, path: str, value: object, *, insert: bool) -> None:
    node, last = _holder(root, path)
    if isinstance(node, dict):
        node[last] = value
    elif isinstance(node, list) and insert and last == "-":
        node.append(value)
    elif isinstance(node, list) and insert:
        if not 0 <= int(last) <= len(node):
            raise IndexError(last)
        node.insert(int(last), value)
    elif isinstance(node, list):
        node[int(last)] = value
    else:
        raise KeyError(path)


def _pop(root: Object, path: str) -> object:
    node, last = _holder(root, path)
    if isinstance(node, dict):
        return node.pop(last)
    if isinstance(node, list):
        return node.pop(int(last))
    raise KeyError(path)
