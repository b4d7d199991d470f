"""Bugs planted into what is fuzzed, one for each target, so that the hunt is itself tested."""

from collections.abc import Callable, Mapping

import pytest

from canary.adapters import trafficsplit
from canary.core import counters, record
from canary.core.counters import Series
from canary.core.spec import Weight
from canary.lab import exposition
from tests.fuzz.answers import Answers
from tests.fuzz.exposition import Exposition
from tests.fuzz.hunt import Target
from tests.fuzz.objects import Objects

Patch = pytest.MonkeyPatch


def weights_without_an_end(patch: Patch) -> None:
    """Believe whatever number a status gives for a weight."""

    def lax(value: object) -> Weight:
        digits = str(value).removesuffix("m")
        return int(digits) if digits.isdecimal() and len(digits) < 9 else 0

    patch.setattr(record, "as_weight", lax)


def parts_forgotten(patch: Patch) -> None:
    """Keep one of two rows that are the same series."""
    honest = counters._keyed

    def forgetful(reading: object) -> object:
        rows: list[Series] = list(reading)  # type: ignore[call-overload]
        last = {frozenset(row.labels.items()): row for row in rows}
        return honest(last.values())

    patch.setattr(counters, "_keyed", forgetful)


def backslashes_as_they_are(patch: Patch) -> None:
    """Escape quotes only."""
    patch.setattr(exposition, "_escaped", lambda value: value.replace('"', r"\"").replace("\n", r"\n"))


def binary_units_as_decimal_ones(patch: Patch) -> None:
    """Take Ki for k."""
    known = trafficsplit._UNITS
    units = {unit: known[unit.removesuffix("i").replace("K", "k")] for unit in known}
    patch.setattr(trafficsplit, "_UNITS", units)


BUGS: Mapping[Callable[[Patch], None], tuple[Target, str]] = {
    weights_without_an_end: (Objects(), ""),
    parts_forgotten: (Answers(), " of "),
    backslashes_as_they_are: (Exposition(), ""),
    binary_units_as_decimal_ones: (Exposition(), "AssertionError"),
}
"""Each bug, the target that must find it, and a part of what it says."""
