"""Canary objects and their splits: read, decided on and written back. What is wrong is said, and moves no weight.

The seeds are the fullest Canary and the least one, with the status of each phase, beside the split as it then is.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Final, cast
from zlib import crc32

from canary.adapters import canaries, trafficsplit, watch
from canary.core.decision import Decision, SetWeights, Unguard
from canary.core.lenient import at
from canary.core.manifest import MOST_WEBHOOKS, parse_spec
from canary.core.policies import MOST_STEPS
from canary.core.questions import Reading, Unanswered
from canary.core.record import parse_status, render_status
from canary.core.room import MOST_GATES
from canary.core.snapshot import Key, Snapshot, Split
from canary.core.spec import FULL as ALL
from canary.core.spec import CanarySpec, Inconclusive
from canary.core.status import CanaryStatus, Phase
from canary.errors import InvalidSpec
from tests.build import DOWN, QUIET, a_snapshot, a_status, tick
from tests.canaries import FULL, a_canary
from tests.fuzz.mutation import mutated, scrambled

NAME: Final = "objects"
WEIGHTS: Final = {Phase.PROGRESSING: 100, Phase.BAKING: 1000, Phase.PROMOTING: 1000}
STEPS: Final = re.compile(r"[1-9][0-9]{0,3}m")
CALM: Final = a_snapshot(counters=None)
SELDOM: Final = 5
"""One input of so many goes through a whole tick: reading is quick, deciding is not."""
ROOM: Final = 64 * 2**10  # bytes of a status, beyond what it repeats of the object


def _split(weight: int) -> dict[str, object]:
    listed = [("web-stable", ALL - weight), ("web-canary", weight)]
    backends = [{"service": name, "weight": f"{share}m"} for name, share in listed]
    meta = {"name": "web", "resourceVersion": "3", "managedFields": [{"manager": "canary", "time": "2026-03-01"}]}
    return {"metadata": meta, "spec": {"service": "web", "backends": backends}}


def _seeds() -> list[str]:
    plain = a_canary(stepTimeout="3m", bake="30s")
    full = {**FULL, "metadata": {"name": "web", "namespace": "shop", "generation": 3, "uid": "u"}}
    return [_seed(obj, phase, WEIGHTS.get(phase, 0)) for phase in Phase for obj in (plain, full)]


def _seed(obj: Mapping[str, object], phase: Phase, weight: int) -> str:
    decided = tick(a_snapshot(a_status(phase, weight)))
    status = render_status(decided.status, decided.judgement)
    return json.dumps({"canary": {**obj, "status": status}, "split": _split(weight)})


SEEDS: Final = _seeds()


class Objects:
    """The target."""

    name = NAME

    def draw(self, chance: Random) -> bytes:
        """Make an object, mostly one that is JSON still."""
        if chance.random() < 0.9:
            return json.dumps(mutated(chance.choice(SEEDS), chance)).encode()
        return scrambled(chance.choice(SEEDS), chance)

    def check(self, raw: bytes) -> None:
        """Read it, decide on it with or without an answer of Prometheus, write the status and read that."""
        obj, split = _objects(raw)
        if obj is None:
            return
        strictly_read(obj)
        saved = parse_status(obj.get("status"))
        assert 0 <= saved.weight <= ALL
        assert saved.rollout is None or 0 <= saved.rollout.level <= ALL
        live = trafficsplit.read_split(split)
        canaries.claims(obj)
        turn = crc32(raw)
        if turn % SELDOM == 0:
            decided_on(obj, saved, live, reading=(DOWN, QUIET)[turn % 2], room=ROOM + 8 * len(raw))


def decided_on(
    obj: Mapping[str, object], saved: CanaryStatus, split: Split, *, reading: Reading | Unanswered, room: int
) -> None:
    """A tick on the object is calm, and its status can be read back."""
    spec, problems = canaries.spec_of(dict(obj), saved)
    seen = replace(
        CALM,
        key=Key("shop", watch.place(obj)[1]),
        spec=spec,
        raw_spec=at(obj, "spec"),
        status=saved,
        saved=saved,
        problems=problems,
        split=split,
    )
    decided = tick(seen, reading=reading)
    bounded(seen, decided, answered=reading is not DOWN)
    written(decided, room=room)


def _objects(raw: bytes) -> tuple[Mapping[str, object] | None, Mapping[str, object]]:
    """Read what an API server could hand out: an object with metadata in it."""
    try:
        found = json.loads(raw, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None, {}
    obj = found.get("canary") if isinstance(found, dict) else None
    if not isinstance(obj, dict) or not isinstance(obj.get("metadata", {}), dict):
        return None, {}
    split = found.get("split")
    return obj, split if isinstance(split, dict) else {}


def _refuse(constant: str) -> None:
    """No API server hands out NaN."""
    raise ValueError(constant)


def strictly_read(obj: Mapping[str, object]) -> None:
    """A spec is valid in every respect, or each of its problems has a place and says what is allowed."""
    try:
        spec = parse_spec(obj)
    except InvalidSpec as error:
        named(error)
        return
    valid(spec)
    steps = cast("Mapping[str, object]", obj["spec"]).get("steps")
    if isinstance(steps, list):
        assert all(STEPS.fullmatch(step) for step in steps)
        assert spec.steps == tuple(int(step[:-1]) for step in steps), "a weight is read as another one"


def named(error: InvalidSpec) -> None:
    """Each problem says where it is and what is allowed, in short."""
    assert error.problems
    assert all(problem.allowed and len(str(problem)) < 1000 for problem in error.problems)


def valid(spec: CanarySpec) -> None:
    """Say by other words what the specification promises."""
    assert spec.steps == tuple(sorted(set(spec.steps)))
    assert 0 < spec.steps[0] <= spec.steps[-1] == ALL
    assert len(spec.steps) <= MOST_STEPS
    assert len({spec.service, spec.stable.service, spec.canary.service}) == 3
    assert spec.stable.deployment != spec.canary.deployment
    assert spec.interval.total_seconds() >= 1
    assert min(spec.dwell, spec.step_timeout, spec.bake) >= spec.interval
    assert 1 <= len(spec.places) <= MOST_GATES
    assert len(spec.webhooks) <= MOST_WEBHOOKS
    for rate in [place.success_rate for place in spec.places if place.success_rate is not None]:
        assert 0 < rate.p0 < rate.p_bad <= 0.5
        assert 0 <= rate.delta <= 0.5


def bounded(seen: Snapshot, decided: Decision, *, answered: bool) -> None:
    """The weight goes up by a step at most, and by no step where Prometheus is silent or the spec is none."""
    before, after = seen.status, decided.status
    level = before.rollout.level if before.rollout is not None else 0
    for effect in decided.effects:
        if isinstance(effect, SetWeights):
            assert set(effect.weights.values()) == {after.weight, ALL - after.weight}
            assert sum(effect.weights.values()) == ALL
    if seen.problems and not before.active:
        assert all(isinstance(effect, Unguard) for effect in decided.effects), "an invalid spec is followed"
    assert 0 <= after.weight <= ALL
    if after.weight <= max(before.weight, level):
        return
    assert before.phase is Phase.PROGRESSING, f"{before.phase} raises the weight"
    assert after.weight == _next(seen.spec, before, level), f"from {level}m to {after.weight}m"
    overdue = seen.spec.on_inconclusive is Inconclusive.PROMOTE
    assert answered or overdue, "a step was taken without an answer"


def _next(spec: CanarySpec, before: CanaryStatus, level: int) -> int:
    return next((step for step in spec.steps if step > level), level)


def written(decided: Decision, *, room: int) -> None:
    """What is written can be read back, and does not grow without end."""
    record = render_status(decided.status, decided.judgement)
    text = json.dumps(record, allow_nan=False)
    assert len(text) < room, f"the status has {len(text)} bytes"
    again = render_status(parse_status(json.loads(text)), decided.judgement)
    assert json.dumps(again) == text, "the status is read back as another one"
