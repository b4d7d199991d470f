"""`canary simulate` tells a story, or makes a table of many."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from canary.cli import main
from tests.canaries import a_canary, a_route
from tests.core import mutants


def simulated(tmp_path: Path, *arguments: str, canary: object = None, scenario: object = None) -> Result:
    file, world = tmp_path / "canary.yaml", tmp_path / "scenario.yaml"
    file.write_text(yaml.safe_dump(canary or a_canary(bake="1m")))
    if scenario is not None:
        world.write_text(yaml.safe_dump(scenario))
        arguments = (*arguments, "--scenario", str(world))
    return CliRunner().invoke(main, ["simulate", "-f", str(file), *arguments])


def test_one_run_is_a_story_with_its_numbers(tmp_path: Path) -> None:
    result = simulated(tmp_path, "--canary-failure", "5%", "--seed", "4")
    *story, end = result.stdout.splitlines()
    assert result.exit_code == 0
    assert [line.split()[3].rstrip(":") for line in story] == [
        "NewRevision", "Forecast", "WeightIncreased", "SuccessRate", "SuccessRate"
    ]  # fmt: skip
    assert end.startswith("RolledBack (SuccessRate) after ")
    assert end.endswith("Seed 4.")


def test_many_runs_are_a_table(tmp_path: Path) -> None:
    result = simulated(tmp_path, "--runs", "4", "--jobs", "1")
    header, row = result.stdout.splitlines()
    assert header.split() == ["OUTCOME", "REASON", "SHARE", "SECONDS", "P90", "FAILED", "P90", "SEEDS"]
    assert row.split()[:3] == ["Promoted", "Promoted", "100.0%"]


LOSS = {"losses": [{"side": "canary", "at": "40s", "lasts": "20s"}]}


@pytest.mark.parametrize(
    ("bug", "failure", "scenario"),
    [
        pytest.param(mutants.dwell_ignored, "0.1%", {}, id="a step is left early"),
        pytest.param(mutants.passed_at_once, "0.1%", {}, id="one good tick passes"),
        pytest.param(mutants.two_steps_at_once, "5%", {}, id="a step is left out"),
        pytest.param(mutants.rollback_keeps_weight, "5%", {}, id="traffic stays"),
        pytest.param(mutants.pods_ignored, "0.1%", LOSS, id="pods are not looked at"),
        pytest.param(mutants.deadline_overrides_pods, "0.1%", LOSS, id="a deadline comes first"),
    ],
)
def test_a_bug_in_decide_shows_in_the_table(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bug: Callable[[pytest.MonkeyPatch], None],
    failure: str,
    scenario: dict[str, object],
) -> None:
    arguments = ("--canary-failure", failure, "--runs", "5", "--jobs", "1")
    sound = simulated(tmp_path, *arguments, scenario=scenario)
    bug(monkeypatch)
    buggy = simulated(tmp_path, *arguments, scenario=scenario)
    assert (sound.exit_code, buggy.exit_code) == (0, 0)
    assert buggy.stdout != sound.stdout


def test_json_says_the_same(tmp_path: Path) -> None:
    one = json.loads(simulated(tmp_path, "--canary-failure", "50%", "-o", "json").stdout)
    many = json.loads(simulated(tmp_path, "--canary-failure", "50%", "--runs", "2", "-o", "json", "--jobs", "1").stdout)
    assert (one["outcome"], one["reason"], one["seed"]) == ("RolledBack", "SuccessRate", 1)
    assert (many["runs"], many["outcomes"][0]["share"]) == (2, 1.0)


def test_the_command_line_goes_before_the_scenario(tmp_path: Path) -> None:
    scenario = {"canary": {"failure": "50%"}, "traffic": 5}
    assert "RolledBack" in simulated(tmp_path, scenario=scenario).stdout
    assert "Promoted (" in simulated(tmp_path, "--canary-failure", "0.1%", "--traffic", "100", scenario=scenario).stdout


def test_routes_of_the_canary_share_the_traffic_where_nobody_says(tmp_path: Path) -> None:
    canary = a_canary(bake="1m", gates={"routes": [a_route("GET /"), a_route("POST /")]})
    assert "Promoted (" in simulated(tmp_path, canary=canary).stdout


@pytest.mark.parametrize(
    ("arguments", "canary", "scenario", "told"),
    [
        pytest.param((), a_canary(dwell="soon"), None, "dwell", id="a bad Canary"),
        pytest.param((), {"kind": "Service"}, None, "0 Canaries", id="no Canary"),
        pytest.param((), None, {"trafic": 3}, "trafic", id="a bad scenario"),
        pytest.param(("--canary-failure", "lots"), None, None, "not a percentage", id="a bad share"),
        pytest.param(("--traffic", "0"), None, None, "--traffic", id="no traffic"),
    ],
)
def test_bad_input_is_one_clear_error(
    tmp_path: Path, arguments: tuple[str, ...], canary: object, scenario: object, told: str
) -> None:
    result = simulated(tmp_path, *arguments, canary=canary, scenario=scenario)
    assert result.exit_code != 0
    assert told in result.stderr
    assert "Traceback" not in result.output
