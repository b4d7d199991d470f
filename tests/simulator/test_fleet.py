"""A simulated Deployment: what serves while pods start, are lost, or are more."""

import pytest

from canary.core.counts import Version
from canary.simulator.fleet import Fleet
from canary.simulator.scenario import Loss


@pytest.fixture
def fleet() -> Fleet:
    """One pod of the old release, and a new one pushed at 0 s that takes 10 s."""
    made = Fleet("web", {}, "old", 1, 10.0)
    made.push({}, "new", 0.0, 10.0)
    return made


def ready(fleet: Fleet, now: float) -> int:
    return sum(pod.ready for pod in fleet.workload(now).pods if pod.revision == "new")


def test_the_revision_before_serves_until_the_new_one_has_started(fleet: Fleet) -> None:
    assert [fleet.serving(now) for now in (0.0, 9.9, 10.0)] == ["old", "old", "new"]


def test_pods_that_are_ready_go_on_while_more_of_them_start(fleet: Fleet) -> None:
    fleet.scale(3, 20.0)
    assert [(fleet.serving(now), ready(fleet, now)) for now in (20.0, 29.9, 30.0)] == [
        ("new", 1),
        ("new", 1),
        ("new", 3),
    ]
    assert [fleet.workload(now).settled for now in (29.9, 30.0)] == [False, True]
    assert 30.0 in fleet.changes()


def test_nothing_serves_where_the_only_pods_that_had_started_are_lost(fleet: Fleet) -> None:
    fleet.losses = (Loss(side=Version.CANARY, at=22.0, lasts=2.0, pods=1),)
    fleet.scale(2, 20.0)
    assert [fleet.serving(now) for now in (21.0, 23.0, 25.0)] == ["new", "", "new"]


def test_pods_scaled_from_none_take_their_time(fleet: Fleet) -> None:
    fleet.scale(0, 12.0)
    fleet.scale(1, 20.0)
    assert [fleet.serving(now) for now in (15.0, 29.0, 30.0)] == ["", "", "new"]
