"""The peers' rules decide when their code would."""

import pytest

from canary.simulator.peers import PEERS
from canary.simulator.scenario import Release, Scenario

GOOD, BAD = Scenario(), Scenario(canary=Release(failure=1.0))


@pytest.mark.parametrize(
    ("peer", "promotes", "rolls_back"),
    [
        ("Flagger 60 s / 5", 300, 360),
        ("Flagger 10 s / 5", 50, 60),
        ("Argo 60 s, limit 0", 300, 60),
        ("Argo 60 s, limit 3", 300, 240),
    ],
)
def test_on_a_good_and_a_broken_release(peer: str, promotes: float, rolls_back: float) -> None:
    good, bad = (PEERS[peer].trial(scenario, 1, 0.99) for scenario in (GOOD, BAD))
    assert (good.passed, good.failed) == (promotes, None)
    assert (bad.passed, bad.failed) == (None, rolls_back)


def test_no_data_is_a_failed_check() -> None:
    quiet = Scenario(traffic=1e-6)
    assert all(peer.trial(quiet, 1, 0.99).failed for peer in PEERS.values())


def test_flagger_never_forgives_a_failed_check_and_halts_at_each() -> None:
    """Both sides fail for two minutes: two or three checks fail, and the rest of the steps come as much later."""
    shaky = Scenario(canary=Release(failure=0.5, after=61))
    found = PEERS["Flagger 60 s / 5"].trial(shaky, 1, 0.99)
    assert found.failed == 420
