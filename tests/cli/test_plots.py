"""What the tools find can be drawn: the same picture for the same data."""

import builtins
import math
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from canary.backtest.recording import render
from canary.cli import drawing, main
from canary.simulator.report import Report
from canary.simulator.targets import Figure, Part, Target
from tests.backtest.recorded import traffic
from tests.canaries import a_canary


def run(tmp_path: Path, command: str, *arguments: str) -> Result:
    file = tmp_path / "canary.yaml"
    file.write_text(yaml.safe_dump(a_canary()))
    return CliRunner().invoke(main, [command, "-f", str(file), *arguments])


def a_recording(tmp_path: Path) -> str:
    file = tmp_path / "recording.jsonl"
    rows = [
        render(row._replace(episode=f"e{failure}"))
        for failure in (0.0, 0.05)
        for pair in traffic(failure, ticks=12)
        for row in pair
    ]
    file.write_text("\n".join(rows))
    return str(file)


def drawn(tmp_path: Path, name: str, command: str, *arguments: str) -> bytes:
    file = tmp_path / name
    result = run(tmp_path, command, *arguments, "--plot", str(file))
    assert result.exit_code == 0, result.output
    return file.read_bytes()


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("simulate", "--canary-failure", "20%"), id="a story"),
        pytest.param(("simulate", "--canary-failure", "20%", "--runs", "3", "--jobs", "1"), id="many runs"),
    ],
)
def test_a_simulation_is_drawn_alike_each_time(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    first, second = (drawn(tmp_path, name, *arguments) for name in ("a.svg", "b.svg"))
    assert first.startswith(b"<?xml")
    assert first == second


def test_a_backtest_is_drawn_alike_each_time_and_otherwise_for_other_data(tmp_path: Path) -> None:
    arguments = ("backtest", "--recording", a_recording(tmp_path))
    first, second = (drawn(tmp_path, name, *arguments) for name in ("a.svg", "b.svg"))
    assert first == second
    (tmp_path / "recording.jsonl").write_text("\n".join(Path(arguments[2]).read_text().splitlines()[:24]))
    assert drawn(tmp_path, "c.svg", *arguments) != first


def test_png_is_drawn_too(tmp_path: Path) -> None:
    picture = drawn(tmp_path, "a.png", "backtest", "--recording", a_recording(tmp_path))
    assert picture.startswith(b"\x89PNG")


def test_a_file_of_another_kind_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    result = run(tmp_path, "simulate", "--plot", str(tmp_path / "a.gif"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "--plot: 'a.gif' is not a file that ends in .svg or .png" in result.stderr


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    result = run(tmp_path, "simulate", "--canary-failure", "50%", "--plot", str(tmp_path / "none" / "a.svg"))
    assert result.exit_code == 1
    assert "No such file or directory" in result.stderr


def test_without_the_extra_one_error_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("canary.cli.plots.find_spec", lambda _: None)
    result = run(tmp_path, "simulate", "--plot", str(tmp_path / "a.svg"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "pip install '.[plot]'" in result.stderr


def test_without_a_plot_the_extra_is_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without(name: str, *rest: object, **more: object) -> object:
        assert not name.startswith("matplotlib")
        return imported(name, *rest, **more)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(builtins, "__import__", without)
    assert run(tmp_path, "backtest", "--recording", a_recording(tmp_path)).exit_code == 0


def test_targets_are_drawn_alike_each_time(tmp_path: Path) -> None:
    parts = tuple(
        Part(world="a world", figure=Figure.FALSE, wanted=0.01, got=got, runs=10, met=got <= 0.01)
        for got in (0.0, 0.005, 0.02, math.inf)
    )
    targets = tuple(Target(id=f"T{n}", wanted="1%", got="2%", met=False, parts=parts) for n in range(1, 10))
    found = Report(policy="steps", targets=targets, rules=(), rows=(), remarks=(), cells=())
    for name in ("a.svg", "b.svg"):
        drawing.targets(tmp_path / name, found)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
