"""Faults on demand: what an API server does to its clients on a bad day.

The lab and its stories add a `Fault` to a plane's `Faults`; `http` asks for every request before it answers.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

from canary.lab.apiserver.refusal import Refused
from canary.lab.apiserver.tree import Object

_REASONS = {
    401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 410: "Expired", 429: "TooManyRequests",
    500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout",
}  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Fault:
    """Requests that match are answered with a status code, never (`hang`), or with a cut connection."""

    answer: int | Literal["hang", "cut"]
    method: str = ".*"
    path: str = ".*"
    agent: str = ".*"
    times: int | None = None  # None: until it is taken away

    def hits(self, method: str, path_and_query: str, agent: str) -> bool:
        """Whether a request is met; each pattern must match from the beginning."""
        wanted = ((self.method, method), (self.path, path_and_query), (self.agent, agent))
        return all(re.match(pattern, given) for pattern, given in wanted)


@dataclass(slots=True)
class Faults:
    """The faults of now; the first that matches counts."""

    active: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> Fault:
        """Begin a fault; returned for `remove`."""
        self.active.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """End a fault; nothing happens when it is over already."""
        self.active = [each for each in self.active if each is not fault]

    def clear(self) -> None:
        """End them all."""
        self.active.clear()

    def met(self, method: str, path_and_query: str, agent: str) -> Fault | None:
        """Find the fault a request runs into, and count it."""
        fault = next((each for each in self.active if each.hits(method, path_and_query, agent)), None)
        if fault and fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                self.remove(fault)
        return fault


def refusal(code: int) -> Refused:
    """Return the answer of a server that fails with this code."""
    details: Object = {"retryAfterSeconds": 1} if code in {429, 503} else {}
    return Refused(code, _REASONS.get(code, "InternalError"), f"a fault of the lab answers {code}", details)
