"""`canary backtest --prometheus` replays what a real Prometheus has recorded."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from canary.cli import main
from tests.backtest.history import BEGIN, Pods, stored
from tests.canaries import a_canary
from tests.prometheus import served

A_RELEASE_EACH = [
    Pods(revision="s1", requests=450),
    Pods(revision="c1", requests=100, failure=0.1, count=1, since=600, until=900),
    Pods(revision="c2", requests=100, count=1, since=1800, until=2400),
]


@contextmanager
def prometheus(tmp_path: Path, *pods: Pods) -> Iterator[str]:
    """Run one over this past of an hour, or skip the test."""
    stored(tmp_path, list(pods))
    with served(tmp_path, "global: {}\n") as url:
        yield url


def backtested(tmp_path: Path, *arguments: str) -> Result:
    file = tmp_path / "canary.yaml"
    file.write_text(yaml.safe_dump(a_canary()))
    return CliRunner().invoke(main, ["backtest", "-f", str(file), "-n", "shop", *arguments])


def hour() -> list[str]:
    begin, end = (datetime.fromtimestamp(BEGIN + at, UTC).isoformat() for at in (0, 3600))
    return ["--from", begin, "--to", end]


def test_releases_are_found_replayed_and_recorded(tmp_path: Path) -> None:
    recording = tmp_path / "recording.jsonl"
    with prometheus(tmp_path, *A_RELEASE_EACH) as url:
        result = backtested(tmp_path, "--prometheus", url, *hour(), "--record", str(recording), "-o", "json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    bad, good = document["episodes"]
    assert [bad["episode"][:5], good["episode"][:5]] == ["c1 at", "c2 at"]
    assert (bad["decision"], bad["culprits"], good["decision"]) == ("Fail", ["service: success rate"], "Pass")
    assert 20 <= bad["seconds"] <= 60 <= good["seconds"] <= 120
    assert document["summary"]["sentence"].startswith("in 2 releases: 1 rollback (50%)")
    again = backtested(tmp_path, "--recording", str(recording), "-o", "json")
    assert json.loads(again.stdout)["episodes"] == document["episodes"]


def test_a_good_hour_of_stable_against_itself_is_never_rolled_back(tmp_path: Path) -> None:
    recording = tmp_path / "recording.jsonl"
    with prometheus(tmp_path, *A_RELEASE_EACH) as url:
        asked = ["--prometheus", url, *hour(), "--aa"]
        told = backtested(tmp_path, *asked).stdout.splitlines()[-1]
        more = backtested(tmp_path, *asked, "--episode", "10m", "--seed", "2", "--record", str(recording))
    assert told == "in 2 half hours: 0 rollbacks, PASS after median 60 s"
    assert more.stdout.splitlines()[-1] == "in 6 times 10m: 0 rollbacks, PASS after median 60 s"
    again = backtested(tmp_path, "--recording", str(recording), "--aa", "--seed", "2")
    assert again.stdout.splitlines()[:-1] == more.stdout.splitlines()[:-1]


def test_a_pod_that_is_worse_than_its_siblings_is_found(tmp_path: Path) -> None:
    with prometheus(tmp_path, *[Pods(revision=f"s{n}", requests=450, failure=n / 10, count=1) for n in (0, 1)]) as url:
        result = backtested(tmp_path, "--prometheus", url, *hour(), "--aa", "--episode", "5m")
    decisions = {row.split()[1] for row in result.stdout.splitlines()[1:-1]}
    assert "Fail" in decisions  # where it plays the canary


@pytest.mark.parametrize(
    ("pods", "more", "told"),
    [
        pytest.param(
            [Pods(revision="s1", requests=10)],
            [],
            "no requests to web-canary in namespace shop in that time; --aa replays stable alone",
            id="no release",
        ),
        pytest.param(
            [Pods(revision="s1", requests=10, count=1)], ["--aa"], "never more than one of them", id="one pod of stable"
        ),
        pytest.param(
            [Pods(revision="c1", requests=10)], ["--aa"], "no requests to web-stable in namespace shop", id="no stable"
        ),
    ],
)
def test_what_there_is_nothing_to_replay_of_is_said_and_nothing_recorded(
    tmp_path: Path, pods: list[Pods], more: list[str], told: str
) -> None:
    recording = tmp_path / "recording.jsonl"
    with prometheus(tmp_path, *pods) as url:
        result = backtested(tmp_path, "--prometheus", url, *hour(), "--record", str(recording), *more)
    assert (result.exit_code, result.stdout) == (1, "")
    assert told in result.stderr
    assert not list(tmp_path.glob("recording*"))


def test_a_prometheus_that_is_gone_is_one_clear_error(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        result = backtested(tmp_path, "--prometheus", url, "--from", "1h")
    assert result.exit_code == 1
    assert url in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "either --recording or --prometheus"),
        (["--recording", "r", "--prometheus", "http://localhost:9"], "either --recording or --prometheus"),
        (["--prometheus", "http://localhost:9"], "say --from when"),
        (["--recording", "r", "--from", "1h"], "--from is for --prometheus"),
        (["--recording", "r", "--to", "1h"], "--to is for --prometheus"),
        (["--recording", "r", "--record", "s"], "--record is for --prometheus"),
        (["--prometheus", "http://localhost:9", "--from", "yesterday"], "neither a time like 2026-11-24T10:00:00Z"),
    ],
)
def test_wrong_usage_is_told(tmp_path: Path, arguments: list[str], told: str) -> None:
    result = backtested(tmp_path, *arguments)
    assert result.exit_code == 2
    assert told in result.stderr


def test_a_time_that_ends_before_it_begins_is_told(tmp_path: Path) -> None:
    with prometheus(tmp_path, Pods(revision="s1", requests=10, until=60)) as url:
        result = backtested(tmp_path, "--prometheus", url, "--from", "1h", "--to", "2h")
    assert "--from must be before --to" in result.stderr


def test_a_recording_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with prometheus(tmp_path, *A_RELEASE_EACH) as url:
        result = backtested(tmp_path, "--prometheus", url, *hour(), "--record", str(tmp_path / "none" / "r.jsonl"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "No such file or directory" in result.stderr
