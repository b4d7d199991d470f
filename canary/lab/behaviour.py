"""How a pod of the lab behaves, read from its pod template, so that `kubectl set env` ships a release.

    LAB_FAILURES="POST /api/task=5%; *=0.1%"        share of answers that are 503; "5%:500" picks another status
    LAB_LATENCY="POST /api/task=150ms±20%; *=5ms"   time until the answer, evenly spread around the value
    LAB_HANGS="*=50%"                               share of requests that never get an answer
    LAB_OVERLOAD="60rps=100%"                       share of failures while this pod gets more requests per second
    LAB_READY="true | false | after 3s | until 20s" what the readiness probe hears, counted from the pod's start
    LAB_CRASH="after 20s | after 20s, app"          the pod dies, after each restart again; ", app" spares its proxy

A route is "METHOD /path", "/path" or "*"; a path may end in "*"; the first rule that fits a request counts. Called
by the node agent, which turns InvalidSpec into a container that waits with CreateContainerConfigError.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from canary.errors import InvalidSpec, Problem

T = TypeVar("T")

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_METHOD = re.compile(r"[A-Z]+")


@dataclass(frozen=True, slots=True)
class Pattern:
    """Which requests a rule is about."""

    method: str | None
    path: str

    def matches(self, method: str, path: str) -> bool:
        """Tell whether the rule is about such a request; `path` comes without its query."""
        if self.method is not None and self.method != method:
            return False
        return path.startswith(self.path[:-1]) if self.path.endswith("*") else path == self.path


@dataclass(frozen=True, slots=True)
class Rules(Generic[T]):
    """Rules in the order they were written; the first that fits counts."""

    rules: tuple[tuple[Pattern, T], ...] = ()

    def find(self, method: str, path: str) -> T | None:
        """Return what is said about such a request, if anything."""
        return next((value for pattern, value in self.rules if pattern.matches(method, path)), None)


@dataclass(frozen=True, slots=True)
class Failure:
    """A share of requests answered with an error status."""

    share: float
    status: int = 503


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds until an answer: evenly spread over `typical` ± `typical * spread`."""

    typical: float
    spread: float = 0.0


@dataclass(frozen=True, slots=True)
class Overload:
    """Above `limit` requests per second a share of them fails."""

    limit: float
    share: float


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds after the pod's start in which it says that it is ready."""

    after: float = 0.0
    until: float = math.inf


@dataclass(frozen=True, slots=True)
class Crash:
    """Seconds after which the pod dies; `app_only` leaves its proxy alive, which then answers 502."""

    after: float
    app_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """One release, as its requests and its kubelet will see it."""

    failures: Rules[Failure] = Rules()
    latencies: Rules[Latency] = Rules()
    hangs: Rules[float] = Rules()
    overload: Overload | None = None
    ready: Span = Span()
    crash: Crash | None = None


def parse_behaviour(env: Mapping[str, str]) -> Behaviour:
    """Read the LAB_ variables of `env`; others are the app's own. Raises InvalidSpec with every fault."""
    problems = [
        Problem(name, value, "a variable of the lab: " + ", ".join((*_VARIABLES, CLIENT)))
        for name, value in env.items()
        if name.startswith("LAB_") and name not in _VARIABLES and name != CLIENT
    ]
    found: dict[str, object] = {}
    for name, (field, parser) in _VARIABLES.items():
        try:
            if env.get(name, "").strip():
                found[field] = parser(env[name].strip())
        except _Wrong as wrong:
            problems.append(Problem(name, wrong.text, wrong.allowed))
    if problems:
        raise InvalidSpec(problems)
    return Behaviour(**found)  # type: ignore[arg-type]  # the table below pairs each field with the parser of its type


class _Wrong(Exception):
    def __init__(self, text: str, allowed: str) -> None:
        super().__init__(text)
        self.text, self.allowed = text, allowed


def parse_percent(text: str) -> float:
    """Read "5%" as 0.05. Raises ValueError."""
    if not text.endswith("%"):
        raise ValueError(text)
    share = float(text[:-1]) / 100
    if not 0 <= share <= 1:
        raise ValueError(text)
    return share


def parse_duration(text: str) -> float:
    """Read "150ms", "3s" or "2m" as seconds. Raises ValueError."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(text)
    return float(match[1]) * _UNITS[match[2]]


def parse_pattern(text: str) -> Pattern:
    """Read "POST /api/task", "/api/*" or "*". Raises ValueError."""
    method, _, path = text.strip().rpartition(" ")
    method = method.strip()
    if (path != "*" and not path.startswith("/")) or (method and not _METHOD.fullmatch(method)):
        raise ValueError(text)
    return Pattern(method or None, path)


def _rules(value: Callable[[str], T], allowed: str) -> Callable[[str], Rules[T]]:
    def parse(text: str) -> Rules[T]:
        return Rules(tuple(rule(part.strip()) for part in text.split(";") if part.strip()))

    def rule(part: str) -> tuple[Pattern, T]:
        try:
            route, _, said = part.rpartition("=")
            return parse_pattern(route), value(said.strip())
        except ValueError as error:
            raise _Wrong(part, f'ROUTE={allowed}, ROUTE being "METHOD /path", "/path" or "*"') from error

    return parse


def _failure(text: str) -> Failure:
    share, _, status = text.partition(":")
    failure = Failure(parse_percent(share.strip()), int(status or 503))
    if not 400 <= failure.status <= 599:  # noqa: PLR2004 - HTTP's own bounds of an error
        raise ValueError(text)
    return failure


def _latency(text: str) -> Latency:
    typical, _, spread = text.partition("±")
    return Latency(parse_duration(typical), parse_percent(spread.strip()) if spread else 0.0)


def _overload(text: str) -> Overload:
    limit, _, share = text.partition("=")
    try:
        if not limit.strip().endswith("rps"):
            raise ValueError(text)
        return Overload(float(limit.strip()[:-3]), parse_percent(share.strip()))
    except ValueError as error:
        raise _Wrong(text, 'a rate and a share, such as "60rps=100%"') from error


def _ready(text: str) -> Span:
    word, _, duration = text.partition(" ")
    try:
        match word:
            case "true" | "false" if not duration:
                return Span() if word == "true" else Span(after=math.inf)
            case "after":
                return Span(after=parse_duration(duration))
            case "until":
                return Span(until=parse_duration(duration))
            case _:
                raise ValueError(text)
    except ValueError as error:
        raise _Wrong(text, 'one of "true", "false", "after 3s", "until 20s"') from error


def _crash(text: str) -> Crash:
    when, _, what = text.partition(",")
    word, _, duration = when.strip().partition(" ")
    try:
        if word != "after" or what.strip() not in {"", "app"}:
            raise ValueError(text)
        return Crash(parse_duration(duration), app_only=bool(what.strip()))
    except ValueError as error:
        raise _Wrong(text, '"after 20s" or "after 20s, app"') from error


CLIENT = "LAB_CLIENT"  # clients.py reads this one

_VARIABLES: dict[str, tuple[str, Callable[[str], object]]] = {
    "LAB_FAILURES": ("failures", _rules(_failure, "5% or 5%:500, the status being of 400..599")),
    "LAB_LATENCY": ("latencies", _rules(_latency, "150ms or 150ms±20%")),
    "LAB_HANGS": ("hangs", _rules(parse_percent, "50%")),
    "LAB_OVERLOAD": ("overload", _overload),
    "LAB_READY": ("ready", _ready),
    "LAB_CRASH": ("crash", _crash),
}
