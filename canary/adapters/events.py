"""Kubernetes Events: one sentence per happening, where `kubectl describe` shows it.

Fed by the herald. Publishing only queues: a background task writes, so that no tick waits for it and none fails by it.
The same words again are counted on the Event that is there.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from canary.adapters.api import Api, Json
from canary.adapters.retrying import retrying
from canary.errors import CanaryError, Conflict, NotFound

MESSAGE = 1024  # bytes, the API's own limit for notes
ROOM = 1000  # Events that wait, and Events that are remembered
TRIES, PAUSE = 8, timedelta(seconds=15)  # for one Event, and the longest between two: no tick waits for it
CLOSING = 0.5  # seconds to write what waits when the process ends
COMPONENT = "canary"
CONTROLLER = "canary.dev/canary"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Happening:
    involved: Mapping[str, str]
    reason: str
    message: str
    warning: bool
    at: str
    once: bool

    @property
    def name(self) -> str:
        """Name it so that the same words about the same object, within one of its lives, are one Event."""
        words = (self.involved.get("uid", ""), self.reason, self.message, str(self.warning))
        digest = hashlib.sha256("\0".join(words).encode(errors="replace")).hexdigest()[:16]
        return f"{self.involved['name'][:230].rstrip('.-')}.{digest}"

    @property
    def path(self) -> str:
        return f"/api/v1/namespaces/{self.involved['namespace']}/events"


class Events:
    """Writes Events about Canaries. `identity` names this process; `failed` is told of each Event that was given up."""

    def __init__(
        self, api: Api, identity: str, *, now: Callable[[], datetime], failed: Callable[[CanaryError], None]
    ) -> None:
        self._api, self._identity, self._now, self._failed = api, identity, now, failed
        self._waiting: asyncio.Queue[_Happening] = asyncio.Queue(ROOM)
        self._counts: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._writer: asyncio.Task[None] | None = None
        self._closed = False

    def publish(
        self, involved: Mapping[str, str], reason: str, message: str, *, warning: bool = False, once: bool = False
    ) -> None:
        """Queue an Event about `involved`: apiVersion, kind, namespace, name, uid and resourceVersion, as far as known.

        With `once` nothing happens where the same words were told. Never blocks, never raises.
        """
        at = self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        happening = _Happening(
            involved=involved, reason=reason, message=_short(message), warning=warning, at=at, once=once
        )
        if self._closed or self._waiting.full():
            self._failed(CanaryError(f"an Event was not written, too many wait: {reason}"))
            return
        self._waiting.put_nowait(happening)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="events")

    async def close(self) -> None:
        """Write what waits, if that takes no longer than a moment, and end."""
        self._closed = True
        writer, self._writer = self._writer, None
        if writer is None:
            return
        flushed = asyncio.create_task(self._waiting.join())
        await asyncio.wait([flushed, writer], timeout=CLOSING, return_when=asyncio.FIRST_COMPLETED)
        for task in (flushed, writer):
            task.cancel()
        await asyncio.wait([flushed, writer])
        for _ in range(self._waiting.qsize()):
            self._failed(CanaryError(f"an Event was not written before the end: {self._waiting.get_nowait().reason}"))

    async def _write(self) -> None:
        while True:
            happening = await self._waiting.get()
            try:
                await retrying(TRIES, longest=PAUSE)(self._record, happening)
            except CanaryError as error:
                self._failed(error)
            except asyncio.CancelledError:
                self._failed(CanaryError(f"an Event was not written before the end: {happening.reason}"))
                raise
            finally:
                self._waiting.task_done()

    async def _record(self, happening: _Happening) -> None:
        """Count on the Event that is there; else make it, or make it again: the API server keeps them for an hour."""
        key = (happening.involved["namespace"], happening.name)
        if key not in self._counts:
            try:
                await self._api.create(happening.path, self._event(happening))
            except Conflict:  # from before a restart
                self._counts[key] = _count(await self._api.get(f"{happening.path}/{happening.name}"))
            else:
                self._remember(key, 1)
                return
        if happening.once:
            return
        count = self._counts[key] + 1
        try:
            await self._api.patch(f"{happening.path}/{happening.name}", {"count": count, "lastTimestamp": happening.at})
        except NotFound:
            await self._api.create(happening.path, self._event(happening))
            count = 1
        self._remember(key, count)

    def _remember(self, key: tuple[str, str], count: int) -> None:
        self._counts[key] = count
        self._counts.move_to_end(key)
        if len(self._counts) > ROOM:
            self._counts.popitem(last=False)

    def _event(self, happening: _Happening) -> Json:
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": happening.name, "namespace": happening.involved["namespace"]},
            "involvedObject": dict(happening.involved),
            "type": "Warning" if happening.warning else "Normal",
            "reason": happening.reason,
            "message": happening.message,
            "firstTimestamp": happening.at,
            "lastTimestamp": happening.at,
            "count": 1,
            "source": {"component": COMPONENT},
            "reportingComponent": CONTROLLER,
            "reportingInstance": self._identity[:128],
        }


def _count(event: Json) -> int:
    count = event.get("count")
    return count if isinstance(count, int) else 1


def _short(message: str) -> str:
    """Clip to the API's limit, which counts bytes."""
    raw = message.encode(errors="replace")
    return raw.decode() if len(raw) <= MESSAGE else raw[: MESSAGE - 3].decode(errors="ignore") + "…"
