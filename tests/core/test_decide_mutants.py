"""The state machine finds every planted bug within a bounded number of lives."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.core.machine import Rollouts
from tests.core.mutants import MUTANTS

HUNT = settings(
    max_examples=400,
    stateful_step_count=30,
    phases=[Phase.generate],
    derandomize=True,
    database=None,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize(("mutate", "finding"), [pytest.param(m, f, id=m.__name__) for m, f in MUTANTS.items()])
def test_is_found(mutate: Callable[[pytest.MonkeyPatch], None], finding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutate(monkeypatch)
    with pytest.raises(AssertionError, match=finding):
        run_state_machine_as_test(Rollouts, settings=HUNT)
