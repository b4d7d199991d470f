"""Faults of the table, on the real control plane. Rows are played side by side, each in a namespace of its own.

`make e2e` plays some of each family; `CANARY_FAULTS='*'` plays all (over half an hour on a quiet machine of two cores),
or those that the shell patterns in it name.
"""

import os
from pathlib import Path

import pytest

from e2e.faults.__main__ import PAGE, kept
from e2e.faults.outcome import Outcome
from e2e.faults.play import chosen, play
from e2e.faults.report import render
from e2e.faults.table import rows

# aiohttp's server leaves a connection to the collector that a dying pod drops in mid-answer
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

USUAL = """
    prometheus_forbids outage_in_bake prometheus_nan counters_reset
    api_unavailable api_conflict_split api_watches_cut plane_apiserver_killed
    clock_ahead two_without_lease leader_killed killed_after_all_writes
    some_canary_pods_lost canary_unready_for_good split_weight_raised split_deleted
    push_in_mid_rollout canary_deleted_progressing bad_while_promoting
    spec_invalid deleted_progressing paused_bad_release abort_baking
    veto confirm_down label_long_answered
"""
ROWS = [row.name for row in chosen(os.environ.get("CANARY_FAULTS", USUAL).split())]
TIMEOUT = 3600  # seconds for all rows: the first test waits for them


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """Play what is asked for. A row that did not hold among the others is played once more by itself; that is said."""
    items = [item for item in request.session.items if item.path == Path(__file__) and hasattr(item, "callspec")]
    asked = [item.callspec.params["name"] for item in items]
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    assert reporter is not None
    home: Path = tmp_path_factory.mktemp("faults")
    outcomes = play(asked, reporter.write_line, home)
    for name in [name for name in asked if not outcomes[name].ok]:
        reporter.write_line(f"\n{name} did not hold and is played again by itself:\n{outcomes[name].document()}")
        outcomes |= play([name], reporter.write_line, home / f"again-{name}")
    return outcomes


@pytest.mark.controlplane
@pytest.mark.timeout(TIMEOUT)
@pytest.mark.parametrize("name", ROWS)
def test_fault(name: str, outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[name]
    assert outcome.ok, "\n".join([*outcome.strange, *outcome.lost, outcome.error])


def test_the_page_says_what_was_measured() -> None:
    assert PAGE.read_text().startswith(render(kept(), {}))


def test_every_usual_row_is_in_the_table() -> None:
    assert set(USUAL.split()) <= set(rows())
