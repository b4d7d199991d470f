"""The shapes of built-in kinds, taken from the models of the Kubernetes client.

`decoding` uses them to tell unknown fields and values of the wrong type, as the typed decoder of kube-apiserver does.
They are built when first asked for: the models take a moment to load.
"""

import types
import typing
from datetime import datetime
from functools import cache
from typing import Annotated, cast

from canary.lab.apiserver.resources import Resource
from canary.lab.apiserver.tree import Object

_NAMED_OTHERWISE = {("", "Event"): "CoreV1Event", ("events.k8s.io", "Event"): "EventsV1Event"}
_FREE = {"customresourcedefinitions"}  # schemas of schemas: recursive, and checked where they are used
_QUANTITIES = {"limits", "requests", "capacity", "allocatable", "overhead"}  # numbers are taken there, too
_PLAIN: dict[object, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
_ANYTHING: Object = {"x-kubernetes-preserve-unknown-fields": True}


@cache
def shape_of_metadata() -> Object:
    """Return the structural schema of `metadata`."""
    from kubernetes.aio.client import models

    return _of(models.V1ObjectMeta)


@cache
def shape_of(resource: Resource) -> Object:
    """Return the structural schema of a built-in kind."""
    from kubernetes.aio.client import models

    if resource.plural in _FREE:
        return _ANYTHING
    name = _NAMED_OTHERWISE.get((resource.group, resource.kind), f"{resource.version.upper()}{resource.kind}")
    return _of(getattr(models, name))


@cache
def _of(model: type) -> Object:
    fields = cast("dict[str, object]", getattr(model, "model_fields", {}))
    properties: Object = {}
    schema: Object = {"type": "object", "properties": properties}
    for name, field in fields.items():
        alias = str(getattr(field, "serialization_alias", None) or name)
        properties[alias] = _ANYTHING if alias in _QUANTITIES else _typed(getattr(field, "annotation", object))
    return schema


def _typed(annotation: object) -> Object:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _typed(arguments[0])
    if origin in {typing.Union, types.UnionType}:
        options = [_typed(each) for each in arguments if each is not type(None)]
        both = {str(each.get("type")) for each in options} == {"integer", "string"}
        return {"x-kubernetes-int-or-string": True} if both else options[0]
    if origin in {list, dict}:
        inner = _typed(arguments[-1])
        return (
            {"type": "array", "items": inner} if origin is list else {"type": "object", "additionalProperties": inner}
        )
    if isinstance(annotation, type) and hasattr(annotation, "model_fields"):
        return _of(annotation)
    if annotation is datetime:
        return {"type": "string", "format": "date-time"}
    return {"type": _PLAIN[annotation]} if annotation in _PLAIN else _ANYTHING
