"""One pod's proxy, as far as it shows: its series, its certificate's dates, and its own port 4191.

Inbound and outbound count into the registries here. Scrapes and the kubelet's probes of port 4191 are counted as
inbound traffic too, as on the real proxy: the noise that every query has to leave out.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from canary.lab.exposition import Ending, Metrics, Scope, family
from canary.lab.labels import inbound_connection, inbound_endpoint
from canary.lab.pods import ADMIN_PORT

RETAIN = 600.0  # seconds for which the proxy keeps idle series
CERTIFICATE = 24 * 3600.0
OK = Ending(200, failed=False)


@dataclass(slots=True)
class _Connections:
    opened: int = 0
    open: bool = False
    closed: float = 0.0


class Proxy:
    """The registries of one proxy, from its start to its end."""

    def __init__(self, ip: str, *, retain: float = RETAIN) -> None:
        self.plain = Metrics()
        self.routes = Metrics("route_")
        self.actual = Metrics("route_actual_", latency=False)
        self.gauges: list[Callable[[], list[str]]] = []  # further families, written by whoever owns them
        self._ip = ip
        self._retain = retain
        self._started = time.time()
        self._connections: dict[str, _Connections] = {}
        self._failfast = 0

    def connected(self, labels: str) -> None:
        """Note the one connection that two proxies keep between them."""
        found = self._connections.setdefault(labels, _Connections())
        found.opened += not found.open
        found.open = True

    def disconnected(self, labels: str) -> None:
        """Note its end."""
        if labels in self._connections:
            self._connections[labels].open = False
            self._connections[labels].closed = time.monotonic()

    def failed_fast(self) -> None:
        """Count a 504 made here: no endpoint series shows it."""
        self._failfast += 1

    async def answer_admin(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve port 4191: /metrics for Prometheus, /ready and /live for the kubelet."""
        began = time.monotonic()
        probe = request.path in {"/ready", "/live"}
        scope = self._admin(began, probe=probe)
        scope.request(began)
        if probe:
            response = web.Response(text="ready\n" if request.path == "/ready" else "live\n")
        elif request.path == "/metrics":
            response = web.Response(text=self.render(began), content_type="text/plain")
        else:
            response = web.Response(status=404, text="Not Found\n")
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            response.enable_compression(web.ContentCoding.gzip)
        now = time.monotonic()
        scope.response(OK if response.status == OK.status else Ending(response.status, failed=False), now - began, now)
        return response

    def _admin(self, now: float, *, probe: bool) -> Scope:
        self.connected(inbound_connection(self._ip, ADMIN_PORT, ""))
        return self.plain.scope(inbound_endpoint(self._ip, ADMIN_PORT, "", probe=probe), now)

    def render(self, now: float) -> str:
        """Write the whole page, forgetting idle series first."""
        for registry in (self.plain, self.routes, self.actual):
            registry.forget_idle(now - self._retain)
        self._connections = {
            labels: found
            for labels, found in self._connections.items()
            if found.open or found.closed > now - self._retain
        }
        lines = [*self.plain.render(), *self.routes.render(), *self.actual.render(), *self._transport()]
        lines += family(
            "outbound_http_errors_total",
            "counter",
            "The total number of outbound HTTP requests that could not be processed due to a proxy error.",
            [('error="failfast"', self._failfast)] if self._failfast else [],
        )
        lines += self._certificate()
        for gauge in self.gauges:
            lines += gauge()
        lines += family(
            "process_start_time_seconds",
            "gauge",
            "Time that the process started (in seconds since the UNIX epoch).",
            [("", self._started)],
        )
        return "\n".join([*lines, "# EOF", ""])

    def _transport(self) -> list[str]:
        opened = [(labels, found.opened) for labels, found in self._connections.items()]
        still = [(labels, int(found.open)) for labels, found in self._connections.items()]
        return [
            *family("tcp_open_total", "counter", "Total count of opened connections", opened),
            *family("tcp_open_connections", "gauge", "Number of currently-open connections", still),
        ]

    def _certificate(self) -> list[str]:
        prefix, subject = "control_identity_cert", "this proxy's current mTLS identity certificate"
        issued, refreshes = self._started, [('result="ok"', 1), ('result="error"', 0)]
        return [
            *family(
                f"{prefix}_expiration_timestamp_seconds",
                "gauge",
                f"Time when {subject} will expire (in seconds since the UNIX epoch).",
                [("", issued + CERTIFICATE)],
            ),
            *family(
                f"{prefix}_refresh_timestamp_seconds", "gauge", f"Time when {subject} was last updated.", [("", issued)]
            ),
            *family(
                f"{prefix}_refreshes",
                "counter",
                "The total number of times this proxy's mTLS identity certificate has been refreshed"
                " by the Identity provider.",
                refreshes,
                suffix="_total",
            ),
        ]
