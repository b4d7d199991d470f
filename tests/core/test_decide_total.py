"""Deciding never raises, whatever an older program or a hand left in the status, and whatever half of the world is."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core.record import parse_status, render_status
from canary.core.status import Phase
from tests.build import BAD, CALM, DOWN, NOW, a_book, a_snapshot, a_split, a_status, canary, released, stable, tick
from tests.strategies import json_values

pytestmark = pytest.mark.usefixtures("untraced")
WEIGHTS = {Phase.PROGRESSING: 300, Phase.BAKING: 1000, Phase.PROMOTING: 1000}


def written(phase: Phase) -> dict[str, object]:
    """Write a status as the API server has it."""
    seen = a_snapshot(a_status(phase, WEIGHTS.get(phase, 0)))
    decided = tick(seen)
    record: dict[str, object] = json.loads(json.dumps(render_status(decided.status, decided.judgement)))
    return record


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """List every place in a record."""
    items: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def spoilt(record: object, path: tuple[str | int, ...], value: object) -> object:
    """Put another value somewhere."""
    if not path:
        return value
    head, *rest = path
    if isinstance(record, dict):
        return {**record, head: spoilt(record[head], tuple(rest), value)}
    assert isinstance(record, list)
    return [spoilt(inner, tuple(rest), value) if place == head else inner for place, inner in enumerate(record)]


RECORDS = {phase: written(phase) for phase in Phase}
PLACES = [(phase, path) for phase in Phase for path in places(RECORDS[phase])]
WORLDS: tuple[dict[str, object], ...] = (
    {},
    {"stable": None},
    {"canary": None},
    {"split": None},
    {"stable": stable(ready=0), "canary": canary("c3", ready=1)},
    {"stable": released(ready=2), "deleted_at": NOW},
    {"split": a_split(50, editor="kubectl")},
)


@given(place=st.sampled_from(PLACES), value=json_values(), world=st.sampled_from(WORLDS))
def test_a_record_that_someone_spoilt(
    place: tuple[Phase, tuple[str | int, ...]], value: object, world: dict[str, object]
) -> None:
    phase, path = place
    status = parse_status(spoilt(RECORDS[phase], path, value))
    assert render_status(parse_status(render_status(status))) == render_status(status)
    seen = replace(a_snapshot(), status=status, saved=status, counters=None, **world)  # type: ignore[arg-type] # columns
    decided = tick(seen)
    assert 0 <= decided.status.weight <= 1000
    json.dumps(render_status(decided.status, decided.judgement), allow_nan=False)


@given(record=json_values())
def test_a_record_of_any_kind(record: object) -> None:
    assert parse_status(record).phase is Phase.IDLE


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("evidence", [CALM, BAD])
@pytest.mark.parametrize("down", [True, False])
def test_half_a_world(phase: Phase, world: dict[str, object], evidence: object, *, down: bool) -> None:
    status = a_status(phase, WEIGHTS.get(phase, 0))
    if status.active:
        status = replace(status, book=a_book(*evidence))  # type: ignore[misc] # a table's own column
    seen = replace(a_snapshot(status), **world)  # type: ignore[arg-type] # a table's own columns
    decided = tick(seen, reading=DOWN) if down else tick(seen)
    assert not decided.effects or decided.save
