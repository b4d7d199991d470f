"""The document says what the code does."""

from collections.abc import Callable
from pathlib import Path

import pytest

from canary.core import table
from canary.core.decide import CHAINS
from canary.core.status import Phase

DOCUMENT = Path(__file__).parents[2] / "docs" / "architecture.md"


@pytest.mark.parametrize(("name", "printed"), [("rules", table.rules), ("moves", table.moves)])
def test_the_document_has_the_table_that_the_code_prints(name: str, printed: Callable[[], str]) -> None:
    begun, ended = f"<!-- {name}: printed by canary.core.table -->\n", f"\n<!-- /{name} -->"
    between = DOCUMENT.read_text(encoding="utf-8").partition(begun)[2].partition(ended)[0]
    assert between == printed()


def test_the_numbers_of_a_column_are_the_places_in_its_chain() -> None:
    column = [line.split(" | ")[2].strip(" |") for line in table.rules().splitlines()[2:]]
    numbers = sorted(int(cell.partition(".")[0]) for cell in column if cell != table.NOTHING)
    assert numbers == list(range(1, len(CHAINS[Phase.PROGRESSING]) + 1))
