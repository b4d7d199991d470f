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

from canary.lab.apiserver import discovery, faults, listing, paths, refusal, tables, watching
from canary.lab.apiserver.faults import Faults
from canary.lab.apiserver.objects import Caller, Objects, Target
from canary.lab.apiserver.refusal import Refused
from canary.lab.apiserver.resources import Resource
from canary.lab.apiserver.selectors import by_query
from canary.lab.apiserver.tree import Object, branch, text

_LARGEST_BODY = 3 * 1024 * 1024
_WATCH_SECONDS = 1800.0

_READ = frozenset({"application/json", "application/yaml", "application/octet-stream"})  # the last: nothing was said
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
        fixed = discovery.answer(request.path, self._objects.registry)
        if isinstance(fixed, str):
            return web.Response(text=fixed)
        if fixed is not None:
            return _json(fixed)
        path = paths.unwatched(request.path)
        target = paths.target_of(path, self._objects.registry)
        if target is None:
            if paths.is_in_group(request.path, self._objects.registry):
                raise refusal.nothing_served()
            return web.Response(text="404 page not found\n", status=404)
        asked = request.query.get("watch") in _YES and not target.name
        if request.method == "GET" and (asked or path != request.path):
            return await self._watch(request, target)
        return await self._act(request, target)

    async def _act(self, request: web.Request, target: Target) -> web.Response:
        match request.method, bool(target.name), target.subresource:
            case "GET", False, "":
                return self._shown(request, target, listing.listed(target, request.query, self._objects.store))
            case "GET", True, subresource if subresource != "binding":
                return self._shown(request, target, self._objects.get(target))
            case "POST", True, "binding":
                return _json(self._objects.bind(target, await _body(request)), 201)
            case "DELETE", _, "":
                return await self._delete(request, target)
            case _:
                return await self._write(request, target)

    async def _write(self, request: web.Request, target: Target) -> web.Response:
        by = _caller(request)
        code = 200
        match request.method, bool(target.name), target.subresource:
            case "POST", False, "" if target.namespace or not target.resource.namespaced:
                written, code = self._objects.create(target, await _body(request), by), 201
            case "PUT", True, "" | "status" | "scale":
                body = await _body(request)
                code = 200 if self._objects.store.get(target.key) else 201
                written = self._objects.replace(target, body, by)
            case "PATCH", True, "" | "status" | "scale":
                written = self._objects.patch(target, await _patch(request), request.content_type, by)
            case _:
                raise refusal.method_not_allowed()
        warnings = ", ".join(f"299 - {json.dumps(each)}" for each in by.warnings)
        return _json(written, code, {"Warning": warnings} if warnings else None)

    async def _delete(self, request: web.Request, target: Target) -> web.Response:
        by = _caller(request)
        options: Object = await _body(request) if request.can_read_body else {}
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
                query.get("labelSelector", ""),
                f"metadata.name={target.name}" if target.name else query.get("fieldSelector", ""),
                target.resource.store_kind,
            ),
            revision=None if initial else revision,
            bookmarks=bookmarks,
            seconds=float(query.get("timeoutSeconds") or _WATCH_SECONDS),
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


async def _body(request: web.Request) -> Object:
    if request.content_type not in _READ:
        raise refusal.unsupported()
    raw = await request.read()
    try:
        body = yaml.safe_load(raw) if request.content_type == "application/yaml" else json.loads(raw)
    except (ValueError, yaml.YAMLError) as error:
        raise refusal.bad_request(f"couldn't get version/kind; json parse error: {error}") from error
    if not isinstance(body, dict):
        raise refusal.bad_request("couldn't get version/kind; json parse error: not an object")
    return body


async def _patch(request: web.Request) -> object:
    try:
        return cast("object", json.loads(await request.read()))
    except ValueError as error:
        raise refusal.bad_request(f"error decoding patch: {error}") from error


def _deleted(target: Target, last: Object) -> Object:
    details: Object = {"name": target.name, "kind": target.resource.plural, "uid": text(last, "metadata", "uid")}
    if target.resource.group:
        details["group"] = target.resource.group
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _retry_after(refused: Refused) -> dict[str, str]:
    seconds = branch({"": refused.details}, "").get("retryAfterSeconds")
    return {"Retry-After": str(seconds)} if seconds else {}


def _dumped(body: Mapping[str, object]) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def _json(body: Mapping[str, object], code: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=_dumped(body), status=code, content_type="application/json", headers=headers)
