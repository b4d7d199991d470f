"""One HTTP server that is every pod's port 4191, and tells Prometheus so."""

import time
from collections.abc import Iterator

from aiohttp import web

from canary.adapters.api import Json
from canary.lab.discovery import targets
from canary.lab.fields import text
from canary.lab.listening import listen
from e2e.soak.traffic import Traffic

PORT_NAME = "__meta_kubernetes_pod_container_port_name"


class Exporter:
    """Serves the pages of `traffic` on a free loopback port."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._pods: dict[str, Json] = {}
        self._runner: web.AppRunner | None = None
        self.address = ""

    @property
    def targets_url(self) -> str:
        """Where Prometheus finds whom to scrape."""
        return f"http://{self.address}/targets"

    def observe(self, obj: Json, *, deleted: bool) -> None:
        """Take in one event about a pod."""
        self._pods.pop(text(obj, "metadata", "uid"), None)
        if not deleted:
            self._pods[text(obj, "metadata", "uid")] = obj

    async def start(self) -> None:
        """Open the port."""
        app = web.Application()
        app.router.add_get("/targets", self._answer_targets)
        app.router.add_get("/pods/{namespace}/{pod}", self._answer_page)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
        await self._runner.setup()
        await listen(self._runner, "127.0.0.1", 0)
        host, port = self._runner.addresses[0][:2]
        self.address = f"{host}:{port}"

    async def stop(self) -> None:
        """Close it."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer_targets(self, _: web.Request) -> web.Response:
        return web.json_response(list(self._targets()))

    def _targets(self) -> Iterator[Json]:
        """List the proxies. They share an address, so each has a path, and the `instance` that its own would be."""
        for pod in self._pods.values():
            path = f"/pods/{text(pod, 'metadata', 'namespace')}/{text(pod, 'metadata', 'name')}"
            for target in targets([pod]):
                if text(target, "labels", PORT_NAME) == "linkerd-admin":
                    where = {"__metrics_path__": path, "instance": f"{text(pod, 'status', 'podIP')}:4191"}
                    yield {"targets": [self.address], "labels": {**_labels(target), **where}}

    async def _answer_page(self, request: web.Request) -> web.Response:
        page = self._traffic.page(request.match_info["namespace"], request.match_info["pod"], time.monotonic())
        return web.Response(status=404) if page is None else web.Response(text=page, content_type="text/plain")


def _labels(target: Json) -> Json:
    found = target["labels"]
    return found if isinstance(found, dict) else {}
