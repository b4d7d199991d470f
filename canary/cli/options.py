"""Options that commands share, and the types they parse into. Light: imported by every command at once.

Each option can be set by the environment, too: CANARY_NAMESPACE for all commands, CANARY_WAIT_NAMESPACE for one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Final

import click

from canary.core import formats

Command = Callable[..., None]

TABLE: Final = "table"
JSON: Final = "json"


@dataclass(frozen=True, slots=True)
class Target:
    """Which cluster and namespace. None and "" stand for what the kubeconfig says."""

    kubeconfig: Path | None
    namespace: str


class DurationType(click.ParamType[timedelta]):
    """A time in the notation of the resource."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read `90s`, `30m`, `1h30m`."""
        if isinstance(value, timedelta):
            return value
        time = formats.duration(value)
        if time is None or not time:
            self.fail(f"{value!r} is not a duration like 90s, 30m or 1h30m, above zero.", param, ctx)
        return time


class PercentType(click.ParamType[float]):
    """A percentage in the notation of the resource, as a fraction."""

    name = "percent"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read `5%`, `0.1%`."""
        share = value if isinstance(value, float) else formats.percent(value)
        if share is None:
            self.fail(f"{value!r} is not a percentage like 5% or 0.1%, at most 100%.", param, ctx)
        return share


class InstantType(click.ParamType[float | timedelta]):
    """A time of day as Unix seconds, or how long ago."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float | timedelta:
        """Read `2026-11-24T10:00:00Z`, or `48h`: that long ago."""
        if isinstance(value, timedelta | float):
            return value
        ago, time = formats.duration(value), formats.instant(value)
        if ago is not None:
            return ago
        if time is None:
            self.fail(f"{value!r} is neither a time like 2026-11-24T10:00:00Z nor a time ago like 48h.", param, ctx)
        return time.timestamp()


DURATION: Final = DurationType()
INSTANT: Final = InstantType()
PERCENT: Final = PercentType()


def cluster_options(command: Command) -> Command:
    """Add --kubeconfig and --namespace, handed over as `target`."""

    @click.option(
        "--kubeconfig",
        type=click.Path(path_type=Path),
        envvar=["CANARY_KUBECONFIG", "KUBECONFIG"],
        help="How to reach the cluster. Default: the pod's service account, else ~/.kube/config.",
    )
    @click.option(
        "-n",
        "--namespace",
        default="",
        envvar="CANARY_NAMESPACE",
        help="Where the Canary is. Default: the kubeconfig's namespace.",
    )
    @wraps(command)
    def targeted(*args: object, kubeconfig: Path | None, namespace: str, **others: object) -> None:
        command(*args, target=Target(kubeconfig, namespace), **others)

    return targeted


def output_option(command: Command) -> Command:
    """Add --output."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice([TABLE, JSON]),
        default=TABLE,
        envvar="CANARY_OUTPUT",
        show_default=True,
        help="How stdout is written.",
    )(command)


def plot_option(command: Command) -> Command:
    """Add --plot."""
    return click.option(
        "--plot", type=click.Path(path_type=Path), help="Draw it into FILE.svg or FILE.png. Needs the extra `plot`."
    )(command)


def timeout_option(default: str) -> Callable[[Command], Command]:
    """Add --timeout."""
    return click.option("--timeout", type=DURATION, default=default, show_default=True, help="How long to wait.")
