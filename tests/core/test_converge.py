"""What is not done to a split: moving traffic onto a side that has no pod for it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from canary.core.decision import SetWeights
from canary.core.snapshot import Split, Wiring, Workload
from canary.core.spec import Weight
from canary.core.status import Phase
from tests.build import NOW, a_snapshot, a_split, a_status, canary, stable, tick


@pytest.mark.parametrize(
    ("split", "on_stable", "written"),
    [
        pytest.param(a_split(300), stable(), True, id="an edited one is put back"),
        pytest.param(
            a_split(weights={"web-stable": 700, "other": 300}), stable(), True, id="other backends are put back"
        ),
        pytest.param(None, stable(), True, id="a deleted one is made again"),
        pytest.param(a_split(300), stable(ready=0), False, id="an edited one stays while stable has no pod"),
        pytest.param(None, stable(ready=0), False, id="a deleted one stays away while stable has no pod"),
        pytest.param(a_split(0), stable(ready=0), False, id="one that is as intended is left alone"),
    ],
)
def test_an_idle_split(split: Split | None, on_stable: Workload, *, written: bool) -> None:
    seen = a_snapshot(a_status(Phase.IDLE, 0), split=split, stable=on_stable, canary=canary("c1", desired=1))
    assert [type(effect) for effect in tick(seen).effects] == [SetWeights] * written


def test_where_neither_side_has_a_pod_the_split_is_as_intended() -> None:
    seen = a_snapshot(a_status(Phase.IDLE, 0), split=None, stable=stable(ready=0), canary=canary("c1", ready=0))
    assert [type(effect) for effect in tick(seen).effects] == [SetWeights]


@pytest.mark.parametrize(
    ("live", "ready", "written"),
    [
        pytest.param(1000, 1, True, id="stable has a pod"),
        pytest.param(1000, 0, False, id="stable lost its pods since the intent was saved"),
    ],
)
def test_the_split_of_a_rollback_that_was_saved_before(live: Weight, ready: int, *, written: bool) -> None:
    seen = a_snapshot(a_status(Phase.ROLLING_BACK, 0), split=a_split(live), stable=stable(ready=ready))
    assert [type(effect) for effect in tick(seen).effects] == [SetWeights] * written


def test_traffic_is_taken_from_a_canary_without_pods_even_so() -> None:
    seen = a_snapshot(
        a_status(Phase.ROLLING_BACK, 0), split=a_split(1000), stable=stable(ready=0), canary=canary(ready=0)
    )
    assert [type(effect) for effect in tick(seen).effects] == [SetWeights]


def test_a_rollback_takes_a_third_backend_out_again() -> None:
    third = a_split(weights={"web-stable": 0, "web-canary": 900, "third": 100}, editor="somebody")
    decision = tick(a_snapshot(a_status(Phase.ROLLING_BACK, 0), split=third))
    (effect,) = decision.effects
    assert isinstance(effect, SetWeights)
    assert effect.weights == {"web-stable": 1000, "web-canary": 0}
    assert "somebody" in decision.notices[0].message


@pytest.mark.parametrize(
    ("phase", "intended", "split", "missing"),
    [
        pytest.param(Phase.PROGRESSING, 100, a_split(weights={"web-stable": 900, "was": 100}), "web-canary", id="new"),
        pytest.param(Phase.PROGRESSING, 100, a_split(weights={"was": 900, "web-canary": 100}), "web-stable", id="new"),
        pytest.param(Phase.PROGRESSING, 100, None, "web-canary", id="gone with the split"),
        pytest.param(Phase.ROLLING_BACK, 0, a_split(1000), "web-stable", id="stable's, while the canary has all"),
    ],
)
def test_a_service_that_does_not_exist_gets_no_traffic_that_it_had_not(
    phase: Phase, intended: Weight, split: Split | None, missing: str
) -> None:
    seen = a_snapshot(a_status(phase, intended), split=split, wiring=Wiring(missing_services=(missing,)))
    given = [effect.weights[missing] for effect in tick(seen).effects if isinstance(effect, SetWeights)]
    assert given in ([], [0])


def test_a_deleted_canary_waits_a_minute_for_stable_to_have_a_service() -> None:
    without = Wiring(missing_services=("web-stable",))
    seen = a_snapshot(a_status(Phase.BAKING, 1000), split=a_split(1000), wiring=without, deleted_at=NOW)
    assert not tick(seen).effects
    assert tick(replace(seen, at=NOW + timedelta(seconds=61))).effects
