"""Recordings for tests: rows, lines and files of made-up traffic."""

import json
from collections.abc import Iterator
from random import Random

from canary.backtest.recording import Row
from canary.core.counts import Version


def a_row(side: str = "canary", t: float = 10.0, **fields: object) -> Row:
    least = Row("e1", t, Version(side), "", f"{side}-0", 100.0, 0.0, ())
    return least._replace(**fields)  # type: ignore[arg-type]  # the tests' own rows


def a_line(**fields: object) -> str:
    least = {"episode": "e1", "t": 10, "side": "canary", "route": "", "pod": "canary-0", "requests": 100, "failures": 1}
    merged = {**least, "over": {"0.5": 2}, **fields}
    return json.dumps({key: value for key, value in merged.items() if value is not None})


def traffic(failure: float = 0.001, *, ticks: int = 60, seed: int = 1, slow: float = 0.0) -> Iterator[tuple[Row, Row]]:
    """Serve 100 requests a second at 10 %; the release fails as said from its first request on."""
    chance = Random(seed)
    for number in range(1, ticks + 1):
        t = 10.0 * number
        yield (
            a_row("stable", t, requests=900.0, failures=float(_drawn(chance, 900, 0.001)), over=((0.5, 1.0),)),
            a_row("canary", t, failures=float(_drawn(chance, 100, failure)), over=((0.5, 100 * slow),)),
        )


def _drawn(chance: Random, requests: int, share: float) -> int:
    return sum(chance.random() < share for _ in range(requests))
