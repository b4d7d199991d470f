"""Good JSON made bad: a tree with a few places exchanged, and a text with a few bytes exchanged. All by one seed."""

import json
from collections.abc import Callable, Iterator
from functools import cache
from random import Random
from typing import Final, TypeAlias

Tree: TypeAlias = dict[str, object] | list[object]
Path: TypeAlias = tuple[str | int, ...]

LONG: Final = "x" * 10_000
NASTY: Final[tuple[object, ...]] = (
    *(None, True, False, 0, -1, 1, 7, 63, 1000, 1001, 2**31, 2**53, 2**63, 10**400, -0.0, 0.1, 1e-320, 1e15, 1e308),
    *(float("nan"), float("inf"), "NaN", "+Inf", "-Inf", "1e999", "-1", "0", "1", "1e300", "nan nan", "1_000", "0x10"),
    *("", " ", "\0", "\n", "ü漢", "\ud800", "\u202e", "e\u0301", LONG, "ü" * 10_000, '"\\\n', "${x}", "../..", "-"),
    *("100m", "0m", "1000m", "1001m", "123m", "0100m", "-100m", "+1m", "٣m", "100", "0.1", "1Ki", "1e3m", "1u", "1."),
    *(
        "1s",
        "0s",
        "1h30m",
        "999999h999999m999999s999999ms",
        "1.5h",
        "99%",
        "50%",
        "100%",
        "0.1pp",
        "51pp",
        "9.1234567%",
    ),
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59Z", "2026-03-01T12:00:00Z", "2026-03-01", "Idle", "Promoting"),
    *("RollingBack", "Finalising", "Baking", "Progressing", "RolledBack", "Rollback", "Promote", "web-c2-1", "Success"),
    *("http://[::1]:99999/", "http://[", "https://a b", "http://\ud800", "web-canary", "web-stable", "web", "c2", "s1"),
    *([], {}, [[]], [None], {"": None}, ["1000m"], ["0m", "1000m"], ["1m"] * 200, {"name": "x", "service": "web"}),
)
DEEP: Final = 300  # levels: what any JSON library reads without complaint


def mutated(seed: str, chance: Random, most: int = 4) -> Tree:
    """Read a tree and exchange one to `most` places in it."""
    tree: Tree = json.loads(seed)
    for _ in range(chance.randint(1, most)):
        found = _place(tree, chance.choice(_places(seed)))
        if found is not None:
            chance.choice(DEEDS)(*found, chance)
    return tree


@cache
def _places(seed: str) -> tuple[Path, ...]:
    """List every place in a tree."""
    return tuple(_below(json.loads(seed), ()))


def _below(value: object, path: Path) -> Iterator[Path]:
    for place in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*path, place)
        yield from _below(value[place], (*path, place))  # type: ignore[index] # a container, see above


def _place(tree: object, path: Path) -> tuple[Tree, str | int] | None:
    """Walk there, unless an earlier deed has changed the way."""
    *way, last = path
    for place in way:
        tree = tree[place] if isinstance(tree, dict | list) and _has(tree, place) else None  # type: ignore[index]
    return (tree, last) if isinstance(tree, dict | list) and _has(tree, last) else None


def _has(holder: Tree, place: str | int) -> bool:
    if isinstance(holder, dict):
        return place in holder
    return isinstance(place, int) and place < len(holder)


def scrambled(text: str, chance: Random, most: int = 8) -> bytes:
    """Write a text with one to `most` bytes or pieces of it exchanged, doubled or gone."""
    raw = bytearray(text.encode(errors="surrogatepass"))
    for _ in range(chance.randint(1, most)):
        at = chance.randrange(len(raw) + 1)
        match chance.randrange(5):
            case 0:
                raw[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del raw[at : at + chance.randint(1, 40)]
            case 2:
                raw[at:at] = raw[at : at + chance.randint(1, 200)] * chance.randint(1, 3)
            case 3:
                raw[at:at] = chance.choice(BITS)
            case _:
                del raw[at:]
    return bytes(raw)


BITS: Final = (
    b"\xff\xfe",
    b"\0",
    b'"',
    b"\\",
    b"\\ud800",
    b"{",
    b"[" * 2000,
    b"]",
    b",",
    b"NaN",
    b"-",
    b"9" * 5000,
    b"e",
)


def _child(holder: Tree, chance: Random) -> str | int | None:
    if not holder:
        return None
    return chance.choice(list(holder)) if isinstance(holder, dict) else chance.randrange(len(holder))


def _exchange(holder: Tree, place: str | int, chance: Random) -> None:
    holder[place] = chance.choice(NASTY)  # type: ignore[index]


def _remove(holder: Tree, place: str | int, _: Random) -> None:
    del holder[place]  # type: ignore[arg-type]


def _rename(holder: Tree, place: str | int, chance: Random) -> None:
    if isinstance(holder, dict) and isinstance(place, str):
        letter = chance.randrange(len(place) + 1)
        name = chance.choice(
            (LONG, place.upper(), place[:letter] + "\u0131" + place[letter:], place[letter:], "le", "")
        )
        holder[name] = holder.pop(place)


def _repeat(holder: Tree, place: str | int, chance: Random) -> None:
    if isinstance(holder, list) and isinstance(place, int):
        holder[place:place] = [holder[place]] * chance.choice((1, 1, 2, 70))


def _swap(holder: Tree, place: str | int, chance: Random) -> None:
    other = _child(holder, chance)
    holder[place], holder[other] = holder[other], holder[place]  # type: ignore[index]


def _bend(holder: Tree, place: str | int, chance: Random) -> None:
    """Exchange a letter of a text, or move a number a little."""
    value = holder[place]  # type: ignore[index]
    if isinstance(value, str) and value:
        at = chance.randrange(len(value))
        value = value[:at] + chance.choice("0159amkKi.-+e% \n\ud800ü") + value[at + chance.randrange(2) :]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        value = chance.choice((-value, value + 1, value - 1, value * 10, value // 3, str(value)))
    holder[place] = value  # type: ignore[index]


def _bury(holder: Tree, place: str | int, chance: Random) -> None:
    """Nest a value."""
    value = holder[place]  # type: ignore[index]
    for _ in range(chance.choice((1, 1, 2, DEEP))):
        value = [value] if chance.random() < 0.5 else {"x": value}
    holder[place] = value  # type: ignore[index]


Deed: TypeAlias = Callable[[Tree, str | int, Random], None]
DEEDS: Final[tuple[Deed, ...]] = (
    _exchange,
    _exchange,
    _exchange,
    _remove,
    _rename,
    _repeat,
    _swap,
    _bend,
    _bend,
    _bury,
)
