"""`canary run`: the composition root. Settings -> adapters -> loop, and how the process ends.

The only place that knows both `runtime` and `adapters`. SIGTERM cuts every await, gives the lease back and ends
within 2 s; a lost lease ends the process with exit code 3, and its successor goes on from the saved status.
"""

import asyncio
import contextlib
import os
import signal
import socket
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import structlog

from canary.adapters.api import Api
from canary.adapters.cluster import KubernetesCluster
from canary.adapters.discovery import prometheus_url
from canary.adapters.events import Events
from canary.adapters.lease import Lease
from canary.adapters.probes import Probes
from canary.adapters.prometheus import Access, Prometheus, shown
from canary.adapters.webhooks import Notifier, Webhooks, notice_body
from canary.cli.options import DURATION
from canary.core.decision import Decision, Notice
from canary.core.snapshot import Snapshot
from canary.errors import CanaryError, LeaseLost, NotFound
from canary.runtime.ask import Oracle
from canary.runtime.controller import lead
from canary.runtime.herald import PublicHerald
from canary.runtime.ledger import Ledger
from canary.runtime.queue import DelayQueue
from canary.runtime.readings import Readings
from canary.runtime.telemetry import Telemetry, configure_log
from canary.runtime.tick import World

log = structlog.get_logger()

LEASE = "canary-controller"
UNSERVED = "the CustomResourceDefinition canaries.canary.dev is not installed, so there is nothing to do"
STUCK = 60.0  # seconds that a key may be overdue before the loop counts as dead
LOST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the controller is told.

    An empty namespace is all of them; an empty lease namespace means to lead unasked.
    """

    kubeconfig: Path | None
    namespace: str
    prometheus: Access
    scrape: timedelta
    host: str
    port: int
    lease_namespace: str


class SystemClock:
    """The real clock."""

    def now(self) -> datetime:
        """Give the time of day in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Give the event loop's time."""
        return asyncio.get_running_loop().time()

    async def sleep(self, time: timedelta) -> None:
        """Let time pass."""
        await asyncio.sleep(time.total_seconds())


class Process:
    """Everything one controller is made of, put together and taken apart."""

    def __init__(self, settings: Settings, api: Api, prometheus: Prometheus) -> None:
        self._settings, self._api, self._prometheus = settings, api, prometheus
        self.clock, self.queue, self.telemetry = SystemClock(), DelayQueue(), Telemetry()
        self.identity = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.cluster = KubernetesCluster(
            api, settings.namespace, self.queue.put, self._watch_failed, self.clock.now, settings.scrape
        )
        self.webhooks = Webhooks()
        self.notifier = Notifier(self.webhooks, lambda why: self.telemetry.dropped(f"notice {why}"))
        self.events = Events(api, self.identity, now=self.clock.now, failed=self._event_lost)
        self.probes = Probes(self._alive, lambda: self.cluster.synced, self.telemetry.registry)
        self.telemetry.watch(self.queue.overdue)
        api.requested = self.telemetry.requested
        readings = Readings(prometheus, self.clock, settings.scrape, self.telemetry.queried)
        herald = PublicHerald(self.telemetry, self._publish, self._notify)
        self.world = World(self.cluster, Oracle(readings, self.webhooks), herald, self.clock, Ledger())

    def _watch_failed(self, path: str, error: CanaryError) -> None:
        unserved = isinstance(error, NotFound) and path.startswith("/apis/canary.dev/")
        log.warning("watch.failed", path=path, error=f"{UNSERVED} ({error.hint})" if unserved else error.hint)

    def _event_lost(self, error: CanaryError) -> None:
        self.telemetry.dropped("event")
        log.warning("event.dropped", error=error.hint)

    def _alive(self) -> bool:
        return self.queue.overdue() < STUCK

    def _publish(self, seen: Snapshot, notice: Notice) -> None:
        involved = {
            "apiVersion": "canary.dev/v1alpha1",
            "kind": "Canary",
            "namespace": seen.key.namespace,
            "name": seen.key.name,
            "uid": seen.uid,
        }
        self.events.publish(involved, notice.reason, notice.message, warning=notice.warning)

    def _notify(self, seen: Snapshot, decision: Decision, notice: Notice) -> None:
        if seen.spec.webhooks:
            self.notifier.notify(seen.spec.webhooks, notice_body(seen.key, decision.status, notice, seen.at))

    async def run(self) -> None:
        """Follow the cluster, and lead while the lease is ours. Raises LeaseLost."""
        port = await self.probes.start(self._settings.host, self._settings.port)
        log.info("controller.started", identity=self.identity, namespace=self._settings.namespace or "*", probes=port)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.cluster.follow())
            async with self._leadership(group):
                self.telemetry.leading(leads=True)
                log.info("lease.acquired", identity=self.identity)
                await lead(self.world, self.queue, self.cluster.keys, self.cluster.ready())

    @contextlib.asynccontextmanager
    async def _leadership(self, group: asyncio.TaskGroup) -> AsyncIterator[None]:
        if not self._settings.lease_namespace:
            yield
            return
        lease = Lease(self._api, self._settings.lease_namespace, LEASE, self.identity)
        await lease.acquire()
        holding = group.create_task(lease.hold())
        try:
            yield
        finally:
            holding.cancel()
            await lease.release()
            log.info("lease.released", identity=self.identity)

    async def close(self) -> None:
        """Send what is queued, as far as that is quick."""
        await asyncio.gather(self.events.close(), self.notifier.close(), self.probes.close())
        await self.webhooks.close()
        self._prometheus.close()


async def control(settings: Settings) -> int:
    """Run until a signal ends it; returns the exit code. Raises CanaryError where it cannot begin or go on."""
    task = asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, lambda: task.cancel() if task is not None else None)
    try:
        await _serve(settings)
    except asyncio.CancelledError:
        log.info("controller.stopped")
    except ExceptionGroup as group:
        expected, bugs = group.split(CanaryError)
        if expected is None or bugs is not None:
            raise
        error = _first(expected)
        if not isinstance(error, LeaseLost):
            raise error from group
        log.error("lease.lost", error=error.hint)  # noqa: TRY400 - expected, and no traceback helps
        return LOST
    return 0


def _first(group: BaseExceptionGroup[CanaryError]) -> CanaryError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


async def _serve(settings: Settings) -> None:
    api = await Api.connect(settings.kubeconfig)
    try:
        url = await prometheus_url(api, settings.prometheus.url)
        log.info("prometheus.found", url=shown(url))
        access = Access(
            url=url,
            token_file=settings.prometheus.token_file,
            headers=settings.prometheus.headers,
            ca_file=settings.prometheus.ca_file,
        )
        process = Process(settings, api, Prometheus(access))
        try:
            await process.run()
        finally:
            await process.close()
    finally:
        await api.close()


def _headers(written: tuple[str, ...]) -> dict[str, str]:
    headers = {}
    for header in written:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            raise click.BadParameter(f"{header!r} is not NAME: VALUE", param_hint="--prometheus-header")
        headers[name.strip()] = value.strip()
    return headers


@click.command()
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Default: the pod's service account.")
@click.option("-n", "--namespace", default="", envvar="CANARY_NAMESPACE", help="Watch only this one. Default: all.")
@click.option("--prometheus-url", default="", help="Default: linkerd-viz's, found by its annotation or Service.")
@click.option("--prometheus-token-file", type=click.Path(path_type=Path), help="A bearer token; read for each query.")
@click.option("--prometheus-header", multiple=True, help="NAME: VALUE, sent with each query. May be repeated.")
@click.option("--prometheus-ca-file", type=click.Path(path_type=Path), help="The CA of its certificate.")
@click.option("--scrape-interval", type=DURATION, default="10s", show_default=True, help="That Prometheus' own.")
@click.option("--listen", default="0.0.0.0:8080", show_default=True, help="Where probes and metrics are served.")
@click.option("--lease-namespace", default="", help="Where the leader's Lease is. Default: lead without one.")
@click.option("--log-format", type=click.Choice(["auto", "json", "console"]), default="auto", show_default=True)
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
@click.pass_context
def run(context: click.Context, /, **given: object) -> None:
    """Run the controller."""
    configure_log(str(given["log_format"]), str(given["log_level"]))
    context.exit(asyncio.run(control(_settings(given))))


def _settings(given: dict[str, object]) -> Settings:
    def path(name: str) -> Path | None:
        value = given[name]
        return value if isinstance(value, Path) else None

    host, _, port = str(given["listen"]).rpartition(":")
    if not host or not port.isdecimal():
        raise click.BadParameter(f"{given['listen']!r} is not HOST:PORT", param_hint="--listen")
    headers, scrape = given["prometheus_header"], given["scrape_interval"]
    return Settings(
        kubeconfig=path("kubeconfig"),
        namespace=str(given["namespace"]),
        prometheus=Access(
            url=str(given["prometheus_url"]),
            token_file=path("prometheus_token_file"),
            headers=_headers(headers if isinstance(headers, tuple) else ()),
            ca_file=path("prometheus_ca_file"),
        ),
        scrape=scrape if isinstance(scrape, timedelta) else timedelta(seconds=10),
        host=host,
        port=int(port),
        lease_namespace=str(given["lease_namespace"]),
    )
