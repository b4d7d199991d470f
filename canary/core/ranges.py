"""Whether a query's number is within its range, and for how long it has not been. Pure; one `Checked` for each query.

A number outside for long enough in a row is a hard reason to roll back, no e-process. No number never is one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from canary.core.formats import show_duration
from canary.core.spec import Query


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a query said last: `value`, or why there is none in `trouble`.

    `outside` is for how many seconds in a row it was outside its range; None while it is not, or not known to be, or
    the release has no traffic that it could be to blame for.
    """

    value: float | None = None
    trouble: str = "it was not asked yet"
    outside: float | None = None

    def numbers(self) -> tuple[float, float]:
        """Give the checkpoint, which from_numbers takes back; NaN stands for None."""
        return (
            math.nan if self.value is None else self.value,
            math.nan if self.outside is None else self.outside,
        )

    @classmethod
    def from_numbers(cls, numbers: Sequence[float]) -> Self:
        """Restore a checkpoint; raises ValueError for one that no answer can have left."""
        value, outside = numbers
        if math.isnan(value):
            return cls()
        if not math.isfinite(value) or outside < 0 or outside == math.inf:
            raise ValueError(f"{value}, outside for {outside} s, is no answer of a query")
        return cls(value=value, trouble="", outside=None if math.isnan(outside) else outside)


def observe(before: Checked, query: Query, numbers: Sequence[float], seconds: float, *, armed: bool) -> Checked:
    """Take in an answer, one number for each series, `seconds` after the one before.

    Only a row of answers `armed`, that is once the release has had a weight, counts against it.
    """
    match numbers:
        case []:
            return Checked(trouble="it found no data")
        case [value] if math.isfinite(value):
            if within(query, value) or not armed:
                return Checked(value=value, trouble="")
            return Checked(value=value, trouble="", outside=0.0 if before.outside is None else before.outside + seconds)
        case [value]:
            return Checked(trouble=f"its answer is {value}, which nothing can be held against")
        case _:
            return Checked(trouble=f"its answer is {len(numbers)} numbers and not one: aggregate them")


def within(query: Query, value: float) -> bool:
    """Tell whether a number is in the range; its ends are."""
    return (query.least is None or value >= query.least) and (query.most is None or value <= query.most)


def failing(query: Query, checked: Checked) -> bool:
    """Tell whether the number was outside for too long."""
    return checked.outside is not None and checked.outside >= query.lasting.total_seconds()


def passing(query: Query, checked: Checked) -> bool:
    """Tell whether the last answer was a number within the range."""
    return checked.value is not None and within(query, checked.value)


def unsettled(queries: Sequence[Query], known: Mapping[str, Checked]) -> Query | None:
    """Find the first query whose number is not known to be within its range."""
    return next((query for query in queries if not passing(query, known.get(query.name, Checked()))), None)


def wanted(query: Query) -> str:
    """Word the range."""
    if query.least is None or query.most is None:
        return f"at most {query.most:g}" if query.least is None else f"at least {query.least:g}"
    return f"from {query.least:g} to {query.most:g}"


def describe(query: Query, checked: Checked) -> str:
    """Word the last answer."""
    if checked.value is None:
        return f"query {query.name!r} has no number: {checked.trouble}"
    told = f"query {query.name!r} is {checked.value:g}, {wanted(query)} is promised"
    if checked.outside is None:
        return told
    return f"{told}; outside for {checked.outside:.0f} s, {show_duration(query.lasting)} roll back"
