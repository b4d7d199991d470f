"""The server side of a pod: its proxy counts a request, its app answers it.

The client's proxy names itself and the apex in two headers; a request without them came from outside the mesh. The
stand-in for mTLS is `l5d-client-id`; `l5d-dst-canonical` is the header by which the real proxy finds the apex's
ServiceProfile.
"""

import asyncio
import time
from collections.abc import Callable

from aiohttp import web

from canary.lab.app import App, Plan
from canary.lab.exposition import BROKEN, Ending, Scope
from canary.lab.labels import inbound_connection, inbound_endpoint, route
from canary.lab.pods import Pod
from canary.lab.proxy import Proxy
from canary.lab.routes import Profile, default_failure
from canary.lab.wire import CANONICAL, CLIENT_ID

KUBELET = "kube-probe/"

ProfileOf = Callable[[str, str], Profile | None]  # reader's namespace, dst


class Inbound:
    """Answers the requests of one pod. `app` is None while it is dead and its proxy lives on."""

    def __init__(self, pod: Pod, port: int, app: App, proxy: Proxy, profile_of: ProfileOf) -> None:
        self.app: App | None = app
        self.open = 0
        self._pod, self._port, self._proxy, self._profile_of = pod, port, proxy, profile_of
        self._probes = {pod.probe.path} if pod.probe else set()
        self._working: set[asyncio.Task[object]] = set()
        self._body = f'{{"pod": "{pod.name}"}}\n'.encode()

    def kill_app(self) -> None:
        """Let the app die under its proxy: what it was working on breaks off, what comes next gets 502."""
        self.app = None
        for task in self._working:
            task.cancel()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request on the app's port."""
        began = time.monotonic()
        await request.read()
        scope, routed, failed = self._targets(request, began)
        for target in (scope, routed):
            if target is not None:
                target.request(began)
        self.open += 1
        task = asyncio.current_task()
        if task is not None:
            self._working.add(task)
        try:
            status = await self._worked(request)
        except asyncio.CancelledError:
            if self.app is None:
                self._ended(scope, routed, BROKEN, began)
            raise  # else the client went away: no counter ever shows an end
        finally:
            self.open -= 1
            self._working.discard(task)
        self._ended(scope, routed, Ending(status, failed=failed(status)), began)
        return web.Response(status=status, body=self._body, content_type="application/json")

    async def _worked(self, request: web.BaseRequest) -> int:
        if self.app is None:
            return 502
        now = time.monotonic()
        if request.headers.get("User-Agent", "").startswith(KUBELET):
            return 200 if self.app.ready(now) else 503  # probes are not the traffic that a release treats badly
        plan: Plan = self.app.plan(request.method, request.path, now)
        if plan.delay:
            await asyncio.sleep(plan.delay)
        if plan.status is None:
            await asyncio.Event().wait()
            raise AssertionError("unreachable")
        return plan.status

    def _targets(self, request: web.BaseRequest, now: float) -> tuple[Scope, Scope | None, Callable[[int], bool]]:
        client = request.headers.get(CLIENT_ID, "")
        probe = request.method == "GET" and request.path in self._probes
        self._proxy.connected(inbound_connection(self._pod.ip, self._port, client))
        scope = self._proxy.plain.scope(inbound_endpoint(self._pod.ip, self._port, client, probe=probe), now)
        dst = request.headers.get(CANONICAL, "")
        profile = self._profile_of(self._pod.namespace, dst) if dst else None
        found = profile.match(request.method, request.path) if profile else None
        if found is None:
            return scope, None, default_failure
        return scope, self._proxy.routes.scope(route("inbound", dst, found.name), now), found.failed

    def _ended(self, scope: Scope, routed: Scope | None, ending: Ending, began: float) -> None:
        now = time.monotonic()
        for target in (scope, routed):
            if target is not None:
                target.response(ending, now - began, now)
