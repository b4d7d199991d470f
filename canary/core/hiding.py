"""Pod labels that hide a proxy's own labels in Prometheus, so that its counters no longer say what they mean.

Called by `obstacles`. Linkerd's viz gives each scraped series all labels of its pod; where one has the name of the
proxy's own, that becomes `exported_…` (linkerd.md §2). What is counted at clients is hidden by labels of the clients'
pods only, and those are not ours to refuse: their requests are then no data.
"""

import re
from collections.abc import Mapping
from typing import Final

from canary.core.lenient import at

COUNTED: Final = frozenset(
    {
        "direction", "namespace", "deployment", "pod_template_hash", "dst", "rt_route", "classification", "status_code",
        "le", "tls", "target_port", "route_name",
    }
)  # fmt: skip
"""The labels by which requests are counted at the servers."""
ODD: Final = re.compile(r"[^a-zA-Z0-9_]")


def hiding(template: Mapping[str, object]) -> str:
    """Name a label of a pod template that hides one of the proxy's; empty where none does."""
    labels = at(template, "metadata", "labels")
    return next((name for name in sorted(labels) if ODD.sub("_", name).removeprefix("linkerd_io_") in COUNTED), "")
