"""The configuration of the lab's Prometheus: linkerd-viz's `linkerd-proxy` job over targets that the lab itself names.

The relabelling is viz's, rule by rule, so that series come out with the labels they have in a cluster. Only where
targets come from differs: `http_sd_configs` that carry the `__meta_kubernetes_*` labels a Kubernetes discovery would
give.
"""

from datetime import timedelta

import yaml

from canary.adapters.api import Json

_POD, _PROXY_LABEL = "__meta_kubernetes_pod", "__meta_kubernetes_pod_label_linkerd_io_proxy"

RELABELLING: list[Json] = [
    {"source_labels": [f"{_POD}_phase"], "regex": "(Pending|Running)", "action": "keep"},
    {
        "source_labels": [
            f"{_POD}_container_name",
            f"{_POD}_container_port_name",
            f"{_POD}_label_linkerd_io_control_plane_ns",
        ],
        "action": "keep",
        "regex": "^linkerd-proxy;linkerd-admin;linkerd$",
    },
    {"source_labels": ["__meta_kubernetes_namespace"], "action": "replace", "target_label": "namespace"},
    {"source_labels": [f"{_POD}_name"], "action": "replace", "target_label": "pod"},
    {"source_labels": [f"{_PROXY_LABEL}_job"], "action": "replace", "target_label": "k8s_job"},
    {"action": "labeldrop", "regex": f"{_PROXY_LABEL}_job"},
    {"action": "labelmap", "regex": f"{_PROXY_LABEL}_(.+)"},
    {"action": "labeldrop", "regex": f"{_PROXY_LABEL}_(.+)"},
    {"action": "labelmap", "regex": f"{_POD}_label_linkerd_io_(.+)"},
    {"action": "labelmap", "regex": f"{_POD}_label_(.+)", "replacement": "__tmp_pod_label_$1"},
    {"action": "labelmap", "regex": "__tmp_pod_label_linkerd_io_(.+)", "replacement": "__tmp_pod_label_$1"},
    {"action": "labeldrop", "regex": "__tmp_pod_label_linkerd_io_(.+)"},
    {"action": "labelmap", "regex": "__tmp_pod_label_(.+)"},
]


def configuration(targets_url: str, scrape_interval: timedelta, replica: str = "") -> str:
    """Write the file. Targets are asked for each second, as fast as Prometheus takes new ones.

    A `replica` scrapes at other moments than its sisters, as their external labels decide.
    """
    every = f"{round(scrape_interval.total_seconds() * 1000)}ms"
    job = {
        "job_name": "linkerd-proxy",
        "http_sd_configs": [{"url": targets_url, "refresh_interval": "1s"}],
        "relabel_configs": RELABELLING,
    }
    common: Json = {"evaluation_interval": every, "scrape_interval": every, "scrape_timeout": every}
    if replica:
        common["external_labels"] = {"prometheus_replica": replica}
    return yaml.safe_dump({"global": common, "scrape_configs": [job]}, sort_keys=False)
