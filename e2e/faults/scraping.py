"""A Prometheus of a trial's own, which scrapes this namespace's proxies through us: it can be harmed, and misled.

Every page passes through `Scraping`, which may change it; targets keep the `instance` they would have.
"""

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
from aiohttp import web

from canary.lab.pods import PROXY
from canary.lab.prometheus import Prometheus
from e2e.faults.trial import Trial
from e2e.stage import SECOND

Page = Callable[[str, bytes], bytes]  # the pod's name, what its proxy serves


@dataclass
class Scraping:
    """What is scraped. `change` alters pages; `down` answers 503 for all, `dead` for pods whose names begin so."""

    trial: Trial
    change: Page = lambda _, page: page
    down: bool = False
    dead: str = ""
    url: str = ""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen while the context is open."""
        async with aiohttp.ClientSession() as self._client:
            application = web.Application()
            application.router.add_get("/targets", self._targets)
            application.router.add_get("/{pod}/{target}", self._page)
            runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self._address = f"127.0.0.1:{runner.addresses[0][1]}"
            self.url = f"http://{self._address}/targets"
            try:
                yield
            finally:
                await runner.cleanup()

    async def _targets(self, _: web.Request) -> web.Response:
        async with self._client.get(f"{self.trial.stage.lab.discovery.url}/targets") as answer:
            groups = await answer.json()
        return web.json_response([self._passed(group) for group in groups if self._ours(group["labels"])])

    def _ours(self, labels: dict[str, str]) -> bool:
        ours = labels.get("__meta_kubernetes_namespace") == self.trial.namespace
        return ours and labels.get("__meta_kubernetes_pod_container_name") == PROXY

    def _passed(self, group: dict[str, Any]) -> dict[str, Any]:
        labels, target = group["labels"], group["targets"][0]
        path = f"/{labels['__meta_kubernetes_pod_name']}/{target}"
        return {"targets": [self._address], "labels": {**labels, "__metrics_path__": path, "instance": target}}

    async def _page(self, request: web.Request) -> web.Response:
        pod, target = request.match_info["pod"], request.match_info["target"]
        if self.down or (self.dead and pod.startswith(self.dead)):
            return web.Response(status=503)
        try:
            async with self._client.get(f"http://{target}/metrics") as answer:
                page = await answer.read()
        except (aiohttp.ClientError, OSError):
            return web.Response(status=502)
        return web.Response(body=self.change(pod, page), content_type="text/plain")


@contextlib.asynccontextmanager
async def scraping(trial: Trial, replicas: int = 1) -> AsyncIterator[tuple[Scraping, list[Prometheus]]]:
    """Let the trial's controller ask Prometheus instances of its own while the context is open."""
    pages, shared = Scraping(trial), trial.prometheus.upstreams
    async with pages.running(), contextlib.AsyncExitStack() as stack:
        home = trial.stage.home / f"{trial.namespace}-prometheus"
        names = [f"{number}" for number in range(replicas)]
        instances = [Prometheus(home / name, pages.url, SECOND, replica=name) for name in names]
        for each in instances:
            stack.push_async_callback(each.stop)
            await each.start()
        trial.prometheus.upstreams = [each.url for each in instances]
        try:
            for each in instances:
                await trial.until(partial(_scraped, trial, each.url), "a first scrape", within=60)
            yield pages, instances
        finally:
            trial.prometheus.upstreams = shared


async def _scraped(trial: Trial, url: str) -> bool:
    query = f'response_total{{direction="outbound",dst_namespace="{trial.namespace}"}}'
    return bool(await trial.stage.ask(query, time.time(), url))
