"""The page on decisions shows the figures that were measured, and its examples are valid."""

import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from canary.simulator.scenario import parse_scenario

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "decisions.md"
SCRIPT = SimpleNamespace(**runpy.run_path(str(ROOT / "scripts" / "decisions.py"), run_name="decisions"))
FOUND = {
    "version": "1",
    "seed": 7,
    "sizes": {"good": 3},
    "targets": [{"id": "T1", "wanted": "at most 0.3%", "got": "0.1%", "met": False}],
    "figures": [
        {"target": "T4", "world": "w", "figure": "seconds to", "wanted": 9, "got": {"canary": None, "Flagger": 360.0}},
        {
            "target": "T2",
            "world": "edge",
            "figure": "rolled",
            "wanted": 0.01,
            "got": {"canary": 0.0025, "Flagger": None},
        },
    ],
}
SHARE = {
    "outcome": "Promoted",
    "reason": "Promoted",
    "runs": 9,
    "share": 1.0,
    "seconds": [80.0, 90.0],
    "harmed": [1.0, 2.0],
}
WHOLE = [{"world": "w", "outcomes": [SHARE]}]


def test_tables_are_those_of_the_results() -> None:
    assert SCRIPT.rendered(SCRIPT.read(), PAGE.read_text()) == PAGE.read_text(), "run scripts/decisions.py --render"


def test_a_table_has_what_was_wanted_and_what_came_out() -> None:
    page = SCRIPT.rendered({"steps": FOUND, "ramp": FOUND, "whole": {"steps": WHOLE, "ramp": WHOLE}}, PAGE.read_text())
    assert page.count("| T1 | at most 0.3% | 0.1% | **no** |") == 2
    assert "| w | seconds to | never | never | 360 |" in page
    assert "| edge | 1.0% | 0.25% | 0.25% |" in page
    assert "| w | ramp | Promoted (Promoted) | 100.0% of 9 | 80 / 90 | 1 / 2 |" in page
    assert "steps: version 1, seeds from 7, rollouts in each world 3 good; ramp: " in page


def test_what_was_not_measured_is_said() -> None:
    assert SCRIPT.rendered({"steps": FOUND}, PAGE.read_text()).count(SCRIPT.NOT_YET) == 2


def test_a_page_without_a_place_for_a_table_is_refused() -> None:
    with pytest.raises(SystemExit, match="0 places for made"):
        SCRIPT.rendered({}, "nothing")


def test_figures_are_those_of_the_results_and_small(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(ROOT / "scripts" / "figures.py"), "--into", str(tmp_path)], check=True)
    shown = re.findall(r"!\[[^]]+\]\(([^)]+)\)", PAGE.read_text())
    assert sorted(shown) == sorted(file.name for file in tmp_path.iterdir())
    for name in shown:
        drawn = (tmp_path / name).read_bytes()
        assert drawn == (ROOT / "docs" / name).read_bytes(), "run scripts/decisions.py --render"
        assert len(drawn) < 100_000


def test_the_scenario_on_it_can_be_read() -> None:
    (text,) = re.findall(r"```yaml\n(traffic.*?)```", PAGE.read_text(), re.DOTALL)
    assert parse_scenario(yaml.safe_load(text)).retries == 2
