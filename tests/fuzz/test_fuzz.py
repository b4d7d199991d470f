"""The short form of `make fuzz`: what was found once, some new inputs of each target, and the planted bugs.

`python -m tests.fuzz` is the long form.
"""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.answers import Answers
from tests.fuzz.bugs import BUGS
from tests.fuzz.exposition import Exposition, read_back, weighed
from tests.fuzz.hunt import Finding, Hang, Target, hunt, in_time, kept, tried
from tests.fuzz.objects import Objects

pytestmark = pytest.mark.usefixtures("untraced")
TARGETS: tuple[Target, ...] = (Objects(), Answers(), Exposition())
SEED = "short"
INPUTS = 1500
KEPT = [pytest.param(target, file, id=f"{target.name}-{file.stem}") for target in TARGETS for file in kept(target)]


@pytest.mark.parametrize(("target", "file"), KEPT)
def test_what_was_kept_does_no_harm(target: Target, file: Path) -> None:
    with in_time():
        target.check(file.read_bytes())


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_some_inputs_of_each_kind_do_no_harm(target: Target) -> None:
    found = hunt(target, seed=SEED, inputs=INPUTS, seconds=60)
    assert [str(finding) for finding in found.findings] == []
    assert found.tried == INPUTS


@pytest.mark.parametrize(
    ("plant", "target", "told"), [pytest.param(b, *found, id=b.__name__) for b, found in BUGS.items()]
)
def test_a_planted_bug_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], target: Target, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    found = hunt(target, seed=SEED, inputs=20 * INPUTS, seconds=50, enough=1)
    assert found.findings, f"not in {found}"
    assert told in str(found.findings[0])
    monkeypatch.undo()
    target.check(found.findings[0].raw)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_an_input_can_be_had_again_by_its_number(target: Target) -> None:
    first, again, next_one = (target.draw(Random(f"{SEED} {number}")) for number in (7, 7, 8))
    assert first == again != next_one


class Looping:
    """A target that never ends with one input, and raises on another."""

    name = "looping"

    def draw(self, chance: Random) -> bytes:
        return b"loop" if chance.random() < 0.5 else b"raise"

    def check(self, raw: bytes) -> None:
        if raw == b"raise":
            raise KeyError(raw)
        with in_time(0.05):
            while True:
                pass


def test_a_hang_is_found_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.hunt.CORPUS", tmp_path)
    found = [finding for number in range(20) if (finding := tried(Looping(), SEED, number)) is not None]
    assert {type(finding.error) for finding in found} == {Hang, KeyError}
    for finding in found:
        finding.keep()
    assert [file.read_bytes() for file in kept(Looping())] == sorted({b"loop", b"raise"}, key=_file)


def _file(raw: bytes) -> str:
    return Finding("looping", 0, raw, KeyError()).file.name


LETTERS = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.tuples(LETTERS, LETTERS), st.integers(0, 100))
def test_any_label_comes_back(values: tuple[str, str], requests: int) -> None:
    read_back(list(zip(("dst", "rt_route"), values, strict=True)), requests)


AMOUNTS = st.one_of(
    st.from_regex(r"[+-]?[0-9]{0,12}\.?[0-9]{0,12}([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,2})?", fullmatch=True),
    st.integers(),
    st.floats(),
)


@given(AMOUNTS, AMOUNTS)
def test_any_quantity_is_weighed_right(stable: object, canary: object) -> None:
    weighed(stable, canary)
