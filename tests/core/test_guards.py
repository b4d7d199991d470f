"""What is said of pods that are not there."""

from dataclasses import replace

import pytest

from canary.core import guards
from canary.core.spec import Weight
from canary.core.status import Phase, Reason
from tests.build import a_snapshot, a_status, canary, pods, stable, tick

CRASHING = tuple(replace(pod, restarts=3) for pod in pods("c2", 1, unready=3))


@pytest.mark.parametrize(
    ("replicas", "weight", "wanted"),
    [
        pytest.param(4, 0, 0, id="none for nothing"),
        pytest.param(4, 1, 1, id="one for a thousandth"),
        pytest.param(4, 250, 1, id="as many as stable has for the same"),
        pytest.param(4, 251, 2, id="rounded up"),
        pytest.param(0, 1000, 0, id="none beside a stable without pods"),
    ],
)
def test_pods_needed(replicas: int, weight: Weight, wanted: int) -> None:
    assert guards.needed(replicas, weight) == wanted


def test_a_withdrawal_counts_the_crashes() -> None:
    seen = a_snapshot(a_status(Phase.PROGRESSING, 500), canary=canary(pods=CRASHING, settled=False))
    status = tick(seen).status
    assert (status.reason, status.weight) == (Reason.CAPACITY_WITHDRAWN, 250)
    assert "canary pods ready: 1, wanted for 500m: 2, with 12 restarts of their containers" in status.message


def test_a_rollback_for_missing_pods_counts_the_crashes() -> None:
    trouble = guards.canary_trouble(canary(pods=CRASHING), "c2", 2, 500)
    assert trouble == ("canary pods ready: 1, wanted for 500m: 2, with 12 restarts of their containers")


def test_restarts_of_other_revisions_are_not_counted() -> None:
    assert guards.crashes(canary(pods=CRASHING), "c3") == ""


def test_an_unready_stable_is_said_with_its_numbers() -> None:
    assert guards.stable_trouble(stable(ready=2)) == "2 of stable's 4 pods are ready and meshed"
