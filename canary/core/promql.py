"""Linkerd's proxy metrics as PromQL text: one query per family for all active canaries, raw and unsummed.

Called by the runtime's readings. `sum by` would hide scrape times and turn a vanished idle series into a false reset;
`rate` and `increase` extrapolate and miss first values (statistics.md §2). Names are matched literally, every value
escaped.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import TypeAlias

from canary.core.questions import Scope

AT_CLIENT = ("request_total", "response_total", "response_latency_ms_bucket")
AT_SERVER = ("route_request_total", "route_response_total", "route_response_latency_ms_bucket")
Owner: TypeAlias = tuple[str, str, str]
"""Where it is counted, and the namespace and name of the leaf Service (at a client) or Deployment (at a server)."""

LEGACY_BUCKETS = "response_latency_ms_bucket"


def client_queries(scopes: Collection[Scope], window: timedelta, *, sent: bool = True) -> tuple[str, ...]:
    """Ask for the service's counters at the client, of every scope at once; without `sent` only for what was answered.

    What is sent is asked for at the apex, too: a client whose proxy knows no split sends there.
    """
    first, *rest = AT_CLIENT
    leaves = [name for s in scopes for name in (s.stable.service, s.canary.service)]
    everywhere = _at_client(scopes, [*leaves, *(s.apex for s in scopes)])
    return (
        *_families((first,) if sent else (), everywhere, scopes, window),
        *_families(rest, _at_client(scopes, leaves), scopes, window),
    )


def _at_client(scopes: Collection[Scope], services: Iterable[str]) -> str:
    return _matchers(
        {"direction": ("outbound",), "dst_namespace": (s.namespace for s in scopes), "dst_service": services}
    )


def route_queries(scopes: Collection[Scope], window: timedelta, *, sent: bool = True) -> tuple[str, ...]:
    """Ask for the routes' counters at the server."""
    where = _matchers(
        {
            "direction": ("inbound",),
            "namespace": (s.namespace for s in scopes),
            "deployment": (name for s in scopes for name in (s.stable.deployment, s.canary.deployment)),
        }
    )
    return _families(AT_SERVER[not sent :], where + ',rt_route!=""', scopes, window)


def server_queries(scopes: Collection[Scope], window: timedelta, *, sent: bool = True) -> tuple[str, ...]:
    """Ask for the service's counters at the server, where no client is scraped; admin port and probes stay out."""
    where = _matchers(
        {
            "direction": ("inbound",),
            "namespace": (s.namespace for s in scopes),
            "deployment": (name for s in scopes for name in (s.stable.deployment, s.canary.deployment)),
        }
    )
    return _families(AT_CLIENT[not sent :], where + ',target_port!="4191",route_name!="probe"', scopes, window)


def bounds_query(scope: Scope) -> str:
    """Ask which bucket bounds stable's and the canary's histograms have."""
    leaves = _matchers(
        {"namespace": (scope.namespace,), "deployment": (scope.stable.deployment, scope.canary.deployment)}
    )
    return f'count by (le) ({LEGACY_BUCKETS}{{direction="inbound",{leaves}}})'


def owner(labels: Mapping[str, str]) -> Owner:
    """Say for whom a series counts."""
    if labels.get("direction") == "outbound":
        return "outbound", labels.get("dst_namespace", ""), labels.get("dst_service", "")
    return "inbound", labels.get("namespace", ""), labels.get("deployment", "")


def owners(scope: Scope) -> tuple[Owner, ...]:
    """Say whose series of a shared answer are this scope's."""
    services = (scope.stable.service, scope.canary.service, scope.apex)
    leaves = (("outbound", scope.namespace, service) for service in services)
    deployments = (("inbound", scope.namespace, side.deployment) for side in (scope.stable, scope.canary))
    return tuple(dict.fromkeys((*leaves, *deployments)))


def _families(names: Iterable[str], where: str, scopes: Collection[Scope], window: timedelta) -> tuple[str, ...]:
    bounds = sorted({bound for scope in scopes for bound in scope.bounds})
    # Prometheus 3 writes 300.0 where Prometheus 2 writes 300
    buckets = "|".join(rf"{bound:g}(\\.0)?" for bound in bounds) + ("|" if bounds else "") + r"\\+Inf"
    seconds = f"[{round(window.total_seconds() * 1000)}ms]"
    found = []
    for name in names:
        latency = name.endswith("_bucket")
        if latency and not bounds:
            continue
        le = f',le=~"{buckets}"' if latency else ""
        found.append(f"{name}{{{where}{le}}}{seconds}")
    return tuple(found)


def _matchers(values: Mapping[str, Iterable[str]]) -> str:
    return ",".join(_matcher(label, sorted(set(wanted))) for label, wanted in values.items())


def _matcher(label: str, values: list[str]) -> str:
    if len(values) == 1:
        return f'{label}="{_quoted(values[0])}"'
    alternatives = "|".join(re.escape(value) for value in values)
    return f'{label}=~"{_quoted(alternatives)}"'


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
