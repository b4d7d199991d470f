"""The lab's own small HTTP server: scrape targets for Prometheus at /targets, the clients' counts at /truth.

Targets carry the labels that Prometheus' Kubernetes discovery gives a pod, one target per container port; which of
them are proxies is decided by viz's relabelling, not here.
"""

import re
from collections.abc import Iterable, Iterator

from aiohttp import web

from canary.adapters.api import Json
from canary.lab.addresses import loopback
from canary.lab.fields import look, rows, strings, text
from canary.lab.listening import listen
from canary.lab.pods import parse_pod
from canary.lab.truth import Truth

_ODD = re.compile(r"[^a-zA-Z0-9_]")
_META = "__meta_kubernetes"


def targets(pods: Iterable[Json]) -> Iterator[Json]:
    """List the ports of all pods that have an address, as http_sd wants them."""
    for pod in pods:
        ip = text(pod, "status", "podIP")
        if not ip:
            continue
        labels = _pod_labels(pod)
        for group, init in (("containers", "false"), ("initContainers", "true")):
            for container in rows(pod, "spec", group):
                for port in rows(container, "ports"):
                    number = str(port.get("containerPort", ""))
                    own = {
                        f"{_META}_pod_container_init": init,
                        f"{_META}_pod_container_name": text(container, "name"),
                        f"{_META}_pod_container_image": text(container, "image"),
                        f"{_META}_pod_container_port_name": text(port, "name"),
                        f"{_META}_pod_container_port_number": number,
                        f"{_META}_pod_container_port_protocol": text(port, "protocol") or "TCP",
                    }
                    yield {"targets": [f"{loopback(ip)}:{number}"], "labels": {**labels, **own}}


def _pod_labels(pod: Json) -> dict[str, str]:
    ready = next((text(c, "status") for c in rows(pod, "status", "conditions") if c.get("type") == "Ready"), "unknown")
    controller = next(
        (owner for owner in rows(pod, "metadata", "ownerReferences") if owner.get("controller") is True), {}
    )
    found = {
        f"{_META}_namespace": text(pod, "metadata", "namespace"),
        f"{_META}_pod_name": text(pod, "metadata", "name"),
        f"{_META}_pod_uid": text(pod, "metadata", "uid"),
        f"{_META}_pod_ip": text(pod, "status", "podIP"),
        f"{_META}_pod_host_ip": text(pod, "status", "hostIP"),
        f"{_META}_pod_node_name": text(pod, "spec", "nodeName"),
        f"{_META}_pod_phase": text(pod, "status", "phase"),
        f"{_META}_pod_ready": ready.lower(),
        f"{_META}_pod_controller_kind": text(controller, "kind"),
        f"{_META}_pod_controller_name": text(controller, "name"),
    }
    for kind in ("label", "annotation"):
        for name, value in strings(pod, "metadata", f"{kind}s").items():
            found[f"{_META}_pod_{kind}_{_ODD.sub('_', name)}"] = value
            found[f"{_META}_pod_{kind}present_{_ODD.sub('_', name)}"] = "true"
    return {name: value for name, value in found.items() if value}


class Discovery:
    """Serves what the lab knows on a free loopback port."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._pods: dict[str, Json] = {}
        self._runner: web.AppRunner | None = None
        self.url = ""

    def observe(self, obj: Json, *, deleted: bool) -> None:
        """Take in one event about a pod."""
        uid = text(obj, "metadata", "uid")
        if deleted or look(obj, "metadata", "uid") is None:
            self._pods.pop(uid, None)
        else:
            self._pods[uid] = obj

    def meshed_pods(self) -> set[str]:
        """Name the pods that have a proxy to be scraped."""
        parsed = [parse_pod(pod) for pod in self._pods.values()]
        return {pod.name for pod in parsed if pod.meshed and not pod.deleting}

    async def start(self) -> None:
        """Open the port."""
        app = web.Application()
        app.router.add_get("/targets", self._answer_targets)
        app.router.add_get("/truth", self._answer_truth)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
        await self._runner.setup()
        await listen(self._runner, "127.0.0.1", 0)
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        """Close it."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer_targets(self, _: web.Request) -> web.Response:
        return web.json_response(list(targets(self._pods.values())))

    async def _answer_truth(self, _: web.Request) -> web.Response:
        return web.json_response(self._truth.document())
