"""Real HTTP between the proxies of the lab's pods, over real sockets on loopback.

One request out, counted at the moment its headers are sent, one answer back. Who gets the request is not decided
here.
"""

import asyncio
import time
from dataclasses import dataclass

import aiohttp
from yarl import URL

from canary.lab.addresses import loopback
from canary.lab.exposition import BROKEN, Ending, Scope
from canary.lab.routes import Route, default_failure
from canary.lab.truth import Tally

CLIENT_ID = "l5d-client-id"  # stands in for the certificate of mTLS
CANONICAL = "l5d-dst-canonical"  # by which the server's proxy finds the ServiceProfile of the apex
CONNECT = 1.0  # seconds for a connection, as the proxy has it
BODY = b'{"task": 1}'


class NotSent(Exception):
    """No connection to the pod: nothing was sent, nothing counted."""


@dataclass(slots=True)
class Call:
    """One request of the user, through all its attempts. Without a ServiceProfile there are no route scopes."""

    method: str
    path: str
    began: float
    dst: str = ""
    route: Route | None = None
    effective: Scope | None = None
    actual: Scope | None = None
    counted: bool = False
    tally: Tally | None = None  # where its last attempt went

    @property
    def name(self) -> str:
        """The route as the truth knows it."""
        return self.route.name if self.route else ""

    def failed(self, status: int) -> bool:
        """Classify an answer."""
        return self.route.failed(status) if self.route else default_failure(status)


class Exchange:
    """One attempt of a call at one pod."""

    __slots__ = ("_scope", "_sent", "call", "headers", "tally")

    def __init__(self, call: Call, scope: Scope, tally: Tally, identity: str) -> None:
        self.call, self._scope, self.tally = call, scope, tally
        self.headers = {name: value for name, value in ((CLIENT_ID, identity), (CANONICAL, call.dst)) if value}
        self._sent = False

    @property
    def sent(self) -> bool:
        """Tell whether the request left."""
        return self._sent

    def count(self) -> None:
        """Count the request: its headers are on the wire."""
        self._sent = True
        now, call = time.monotonic(), self.call
        self._scope.request(now)
        self.tally.sent += 1
        call.tally = self.tally
        if call.actual is not None:
            call.actual.request(now)
        if call.effective is not None and not call.counted:
            call.counted = True
            call.effective.request(now)


class Wire:
    """The connections that the proxies of one lab share."""

    def __init__(self) -> None:
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_count)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, use_dns_cache=False),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT),
            trace_configs=[trace],
            auto_decompress=False,
        )
        # aiohttp sends a GET again, unasked, when its connection broke; the proxy does not. It has no public switch.
        self._session._retry_connection = False  # noqa: SLF001

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def send(self, exchange: Exchange, ip: str, port: int) -> tuple[Ending, float]:
        """Send one request to a pod; return how it ended and the seconds until the answer began. Raises NotSent.

        Cancelled while the answer is awaited, the request was one that never got an answer.
        """
        call, began = exchange.call, time.monotonic()
        url = URL(f"http://{loopback(ip)}:{port}{call.path}", encoded=True)
        data = None if call.method in {"GET", "HEAD"} else BODY
        try:
            async with self._session.request(
                call.method, url, headers=exchange.headers, data=data, trace_request_ctx=exchange
            ) as response:
                seconds = time.monotonic() - began
                await response.read()
                return Ending(response.status, failed=call.failed(response.status)), seconds
        except (aiohttp.ClientError, OSError) as error:
            if not exchange.sent:
                raise NotSent from error
            return BROKEN, 0.0
        except asyncio.CancelledError:
            exchange.tally.unanswered += exchange.sent
            raise

    async def reachable(self, ip: str, port: int) -> bool:
        """Tell whether a pod accepts connections."""
        try:
            async with asyncio.timeout(CONNECT):
                _, writer = await asyncio.open_connection(loopback(ip), port)
        except OSError:
            return False
        writer.close()
        return True


async def _count(_session: object, context: object, _params: object) -> None:
    exchange = getattr(context, "trace_request_ctx", None)
    if isinstance(exchange, Exchange):
        exchange.count()
