"""Many lives of a Canary, none of which may break a rule of the watcher's; and the proof that they get everywhere."""

from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import Phase as Search
from hypothesis.stateful import run_state_machine_as_test

from canary.core.status import Outcome, Phase, Reason
from tests.core.happenings import sweep
from tests.core.machine import Rollouts
from tests.tracing import untraced

pytestmark = [pytest.mark.usefixtures("untraced"), pytest.mark.timeout(300)]  # the sweep is ten seconds of work
THOROUGH = settings.get_current_profile_name() == "thorough"
LIVES = settings(
    max_examples=20_000 if THOROUGH else 60,
    stateful_step_count=15,
    # shrinking takes minutes, and fifteen sentences are short enough
    phases=[Search.generate],
    database=None,
    suppress_health_check=list(HealthCheck),
)

ELSEWHERE = {
    Reason.READY,
    Reason.ROLLED_BACK,
    Reason.FORBIDDEN,
    Reason.REJECTED,
    Reason.LABEL_COLLISION,
    Reason.LEAVING,
    Reason.CLIENT_ERRORS,
}
"""Reasons of a Canary without a past, of records that name none, of the worker's, of labels, of a controller that goes,
of a gate on request: the tables have them."""
FLOORS: Mapping[str, int] = {
    **{f"phase {phase}": 100 for phase in Phase},
    "phase RollingBack": 50,
    **{f"outcome {outcome}": 5 for outcome in Outcome},
    "outcome Promoted": 50,
    "outcome RolledBack": 30,
    "effect Guard": 20,
    "effect Unguard": 3,
    "effect SetWeights": 200,
    "effect SetTemplate": 20,
    "effect Scale": 50,
    "crash": 5,
}


@pytest.fixture(scope="module")
def reached() -> Counter[str]:
    """Let everything happen in every phase."""
    counter: Counter[str] = Counter()
    with untraced():
        sweep(counter)
    return counter


@pytest.mark.parametrize(("what", "floor"), [pytest.param(w, n, id=w) for w, n in FLOORS.items()])
def test_the_sweep_gets_everywhere(reached: Counter[str], what: str, floor: int) -> None:
    assert reached[what] >= floor


@pytest.mark.parametrize("reason", [pytest.param(r, id=r.value) for r in Reason if r not in ELSEWHERE])
def test_the_sweep_meets_every_reason(reached: Counter[str], reason: Reason) -> None:
    assert reached[f"reason {reason}"] + reached[f"notice {reason}"] > 0


def test_no_life_breaks_a_rule() -> None:
    run_state_machine_as_test(Rollouts, settings=LIVES)
