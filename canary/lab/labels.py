"""The label sets of a proxy's series, in the proxy's own order.

Prometheus adds the labels of the pod that was scraped; what stands here tells of the other side.
"""

from canary.lab.exposition import Labels, label_text
from canary.lab.pods import ADMIN_PORT, DOMAIN, MESH_LABEL, Pod

HTTP_PORT = 80


def fqdn(service: str, namespace: str) -> str:
    """Return the name of a Service in the cluster's DNS."""
    return f"{service}.{namespace}.svc.{DOMAIN}"


def authority(service: str, namespace: str, port: int) -> str:
    """Return the `authority` of a Service: port 80 is left out."""
    return fqdn(service, namespace) + ("" if port == HTTP_PORT else f":{port}")


def destination(service: str, namespace: str, port: int) -> str:
    """Return the `dst` of route series: the port always stands there."""
    return f"{fqdn(service, namespace)}:{port}"


def outbound_endpoint(pod: Pod, service: str, dialled: int, port: int) -> str:
    """Label a pod reached through `service`: dialled there on `dialled`, listening on `port`."""
    return label_text([("direction", "outbound"), *_outbound(pod, service, dialled, port)])


def outbound_connection(pod: Pod, service: str, dialled: int, port: int) -> str:
    """Label the connections to such a pod."""
    return label_text([("direction", "outbound"), ("peer", "dst"), *_outbound(pod, service, dialled, port)])


def _outbound(pod: Pod, service: str, dialled: int, port: int) -> list[tuple[str, str]]:
    mesh = [("dst_control_plane_ns", pod.labels[MESH_LABEL])] if pod.meshed else []
    owner = [("dst_deployment", pod.owner)] if pod.owner else []
    revision = [("dst_pod_template_hash", pod.template_hash)] if pod.template_hash else []
    return [
        ("authority", authority(service, pod.namespace, dialled)),
        *_target(pod.ip, port),
        *_tls("server_id", pod.identity, "not_provided_by_service_discovery"),
        *mesh,
        *owner,
        ("dst_namespace", pod.namespace),
        ("dst_pod", pod.name),
        *revision,
        ("dst_service", service),
        ("dst_serviceaccount", pod.service_account),
        ("dst_zone", ""),
        ("dst_zone_locality", "unknown"),
    ]


def inbound_endpoint(ip: str, port: int, client: str, *, probe: bool = False) -> str:
    """Label what the pod at `ip` got from `client` (its identity, "" outside the mesh).

    The default policy of a probe on the app's port has its own authorization; that of the proxy's own port has not.
    """
    authorized = "probe" if probe and port != ADMIN_PORT else "all-unauthenticated"
    policy = [
        ("route_group", ""),
        ("route_kind", "default"),
        ("route_name", "probe" if probe else "default"),
        ("authz_group", ""),
        ("authz_kind", "default"),
        ("authz_name", authorized),
    ]
    return label_text([("direction", "inbound"), *_inbound(ip, port, client), *policy])


def inbound_connection(ip: str, port: int, client: str) -> str:
    """Label the connections from `client`."""
    return label_text([("direction", "inbound"), ("peer", "src"), *_inbound(ip, port, client)])


def _inbound(ip: str, port: int, client: str) -> list[tuple[str, str]]:
    return [
        *_target(ip, port),
        *_tls("client_id", client, "no_tls_from_remote"),
        ("srv_group", ""),
        ("srv_kind", "default"),
        ("srv_name", "all-unauthenticated"),
        ("srv_port", str(port)),
    ]


def route(direction: str, dst: str, name: str | None) -> str:
    """Label a ServiceProfile's route; the default route (None) has no `rt_route`."""
    named = [] if name is None else [("rt_route", name)]
    return label_text([("direction", direction), ("dst", dst), *named])


def balancer(apex: tuple[str, str, int], backend: str, state: str) -> str:
    """Label the endpoints of a backend behind the apex (name, namespace, port)."""
    name, namespace, port = apex
    return label_text(
        [
            ("endpoint_state", state),
            *_service("parent", namespace, name, port),
            *_service("backend", namespace, backend, port),
        ]
    )


def _service(prefix: str, namespace: str, name: str, port: int) -> Labels:
    return [
        (f"{prefix}_group", "core"),
        (f"{prefix}_kind", "Service"),
        (f"{prefix}_namespace", namespace),
        (f"{prefix}_name", name),
        (f"{prefix}_port", str(port)),
        (f"{prefix}_section_name", ""),
    ]


def _target(ip: str, port: int) -> list[tuple[str, str]]:
    return [("target_addr", f"{ip}:{port}"), ("target_ip", ip), ("target_port", str(port))]


def _tls(name: str, identity: str, otherwise: str) -> list[tuple[str, str]]:
    return [("tls", "true"), (name, identity)] if identity else [("tls", "no_identity"), ("no_tls_reason", otherwise)]
