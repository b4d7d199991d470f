"""Client pods: a steady stream of requests to one apex, through the pod's own proxy.

    LAB_CLIENT="yamtam-agent:8080; rps=150; POST /api/task=90%; GET /health=10%"

First the apex (`name:port` or `name.namespace:port`), then in any order the rate, the mix (shares add up to 100 %),
and `arrivals=poisson|even`, `timeout=30s`, `inflight=2000` (what comes above that is shed and counted). `cache-
trap=5s` makes the proxy keep its first choice between ServiceProfile and plain routing while traffic flows.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from canary.errors import InvalidSpec, Problem
from canary.lab.behaviour import CLIENT, parse_duration, parse_pattern, parse_percent
from canary.lab.outbound import Outbound, Unresolved
from canary.lab.split import draw
from canary.lab.truth import Truth

LATE = 1.0  # seconds behind its timetable after which a client lets the missed requests go
FINISH = 1.0  # seconds that open requests get when their client stops


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a client pod does."""

    service: str
    namespace: str | None
    port: int
    rps: float
    mix: tuple[tuple[tuple[str, str], int], ...]  # (method, path), share in parts per million
    even: bool = False
    timeout: float = 30.0
    inflight: int = 2000
    cache_trap: float | None = None


def parse_load(text: str) -> Load:
    """Read LAB_CLIENT. Raises InvalidSpec."""
    apex, *parts = [part.strip() for part in text.split(";") if part.strip()] or [""]
    host, _, port = apex.rpartition(":")
    service, _, namespace = host.partition(".")
    problems = (
        [] if service and port.isdigit() else [Problem(CLIENT, apex, 'an apex such as "web:8080" or "web.shop:8080"')]
    )
    mix: list[tuple[tuple[str, str], int]] = []
    settings: dict[str, object] = {}
    for part in parts:
        name, _, value = part.rpartition("=")
        try:
            if name.strip() in _SETTINGS:
                field, parser = _SETTINGS[name.strip()]
                settings[field] = parser(value.strip())
            else:
                pattern = parse_pattern(name)
                mix.append(((pattern.method or "GET", pattern.path), round(parse_percent(value.strip()) * 1e6)))
        except ValueError:
            allowed = f'"METHOD /path=90%" or one of {", ".join(f"{word}=" for word in _SETTINGS)} with its value'
            problems.append(Problem(CLIENT, part, allowed))
    if not problems and "rps" not in settings:
        problems.append(Problem(CLIENT, text, 'complete: it needs a rate such as "rps=150"'))
    if not problems and abs(sum(share for _, share in mix) - 1_000_000) > len(mix):
        problems.append(Problem(CLIENT, text, "a mix whose shares add up to 100%"))
    if problems:
        raise InvalidSpec(problems)
    return Load(service=service, namespace=namespace or None, port=int(port), mix=tuple(mix), **settings)  # type: ignore[arg-type]  # the table pairs fields and parsers


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value <= 100_000:  # noqa: PLR2004 - more than any machine can do
        raise ValueError(text)
    return value


def _arrivals(text: str) -> bool:
    if text not in {"even", "poisson"}:
        raise ValueError(text)
    return text == "even"


_SETTINGS = {
    "rps": ("rps", _positive),
    "arrivals": ("even", _arrivals),
    "timeout": ("timeout", parse_duration),
    "inflight": ("inflight", lambda text: int(_positive(text))),
    "cache-trap": ("cache_trap", parse_duration),
}


class Client:
    """Sends the load of one pod until it is stopped."""

    def __init__(self, load: Load, outbound: Outbound, truth: Truth, rng: Random) -> None:
        self._load, self._outbound, self._truth, self._rng = load, outbound, truth, rng
        self._open: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Send requests by the clock, not by the answers: a slow release does not slow its users."""
        try:
            for due in self._timetable():
                if due > (now := time.monotonic()):
                    await asyncio.sleep(due - now)
                self._begin()
        finally:
            await self._finish()

    def _timetable(self) -> Iterator[float]:
        due = time.monotonic()
        while True:
            due += 1 / self._load.rps if self._load.even else self._rng.expovariate(self._load.rps)
            due = max(due, time.monotonic() - LATE)
            yield due

    def _begin(self) -> None:
        if len(self._open) >= self._load.inflight:
            self._truth.shed += 1
            return
        method, path = draw(self._load.mix, self._rng)
        task = asyncio.create_task(self._one(method, path))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _one(self, method: str, path: str) -> None:
        try:
            async with asyncio.timeout(self._load.timeout):
                await self._outbound.request(method, path)
        except (TimeoutError, Unresolved):
            return  # the truth has it

    async def _finish(self) -> None:
        open_ = set(self._open)
        if open_:
            await asyncio.wait(open_, timeout=FINISH)
        for task in open_:
            task.cancel()
        await asyncio.gather(*open_, return_exceptions=True)
