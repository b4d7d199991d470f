"""A play in acts: each is a method that is named by what it shows, and needs those before it."""

import traceback
from typing import Protocol


class Play(Protocol):
    """What is played; its public methods are the acts, in the order in which they are written."""


def acts(play: type) -> list[str]:
    """Name the acts of a play."""
    return [name for name in vars(play) if not name.startswith("_")]


async def play_all(play: object) -> dict[str, str]:
    """Play to the first act that fails; says of each what went wrong, or nothing."""
    wrong: dict[str, str] = {}
    failed = ""
    for name in acts(type(play)):
        if failed:
            wrong[name] = f"not reached: {failed} failed"
            continue
        try:
            await getattr(play, name)()
            wrong[name] = ""
        except Exception:  # noqa: BLE001 - told by the act's own test
            wrong[name], failed = traceback.format_exc(), name
    return wrong
