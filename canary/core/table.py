"""The rules and the legal moves as tables of Markdown, for docs/architecture.md.

A test holds the document to what is printed here; nothing at run time calls this module.
"""

from collections.abc import Iterable

from canary.core.decide import CHAINS
from canary.core.rules import Happening
from canary.core.status import MOVES, Phase

NOTHING = "-"


def rules() -> str:
    """Print what follows from each happening in each phase, numbered as the phase looks at them."""
    cells = {
        (phase, rule.happening): f"{place}. {rule.then}"
        for phase, chain in CHAINS.items()
        for place, rule in enumerate(chain, start=1)
    }
    rows = ((happening, *(cells.get((phase, happening), NOTHING) for phase in Phase)) for happening in Happening)
    return _markdown(("what happens", *Phase), rows)


def moves() -> str:
    """Print from which phase a Canary may go to which."""
    rows = ((phase, ", ".join(to for to in Phase if to in MOVES[phase])) for phase in Phase)
    return _markdown(("from", "to"), rows)


def _markdown(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows))
