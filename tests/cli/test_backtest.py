"""`canary backtest` says what the gates would have decided over a recorded past."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from canary.backtest.recording import Row, parse, render
from canary.cli import main
from tests.backtest.recorded import a_line, a_row, traffic
from tests.canaries import a_canary


def recorded(tmp_path: Path, lines: Iterable[str]) -> Path:
    file = tmp_path / "recording.jsonl"
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


def replayed(tmp_path: Path, *arguments: str) -> Result:
    file = tmp_path / "canary.yaml"
    file.write_text(yaml.safe_dump(a_canary()))
    return CliRunner().invoke(main, ["backtest", "-f", str(file), *arguments])


def episodes(*failures: float) -> list[str]:
    rows: list[Row] = []
    for number, failure in enumerate(failures):
        rows += [row._replace(episode=f"e{number}") for pair in traffic(failure, seed=number) for row in pair]
    return [render(row) for row in rows]


def test_many_episodes_are_a_table_and_a_sentence(tmp_path: Path) -> None:
    result = replayed(tmp_path, "--recording", str(recorded(tmp_path, episodes(0.001, 0.05, 0.0))))
    header, *rows, told = result.stdout.splitlines()
    assert result.exit_code == 0, result.output
    assert header.split()[:2] == ["EPISODE", "DECISION"]
    assert [row.split()[:2] for row in rows] == [["e0", "Pass"], ["e1", "Fail"], ["e2", "Pass"]]
    assert "100:1 decide" in rows[1]
    assert told.startswith("in 3 episodes: 1 rollback (33.33%) after median ")
    assert told.endswith(" s in 2")


def test_a_slowdown_is_not_replayed_and_that_is_said(tmp_path: Path) -> None:
    file = tmp_path / "canary.yaml"
    file.write_text(yaml.safe_dump(a_canary(gates={"latency": {"slowdown": 1.5}})))
    past = str(recorded(tmp_path, episodes(0.001)))
    result = CliRunner().invoke(main, ["backtest", "-f", str(file), "--recording", past])
    assert result.exit_code == 0
    assert "service: latency beside stable: never judged: its bucket bounds are chosen from a past" in result.stderr
    assert result.stdout.splitlines()[1].split()[:2] == ["e0", "Hold"]


def test_json_has_culprits_odds_and_times(tmp_path: Path) -> None:
    result = replayed(tmp_path, "--recording", str(recorded(tmp_path, episodes(0.001, 0.05))), "-o", "json")
    document = json.loads(result.stdout)
    good, bad = document["episodes"]
    assert (good["decision"], good["culprits"], good["t"]) == ("Pass", [], good["passedAfter"])
    assert (bad["decision"], bad["culprits"], bad["passedAfter"]) == ("Fail", ["service: success rate"], None)
    assert bad["odds"] >= 100
    assert bad["gates"]["service: success rate"]["verdict"] == "Fail"
    summary = document["summary"]
    assert (summary["episodes"], summary["rollbacks"], summary["passes"], summary["holds"]) == (2, 1, 1, 0)
    assert summary["medianSecondsToRollback"] == bad["seconds"]
    assert summary["gateTicks"] == summary["ticks"] == good["ticks"] + bad["ticks"]


def test_what_is_not_decided_says_what_is_lacking(tmp_path: Path) -> None:
    result = replayed(tmp_path, "--recording", str(recorded(tmp_path, episodes(0.001)[:6])))
    row, told = result.stdout.splitlines()[1:]
    assert row.split()[:3] == ["e0", "Hold", "-"]
    assert "service: success rate: odds" in row
    assert "for it after 300 canary requests" in row
    assert told == "in 1 episode: 0 rollbacks, no PASS, 1 without a decision"


def test_a_malformed_line_ends_in_one_error_and_nothing_is_half_done(tmp_path: Path) -> None:
    lines = [*episodes(0.05), a_line(failures=101)]
    result = replayed(tmp_path, "--recording", str(recorded(tmp_path, lines)))
    assert result.exit_code == 1
    assert result.stdout == ""
    told = f"line {len(lines)}: failures: 101.0 is not a count of at most the requests, 100"
    assert result.stderr.count("\n") == 1
    assert told in result.stderr


@pytest.mark.parametrize("failure", [0.05, 0.001])
def test_the_order_of_lines_does_not_matter(tmp_path: Path, failure: float) -> None:
    lines = episodes(failure)
    straight, turned = (
        replayed(tmp_path, "--recording", str(recorded(tmp_path, order))).stdout for order in (lines, lines[::-1])
    )
    assert straight == turned


def test_the_examples_of_the_documentation_say_what_the_command_says() -> None:
    root = Path(__file__).parents[2]
    (shown,) = re.findall(r"```console\n\$ canary (.*)\n([^`]*)```", (root / "docs" / "backtest.md").read_text())
    command, output = shown
    arguments = [str(root / word) if word.startswith("examples/") else word for word in command.split()]
    assert CliRunner().invoke(main, arguments).stdout == output


def test_the_line_of_the_documentation_can_be_read() -> None:
    text = (Path(__file__).parents[2] / "docs" / "backtest.md").read_text()
    (line,) = re.findall(r"```json\n(.*)\n```", text)
    assert parse(line).route == "POST /api/task"


def test_stable_is_compared_with_itself_in_trials_of_the_length_asked_for(tmp_path: Path) -> None:
    rows = [a_row("stable", 10.0 * n, pod=pod) for n in range(1, 181) for pod in ("a", "b")]
    past = str(recorded(tmp_path, [render(row) for row in rows]))
    short = replayed(tmp_path, "--recording", past, "--aa", "--episode", "10m")
    assert short.stdout.splitlines()[-1].startswith("in 3 times 10m: 0 rollbacks, PASS")
    assert replayed(tmp_path, "--recording", past, "--aa").stdout.splitlines()[-1].startswith("in 1 half hour: 0")


@pytest.mark.parametrize("option", ["--episode=10m", "--seed=0"])
def test_what_is_for_comparing_stable_with_itself_is_refused_without(tmp_path: Path, option: str) -> None:
    result = replayed(tmp_path, "--recording", str(recorded(tmp_path, episodes(0.001)[:2])), option)
    assert (result.exit_code, f"{option.partition('=')[0]} is for --aa" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("begin", "end"), [("1h", "2h"), ("1h", "1h"), ("2026-11-24T10:00:00Z", "2026-11-24T09:00:00Z")]
)
def test_a_time_that_ends_before_it_begins_is_refused_before_anything_is_asked(
    tmp_path: Path, begin: str, end: str
) -> None:
    result = replayed(tmp_path, "--prometheus", "http://127.0.0.1:9", "--from", begin, "--to", end)
    assert (result.exit_code, "--from must be before --to." in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("gates", "rows", "told"),
    [
        pytest.param(
            {"latency": {"p99": "500ms"}},
            [a_row("stable", over=((0.7, 1.0),)), a_row(over=((0.7, 1.0),))],
            "service: p99 latency: never passes: no bucket bound of the past is at most 0.5 s.",
            id="bounds above the limit",
        ),
        pytest.param(
            {"latency": {"p99": "500ms"}},
            [a_row("stable", over=((0.3, 1.0),)), a_row(over=((0.3, 1.0),))],
            "service: p99 latency: never fails: no bucket bound of the past is at least 0.5 s.",
            id="bounds below the limit",
        ),
        pytest.param(
            {"successRate": {"min": "99%"}},
            [a_row("stable", route="GET /"), a_row(route="GET /")],
            "service: success rate: no request of the canary is recorded that it counts.",
            id="no line of the service",
        ),
        pytest.param(
            {"latency": {"slowdown": 1.5}},
            [a_row("stable"), a_row("stable", 20.0), a_row(t=20.0)],
            "service: latency beside stable: never judged: there is a past before the release, and no",
            id="a past without a bound",
        ),
        pytest.param(
            {"latency": {"p99": "500ms"}},
            [a_row("stable", over=((0.5, 1.0),)), a_row(over=((0.5, 1.0),))],
            "",
            id="all",
        ),
    ],
)
def test_what_can_never_be_decided_over_a_past_is_said(
    tmp_path: Path, gates: dict[str, object], rows: list[Row], told: str
) -> None:
    file = tmp_path / "canary.yaml"
    file.write_text(yaml.safe_dump(a_canary(gates=gates)))
    past = str(recorded(tmp_path, [render(row) for row in rows]))
    result = CliRunner().invoke(main, ["backtest", "-f", str(file), "--recording", past])
    assert result.exit_code == 0, result.output
    assert told in result.stderr if told else "never" not in result.stderr
