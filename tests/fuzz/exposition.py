"""What proxies expose and what their splits say: pages that every parser reads back, and weights by another arithmetic.

The product never reads a proxy's page itself, Prometheus does; so the lab's pages are read by Prometheus' own Python
parser here, and bad pages go through a real Prometheus in `test_prometheus.py`.
"""

import json
import re
from decimal import ROUND_CEILING, Context, Decimal, localcontext
from random import Random
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from canary.adapters.trafficsplit import read_split
from canary.lab.exposition import BROKEN, Ending, Metrics, label_text
from canary.lab.split import parse_split
from tests.fuzz.mutation import mutated, scrambled

NAME: Final = "exposition"
LABELS: Final = ("direction", "dst", "dst_pod", "rt_route", "authority")
ENDINGS: Final = (*[BROKEN] * 7, Ending(200, failed=False), *[BROKEN] * 7, Ending(503, failed=True))
"""Few with latencies, whose lines take long to read."""
LETTERS: Final = 'ab"\\\n\r\t {},=#\u00e9\u2028\u2029\x00\x1f\x85\u202e漢\U0001f600'
NUMBERS: Final = (
    "0",
    "1",
    "9",
    "10",
    "100",
    "900",
    "0.1",
    "0.0005",
    ".5",
    "5.",
    "1.999",
    "00",
    "12345678901",
    "1e3",
    "",
)
UNITS: Final = (
    "",
    "m",
    "m",
    "m",
    "k",
    "M",
    "G",
    "T",
    "P",
    "E",
    "Ki",
    "Mi",
    "Gi",
    "Ti",
    "Pi",
    "Ei",
    "n",
    "u",
    "e2",
    "E-3",
    "mm",
)
SIGNS: Final = ("", "", "", "", "+", "-", " ")
SEEDS: Final = [
    json.dumps({"labels": [["dst", "web.shop.svc:80"], ["dst_pod", "c2-0"]], "requests": 3, "weights": pair})
    for pair in (["900m", "100m"], [900, 100], ["0.9", "0.1"], ["1", "0"], ["1Ki", "1k"])
]


class Exposition:
    """The target."""

    name = NAME

    def draw(self, chance: Random) -> bytes:
        """Make labels and a pair of weights, mostly such as somebody might write."""
        kind = chance.random()
        if kind < 0.1:
            return json.dumps(mutated(chance.choice(SEEDS), chance)).encode()
        if kind < 0.2:
            return scrambled(chance.choice(SEEDS), chance)
        labels = [[name, _text(chance)] for name in chance.sample(LABELS, chance.randint(0, 3))]
        weights = [_weight(chance), _weight(chance)]
        return json.dumps({"labels": labels, "requests": chance.randrange(1000), "weights": weights}).encode()

    def check(self, raw: bytes) -> None:
        """Write the page and read it, read the weights twice."""
        try:
            found = json.loads(raw)
        except (ValueError, RecursionError):
            return
        if not isinstance(found, dict):
            return
        labels, requests, weights = found.get("labels"), found.get("requests"), found.get("weights")
        if _writable(labels) and isinstance(requests, int):
            read_back([(name, value) for name, value in labels], requests)  # type: ignore[union-attr]
        if isinstance(weights, list) and len(weights) == 2:
            weighed(weights[0], weights[1])


def _text(chance: Random) -> str:
    length = chance.choice((0, 1, 3, 8, 8, 8, 40)) if chance.random() < 0.999 else 10_000
    return "".join(chance.choices(LETTERS, k=length))


def _weight(chance: Random) -> object:
    if chance.random() < 0.15:
        return chance.choice((chance.randrange(2000), chance.random(), -chance.randrange(9), None, True, [], 1e300))
    return chance.choice(SIGNS) + chance.choice(NUMBERS) + chance.choice(UNITS)


def _writable(labels: object) -> bool:
    """Tell whether a proxy could have these labels: names of ours, each once, values of real letters."""
    if not isinstance(labels, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in labels):
        return False
    names, values = [pair[0] for pair in labels], [pair[1] for pair in labels]
    if not all(isinstance(text, str) for text in (*names, *values)) or not set(names) <= set(LABELS):
        return False
    return len(set(names)) == len(names) and not any(map(_halved, values))


def _halved(text: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def read_back(labels: list[tuple[str, str]], requests: int) -> None:
    """Every sample of a page comes back with its labels and its value."""
    metrics = Metrics()
    scope = metrics.scope(label_text(labels), 0.0)
    for number in range(max(requests, 0) % 4):
        scope.request(0.0)
        scope.response(ENDINGS[(requests + number) % len(ENDINGS)], number / 7, 0.0)
    page = "\n".join(metrics.render()) + "\n"
    samples = [s for family in text_string_to_metric_families(page) for s in family.samples]
    assert len(samples) == page.count("\n") - page.count("\n# ") - page.startswith("# "), "samples are lost"
    for sample in samples:
        told = {name: value for name, value in sample.labels.items() if name in LABELS}
        assert told == dict(labels), f"{labels} came back as {told}"
    sent = [s.value for s in samples if s.name == "request_total"]
    assert sent == [scope.requests]
    answered = sum(s.value for s in samples if s.name == "response_total")
    assert answered == scope.requests


GRAMMAR: Final = re.compile(
    r"(?P<sign>[+-]?)(?P<number>\d+\.\d+|\d+\.?|\.\d+)(?P<unit>[KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+|)", re.ASCII
)
SHARES: Final = Context(prec=60)


def quantity(weight: object) -> Decimal | None:
    """Read thousandths by the grammar of Kubernetes' quantities, in decimals; None for what is none, or negative."""
    found = GRAMMAR.fullmatch(str(weight)) if isinstance(weight, str | int | float) and weight is not True else None
    if weight is False or found is None or found["sign"] == "-" or len(found["unit"]) > 5:
        return None
    with localcontext(Context(prec=60 + len(found["number"]))):
        unit = found["unit"]
        number = Decimal(found["number"])
        if unit.endswith("i"):
            number *= Decimal(1024) ** (1 + "KMGTPE".index(unit[0]))
        elif unit[:1] in ("e", "E") and len(unit) > 1:
            number = Decimal(f"{found['number']}{unit}")
        elif unit:
            number *= (
                Decimal(10) ** {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}[unit]
            )
        return None if number >= 2**63 else (number * 1000).to_integral_value(ROUND_CEILING)


def weighed(stable: object, canary: object) -> None:
    """Two weights are read as quantities and give shares of their sum; ours only where they are ours exactly."""
    backends = [{"service": "stable", "weight": stable}, {"service": "canary", "weight": canary}]
    obj: dict[str, object] = {"metadata": {"name": "web"}, "spec": {"service": "web", "backends": backends}}
    split = read_split(obj)
    known = [quantity(stable), quantity(canary)]
    first, second = (amount or Decimal(0) for amount in known)
    total = first + second
    with localcontext(SHARES):
        for name, amount in (("stable", first), ("canary", second)):
            share = 1000 * amount / total if total else Decimal(0)
            assert abs(split.weights[name] - share) <= Decimal("0.5"), f"{name}: {split.weights[name]} for {share}"
    if split.exact:
        assert None not in known, "what nobody can read is taken for ours"
        assert Decimal(split.weights["stable"]) * second == Decimal(split.weights["canary"]) * first
        assert sum(split.weights.values()) == 1000
    try:
        _, mesh = parse_split(obj)
    except ValueError:
        assert None in known, "the mesh refuses a weight that is one"
    else:
        assert [mesh["stable"], mesh["canary"]] == known, "the mesh reads a weight as another one"
