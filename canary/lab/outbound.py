"""The client side of a pod: its proxy picks a backend and a pod for each request, sends it, counts it, retries it.

Follows linkerd2-proxy with ServiceProfiles: the backend is drawn anew for every attempt; endpoint series show every
attempt, `route_*` the effective outcome; what the proxy answers by itself (504 after waiting in vain) shows in no
endpoint series; a request that its client gives up was a request and never becomes a response.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from canary.lab.balancer import Balancer, Endpoint, FailFast
from canary.lab.exposition import BROKEN, Ending, family
from canary.lab.labels import balancer, destination, outbound_connection, outbound_endpoint, route
from canary.lab.mesh import Backend, Destination, Mesh
from canary.lab.pods import Pod
from canary.lab.proxy import Proxy
from canary.lab.retries import RetryBudget
from canary.lab.routes import Budget, default_failure
from canary.lab.split import draw
from canary.lab.truth import Place, Tally, Truth
from canary.lab.wire import Call, Exchange, NotSent, Wire

RECONNECT = (0.1, 1.0)  # first and longest pause between attempts to reach a pod again
TIMED_OUT = Ending(None, failed=True, error="timeout")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks whom."""

    pod: Pod
    service: str
    namespace: str
    port: int
    trap: float | None = (
        None  # seconds without traffic after which a fixed choice of mode is made anew; None: never fixed
    )


class Unresolved(Exception):
    """The apex has no Service."""


class Outbound:
    """One client pod's way to one apex."""

    def __init__(self, client: Caller, mesh: Mesh, proxy: Proxy, wire: Wire, truth: Truth) -> None:
        self._client, self._mesh, self._proxy, self._wire, self._truth = client, mesh, proxy, wire, truth
        self._rng = Random(f"outbound {client.pod.name}")
        self._dst = destination(client.service, client.namespace, client.port)
        self._known: Destination | None = None
        self._balancers: dict[str, Balancer] = {}
        self._budget: RetryBudget | None = None
        self._by_profile: bool | None = None
        self._last = 0.0
        self._reconnecting: set[asyncio.Task[None]] = set()
        self._unsubscribe: Callable[[], None] = mesh.subscribe(self.refresh)
        proxy.gauges.append(self._balancer_lines)
        self.refresh()

    async def close(self) -> None:
        """Hear of no more changes."""
        self._unsubscribe()
        for task in self._reconnecting:
            task.cancel()
        await asyncio.gather(*self._reconnecting, return_exceptions=True)

    def refresh(self) -> None:
        """Take over what the control plane says now."""
        client = self._client
        self._known = known = self._mesh.destination(
            client.pod.namespace, client.service, client.namespace, client.port
        )
        if known is None:
            return
        in_force = {backend.service for backend in known.split or (known.plain,)}
        for backend in (*known.split, known.plain):
            weighed = self._balancers.get(backend.service)
            if weighed is None:
                weighed = self._balancers[backend.service] = Balancer(self._rng)
            for gone in weighed.update(self._endpoint(backend.service, pod, port) for pod, port in backend.endpoints):
                gone.hold(held=False)
                self._proxy.disconnected(self._connection(backend.service, gone))
        for name, weighed in self._balancers.items():
            for endpoint in weighed.endpoints:
                endpoint.hold(held=name in in_force)
        budget = known.profile.budget if known.profile else Budget()
        if budget is None:
            self._budget = None
        elif self._budget is None or self._budget.budget != budget:
            self._budget = RetryBudget(budget)

    async def request(self, method: str, path: str) -> int:
        """Send one request of the user and return the status it sees. Raises Unresolved."""
        now = time.monotonic()
        known = self._known
        if known is None:
            raise Unresolved
        by_profile = self._mode(known, now)
        call = self._routed(known, method, path, now) if by_profile else Call(method, path, now)
        backends = (known.split or (known.plain,)) if by_profile else (known.plain,)
        try:
            async with asyncio.timeout(call.route.timeout if call.route else None):
                ending = await self._tries(call, backends)
        except TimeoutError:
            self._ended(call, TIMED_OUT)
            return _hurt(call, 504)
        except FailFast:
            self._proxy.failed_fast()
            self._ended(call, BROKEN)
            return _hurt(call, 504)
        except asyncio.CancelledError:
            _hurt(call, 504)
            raise
        self._ended(call, ending)
        status = ending.status or 502
        return _hurt(call, status) if default_failure(status) else status

    def _mode(self, known: Destination, now: float) -> bool:
        """Tell whether the ServiceProfile is followed: under the cache trap that is fixed while traffic flows."""
        if not self._client.pod.meshed:
            return False
        trap = self._client.trap
        if trap is None or self._by_profile is None or now - self._last >= trap:
            self._by_profile = known.by_profile
        self._last = now
        return self._by_profile

    def _routed(self, known: Destination, method: str, path: str, now: float) -> Call:
        found = known.profile.match(method, path.partition("?")[0]) if known.profile else None
        labels = route("outbound", self._dst, found.name if found else None)
        effective, actual = self._proxy.routes.scope(labels, now), self._proxy.actual.scope(labels, now)
        effective.held = actual.held = True
        effective.retryable = effective.retryable or 0
        if self._budget is not None:
            self._budget.deposit(now)
        return Call(method, path, now, dst=self._dst, route=found, effective=effective, actual=actual)

    async def _tries(self, call: Call, backends: tuple[Backend, ...]) -> Ending:
        while True:
            ending = await self._attempt(call, backends)
            retryable = call.route is not None and call.route.retryable and ending.failed and ending.status is not None
            if not retryable or call.effective is None:
                return ending
            now = time.monotonic()
            allowed = self._budget is not None and self._budget.withdraw(now)
            call.effective.retry(now, sent=allowed)
            if not allowed:
                return ending

    async def _attempt(self, call: Call, backends: tuple[Backend, ...]) -> Ending:
        now = time.monotonic()
        available = [b for b in backends if not self._balancers[b.service].unavailable(now)] or list(backends)
        backend = draw([(b, b.weight) for b in available], self._rng)
        weighed = self._balancers[backend.service]
        while True:
            try:
                endpoint = await weighed.next()
            except (FailFast, asyncio.CancelledError):
                call.tally = self._tally(backend.service, None, call.name)
                call.tally.undelivered += 1
                raise
            try:
                return await self._exchange(call, backend.service, endpoint)
            except NotSent:
                self._lost(weighed, backend.service, endpoint)

    async def _exchange(self, call: Call, service: str, endpoint: Endpoint) -> Ending:
        now = time.monotonic()
        endpoint.scope = self._proxy.plain.scope(endpoint.labels, now)
        endpoint.hold(held=endpoint.held)
        tally = self._tally(service, endpoint.pod, call.name)
        exchange = Exchange(call, endpoint.scope, tally, self._client.pod.identity)
        endpoint.open += 1
        try:
            ending, seconds = await self._wire.send(exchange, endpoint.pod.ip, endpoint.port)
        finally:
            endpoint.open -= 1
        now = time.monotonic()
        endpoint.scope.response(ending, seconds, now)
        if call.actual is not None:
            call.actual.response(ending, seconds, now)
        tally.answered += 1
        tally.failed += ending.failed
        if ending.status is not None:
            endpoint.took(seconds, now)
            self._proxy.connected(self._connection(service, endpoint))
        return ending

    def _ended(self, call: Call, ending: Ending) -> None:
        if call.effective is not None:
            now = time.monotonic()
            call.effective.response(ending, now - call.began, now)

    def _lost(self, weighed: Balancer, service: str, endpoint: Endpoint) -> None:
        """Leave a pod that refused a connection out, and try to reach it again by and by."""
        if not endpoint.reachable:
            return
        endpoint.reachable = False
        weighed.weigh()
        self._proxy.disconnected(self._connection(service, endpoint))
        task = asyncio.create_task(self._reconnect(weighed, endpoint))
        self._reconnecting.add(task)
        task.add_done_callback(self._reconnecting.discard)

    async def _reconnect(self, weighed: Balancer, endpoint: Endpoint) -> None:
        pause = RECONNECT[0]
        while endpoint in weighed.endpoints:
            await asyncio.sleep(pause)
            pause = min(2 * pause, RECONNECT[1])
            if await self._wire.reachable(endpoint.pod.ip, endpoint.port):
                endpoint.reachable = True
                weighed.weigh()
                return

    def _endpoint(self, service: str, pod: Pod, port: int) -> Endpoint:
        return Endpoint(pod, port, outbound_endpoint(pod, service, self._client.port, port))

    def _connection(self, service: str, endpoint: Endpoint) -> str:
        return outbound_connection(endpoint.pod, service, self._client.port, endpoint.port)

    def _tally(self, service: str, pod: Pod | None, name: str) -> Tally:
        where = (pod.name, pod.template_hash) if pod else ("", "")
        return self._truth.at(Place(self._client.namespace, service, *where, name))

    def _balancer_lines(self) -> list[str]:
        client = self._client
        values = [
            (balancer((client.service, client.namespace, client.port), name, state), count)
            for name, weighed in self._balancers.items()
            for state, count in weighed.states()
        ]
        help_text = "The number of endpoints currently in a HTTP request balancer."
        return family("outbound_http_balancer_endpoints", "gauge", help_text, values)


def _hurt(call: Call, status: int) -> int:
    if call.tally is not None:
        call.tally.hurt += 1
    return status
