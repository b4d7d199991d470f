"""The table of faults: every row is a function in `rows`, registered by `fault`."""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from e2e.faults.trial import Trial

Play: TypeAlias = Callable[["Trial"], Awaitable[None]]

FAMILIES = (
    "Prometheus", "API server", "Control plane", "Controller", "Pods", "Traffic split", "Releases", "Canary object",
    "Webhooks", "Labels",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Row:
    """One fault, what must happen, and the function that tries it on a trial of its own.

    `own` gives it a lab of its own, for faults of what the others share; `patience` is what it may take, in seconds.
    """

    name: str
    family: str
    fault: str
    wanted: str
    play: Play
    rps: float
    own: bool
    patience: float


ROWS: dict[str, Row] = {}


def fault(
    family: str, what: str, *, wanted: str, rps: float = 20, own: bool = False, patience: float = 400
) -> Callable[[Play], Play]:
    """Register a row. The function's name is, with dashes, its namespace."""

    def register(play: Play) -> Play:
        row = play.__name__
        if row in ROWS or family not in FAMILIES:
            raise ValueError(f"{family}: {row}")
        ROWS[row] = Row(
            name=row, family=family, fault=what, wanted=wanted, play=play, rps=rps, own=own, patience=patience
        )
        return play

    return register


def rows() -> dict[str, Row]:
    """Give all rows, in the order of the families."""
    package = importlib.import_module("e2e.faults.rows")
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda each: each.name):
        importlib.import_module(f"e2e.faults.rows.{module.name}")
    return dict(sorted(ROWS.items(), key=lambda item: FAMILIES.index(item[1].family)))
