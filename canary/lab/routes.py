"""ServiceProfiles as both sides of the mesh read them: which route a request is on, and what counts as its failure.

A profile that Linkerd's destination controller would refuse is refused here too (InvalidSpec): the proxies then keep
what they had. What Linkerd drops without a word (half-open status ranges, budgets out of range) is dropped here as
well.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from canary.adapters.api import Json
from canary.errors import InvalidSpec, Problem
from canary.lab.fields import look, number, rows, table, text

Matches = Callable[[str, str], bool]  # method, path
Classifies = Callable[[int], bool]
Combine = Callable[[Iterable[bool]], bool]  # all, any

_GO_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_GO_UNITS: Mapping[str, float] = MappingProxyType(
    {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
)


@dataclass(frozen=True, slots=True)
class Route:
    """One route: its name is the series' `rt_route`."""

    name: str
    matches: Matches
    retryable: bool
    timeout: float | None
    classes: tuple[tuple[Classifies, bool], ...]

    def failed(self, status: int) -> bool:
        """Classify an answer: the first response class that fits, else 5xx is failure."""
        return next((is_failure for fits, is_failure in self.classes if fits(status)), default_failure(status))


@dataclass(frozen=True, slots=True)
class Budget:
    """How many retries a destination may get: a share of its requests and a floor, over the last `ttl` seconds."""

    ratio: float = 0.2
    per_second: float = 10.0
    ttl: float = 10.0


@dataclass(frozen=True, slots=True)
class Profile:
    """A ServiceProfile; `budget` is None where the proxy would refuse to retry."""

    routes: tuple[Route, ...]
    budget: Budget | None

    def match(self, method: str, path: str) -> Route | None:
        """Return the first route that the request is on; None is the default route."""
        return next((route for route in self.routes if route.matches(method, path)), None)


def default_failure(status: int) -> bool:
    """Tell whether Linkerd takes a status for a failure when nothing else is said."""
    return status >= 500  # noqa: PLR2004 - HTTP's own boundary


def parse_profile(obj: Json) -> Profile:
    """Read a ServiceProfile. Raises InvalidSpec for what makes the destination controller send nothing."""
    name = text(obj, "metadata", "name")
    routes = tuple(_route(row, f"{name} spec.routes[{n}]") for n, row in enumerate(rows(obj, "spec", "routes")))
    return Profile(routes, _budget(obj, name))


def parse_go_duration(value: str) -> float | None:
    """Read "1m30s" as seconds; None where it is not a duration of Go."""
    parts = _GO_DURATION.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        return None
    return sum(float(number) * _GO_UNITS[unit] for number, unit in parts)


def _route(row: Json, where: str) -> Route:
    classes = [
        (fits, row.get("isFailure") is True)
        for row in rows(row, "responseClasses")
        if (fits := _status(table(row, "condition")))
    ]
    return Route(
        name=text(row, "name"),
        matches=_request(table(row, "condition"), where),
        retryable=row.get("isRetryable") is True,
        timeout=parse_go_duration(text(row, "timeout")),
        classes=tuple(classes),
    )


def _request(condition: Json, where: str) -> Matches:
    tests: list[Matches] = []
    if "pathRegex" in condition:
        tests.append(_path(text(condition, "pathRegex"), where))
    if "method" in condition:
        wanted = text(condition, "method")
        tests.append(lambda method, _: method == wanted)
    for word, combine in (("all", all), ("any", any)):
        if word in condition:
            parts = [_request(part, where) for part in rows(condition, word)]
            tests.append(_of_requests(combine, parts))
    if not tests:
        raise InvalidSpec([Problem(f"{where}.condition", condition, "a condition with pathRegex, method, all or any")])
    return lambda method, path: all(fits(method, path) for fits in tests)


def _of_requests(combine: Combine, parts: list[Matches]) -> Matches:
    return lambda method, path: combine(part(method, path) for part in parts)


def _of_statuses(combine: Combine, parts: list[Classifies]) -> Classifies:
    return lambda status: combine(part(status) for part in parts)


def _path(regex: str, where: str) -> Matches:
    try:
        pattern = re.compile(regex)
    except re.error as error:
        raise InvalidSpec([Problem(f"{where}.condition.pathRegex", regex, "a regular expression")]) from error
    return lambda _, path: pattern.fullmatch(path) is not None


def _status(condition: Json) -> Classifies | None:
    tests: list[Classifies] = []
    if "status" in condition:
        low, high = look(condition, "status", "min"), look(condition, "status", "max")
        if not isinstance(low, int) or not isinstance(high, int):
            return None  # a missing bound reads as status 0, and the proxy drops the class
        tests.append(lambda status: low <= status <= high)
    for word, combine in (("all", all), ("any", any)):
        if word in condition:
            parts = [part for row in rows(condition, word) if (part := _status(row))]
            tests.append(_of_statuses(combine, parts))
    if "not" in condition and (inner := _status(table(condition, "not"))):
        tests.append(lambda status: not inner(status))
    return (lambda status: all(fits(status) for fits in tests)) if tests else None


def _budget(obj: Json, name: str) -> Budget | None:
    if "retryBudget" not in table(obj, "spec"):
        return Budget()
    said = table(obj, "spec", "retryBudget")
    ttl = parse_go_duration(text(said, "ttl"))
    if ttl is None:
        raise InvalidSpec([Problem(f"{name} spec.retryBudget.ttl", said.get("ttl"), 'a duration such as "10s"')])
    ratio = number(said, "retryRatio", default=0.0)
    if not 1 <= ttl <= 60 or not 0 <= ratio <= 1000:  # noqa: PLR2004 - the proxy's own bounds
        return None
    return Budget(ratio, number(said, "minRetriesPerSecond", default=0.0), ttl)
