"""Every planted bug is found, and for what it is: by the sweep, and by the state machine too where one looks longer."""

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.core.happenings import sweep
from tests.core.machine import Rollouts
from tests.core.mutants import MUTANTS

pytestmark = pytest.mark.usefixtures("untraced")
THOROUGH = settings.get_current_profile_name() == "thorough"
HUNT = settings(
    max_examples=3000,
    stateful_step_count=30,
    phases=[Phase.generate],
    derandomize=True,
    database=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
BUGS = [pytest.param(mutate, finding, id=mutate.__name__) for mutate, finding in MUTANTS.items()]
LONG = BUGS if THOROUGH else []  # `--hypothesis-profile thorough` lets chance look too
Mutate = Callable[[pytest.MonkeyPatch], None]


@pytest.mark.parametrize(("mutate", "finding"), BUGS)
def test_the_sweep_finds(mutate: Mutate, finding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutate(monkeypatch)
    with pytest.raises(AssertionError, match=finding):
        sweep(Counter())


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("mutate", "finding"), LONG)
def test_the_machine_finds(mutate: Mutate, finding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutate(monkeypatch)
    with pytest.raises(AssertionError, match=finding):
        run_state_machine_as_test(Rollouts, settings=HUNT)
