"""`canary forecast` says how long, how soon and at what cost."""

import json
import socket
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from canary.cli import main
from canary.cli.forecast import _tell
from canary.core.demand import Demand
from canary.core.forecast import forecast
from canary.core.gates import gates
from canary.core.manifest import parse_spec
from tests.canaries import a_canary, a_route, with_gates


def foretold(tmp_path: Path, *arguments: str, canary: object = None) -> Result:
    file = tmp_path / "canary.yaml"
    file.write_text(yaml.safe_dump(canary or a_canary()))
    return CliRunner().invoke(main, ["forecast", "-f", str(file), *arguments])


def test_a_table_of_gates(tmp_path: Path) -> None:
    result = foretold(tmp_path, "--traffic", "10", canary=with_gates(routes=[a_route("POST /")]))
    header, *rows = result.stdout.splitlines()
    assert result.exit_code == 0
    assert header.split()[:4] == ["GATE", "RPS", "STABLE", "PASSES"]
    assert [row.split("   ")[0].strip() for row in rows] == ["service: success rate", "POST /: success rate"]
    assert all("failed" in row for row in rows)


def test_json_has_null_for_never(tmp_path: Path) -> None:
    document = json.loads(foretold(tmp_path, "--traffic", "100", "--stable-failure", "1%", "-o", "json").stdout)
    (gate,) = document["gates"]
    assert (gate["gate"], gate["requestsPerSecond"], gate["quiet"]) == ("service: success rate", 100, False)
    assert gate["regressions"][0] == {"rate": 0.01, "seconds": None, "failed": 0.0}
    assert gate["regressions"][-1]["seconds"] == 20.0


def test_of_a_threshold_it_says_how_often_it_is_wrong(tmp_path: Path) -> None:
    canary = a_canary(evidence={"mode": "Threshold", "window": "10s", "minRequests": 10, "failures": 1})
    result = foretold(tmp_path, "--traffic", "10", canary=canary)
    assert result.exit_code == 0
    said = "service: success rate: with this traffic this rule rolls back a good release with probability about 45%"
    assert result.stdout == f"{said}, if its requests fail independently.\n"


def test_a_gate_that_is_too_quiet_is_named(tmp_path: Path) -> None:
    assert "service: success rate: too quiet to pass within the stepTimeout of 30m." in (
        foretold(tmp_path, "--traffic", "0.1").stdout
    )


@pytest.mark.parametrize(("icc", "told"), [(0.05, ["it fails in bursts: evidence counted at 1/26"]), (None, [])])
def test_a_gate_that_fails_in_bursts_is_named(
    icc: float | None, told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    spec = parse_spec(a_canary())
    demand = {"service: success rate": Demand(rps=100.0, failure=0.01, icc=icc)}
    _tell(spec, forecast(spec, gates(spec, ()), demand), ())
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": success rate: ")[2].removesuffix(".") for line in lines if "bursts" in line] == told


def test_a_slowdown_is_not_forecast_and_that_is_said(tmp_path: Path) -> None:
    canary = with_gates(latency={"slowdown": 1.5})
    told = foretold(tmp_path, "--traffic", "10", canary=canary).stdout
    assert "service: latency beside stable: not forecast; where it is measured is chosen from" in told
    document = json.loads(foretold(tmp_path, "--traffic", "10", "-o", "json", canary=canary).stdout)
    assert [gate["gate"] for gate in document["gates"]] == ["service: success rate"]
    assert (document["withoutTraffic"], document["notForecast"]) == ([], ["service: latency beside stable"])


def test_a_prometheus_that_is_gone_is_one_clear_error(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        result = foretold(tmp_path, "--prometheus", url)
    assert result.exit_code == 1
    assert url in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("arguments", [(), ("--traffic", "5", "--prometheus", "http://localhost:9")])
def test_there_is_one_source_of_traffic(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert "either --prometheus or --traffic" in foretold(tmp_path, *arguments).stderr
