"""What the typed objects of kube-apiserver do not keep: nulls, empty lists and maps, zeros where zero means nothing.

`decoding` calls it for built-in kinds. It matters because templates are compared: `env: []` and no `env` are the same
release, there and here.
"""

from canary.lab.apiserver.schema import rule_of
from canary.lab.apiserver.tree import Object, branch

_KEPT = frozenset({"endpoints", "containers"})
_WORKLOADS = frozenset({"Pod", "Deployment", "ReplicaSet", "Service"})
_ZERO_IS_ABSENT = frozenset(
    [
        "minReadySeconds",
        "paused",
        "hostNetwork",
        "hostPID",
        "hostIPC",
        "hostPort",
        "stdin",
        "stdinOnce",
        "tty",
        "readOnly",
        "initialDelaySeconds",
        "periodSeconds",
        "timeoutSeconds",
        "successThreshold",
        "failureThreshold",
        "nodePort",
        "publishNotReadyAddresses",
    ]
)


def drop_empties(shape: Object, obj: Object) -> None:
    """Take out, in place, what an object of a built-in kind would not have kept."""
    for name, below in list(obj.items()):
        rule = rule_of(shape, name) or {}
        _inside(rule, below, zeros=name == "spec" and obj.get("kind") in _WORKLOADS)
        if below is None or _is_empty(rule, name, below):
            del obj[name]


def _inside(shape: Object, node: object, *, zeros: bool) -> None:
    if isinstance(node, list):
        for row in node:
            _inside(branch(shape, "items"), row, zeros=zeros)
    if not isinstance(node, dict):
        return
    is_map = shape.get("additionalProperties") == {"type": "string"}
    for name, below in list(node.items()):
        rule = rule_of(shape, name) or {}
        _inside(rule, below, zeros=zeros)
        if below is None and is_map:
            node[name] = ""
        elif below is None or _is_empty(rule, name, below) or (zeros and not is_map and _is_zero(name, below)):
            del node[name]


def _is_empty(rule: Object, name: str, node: object) -> bool:
    if name in _KEPT:
        return False
    return (node == [] and rule.get("type") == "array") or (node == {} and "additionalProperties" in rule)


def _is_zero(name: str, node: object) -> bool:
    return node == "" or (name in _ZERO_IS_ABSENT and not node)
