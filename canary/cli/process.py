"""The composition root: settings -> adapters -> loop. Made by `run`, which says how the process begins and ends.

The only place that knows both `runtime` and `adapters`. A controller leads while it has the lease; one that leaves
leads once more, to return all traffic to stable and let go of every Canary before an uninstallation.
"""

import asyncio
import contextlib
import os
import socket
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog

from canary.adapters.api import Api
from canary.adapters.canaries import UNSERVED
from canary.adapters.cluster import KubernetesCluster
from canary.adapters.events import Events
from canary.adapters.lease import Lease
from canary.adapters.namespaces import Namespaces
from canary.adapters.probes import Probes
from canary.adapters.prometheus import Access, Prometheus
from canary.adapters.webhooks import Notifier, Webhooks, notice_body
from canary.core.decision import Decision, Notice
from canary.core.snapshot import Snapshot
from canary.errors import CanaryError, NotFound
from canary.runtime.ask import Oracle
from canary.runtime.clock import SystemClock
from canary.runtime.controller import lead
from canary.runtime.herald import PublicHerald
from canary.runtime.ledger import Ledger
from canary.runtime.queue import DelayQueue
from canary.runtime.readings import Readings
from canary.runtime.telemetry import Telemetry
from canary.runtime.tick import World

log = structlog.get_logger()

LEASE = "canary-controller"
PATIENCE = 120.0  # seconds: a Canary whose stable has no ready pod is let go after 60
LOOK = 0.1  # seconds
STUCK = 60.0  # seconds that a key may be overdue before the loop counts as dead


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the controller is told.

    No namespaces are all of them; an empty lease namespace means to lead unasked. `stand_down` names the Deployment of
    the controllers that must end before this one leaves.
    """

    kubeconfig: Path | None
    namespaces: tuple[str, ...]
    prometheus: Access
    scrape: timedelta
    host: str
    port: int
    lease_namespace: str
    lease_name: str = LEASE
    leave: bool = False
    stand_down: str = ""


class StillGuarded(CanaryError):
    """Some Canaries could not be let go."""


class Process:
    """Everything one controller is made of, put together and taken apart."""

    def __init__(self, settings: Settings, api: Api, prometheus: Prometheus) -> None:
        self._settings, self._api, self._prometheus = settings, api, prometheus
        self.clock, self.queue, self.telemetry = SystemClock(), DelayQueue(), Telemetry()
        self.identity = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.cluster = KubernetesCluster(
            api, settings.namespaces, self.queue.put, self._watch_failed, self.clock.now, settings.scrape
        )
        self.namespaces = Namespaces(
            api, settings.namespaces, self.clock.now, self._namespace_ending, self._watch_failed
        )
        self.cluster.leaving = self.namespaces.ending
        self.webhooks = Webhooks()
        self.notifier = Notifier(self.webhooks, lambda why: self.telemetry.dropped(f"notice {why}"))
        self.events = Events(api, self.identity, now=self.clock.now, failed=self._event_lost)
        self.probes = Probes(self._alive, lambda: self.cluster.synced, self.telemetry.registry)
        self.telemetry.watch(self.queue.overdue)
        api.requested = self.telemetry.requested
        readings = Readings(prometheus, self.clock, settings.scrape, self.telemetry.queried)
        herald = PublicHerald(self.telemetry, self._publish, self._notify, self._remind)
        self.world = World(self.cluster, Oracle(readings, self.webhooks), herald, self.clock, Ledger())

    def _watch_failed(self, path: str, error: CanaryError) -> None:
        unserved = isinstance(error, NotFound) and path.startswith("/apis/canary.dev/")
        log.warning(
            "watch.failed",
            path=path,
            error=f"{UNSERVED}, so there is nothing to do ({error.hint})" if unserved else error.hint,
        )

    def _namespace_ending(self, name: str) -> None:
        log.info("namespace.ending", namespace=name)
        keys = self.cluster.keys()
        for key in [key for key in keys if key.namespace == name]:
            self.queue.put(key)

    def _event_lost(self, error: CanaryError) -> None:
        self.telemetry.dropped("event")
        log.warning("event.dropped", error=error.hint)

    def _alive(self) -> bool:
        return self.queue.overdue() < STUCK

    def _publish(self, seen: Snapshot, notice: Notice) -> None:
        self.events.publish(self._about(seen), notice.reason, notice.message, warning=notice.warning)

    def _remind(self, seen: Snapshot, notice: Notice) -> None:
        self.events.publish(self._about(seen), notice.reason, notice.message, warning=notice.warning, once=True)

    @staticmethod
    def _about(seen: Snapshot) -> dict[str, str]:
        return {
            "apiVersion": "canary.dev/v1alpha1",
            "kind": "Canary",
            "namespace": seen.key.namespace,
            "name": seen.key.name,
            "uid": seen.uid,
        }

    def _notify(self, seen: Snapshot, decision: Decision, notice: Notice) -> None:
        if seen.spec.webhooks:
            self.notifier.notify(seen.spec.webhooks, notice_body(seen.key, decision.status, notice, seen.at))

    async def run(self) -> None:
        """Follow the cluster, and lead while the lease is ours. Raises LeaseLost."""
        port = await self.probes.start(self._settings.host, self._settings.port)
        where = ",".join(self._settings.namespaces) or "*"
        log.info("controller.started", identity=self.identity, namespace=where, probes=port)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.cluster.follow())
            group.create_task(self.namespaces.follow())
            async with self._leadership(group):
                self.telemetry.leading(leads=True)
                log.info("lease.acquired", identity=self.identity)
                await lead(self.world, self.queue, self.cluster.keys, self.cluster.ready())

    async def leave(self) -> None:
        """Return all traffic to stable and take our finalizer off every Canary, which stays. Raises StillGuarded.

        Nobody may lead any more who would put it on again: the controllers are scaled away first.
        """
        await self._stand_down()
        begun = self.clock.now()
        self.cluster.leaving = lambda _: begun
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.cluster.follow())]
            async with self._leadership(group):
                tasks.append(group.create_task(lead(self.world, self.queue, self.cluster.keys, self.cluster.ready())))
                await self._let_go()
            for task in tasks:
                task.cancel()

    async def _stand_down(self) -> None:
        name, namespace = self._settings.stand_down, self._settings.lease_namespace
        if not name:
            return
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"
        with contextlib.suppress(NotFound):
            await self._api.patch(path, {"spec": {"replicas": 0}})
        log.info("controller.stood_down", deployment=name)

    async def _let_go(self) -> None:
        """Wait until no Canary is guarded, for as long as the worst of them may take. Raises StillGuarded."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self.cluster.ready()
                while self.cluster.guarded():  # noqa: ASYNC110 - the watch tells of objects, not of their sum
                    await asyncio.sleep(LOOK)
        except TimeoutError:
            left = ", ".join(map(str, self.cluster.guarded())) or "any, for they could not be listed"
            raise StillGuarded(f"within {PATIENCE:g} s these were not let go: {left}; the log says why") from None
        log.info("canaries.let_go", count=len(self.cluster.keys()))

    @contextlib.asynccontextmanager
    async def _leadership(self, group: asyncio.TaskGroup) -> AsyncIterator[None]:
        if not self._settings.lease_namespace:
            yield
            return
        lease = Lease(self._api, self._settings.lease_namespace, self._settings.lease_name, self.identity)
        await lease.acquire()
        self.cluster.leads = lambda: lease.held
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
