"""What the API server refuses: by the schema, and of built-in kinds what a wrong manifest is most likely to break.

`objects` calls `problems` on every write, after defaults.
"""

from collections.abc import Callable, Iterator

from canary.lab.apiserver.refusal import Cause
from canary.lab.apiserver.resources import Resource
from canary.lab.apiserver.rules import broken, has_rules, is_able
from canary.lab.apiserver.schema import ABSENT, under, violations
from canary.lab.apiserver.selectors import by_selector
from canary.lab.apiserver.tree import Object, branch, reached, rows, text


def problems(resource: Resource, obj: Object, old: Object | None, subresource: str) -> list[Cause]:
    """Say what is wrong with an object: by the schema of a custom kind, by the rules of a built-in one."""
    if resource.custom:
        return _schema_problems(resource.schema or {}, obj, old, subresource)
    check = _CHECKS.get(resource.store_kind)
    return list(check(obj, old)) if check else []


_UNCHECKED = Cause("FieldValueInvalid", "<nil>", "Invalid value: null: some validation rules were not checked because "
                   "the object was invalid; correct the existing errors to complete validation")  # fmt: skip
_BLOCKING = {f"FieldValue{each}" for each in ("NotSupported", "Required", "TooLong", "TooMany", "TypeInvalid")}


def _schema_problems(schema: Object, obj: Object, old: Object | None, subresource: str) -> list[Cause]:
    before: object = ABSENT if old is None else old
    if subresource == "status":
        status = branch(schema, "properties", "status")
        found = violations(status, obj.get("status"), reached(old, "status"))
        # Upstream validates the status by itself: messages name paths in it, fields the whole path.
        causes = [Cause(each.reason, under("status", each.field), each.message) for each in found]
    else:
        causes = list(violations(schema, obj, before))
    if has_rules(schema) and any(cause.reason in _BLOCKING for cause in causes):
        return [*causes, _UNCHECKED]
    return [*causes, *(broken(schema, obj, before) if is_able() and has_rules(schema) else ())]


def _required(path: str) -> Cause:
    return Cause("FieldValueRequired", path, "Required value")


def _not_negative(obj: Object, name: str) -> Iterator[Cause]:
    value = reached(obj, "spec", name)
    if isinstance(value, int) and value < 0:
        yield Cause("FieldValueInvalid", f"spec.{name}", f"Invalid value: {value}: must be greater than or equal to 0")


def _containers(spec: Object, path: str) -> Iterator[Cause]:
    containers, volumes = rows(spec, "containers"), {text(row, "name") for row in rows(spec, "volumes")}
    if not containers:
        yield _required(f"{path}.containers")
    names: set[str] = set()
    for at, container in enumerate(containers):
        where, name = f"{path}.containers[{at}]", text(container, "name")
        if not name:
            yield _required(f"{where}.name")
        elif name in names:
            yield Cause("FieldValueDuplicate", f"{where}.name", f'Duplicate value: "{name}"')
        names.add(name)
        if not text(container, "image"):
            yield _required(f"{where}.image")
        yield from _inside_container(container, where, volumes)


def _inside_container(container: Object, where: str, volumes: set[str]) -> Iterator[Cause]:
    ports = [text(port, "name") for port in rows(container, "ports")]
    for place, port in enumerate(ports):
        if port and port in ports[:place]:
            yield Cause("FieldValueDuplicate", f"{where}.ports[{place}].name", f'Duplicate value: "{port}"')
    for place, mount in enumerate(rows(container, "volumeMounts")):
        if (name := text(mount, "name")) not in volumes:
            yield Cause("FieldValueNotFound", f"{where}.volumeMounts[{place}].name", f'Not found: "{name}"')


def _deployment(obj: Object, old: Object | None) -> Iterator[Cause]:
    yield from _workload(obj, old)
    strategy = branch(obj, "spec", "strategy")
    if text(strategy, "type") == "Recreate" and "rollingUpdate" in strategy:
        message = "Forbidden: may not be specified when strategy `type` is 'Recreate'"
        yield Cause("FieldValueForbidden", "spec.strategy.rollingUpdate", message)


def _workload(obj: Object, old: Object | None) -> Iterator[Cause]:
    selector = branch(obj, "spec", "selector")
    yield from _not_negative(obj, "replicas")
    if not selector:
        yield _required("spec.selector")
    elif old is not None and selector != branch(old, "spec", "selector"):
        yield Cause("FieldValueInvalid", "spec.selector", 'Invalid value: "object": field is immutable')
    labels = branch(obj, "spec", "template", "metadata", "labels")
    if selector and not by_selector(selector)(labels):
        message = "Invalid value: {}: `selector` does not match template `labels`"
        shown = "{" + ",".join(f'"{name}":"{value}"' for name, value in labels.items()) + "}"
        yield Cause("FieldValueInvalid", "spec.template.metadata.labels", message.format(shown))
    yield from _containers(branch(obj, "spec", "template", "spec"), "spec.template.spec")


_POD_MAY_CHANGE = ("containers", "initContainers", "activeDeadlineSeconds", "tolerations", "nodeName",
                   "terminationGracePeriodSeconds")  # fmt: skip


_POD_IS_FIXED = (
    "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
    "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def _pod(obj: Object, old: Object | None) -> Iterator[Cause]:
    yield from _containers(branch(obj, "spec"), "spec")
    if old is not None and _fixed_part(obj) != _fixed_part(old):
        yield Cause("FieldValueForbidden", "spec", _POD_IS_FIXED)


def _fixed_part(pod: Object) -> tuple[Object, list[Object]]:
    spec = branch(pod, "spec")
    rest = {name: value for name, value in spec.items() if name not in _POD_MAY_CHANGE}
    return rest, [{**each, "image": ""} for each in rows(spec, "containers")]


def _service(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = branch(obj, "spec")
    if not rows(spec, "ports") and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName":
        yield _required("spec.ports")
    address, before = text(spec, "clusterIP"), text(old, "spec", "clusterIP")
    if before and address != before:
        yield Cause("FieldValueInvalid", "spec.clusterIPs[0]",
                    f'Invalid value: ["{address}"]: may not change once set')  # fmt: skip


def _lease(obj: Object, _old: Object | None) -> Iterator[Cause]:
    for name in ("leaseDurationSeconds", "leaseTransitions"):
        value = reached(obj, "spec", name)
        if isinstance(value, int) and (value < 0 or (name == "leaseDurationSeconds" and not value)):
            least = "0" if name == "leaseDurationSeconds" else "or equal to 0"
            yield Cause("FieldValueInvalid", f"spec.{name}", f"Invalid value: {value}: must be greater than {least}")


def _event(obj: Object, _old: Object | None) -> Iterator[Cause]:
    about = text(obj, "involvedObject", "namespace")
    if (about or "default") != text(obj, "metadata", "namespace"):
        yield Cause("FieldValueInvalid", "involvedObject.namespace",
                    f'Invalid value: "{about}": does not match event.namespace')  # fmt: skip


def _crd(obj: Object, _old: Object | None) -> Iterator[Cause]:
    plural, group = text(obj, "spec", "names", "plural"), text(obj, "spec", "group")
    name = text(obj, "metadata", "name")
    if name != f"{plural}.{group}":
        yield Cause("FieldValueInvalid", "metadata.name",
                    f'Invalid value: "{name}": must be spec.names.plural+"."+spec.group')  # fmt: skip
    for at, version in enumerate(rows(obj, "spec", "versions")):
        if not branch(version, "schema", "openAPIV3Schema"):
            yield _required(f"spec.versions[{at}].schema.openAPIV3Schema")
    if sum(bool(version.get("storage")) for version in rows(obj, "spec", "versions")) != 1:
        yield Cause("FieldValueInvalid", "spec.versions",
                    'Invalid value: "array": must have exactly one version marked as storage version')  # fmt: skip


_CHECKS: dict[str, Callable[[Object, Object | None], Iterator[Cause]]] = {
    "pods": _pod,
    "deployments.apps": _deployment,
    "replicasets.apps": _workload,
    "services": _service,
    "leases.coordination.k8s.io": _lease,
    "events": _event,
    "customresourcedefinitions.apiextensions.k8s.io": _crd,
}
