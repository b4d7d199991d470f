"""Looks for inputs that something cannot bear, and keeps those it finds. `make fuzz` runs it for ten minutes.

A target draws an input from a seed and says by an exception what is wrong with what became of it. Every input is
made by a number of its own, so that any one of them can be had again; found ones are kept in `corpus/` and tried by
each run of the tests from then on.
"""

import hashlib
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, Protocol

CORPUS: Final = Path(__file__).parent / "corpus"
PATIENCE: Final = 10.0  # seconds for one input; a busy machine needs no more


class Target(Protocol):
    """Something that reads what others wrote."""

    name: str

    def draw(self, chance: Random) -> bytes:
        """Make an input."""

    def check(self, raw: bytes) -> None:
        """Read an input and everything that follows from it; raises whatever is wrong with it."""


class Hang(Exception):
    """An input that is not done with in time."""


@dataclass(frozen=True, slots=True)
class Finding:
    """An input, and what it did."""

    target: str
    number: int
    raw: bytes
    error: BaseException

    @property
    def file(self) -> Path:
        return CORPUS / self.target / (hashlib.sha256(self.raw).hexdigest()[:12] + ".txt")

    def keep(self) -> Path:
        """Write the input where the tests find it."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_bytes(self.raw)
        return self.file

    def __str__(self) -> str:
        return f"{self.target} {self.number}: {type(self.error).__name__}: {self.error}"[:1000]


@contextmanager
def in_time(seconds: float = PATIENCE) -> Iterator[None]:
    """Raise Hang where it takes longer. Only in the main thread."""

    def hang(*_: object) -> None:
        raise Hang(f"not done within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, hang)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def tried(target: Target, seed: str, number: int) -> Finding | None:
    """Draw and check one input."""
    raw = target.draw(Random(f"{seed} {number}"))
    try:
        with in_time():
            target.check(raw)
    except Exception as error:  # noqa: BLE001 - any of them is a finding
        return Finding(target.name, number, raw, error)
    return None


@dataclass(slots=True)
class Hunt:
    """How far one target has been looked through."""

    tried: int
    seconds: float
    findings: list[Finding]

    def __str__(self) -> str:
        return f"{self.tried} inputs in {self.seconds:.0f} s ({self.tried / max(self.seconds, 1e-9):.0f}/s)"


def hunt(target: Target, *, seed: str, inputs: int, seconds: float, enough: int = 10) -> Hunt:
    """Try `inputs` of them, or as many as there is time for, or until there are findings `enough`."""
    begun, findings, number = time.monotonic(), list[Finding](), 0
    while number < inputs and len(findings) < enough and time.monotonic() - begun < seconds:
        found = tried(target, seed, number)
        if found is not None:
            findings.append(found)
        number += 1
    return Hunt(number, time.monotonic() - begun, findings)


def kept(target: Target) -> list[Path]:
    """List the inputs that were found once, and those that were kept as seeds."""
    return sorted((CORPUS / target.name).glob("*.txt"))
