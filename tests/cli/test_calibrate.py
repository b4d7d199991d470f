"""`canary calibrate` holds a Canary against the targets, beside its peers."""

import json
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from canary.cli import main
from canary.simulator import calibration
from canary.simulator.calibration import Sizes
from tests.canaries import a_canary


@pytest.fixture(autouse=True)
def _few_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "QUICK", Sizes(good=1, bad=2, rough=1, boundary=1, held=1))


def calibrated(tmp_path: Path, *arguments: str, canary: object = None) -> Result:
    file = tmp_path / "canary.yaml"
    file.write_text(yaml.safe_dump(canary or a_canary(bake="1m")))
    return CliRunner().invoke(main, ["calibrate", "-f", str(file), "--quick", "--jobs", "1", *arguments])


def test_json_has_every_target_with_its_figures(tmp_path: Path) -> None:
    result = calibrated(tmp_path, "-o", "json")
    told = json.loads(result.stdout)
    assert [target["id"] for target in told["targets"]] == [f"T{n}" for n in range(1, 10)]
    assert all({"id", "wanted", "got", "met"} == set(target) for target in told["targets"])
    assert told["policy"] == "steps"
    row = next(r for r in told["figures"] if r["world"] == "100% at 1000 rps" and r["figure"].endswith("median"))
    assert row["got"] == {
        "canary": 20,
        "Flagger 60 s / 5": 360,
        "Flagger 10 s / 5": 60,
        "Argo 60 s, limit 0": 60,
        "Argo 60 s, limit 3": 240,
    }


def test_the_table_names_the_peers_and_where_their_rules_come_from(tmp_path: Path) -> None:
    result = calibrated(tmp_path)
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["TARGET", "WHAT", "WORST"]
    assert [line.split()[0] for line in lines[1:10]] == [f"T{n}" for n in range(1, 10)]
    assert "FLAGGER 60 S / 5" in lines[11]
    assert "written anew from their published behaviour" in result.stderr


def test_a_canary_without_a_success_rate_is_refused(tmp_path: Path) -> None:
    result = calibrated(tmp_path, canary=a_canary(gates={"latency": {"p99": "500ms"}}))
    assert result.exit_code == 1
    assert "successRate" in result.stderr


def test_a_figure_that_few_runs_do_not_contradict_says_so_in_its_row(tmp_path: Path) -> None:
    lines = calibrated(tmp_path).stdout.splitlines()[1:10]
    assert all(line.split()[1] in ("met", "MISSED") for line in lines)
    for line in lines[:2]:
        got, wanted = (float(share) for share in re.findall(r"([\d.]+)%, at most ([\d.]+)%", line)[0])
        assert ("met (few runs)" in line) == (got > wanted and "MISSED" not in line)


def test_wanted_values_that_are_not_this_canary_s_are_said_to_be_before_all_else(tmp_path: Path) -> None:
    said = calibrated(tmp_path, canary=a_canary(gates={"successRate": {"min": "98%"}}, bake="1m")).stderr
    assert said.startswith("The wanted values are those of the default promise")
    assert said.count("The wanted values") == 1
