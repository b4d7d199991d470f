"""The soak's scheduler and kubelet: pods are bound, labelled as meshed, ready at once, and gone when told to go.

The lab's own node agent runs and probes real servers, which is what a soak must not pay for.
"""

import asyncio
from collections.abc import Coroutine
from itertools import count

import structlog

from canary.adapters.api import Api, Json
from canary.errors import CanaryError, Conflict, NotFound
from canary.lab.fields import look, text
from canary.lab.pods import MESH_LABEL, OWNER_LABEL, parse_pod
from canary.lab.podstatus import Condition, StatusWriter

log = structlog.get_logger()

NODE = "soak"
GONE: Json = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}


class Kubelet:
    """Follows pods from their binding to their deletion, as far as a watch tells of them."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._numbers = count(1)
        self._begun: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def observe(self, obj: Json, *, deleted: bool) -> None:
        """Take in one event about a pod."""
        uid = text(obj, "metadata", "uid")
        if deleted:
            self._begun.discard(uid)
        elif look(obj, "metadata", "deletionTimestamp") is not None:
            self._start(self._remove(obj))
        elif uid not in self._begun:
            self._begun.add(uid)
            self._start(self._run(obj))

    async def close(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(self._insisting(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _insisting(self, work: Coroutine[object, object, None]) -> None:
        try:
            await work
        except (NotFound, Conflict):
            pass  # it went meanwhile
        except CanaryError as error:
            log.warning("kubelet.failed", problem=error.hint)

    async def _run(self, obj: Json) -> None:
        pod = parse_pod(obj)
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
        labels = {MESH_LABEL: "linkerd", "linkerd.io/workload-ns": pod.namespace, OWNER_LABEL: pod.owner}
        pod = parse_pod(await self._api.patch(path, {"metadata": {"labels": labels}}))
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod.name}}
        await self._api.create(f"{path}/binding", {**binding, "target": {"kind": "Node", "name": NODE}})
        high, low = divmod(next(self._numbers), 250)
        status = StatusWriter(pod, "10.0.0.1").render(f"10.244.{high}.{low + 1}", Condition(ready=True))
        await self._api.patch(f"{path}/status", {"status": status})

    async def _remove(self, obj: Json) -> None:
        where = f"/api/v1/namespaces/{text(obj, 'metadata', 'namespace')}/pods/{text(obj, 'metadata', 'name')}"
        await self._api.delete(where, GONE)
