"""The `canary` command: a group whose commands are imported when they are asked for.

Each command parses, calls and renders; the rest is in small modules beside it. What goes wrong on purpose
(`CanaryError`) becomes one line on stderr and exit code 1; wrong usage is click's, with 2. stdout is data, stderr is
everything else.
"""

import io
import sys
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import IO, Any, Final

import click

from canary import __version__
from canary.errors import CanaryError

COMMANDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "run": ("run", "Run the controller."),
        "check": ("check", "Validate Canaries in files, without a cluster."),
        "simulate": ("simulate", "Play rollouts on a virtual clock, without a cluster."),
        "backtest": ("backtest", "Replay the gates over a recorded past."),
        "calibrate": ("calibrate", "Say how often decisions would be wrong, and how long they would take."),
        "forecast": ("forecast", "Say how long a rollout will take at today's traffic."),
        "start": ("start", "Ship an image into the canary Deployment and print the rollout's id."),
        "status": ("status", "Show Canaries and what their rollouts wait for."),
        "wait": ("wait", "Wait for the end of a rollout; the exit code tells which."),
        "pause": ("control", "Freeze a rollout at its weight; its gates stay armed."),
        "resume": ("control", "Let a paused rollout go on."),
        "abort": ("control", "Roll the present rollout back."),
        "retry": ("control", "Run a rolled-back revision once more."),
        "approve": ("control", "Let a baked release be promoted."),
        "lab": ("lab", "Run a cluster's worth of Linkerd on this machine."),
        "demo": ("demo", "Ship a good and a bad release in the lab, and watch."),
    }
)
"""Every command with its module and its help in one line, so that `canary --help` imports none of them."""

INTERRUPTED = 130


class Failure(click.ClickException):
    """A CanaryError on its way out."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Write one line."""
        click.echo(f"error: {' '.join(self.message.split())}", file=file, err=True)


class Commands(click.Group):
    """Finds commands by name in `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the commands in the order a reader wants them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import a command."""
        found = COMMANDS.get(cmd_name)
        if found is None:
            return None
        command = getattr(import_module(f"canary.cli.{found[0]}"), cmd_name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; what goes wrong on purpose is said in one line."""
        try:
            return super().invoke(ctx)
        except CanaryError as error:
            raise Failure(error.hint) from error
        except KeyboardInterrupt:
            raise click.exceptions.Exit(INTERRUPTED) from None


@click.group(cls=Commands, context_settings={"auto_envvar_prefix": "CANARY", "help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="linkerd-canary", prog_name="canary")
def main() -> None:
    """Progressive delivery for Linkerd that decides by evidence."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal cannot show is no reason to fail
            stream.reconfigure(errors="backslashreplace")
