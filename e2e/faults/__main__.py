"""`python -m e2e.faults [--home DIR] [--docs] [NAME …]`: play the table of faults, or the rows whose names are given.

Prints a line for each row as it ends, and the outcomes as JSON at the end. With `--docs` these are kept: the rows
that were played take the place of what `docs/faults.json` says of them, and `docs/faults.md` is made from it.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import structlog

from e2e.faults.outcome import Outcome
from e2e.faults.play import play
from e2e.faults.report import render
from e2e.faults.table import rows

DOCS = Path(__file__).parents[2] / "docs"
RESULTS, PAGE = DOCS / "faults.json", DOCS / "faults.md"


def documents(outcomes: Mapping[str, Outcome]) -> dict[str, object]:
    """Write outcomes as JSON."""
    return {name: outcome.document() for name, outcome in outcomes.items()}


def kept() -> dict[str, Outcome]:
    """Read the outcomes of before, of rows that there still are."""
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return {name: Outcome.read(found[name]) for name in rows() if name in found}


def keep(outcomes: Mapping[str, Outcome]) -> None:
    """Write both files anew."""
    merged = {**kept(), **outcomes}
    ordered = {name: merged[name] for name in rows() if name in merged}
    RESULTS.write_text(json.dumps(documents(ordered), indent=1, ensure_ascii=False) + "\n")
    PAGE.write_text(render(ordered, rows()))


def main() -> int:
    """Play; returns 1 where a row did not hold."""
    parser = argparse.ArgumentParser(prog="python -m e2e.faults")
    parser.add_argument("rows", nargs="*", help="names or families, as shell patterns; default: all")
    parser.add_argument("--home", type=Path, help="where logs are kept; default: nowhere")
    parser.add_argument("--docs", action="store_true", help="write docs/faults.json and docs/faults.md")
    given = parser.parse_args()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # the lab's; stdout is for JSON
    outcomes = play(given.rows, lambda line: print(line, file=sys.stderr, flush=True), given.home)  # noqa: T201 - a command
    json.dump(documents(outcomes), sys.stdout, indent=2)
    if given.docs:
        keep(outcomes)
    return 0 if outcomes and all(outcome.ok for outcome in outcomes.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
