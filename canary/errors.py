"""What can go wrong, sorted by what the loop does about it.

    CanaryError                   .hint: one sentence for a human; the command line prints it, never a traceback
    ├── InvalidSpec(problems)     the user's fault -> condition Ready=False, no requeue until the object changes
    ├── Unreachable(system)       transient        -> back off per key, full jitter
    │   ├── ClusterUnreachable    the API server
    │   ├── MetricsUnreachable    Prometheus; becomes the answer `Unanswered`
    │   └── GateUnreachable       a webhook; becomes the answer `Unanswered`
    ├── Conflict                  someone wrote    -> drop the tick, look again at once
    ├── Expired                   410 Gone         -> list again
    ├── NotFound                  no such object, or no such kind
    ├── Forbidden                 our RBAC         -> condition and back-off, loud
    ├── Rejected                  the API server refused what we wrote -> condition and back-off, loud
    └── LeaseLost                 another leads    -> stop the process, exit 3

Everything else is a bug. Only `adapters` raise these from a library's errors; payloads of the outside are cut here.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

PAYLOAD = 256
PROBLEMS = 10
SECRET = 4  # letters


def clip(text: str) -> str:
    """Cut what the outside sent, so that no payload floods a message, a status or a log line."""
    text = " ".join(text.split())
    return text if len(text) <= PAYLOAD else text[: PAYLOAD - 1] + "…"


_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]{0,9}://)(?:[^\s'\"]*@)?([^\s'\"/?#]*)([/?#][^\s'\"]*)?", re.IGNORECASE)


def veiled(text: str) -> str:
    """Leave of each address in a text its host: what stands before and behind may be a secret."""
    return _ADDRESS.sub(lambda found: found[1] + found[2] + ("/…" if len(found[3] or "") > 1 else found[3] or ""), text)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Take secrets out of what the outside says, for it may repeat what it was told; a few letters are none."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "…") if len(secret) >= SECRET else text
    return text


class CanaryError(Exception):
    """Anything this project raises on purpose."""

    def __init__(self, hint: str) -> None:
        super().__init__(hint)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of an input: where it is, what stands there and what is allowed."""

    field: str
    value: object
    allowed: str

    def __str__(self) -> str:
        """Name the field, the value and what is allowed."""
        return f"{clip(self.field)}: {clip(veiled(repr(self.value)))} is not {self.allowed}"


def listed(problems: Sequence[Problem]) -> str:
    """Name the first problems and count the others, so that the worst of objects floods no status."""
    more = len(problems) - PROBLEMS
    return "; ".join(map(str, problems[:PROBLEMS])) + (f"; and {more} more" if more > 0 else "")


class InvalidSpec(CanaryError):
    """The user's object cannot be followed; `problems` holds every fault found, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(listed(problems))
        self.problems = tuple(problems)


class Unreachable(CanaryError):
    """A system did not answer in time, or answered that it cannot; asking again later may help."""

    system = "system"

    def __init__(self, hint: str, *, retry_after: float | None = None) -> None:
        super().__init__(hint)
        self.retry_after = retry_after


class ClusterUnreachable(Unreachable):
    """The API server."""

    system = "kubernetes"


class MetricsUnreachable(Unreachable):
    """Prometheus."""

    system = "prometheus"


class GateUnreachable(Unreachable):
    """A webhook."""

    system = "webhook"


class Conflict(CanaryError):
    """The object changed under us, or already exists."""


class Expired(CanaryError):
    """The resourceVersion to watch from is gone (410)."""


class NotFound(CanaryError):
    """The object, or its kind, does not exist."""


class Forbidden(CanaryError):
    """Our rights do not cover the request."""


class Rejected(CanaryError):
    """The API server found the request invalid (400, 413, 422)."""


class LeaseLost(CanaryError):
    """Another process leads, or we could not renew in time."""

    @classmethod
    def to(cls, holder: str) -> Self:
        """Name the one who leads now."""
        return cls(f"the lease is held by {holder or 'nobody'}; this process stops")
