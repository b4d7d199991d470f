"""`canary run`: how the controller's process begins and ends.

SIGTERM cuts every await, gives the lease back and ends within 2 s; a lost lease ends the process with exit code 3, and
its successor goes on from the saved status.
"""

import asyncio
import signal
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import click
import structlog

from canary.adapters.api import Api
from canary.adapters.discovery import prometheus_url
from canary.adapters.prometheus import Access, Prometheus, shown
from canary.cli.options import DURATION
from canary.cli.process import LEASE, Process, Settings
from canary.cli.threads import DaemonThreads
from canary.errors import CanaryError, LeaseLost
from canary.runtime.telemetry import configure_log

log = structlog.get_logger()

UNFINISHED, LOST = 1, 3
HEADER = 8  # letters of a wrong header that are shown
UNASKED = "http://127.0.0.1:9"


async def control(settings: Settings) -> int:
    """Run until a signal ends it; returns the exit code. Raises CanaryError where it cannot begin or go on."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    loop.set_default_executor(DaemonThreads())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: task.cancel() if task is not None else None)
    try:
        await _serve(settings)
    except asyncio.CancelledError:
        log.info("controller.stopped")
        return UNFINISHED if settings.leave else 0
    except ExceptionGroup as group:
        expected, bugs = group.split(CanaryError)
        if expected is None or bugs is not None:
            raise
        error = _first(expected)
        if not isinstance(error, LeaseLost):
            raise error from group
        log.error("lease.lost", error=error.hint)  # noqa: TRY400 - expected, and no traceback helps
        return LOST
    return 0


def _first(group: BaseExceptionGroup[CanaryError]) -> CanaryError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


async def _serve(settings: Settings) -> None:
    api = await Api.connect(settings.kubeconfig)
    try:
        process = Process(settings, api, Prometheus(await _prometheus(settings, api)))
        try:
            await (process.leave() if settings.leave else process.run())
        finally:
            await process.close()
    finally:
        await api.close()


async def _prometheus(settings: Settings, api: Api) -> Access:
    if settings.leave:  # asks none, and need not find one
        return Access(url=UNASKED)
    url = await prometheus_url(api, settings.prometheus.url)
    log.info("prometheus.found", url=shown(url))
    return replace(settings.prometheus, url=url)


def _headers(written: tuple[str, ...]) -> dict[str, str]:
    headers = {}
    for header in written:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            said = header if len(header) <= HEADER else header[:HEADER] + "…"  # it may be a secret without its name
            raise click.BadParameter(f"{said!r} is not NAME: VALUE", param_hint="--prometheus-header")
        headers[name.strip()] = value.strip()
    return headers


@click.command()
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Default: the pod's service account.")
@click.option(
    "-n",
    "--namespace",
    "namespaces",
    multiple=True,
    envvar=["CANARY_RUN_NAMESPACE", "CANARY_NAMESPACE"],
    help="Watch only this one. May be repeated. Default: all.",
)
@click.option("--prometheus-url", default="", help="Default: linkerd-viz's, found by its annotation or Service.")
@click.option("--prometheus-token-file", type=click.Path(path_type=Path), help="A bearer token; read for each query.")
@click.option("--prometheus-header", multiple=True, help="NAME: VALUE, sent with each query. May be repeated.")
@click.option("--prometheus-ca-file", type=click.Path(path_type=Path), help="The CA of its certificate.")
@click.option("--scrape-interval", type=DURATION, default="10s", show_default=True, help="That Prometheus' own.")
@click.option("--listen", default="0.0.0.0:8080", show_default=True, help="Where probes and metrics are served.")
@click.option("--lease-namespace", default="", help="Where the leader's Lease is. Default: lead without one.")
@click.option("--lease-name", default=LEASE, show_default=True, help="Its name.")
@click.option("--leave", is_flag=True, help="Return all traffic to stable, let go of every Canary, and end.")
@click.option(
    "--stand-down", default="", metavar="DEPLOYMENT", help="With --leave: scale these controllers to 0 first."
)
@click.option("--log-format", type=click.Choice(["auto", "json", "console"]), default="auto", show_default=True)
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
@click.pass_context
def run(context: click.Context, /, **given: object) -> None:
    """Run the controller.

    With --leave, end it for good, as before an uninstallation: Canaries, Deployments, Services and splits stay, with
    all traffic on stable. A rollout that is under way goes on once a controller is back.
    """
    configure_log(str(given["log_format"]), str(given["log_level"]))
    context.exit(asyncio.run(control(_settings(given))))


def _settings(given: dict[str, object]) -> Settings:
    def path(name: str) -> Path | None:
        value = given[name]
        return value if isinstance(value, Path) else None

    host, _, port = str(given["listen"]).rpartition(":")
    if not host or not port.isdecimal():
        raise click.BadParameter(f"{given['listen']!r} is not HOST:PORT", param_hint="--listen")
    headers, scrape, namespaces = given["prometheus_header"], given["scrape_interval"], given["namespaces"]
    return Settings(
        kubeconfig=path("kubeconfig"),
        namespaces=tuple(map(str, namespaces if isinstance(namespaces, tuple) else ())),
        prometheus=Access(
            url=str(given["prometheus_url"]),
            token_file=path("prometheus_token_file"),
            headers=_headers(headers if isinstance(headers, tuple) else ()),
            ca_file=path("prometheus_ca_file"),
        ),
        scrape=scrape if isinstance(scrape, timedelta) else timedelta(seconds=10),
        host=host,
        port=int(port),
        lease_namespace=str(given["lease_namespace"]),
        lease_name=str(given["lease_name"]),
        leave=given["leave"] is True,
        stand_down=str(given["stand_down"]),
    )
