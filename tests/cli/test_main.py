"""The group: what it costs to start, how it fails, where its options come from."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

import canary
from canary.cli import COMMANDS, main
from canary.errors import CanaryError
from tests.cli.town import Town, a_running, serving

HEAVY = ("kubernetes", "aiohttp", "rich", "httpx", "requests", "prometheus_api_client", "canary.lab", "canary.adapters")


def ran(
    *arguments: str, code: str = "from canary.cli import main; main(prog_name='canary')"
) -> subprocess.CompletedProcess[str]:
    report = f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    return subprocess.run(
        [sys.executable, "-c", f"import sys, atexit; atexit.register(lambda: {report}); {code}", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.mark.parametrize("command", [None, "check", "start", "status", "wait", "pause", "lab", "demo"])
def test_help_loads_nothing_heavy(command: str | None) -> None:
    result = ran(*([command] if command else []), "--help")
    assert result.returncode == 0
    assert result.stderr.strip() == "[]"


def test_check_loads_nothing_heavy(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("kind: Canary\n")
    result = ran("check", str(file))
    assert result.returncode == 1
    assert result.stderr.strip() == "[]"


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "run"])
def test_the_table_names_every_command_as_it_is(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.name == name
    assert command.help


def test_help_lists_the_commands() -> None:
    text = CliRunner().invoke(main, ["--help"]).stdout
    assert all(f"  {name} " in text for name in COMMANDS)


def test_an_unknown_command_is_wrong_usage() -> None:
    result = CliRunner().invoke(main, ["shp"])
    assert result.exit_code == 2
    assert "No such command 'shp'" in result.stderr


def test_the_version_is_the_packages() -> None:
    assert CliRunner().invoke(main, ["--version"]).stdout.split()[-1] == canary.__version__


def test_an_error_is_one_line_whatever_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def check() -> None:
        raise CanaryError("two\nlines")

    import canary.cli.check

    monkeypatch.setattr(canary.cli.check, "check", check)
    result = CliRunner().invoke(main, ["check"])
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "error: two lines\n")


def test_no_cluster_is_said_in_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["status", "--kubeconfig", str(tmp_path / "none")])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: no way to reach a cluster")
    assert result.stderr.count("\n") == 1


def test_a_server_that_does_not_answer_is_said_in_one_line(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n"
        "users: [{name: u, user: {}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
    )
    result = CliRunner().invoke(main, ["status", "--kubeconfig", str(kubeconfig)])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith("error: GET /apis/canary.dev/v1alpha1/namespaces/default/canaries: ")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Give a cluster in which nobody has installed the chart."""
    with serving(tmp_path_factory.mktemp("bare")) as server:
        server.run(server.api.delete("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/canaries.canary.dev"))
        yield server.town()


def test_the_module_is_the_command() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "canary", "--version"], capture_output=True, text=True, check=True, timeout=30
    )
    assert result.stdout.split()[-1] == canary.__version__


def test_options_come_from_the_environment(town: Town) -> None:
    town.found()
    town.write(a_running())
    assert town.canary("status", env={"CANARY_OUTPUT": "json"}).stdout.startswith("{")
    assert town.canary("status", env={"CANARY_STATUS_OUTPUT": "json"}).stdout.startswith("{")


def test_the_namespace_is_the_kubeconfigs(town: Town, tmp_path: Path) -> None:
    town.found()
    config = yaml.safe_load(town.server.kubeconfig.read_text())
    config["contexts"][0]["context"]["namespace"] = town.namespace
    own = tmp_path / "own"
    own.write_text(yaml.safe_dump(config))
    lines = town.canary("status", env={"CANARY_NAMESPACE": "", "CANARY_KUBECONFIG": str(own)}).stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["NAME", "web"]


def test_kubeconfig_may_be_a_list(town: Town, tmp_path: Path) -> None:
    town.found()
    (tmp_path / "first").write_text("apiVersion: v1\nkind: Config\n")
    several = f"{tmp_path / 'first'}:{tmp_path / 'none'}:{town.server.kubeconfig}"
    assert "web" in town.canary("status", env={"CANARY_KUBECONFIG": "", "KUBECONFIG": several}).stdout


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("status", 1),
        ("status web", 1),
        ("start web --image web:2", 1),
        ("pause web", 1),
        ("wait web", 15),
    ],
)
def test_a_cluster_without_canaries_says_what_is_missing(bare: Town, command: str, code: int) -> None:
    ended = bare.canary(*command.split())
    assert "canaries.canary.dev is not installed" in ended.stderr
    assert (ended.exit_code, "Traceback" in ended.output) == (code, False)


def test_colours_are_for_terminals(town: Town) -> None:
    town.found()
    town.write(a_running())
    assert "\x1b" not in town.canary("status", env={"TERM": "xterm-256color"}).stdout
