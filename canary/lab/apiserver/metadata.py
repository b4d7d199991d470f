"""What the API server does to `metadata` when an object is created or changed.

Called by `objects` before anything is stored. Identity, generation and deletion belong to the server: whatever a
client sends there is put back.
"""

import re

from canary.lab.apiserver.refusal import Cause, bad_request, internal
from canary.lab.apiserver.resources import Resource
from canary.lab.apiserver.stamps import new_uid, random_suffix, time_text
from canary.lab.apiserver.tree import Object, branch, count, text, texts

SERVERS_OWN = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")
_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LONGEST = 253
_SUBDOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)

_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_LABEL_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


def born(resource: Resource, obj: Object, namespace: str) -> None:
    """Give a new object its name and identity, in place."""
    given = branch(obj, "metadata")
    if text(given, "resourceVersion"):
        raise internal("resourceVersion should not be set on objects to be created")
    mine = {name: value for name, value in given.items() if name not in (*SERVERS_OWN, "resourceVersion", "selfLink")}
    if not text(mine, "name") and text(mine, "generateName"):
        mine["name"] = text(mine, "generateName") + random_suffix()
    check_namespace(mine, namespace)
    if namespace:
        mine["namespace"] = namespace
    mine |= {"uid": new_uid(), "creationTimestamp": time_text()}
    if resource.generation_by or resource.custom:
        mine["generation"] = 1
    obj["metadata"] = mine


def check_namespace(meta: Object, namespace: str) -> None:
    """Check the namespace an object names against the one of the request."""
    if text(meta, "namespace") not in {"", namespace}:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def changed(resource: Resource, new: Object, old: Object, *, counts: bool) -> None:
    """Keep identity as it was and, where the change `counts`, count the generation, in place."""
    before = branch(old, "metadata")
    after = {name: value for name, value in branch(new, "metadata").items() if name not in SERVERS_OWN}
    after |= {name: before[name] for name in SERVERS_OWN if name in before}
    after |= {name: before[name] for name in ("name", "namespace", "resourceVersion") if name in before}
    new["metadata"] = after
    if counts and "generation" in before and _counted(resource, new) != _counted(resource, old):
        after["generation"] = count(before, "generation") + 1


def _counted(resource: Resource, obj: Object) -> list[object]:
    if resource.custom:
        ignored = {"metadata", "apiVersion", "kind", *(("status",) if resource.has_status else ())}
        return [{name: value for name, value in obj.items() if name not in ignored}]
    parts = {"annotations": branch(obj, "metadata", "annotations"), **obj}
    return [parts.get(name) for name in resource.generation_by]


def problems(obj: Object, old: Object | None) -> list[Cause]:
    """Say what is wrong with a name, with labels, or with the finalizers of an object that is to go."""
    if old is not None:
        return _label_problems(obj) + _late_finalizers(obj, old)
    name = text(obj, "metadata", "name")
    if not name:
        return [Cause("FieldValueRequired", "metadata.name", "Required value: name or generateName is required")]
    if len(name) > _LONGEST or not _SUBDOMAIN.fullmatch(name):
        return [Cause("FieldValueInvalid", "metadata.name", f'Invalid value: "{name}": {_SUBDOMAIN_RULE}')]
    return _label_problems(obj)


def _label_problems(obj: Object) -> list[Cause]:
    values = (str(value) for value in branch(obj, "metadata", "labels").values())
    wrong = [value for value in values if not _LABEL_VALUE.fullmatch(value)]
    return [Cause("FieldValueInvalid", "metadata.labels", f'Invalid value: "{each}": {_LABEL_RULE}') for each in wrong]


def _late_finalizers(obj: Object, old: Object) -> list[Cause]:
    late = sorted(set(texts(obj, "metadata", "finalizers")) - set(texts(old, "metadata", "finalizers")))
    if not late or not text(old, "metadata", "deletionTimestamp"):
        return []
    shown = ", ".join(f'"{name}"' for name in late)
    message = f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{shown}}}"
    return [Cause("FieldValueForbidden", "metadata.finalizers", f"Forbidden: {message}")]
