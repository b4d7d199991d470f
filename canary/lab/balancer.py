"""One backend Service as a client's proxy balances it: which of its pods gets the next request.

Power of two choices by latency and open requests, as linkerd2-proxy does it. A backend none of whose pods can be
reached keeps requests waiting; 3 s after the first one began to wait all of them fail at once and the backend counts
as unavailable until a pod can be reached again. Nothing of that appears in any counter of the backend.
"""

import asyncio
import math
from collections.abc import Iterable
from random import Random

from canary.lab.exposition import Scope
from canary.lab.pods import Pod

FAILFAST = 3.0  # seconds
_DEFAULT_RTT, _DECAY = 0.03, 10.0  # seconds; of the proxy


class FailFast(Exception):
    """No pod of the backend could be reached for 3 s."""


class Endpoint:
    """One pod behind one backend."""

    __slots__ = ("_cost_at", "_rtt", "held", "labels", "open", "pod", "port", "reachable", "scope")

    def __init__(self, pod: Pod, port: int, labels: str) -> None:
        self.pod, self.port, self.labels = pod, port, labels
        self.scope: Scope | None = None
        self.reachable = True
        self.held = False
        self.open = 0
        self._rtt, self._cost_at = _DEFAULT_RTT, 0.0

    @property
    def cost(self) -> float:
        """How unattractive it is: its latency for each request that would then be open."""
        return self._rtt * (self.open + 1)

    def hold(self, *, held: bool) -> None:
        """Say whether the proxy still sends there; if not, its series may vanish when idle."""
        self.held = held
        if self.scope is not None:
            self.scope.held = held

    def took(self, seconds: float, now: float) -> None:
        """Learn from an answer; peaks count at once, better times by and by."""
        if seconds > self._rtt:
            self._rtt = seconds
        else:
            keep = math.exp(-(now - self._cost_at) / _DECAY)
            self._rtt = self._rtt * keep + seconds * (1 - keep)
        self._cost_at = now


class Balancer:
    """The pods of one backend, and the queue before them."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._endpoints: dict[str, Endpoint] = {}  # by pod uid
        self._usable = asyncio.Event()
        self._waiting_since: float | None = None

    @property
    def endpoints(self) -> list[Endpoint]:
        """All pods that the Service selects and that are ready."""
        return list(self._endpoints.values())

    def states(self) -> tuple[tuple[str, int], ...]:
        """Count the endpoints by what the proxy calls their state."""
        ready = sum(endpoint.reachable for endpoint in self._endpoints.values())
        return ("ready", ready), ("pending", len(self._endpoints) - ready)

    def update(self, endpoints: Iterable[Endpoint]) -> list[Endpoint]:
        """Take the endpoints the control plane knows now; return those that left. Known ones keep their state."""
        named = {endpoint.pod.uid: endpoint for endpoint in endpoints}
        gone = [endpoint for uid, endpoint in self._endpoints.items() if uid not in named]
        self._endpoints = {uid: self._endpoints.get(uid, endpoint) for uid, endpoint in named.items()}
        self.weigh()
        return gone

    def weigh(self) -> None:
        """Look again whether any pod can be reached, and let waiting requests go if so."""
        if any(endpoint.reachable for endpoint in self._endpoints.values()):
            self._waiting_since = None
            self._usable.set()
        else:
            self._usable.clear()

    def unavailable(self, now: float) -> bool:
        """Tell whether the backend has given up on its pods."""
        return self._waiting_since is not None and now >= self._waiting_since + FAILFAST

    async def next(self) -> Endpoint:
        """Pick a pod, waiting for one if need be. Raises FailFast."""
        loop = asyncio.get_running_loop()
        while not self._usable.is_set():
            if self._waiting_since is None:
                self._waiting_since = loop.time()
            try:
                async with asyncio.timeout_at(self._waiting_since + FAILFAST):
                    await self._usable.wait()
            except TimeoutError as error:
                raise FailFast from error
        usable = [endpoint for endpoint in self._endpoints.values() if endpoint.reachable]
        if len(usable) == 1:
            return usable[0]
        first, second = self._rng.sample(usable, 2)
        return first if first.cost <= second.cost else second
