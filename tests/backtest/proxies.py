"""What a service's proxies count, as Prometheus scrapes it. Called by `bygone`."""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

IDLE = 600.0  # seconds after which a proxy drops what had no request
CUTS = {10: 0.3, 50: 0.7, 100: 0.9, 300: 1.0, 500: 1.0, 1000: 1.0, 5000: 1.0}
"""By bucket bound in milliseconds: the share of usual answers within. Slow ones take between 500 ms and a second."""
SLOW_WITHIN = 1000


class Gain(NamedTuple):
    """What a scrape told of one endpoint: `place` is a route, or "" for the service as its clients counted it."""

    at: float
    side: str
    revision: str
    pod: str
    place: str
    requests: int
    failures: int
    slow: int


class Endpoint:
    """What one proxy counts under one set of labels."""

    def __init__(self, labels: Mapping[str, str], prefix: str, who: tuple[str, str, str, str]) -> None:
        text = ",".join(f'{name}="{value}"' for name, value in labels.items())
        ok, bad = 'status_code="200"', 'status_code="503"'
        self._sent = f"{prefix}request_total{{{text}}}"
        self._good = f'{prefix}response_total{{{text},{ok},classification="success"}}'
        self._bad = f'{prefix}response_total{{{text},{bad},classification="failure"}}'
        cuts = [*((str(cut), share, cut >= SLOW_WITHIN) for cut, share in CUTS.items()), ("+Inf", 1.0, True)]
        bucket = f"{prefix}response_latency_ms_bucket{{{text}"
        self._cuts = [(f'{bucket},{ok},le="{le}"}}', share, slow) for le, share, slow in cuts]
        self._bad_cuts = [f'{bucket},{bad},le="{le}"}}' for le, _, _ in cuts]
        self.who = who
        self._totals = self._told = (0, 0, 0)
        self._last = -math.inf

    def count(self, at: float, n: int, f: int, slow: int) -> None:
        if n:
            requests, failures, slower = self._totals
            self._totals, self._last = (requests + n, failures + f, slower + slow), at

    def forget(self) -> None:
        self._totals = self._told = (0, 0, 0)

    def scraped(self, at: float) -> tuple[tuple[int, int, int], list[tuple[str, int]]]:
        """Give what is new since the scrape before, and the samples."""
        if at - self._last > IDLE:
            self.forget()
        if not self._totals[0]:
            return (0, 0, 0), []
        n, f, slow = self._totals
        told, self._told = self._told, self._totals
        usual = n - f - slow
        samples = [(self._sent, n)]
        if n > f:
            samples += [(self._good, n - f)]
            samples += [(name, int(share * usual) + slow * late) for name, share, late in self._cuts]
        if f:
            samples += [(self._bad, f), *((name, f) for name in self._bad_cuts)]
        return (n - told[0], f - told[1], slow - told[2]), samples


class Target:
    """One proxy that is scraped: all its endpoints at once, `phase` seconds into each interval."""

    def __init__(self, phase: float) -> None:
        self.phase, self._met = phase, False
        self.endpoints: dict[tuple[str, str], Endpoint] = {}

    def scrape(self, at: float) -> Iterator[tuple[Gain | None, list[tuple[str, int]]]]:
        for endpoint in self.endpoints.values():
            gained, samples = endpoint.scraped(at)
            known = self._met and any(gained)
            yield (Gain(at, *endpoint.who, *gained) if known else None), samples
        self._met = True

    def crash(self) -> None:
        for endpoint in self.endpoints.values():
            endpoint.forget()
