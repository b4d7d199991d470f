"""Lists: selectors, pages by `limit` and `continue`, and the revision they stand for."""

import base64
import binascii
import json
from collections.abc import Mapping

from canary.lab.apiserver.objects import Target, seen
from canary.lab.apiserver.refusal import Refused, bad_request, expired, internal
from canary.lab.apiserver.selectors import by_query
from canary.lab.apiserver.store import Compacted, Store
from canary.lab.apiserver.tree import Object, count, text, without


def listed(target: Target, query: Mapping[str, str], store: Store) -> Object:
    """Answer a list request."""
    resource = target.resource
    token = _token(query.get("continue", ""))
    revision, after = count(token, "rv"), text(token, "start")
    asked = _reached(query.get("resourceVersion", ""), store)
    if query.get("resourceVersionMatch") == "Exact" and not token:
        revision = asked
    objects = _selected(target, revision, store)
    if matches := by_query(query.get("labelSelector", ""), query.get("fieldSelector", ""), resource.store_kind):
        objects = [obj for obj in objects if matches(obj)]
    meta: Object = {"resourceVersion": str(revision or store.revision)}
    objects = [obj for obj in objects if _place(obj) > after]
    limit = _number(query.get("limit") or "0")
    if 0 < limit < len(objects):
        if matches is None:
            meta["remainingItemCount"] = len(objects) - limit
        objects = objects[:limit]
        following = {"rv": revision or store.revision, "start": _place(objects[-1])}
        meta["continue"] = base64.urlsafe_b64encode(json.dumps(following).encode()).decode()
    items = [seen(resource, obj) for obj in objects]
    if not resource.custom:  # as upstream's typed lists
        items = [without(item, "kind", "apiVersion") for item in items]
    return {"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": meta, "items": items}


def revision_of(given: str, *, is_watch: bool = False) -> int | None:
    """Read a resourceVersion of a query; None when it asks for any."""
    if given in {"", "0"}:
        return None
    if not given.isdecimal():
        message = f'resourceVersion: Invalid value: "{given}": strconv.ParseUint: parsing "{given}": invalid syntax'
        raise internal(message) if is_watch else bad_request(message)
    return int(given)


def _reached(given: str, store: Store) -> int:
    revision = revision_of(given) or 0
    if revision > store.revision:
        message = f"Timeout: Too large resource version: {revision}, current: {store.revision}"
        cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
        raise Refused(504, "Timeout", message, {"causes": [cause], "retryAfterSeconds": 1})
    return revision


def _number(given: str) -> int:
    if not given.isdecimal():
        raise bad_request(f'strconv.ParseInt: parsing "{given}": invalid syntax')
    return int(given)


def _selected(target: Target, revision: int, store: Store) -> list[Object]:
    kind, namespace = target.resource.store_kind, target.namespace
    if not revision:
        return store.select(kind, namespace)
    try:
        return store.select_at(revision, kind, namespace)
    except Compacted:
        raise expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list "
            "without the continue parameter, or use the continue token in this response to retrieve the remainder of "
            "the results."
        ) from None


def _token(given: str) -> Object:
    try:
        token = json.loads(base64.urlsafe_b64decode(given)) if given else {}
    except (binascii.Error, ValueError):
        raise bad_request("continue key is not valid") from None
    return token if isinstance(token, dict) else {}


def _place(obj: Object) -> str:
    return f"{text(obj, 'metadata', 'namespace')}/{text(obj, 'metadata', 'name')}"
