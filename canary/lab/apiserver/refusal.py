"""The API server's way to say no: `Refused` carries a Status object, shaped as kube-apiserver shapes it.

Raised anywhere below `http`, which is the only place that catches it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from canary.lab.apiserver.tree import Object


class Named(Protocol):
    """What a refusal has to know of a resource."""

    @property
    def group(self) -> str:
        """The API group, empty for the core group."""

    @property
    def kind(self) -> str:
        """`Deployment`."""

    @property
    def plural(self) -> str:
        """`deployments`."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One field that is wrong."""

    reason: str  # FieldValueInvalid, FieldValueRequired, …
    field: str
    message: str

    def line(self) -> str:
        """Say it as the summary does."""
        return f"{self.field}: {self.message}"


class Refused(Exception):
    """A request that is answered with a Status of failure."""

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.details = code, reason, message, details

    def body(self) -> Object:
        """Return the Status object."""
        body: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        body |= {"message": self.message} | ({"reason": self.reason} if self.reason else {})
        if self.details is not None:
            body["details"] = self.details
        return body | {"code": self.code}


def qualified(resource: Named) -> str:
    """Name a resource with its group: `pods`, `deployments.apps`."""
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def _details(resource: Named, name: str, kind: str = "") -> Object:
    details: Object = {"name": name} if name else {}
    if resource.group:
        details["group"] = resource.group
    return details | {"kind": kind or resource.plural}


def not_found(resource: Named, name: str) -> Refused:
    """404: no such object."""
    return Refused(404, "NotFound", f'{qualified(resource)} "{name}" not found', _details(resource, name))


def already_exists(resource: Named, name: str) -> Refused:
    """409: the name is taken."""
    return Refused(409, "AlreadyExists", f'{qualified(resource)} "{name}" already exists', _details(resource, name))


def conflict(resource: Named, name: str, why: str = "") -> Refused:
    """409: somebody else wrote in between, or a precondition does not hold."""
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {qualified(resource)} "{name}": {why}'
    return Refused(409, "Conflict", message, _details(resource, name))


def invalid(resource: Named, name: str, causes: Sequence[Cause]) -> Refused:
    """422: fields with wrong values."""
    lines = [cause.line() for cause in causes]
    summary = lines[0] if len(lines) == 1 else "[" + ", ".join(lines) + "]"
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    details = _details(resource, name, resource.kind)
    details["causes"] = [{"reason": each.reason, "message": each.message, "field": each.field} for each in causes]
    return Refused(422, "Invalid", f'{kind} "{name}" is invalid: {summary}', details)


def unversioned(resource: Named, name: str) -> Refused:
    """422: an update of this kind must say which version it was made of."""
    cause = Cause("FieldValueInvalid", "metadata.resourceVersion", "Invalid value: 0: must be specified for an update")
    details = _details(resource, name)
    details["causes"] = [{"reason": cause.reason, "message": cause.message, "field": cause.field}]
    return Refused(422, "Invalid", f'{qualified(resource)} "{name}" is invalid: {cause.line()}', details)


def unpatchable(patch: str, why: str) -> Refused:
    """422: what a patch makes cannot be read strictly."""
    message = f"Invalid value: {json.dumps(patch)}: {why}"
    causes = [{"reason": "FieldValueInvalid", "message": message, "field": "patch"}]
    return Refused(422, "Invalid", f' "" is invalid: patch: {message}', {"causes": causes})


def unprocessable() -> Refused:
    """422: a JSON patch that does not apply."""
    return Refused(422, "Invalid", "the server rejected our request due to an error in our request", {})


def unsupported() -> Refused:
    """415: a body in a format that is not read here."""
    accepted = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    message = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
    return Refused(415, "UnsupportedMediaType", message)


def nothing_served() -> Refused:
    """404: the group is served, this resource of it is not."""
    return Refused(404, "NotFound", "the server could not find the requested resource", {})


def internal(message: str) -> Refused:
    """500: upstream's answer to some malformed requests, kept as it is."""
    return Refused(500, "", message)


def bad_request(message: str) -> Refused:
    """400: the request itself is malformed."""
    return Refused(400, "BadRequest", message)


def expired(message: str) -> Refused:
    """410: the history asked for has been compacted away."""
    return Refused(410, "Expired", message)


def method_not_allowed() -> Refused:
    """405: this resource does not do that."""
    return Refused(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})
