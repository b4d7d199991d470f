"""The node agent: scheduler and kubelet of the lab. It binds pods to the node "lab", runs them and writes their status.

Fed by the lab's watch of Pods; one task per pod follows it from its binding to its deletion. Bad behaviour in a
pod's environment becomes a container that waits with CreateContainerConfigError and a sentence, as a kubelet reports
such things.
"""

import asyncio
from collections.abc import Mapping

import structlog

from canary.adapters.api import Api, Json
from canary.errors import CanaryError, Conflict, NotFound
from canary.lab.addresses import Block
from canary.lab.fields import look, text
from canary.lab.podlife import NODE, PodLife
from canary.lab.pods import parse_pod
from canary.lab.probing import Prober
from canary.lab.sandbox import Surroundings

log = structlog.get_logger()

AGAIN = 0.5  # seconds


class NodeAgent:
    """Runs the pods of one lab."""

    def __init__(self, api: Api, block: Block, around: Surroundings) -> None:
        self._api, self._block, self._around = api, block, around
        self._prober = Prober()
        self._lives: dict[str, PodLife] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def observe(self, obj: Json, *, deleted: bool) -> None:
        """Take in one event about a pod."""
        uid = text(obj, "metadata", "uid")
        life = self._lives.get(uid)
        if deleted:
            if life is not None:
                life.removed.set()
                life.leaving.set()
        elif look(obj, "metadata", "deletionTimestamp") is not None and life is not None:
            life.leaving.set()
        elif life is None and text(obj, "spec", "nodeName") in ("", NODE):
            self._begin(uid, obj)

    def alter(self, namespace: str, pod: str, env: Mapping[str, str]) -> bool:
        """Let one running pod behave otherwise than its template says; tells whether there is such a pod."""
        return any(life.alter(env) for life in self._lives.values() if life.name == f"{namespace}/{pod}")

    async def close(self) -> None:
        """Stop all pods at once, without a word to the API server."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._prober.close()

    def _begin(self, uid: str, obj: Json) -> None:
        life = self._lives[uid] = PodLife(parse_pod(obj), self._api, self._around, self._prober)
        if look(obj, "metadata", "deletionTimestamp") is not None:
            life.leaving.set()
        task = asyncio.create_task(self._follow(uid, life), name=f"pod {life.name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (bug := task.exception()) is not None:
            log.error("pod.broke", task=task.get_name(), exc_info=bug)

    async def _follow(self, uid: str, life: PodLife) -> None:
        try:
            while not await self._lived(life):  # noqa: ASYNC110 - a retry with its pause
                await asyncio.sleep(AGAIN)
        finally:
            self._lives.pop(uid, None)

    async def _lived(self, life: PodLife) -> bool:
        """Run a pod; False where the API server or the want of an address came in between."""
        ip = ""
        try:
            ip = self._block.take()
            await life.run(ip, self._block.node)
        except (NotFound, Conflict):
            log.info("pod.gone", pod=life.name)  # deleted or replaced while we wrote about it
        except CanaryError as error:
            log.warning("pod.interrupted", pod=life.name, problem=error.hint)
            return life.removed.is_set()
        finally:
            if ip:
                self._block.give_back(ip)
        return True
