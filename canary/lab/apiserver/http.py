"""HTTP in front of `objects`: paths to targets, methods to verbs, refusals to Status answers.

`plane` runs the application this makes. One handler takes every request, since the paths that exist change whenever a
CustomResourceDefinition comes or goes.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import cast

import yaml
from aiohttp import web

from canary.lab.apiserver import discovery, faults, listing, refusal, tables, watching
from canary.lab.apiserver.faults import Faults
from canary.lab.apiserver.objects import Caller, Objects, Target
from canary.lab.apiserver.refusal import Refused
from canary.lab.apiserver.resources import Resource
from canary.lab.apiserver.selectors import by_query
from canary.lab.apiserver.tree import Object, branch, text

_LARGEST_BODY = 3 * 1024 * 1024
_WATCH_SECONDS = 1800.0

_YES = frozenset({"1", "true"})
_LIST_OPTIONS = Resource(group="meta.k8s.io", plural="listoptions", kind="ListOptions")
_MATCH_NEEDED = refusal.Cause(
    "FieldValueForbidden",
    "resourceVersionMatch",
    "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
)


class Front:
    """Answers requests from the state of one cluster."""

    def __init__(self, objects: Objects, weather: Faults) -> None:
        self._objects, self._faults = objects, weather

    def application(self) -> web.Application:
        """Make an application; each serves for one start."""
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self._serve)
        return app

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        try:
            await self._suffer(request)
            return await self._answer(request)
        except Refused as refused:
            return _json(refused.body(), refused.code, _retry_after(refused))

    async def _suffer(self, request: web.Request) -> None:
        fault = self._faults.met(request.method, request.path_qs, request.headers.get("User-Agent", ""))
        if fault is None:
            return
        if fault.answer == "hang":
            await asyncio.Event().wait()
        if isinstance(fault.answer, int):
            raise faults.refusal(fault.answer)
        if request.transport is not None:
            request.transport.abort()
        raise asyncio.CancelledError

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        fixed = discovery.answer(request.path, request.headers.get("Accept", ""), self._objects.registry)
        if isinstance(fixed, str):
            return web.Response(text=fixed)
        if fixed is not None:
            return _json(fixed)
        target = self._target(request.path)
        if target is None:
            if self._is_served(request.path):
                raise refusal.nothing_served()
            return web.Response(text="404 page not found\n", status=404)
        if request.method == "GET" and request.query.get("watch") in _YES and not target.name:
            return await self._watch(request, target)
        return await self._act(request, target)

    def _target(self, path: str) -> Target | None:
        """Find what a path names; None when nothing is served there."""
        match path.strip("/").split("/"):
            case ["api", "v1", *rest]:
                group, version = "", "v1"
            case ["apis", group, version, *rest]:
                pass
            case _:
                return None
        namespace = ""
        if len(rest) > 2 and rest[0] == "namespaces" and rest[2] not in {"status", "finalize"}:
            namespace, rest = rest[1], rest[2:]
        if not 1 <= len(rest) <= 3:
            return None
        resource = self._objects.registry.find(group, version, rest[0])
        name, subresource = (*rest[1:], "", "")[:2]
        if resource is None or (subresource and subresource not in resource.subresources):
            return None
        if bool(namespace) > resource.namespaced or (name and resource.namespaced and not namespace):
            return None
        return Target(resource, namespace, name, subresource)

    def _is_served(self, path: str) -> bool:
        match path.strip("/").split("/"):
            case ["api", "v1", *_]:
                return True
            case ["apis", group, version, *_]:
                return version in self._objects.registry.versions(group)
            case _:
                return False

    async def _act(self, request: web.Request, target: Target) -> web.Response:
        by = _caller(request)
        match request.method, bool(target.name), target.subresource:
            case "GET", False, "":
                found = listing.listed(target, request.query, self._objects.store)
                return self._shown(request, target, found)
            case "GET", True, _:
                return self._shown(request, target, self._objects.get(target))
            case "POST", False, "" if target.namespace or not target.resource.namespaced:
                created = self._objects.create(target, await _body(request, target), by)
                return _json(created, 201, _warned(by))
            case "POST", True, "binding":
                return _json(self._objects.bind(target, await _body(request, target)), 201)
            case "PUT", True, subresource if subresource != "binding":
                before = self._objects.store.get(target.key)
                written = self._objects.replace(target, await _body(request, target), by)
                return _json(written, 201 if before is None else 200, _warned(by))
            case "PATCH", True, subresource if subresource != "binding":
                change = await _body(request, target, any_type=True)
                return _json(self._objects.patch(target, change, request.content_type, by), 200, _warned(by))
            case "DELETE", _, "":
                return await self._delete(request, target, by)
            case _:
                raise refusal.method_not_allowed()

    async def _delete(self, request: web.Request, target: Target, by: Caller) -> web.Response:
        options: Object = await _body(request, target) if request.can_read_body else {}
        if "gracePeriodSeconds" in request.query:
            options["gracePeriodSeconds"] = int(request.query["gracePeriodSeconds"])
        if "propagationPolicy" in request.query:
            options["propagationPolicy"] = request.query["propagationPolicy"]
        if not target.name:
            found = listing.listed(target, request.query, self._objects.store)
            for obj in cast("list[Object]", found["items"]):
                place = Target(target.resource, text(obj, "metadata", "namespace"), text(obj, "metadata", "name"))
                self._objects.delete(place, options, by)
            return _json(found)
        last, gone = self._objects.delete(target, options, by)
        if not gone or target.resource.answers_deleted:
            return _json(last)
        return _json(_deleted(target, last))

    def _shown(self, request: web.Request, target: Target, found: Object) -> web.Response:
        if "as=Table" in request.headers.get("Accept", "") and not target.subresource:
            return _json(tables.table(target.resource, found))
        return _json(found)

    async def _watch(self, request: web.Request, target: Target) -> web.StreamResponse:
        query = request.query
        store = self._objects.store
        revision = listing.revision_of(query.get("resourceVersion", ""), is_watch=True)
        bookmarks, initial = query.get("allowWatchBookmarks") in _YES, query.get("sendInitialEvents") in _YES
        if initial and query.get("resourceVersionMatch") != "NotOlderThan":
            raise refusal.invalid(_LIST_OPTIONS, "", [_MATCH_NEEDED])
        wish = watching.Wish(
            resource=target.resource,
            namespace=target.namespace,
            matches=by_query(
                query.get("labelSelector", ""), query.get("fieldSelector", ""), target.resource.store_kind
            ),
            revision=None if initial else revision,
            bookmarks=bookmarks,
            seconds=float(query.get("timeoutSeconds") or _WATCH_SECONDS),
            marks_initial_end=bookmarks,
        )
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        as_table = "as=Table" in request.headers.get("Accept", "")
        async for event in watching.events_of(wish, store):
            sent = tables.event(target.resource, event) if as_table else event
            await response.write(_dumped(sent) + b"\n")
        await response.write_eof()
        return response


def _caller(request: web.Request) -> Caller:
    agent = request.headers.get("User-Agent", "unknown").split("/")[0]
    return Caller(
        manager=request.query.get("fieldManager") or agent,
        field_validation=request.query.get("fieldValidation") or "Warn",
        dry_run="dryRun" in request.query,
    )


async def _body(request: web.Request, target: Target, *, any_type: bool = False) -> Object:
    if not any_type and request.content_type not in {
        "application/json",
        "application/yaml",
        "application/octet-stream",
    }:
        raise refusal.unsupported()
    raw = await request.read()
    try:
        body = yaml.safe_load(raw) if request.content_type.endswith("yaml") else json.loads(raw)
    except (ValueError, yaml.YAMLError) as error:
        raise refusal.bad_request(f"couldn't get version/kind; json parse error: {error}") from error
    if any_type:
        return cast("Object", body)
    if not isinstance(body, dict):
        raise refusal.bad_request("the body of the request is not an object")
    return body


def _deleted(target: Target, last: Object) -> Object:
    details: Object = {"name": target.name, "kind": target.resource.plural, "uid": text(last, "metadata", "uid")}
    if target.resource.group:
        details["group"] = target.resource.group
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _warned(by: Caller) -> dict[str, str]:
    return {"Warning": ", ".join(f"299 - {json.dumps(each)}" for each in by.warnings)} if by.warnings else {}


def _retry_after(refused: Refused) -> dict[str, str]:
    seconds = branch({"": refused.details}, "").get("retryAfterSeconds")
    return {"Retry-After": str(seconds)} if seconds else {}


def _dumped(body: Mapping[str, object]) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def _json(body: Mapping[str, object], code: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=_dumped(body), status=code, content_type="application/json", headers=headers)
