"""Which of several processes leads: one Lease, held as client-go holds it, by a loop of our own.

Used by the composition root: `acquire`, then `hold` beside the work; when `hold` raises, the work must end, and
`release` comes after the work. Others' clocks are never compared with ours: a lease is free when it has not changed for
its duration *as seen here*. Ours is lost when it could not be renewed for `renew_within`, which is shorter, on this
process' own monotonic clock, even if the API server hangs. What a stale leader may still write is stopped by
resourceVersions.
"""

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NoReturn, Self

from canary.adapters.api import Api, Json
from canary.core.formats import show_instant
from canary.errors import CanaryError, Conflict, LeaseLost, NotFound, Unreachable

GIVE_BACK = 0.5  # seconds; the process ends without it, and others then wait for the lease to run out


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """The times of a lease; `retry` between attempts.

    Four fifths of client-go's defaults: whoever waits sees a renewal up to a pause late, and is to lead within 15 s.
    """

    duration: timedelta = timedelta(seconds=12)
    renew_within: timedelta = timedelta(seconds=8)
    retry: timedelta = timedelta(seconds=1.5)

    def __post_init__(self) -> None:
        """Refuse times that would let two lead."""
        if not timedelta() < self.retry < self.renew_within < self.duration or self.duration < timedelta(seconds=1):
            raise CanaryError(
                f"lease times must rise from retry ({self.retry}) over renew deadline ({self.renew_within}) "
                f"to duration ({self.duration}), which is at least a second"
            )


class Lease:
    """One process' claim to one Lease object. `identity` must be unique to the process."""

    def __init__(self, api: Api, namespace: str, name: str, identity: str, term: Term | None = None) -> None:
        self._api, self._name, self._identity, self._term = api, name, identity, term or Term()
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._path = f"{self._collection}/{name}"
        self._attempt = self._term.renew_within.total_seconds() / 2  # so that one that hangs leaves room for another
        self._seen: Json = {}
        self._seen_at = 0.0
        self._renewed: float | None = None
        self._asked = False  # whether our name may stand there, answered or not

    async def __aenter__(self) -> Self:
        """Acquire."""
        await self.acquire()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Release."""
        await self.release()

    @property
    def holder(self) -> str:
        """Who held it when it was last looked at."""
        holder = _spec(self._seen).get("holderIdentity")
        return holder if isinstance(holder, str) else ""

    @property
    def held(self) -> bool:
        """Whether this process may still act as the leader."""
        return self._left() > 0

    async def acquire(self) -> None:
        """Return once this process leads. Raises what no waiting heals: Forbidden, Rejected, a missing namespace.

        Cancelled in the midst of asking, it gives back what it may have got.
        """
        try:
            await self._acquire()
        except asyncio.CancelledError:
            await self.release()
            raise

    async def _acquire(self) -> None:
        while True:
            with contextlib.suppress(Unreachable, Conflict, TimeoutError):
                async with asyncio.timeout(self._attempt):
                    if await self._try():
                        return
            await asyncio.sleep(self._wait())

    async def hold(self) -> NoReturn:
        """Renew until cancelled. Raises LeaseLost when another holds the lease, or when it was not renewed in time."""
        problem = "the API server did not answer"
        while True:
            await asyncio.sleep(min(self._pause(), max(0.0, self._left())))
            left = self._left()
            if left <= 0:
                late = f"for {self._term.renew_within.total_seconds():g} s"
                raise LeaseLost(f"the lease {self._name} could not be renewed {late} ({problem}); this process stops")
            try:
                async with asyncio.timeout(min(left, self._attempt)):
                    await self._renew()
            except LeaseLost:
                raise
            except TimeoutError:
                problem = "the API server did not answer"
            except CanaryError as error:
                problem = error.hint

    async def release(self) -> None:
        """Give the lease back, if it is ours, so that the next one need not wait. Never raises; under a second."""
        ours, self._renewed, self._asked = self._asked, None, False
        if ours:
            with contextlib.suppress(CanaryError, TimeoutError):
                async with asyncio.timeout(GIVE_BACK):
                    await self._give_back()

    async def _try(self) -> bool:
        """Take the lease if nobody else has it."""
        if await self._look() and self.holder not in ("", self._identity) and not self._expired():
            return False
        await self._claim()
        return True

    async def _renew(self) -> None:
        try:
            await self._claim()
        except CanaryError as error:
            # Another leader; or our own write, whose answer we never saw; a label; a deletion (500: PUT would create).
            if await self._look() and self.holder != self._identity:
                self._renewed, self._asked = None, False
                raise LeaseLost.to(self.holder) from error
            await self._claim()

    async def _look(self) -> bool:
        """Read the lease; tell whether there is one."""
        try:
            found = await self._api.get(self._path)
        except NotFound:
            self._seen = {}
            return False
        if _spec(found) != _spec(self._seen):
            self._seen_at = time.monotonic()
        self._seen = found
        return True

    async def _claim(self) -> None:
        """Write our name over what was seen last. What counts as the time of renewal is when we began to ask."""
        begun, now = time.monotonic(), _micro_time()
        spec = _spec(self._seen)
        transitions = spec.get("leaseTransitions")
        if self.holder != self._identity:
            spec["acquireTime"] = now
            spec["leaseTransitions"] = transitions + 1 if isinstance(transitions, int) else 0
        spec["holderIdentity"], spec["renewTime"] = self._identity, now
        spec["leaseDurationSeconds"] = round(self._term.duration.total_seconds())
        metadata = self._seen.get("metadata") or {"name": self._name}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        self._asked = True
        if self._seen:
            self._seen = await self._api.replace(self._path, body)
        else:
            self._seen = await self._api.create(self._collection, body)
        self._seen_at = self._renewed = begun

    async def _give_back(self) -> None:
        while True:
            found = await self._api.get(self._path)
            spec = _spec(found)
            if spec.get("holderIdentity") != self._identity:
                return
            spec |= {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _micro_time()}
            try:
                await self._api.replace(self._path, {**found, "spec": spec})
            except Conflict:
                continue
            return

    def _expired(self) -> bool:
        return self._runs() <= 0

    def _runs(self) -> float:
        """Say for how long the lease as seen last still runs, if nobody renews it."""
        duration = _spec(self._seen).get("leaseDurationSeconds")
        seconds = duration if isinstance(duration, int) and duration > 0 else self._term.duration.total_seconds()
        return self._seen_at + seconds - time.monotonic()

    def _wait(self) -> float:
        """Pause, but not beyond the moment in which another's lease runs out."""
        pause, runs = self._pause(), self._runs()
        return min(pause, runs) if runs > 0 else pause

    def _left(self) -> float:
        if self._renewed is None:
            return 0.0
        return self._renewed + self._term.renew_within.total_seconds() - time.monotonic()

    def _pause(self) -> float:
        return self._term.retry.total_seconds() * random.uniform(1.0, 1.2)  # noqa: S311 - spreads contenders


def _spec(lease: Json) -> Json:
    spec = lease.get("spec")
    return dict(spec) if isinstance(spec, dict) else {}


def _micro_time() -> str:
    """Write a MicroTime for people: nobody's decision rests on it."""
    return show_instant(datetime.now(UTC))
