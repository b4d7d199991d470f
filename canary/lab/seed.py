"""The manifests the lab starts with: the service of `examples/yamtam-agent.yaml`, its clients, and the mesh's injector.

`yamtam` gives the objects ready to be applied to a lab; `canary` gives the resource that a user would add. The lab
has no injector webhook, and a pod cannot get a container later: `inject` puts the proxy's into the Deployment.
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy

from canary.adapters.api import Json
from canary.lab.behaviour import CLIENT
from canary.lab.fields import strings, table, text
from canary.lab.pods import ADMIN_PORT, INJECT, PROXY

NAMESPACE, APEX, STABLE, CANARY = "yamtam", "yamtam-agent", "yamtam-agent-stable", "yamtam-agent-canary"
PORT = 8080
CALM = {"LAB_LATENCY": "POST /api/task=20ms±20%; *=5ms±20%"}
MIX = "POST /api/task=90%; GET /health=10%"


def yamtam(
    *,
    rps: float = 150,
    mix: str = MIX,
    stable: Mapping[str, str] = CALM,
    canary: Mapping[str, str] = CALM,
    clients: int = 1,
    namespace: str = NAMESPACE,
) -> list[Json]:
    """Return the seed's service with its clients, meshed; `stable` and `canary` are the environments of their pods."""
    load = _deployment(
        "load", "load", clients, {CLIENT: f"{APEX}:{PORT}; rps={rps / max(clients, 1):g}; {mix}"}, port=None
    )
    environments = {STABLE: stable, CANARY: canary}
    objects = [*service(), load]
    for obj in objects:
        name = text(obj, "metadata", "name")
        if obj["kind"] == "Deployment" and name in environments:
            _set_env(obj, environments[name])
    return [inject(_moved(obj, namespace)) for obj in objects]


def _moved(obj: Json, namespace: str) -> Json:
    """Return the object in another namespace; the ServiceProfile's name carries it, too."""
    metadata = {**table(obj, "metadata")}
    if "namespace" in metadata:
        metadata["namespace"] = namespace
    metadata["name"] = text(obj, "metadata", "name").replace(f".{NAMESPACE}.svc.", f".{namespace}.svc.")
    if obj["kind"] == "Namespace":
        metadata["name"] = namespace
    return {**obj, "metadata": metadata}


def service() -> list[Json]:
    """Return the user's own objects, as in the example: Services, ServiceProfile, TrafficSplit, Deployments."""
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        _service(APEX, STABLE),
        _service(STABLE, STABLE),
        _service(CANARY, CANARY),
        {
            "apiVersion": "linkerd.io/v1alpha2",
            "kind": "ServiceProfile",
            "metadata": {"name": f"{APEX}.{NAMESPACE}.svc.cluster.local", "namespace": NAMESPACE},
            "spec": {"routes": [_route("POST", "/api/task"), _route("GET", "/health")]},
        },
        {
            "apiVersion": "split.smi-spec.io/v1alpha1",
            "kind": "TrafficSplit",
            "metadata": {"name": "yamtam-canary", "namespace": NAMESPACE},
            "spec": {
                "service": APEX,
                "backends": [{"service": STABLE, "weight": "1000m"}, {"service": CANARY, "weight": "0m"}],
            },
        },
        _deployment(STABLE, "yamtam-agent:1.0.0", 2, {}),
        _deployment(CANARY, "yamtam-agent:1.0.0", 1, {}),
    ]


def canary(spec: Mapping[str, object] | None = None, namespace: str = NAMESPACE) -> Json:
    """Return the Canary of the example; `spec` replaces or adds fields, such as the demo's short times."""
    gates = {
        "successRate": {"min": "99%"},
        "latency": {"p99": "500ms"},
        "unanswered": "Rollback",
        "routes": [{"name": "POST /api/task", "successRate": {"min": "99.5%"}, "latency": {"p99": "300ms"}}],
    }
    own: Json = {
        "service": APEX,
        "stable": {"service": STABLE},
        "canary": {"service": CANARY},
        "route": {"kind": "TrafficSplit", "name": "yamtam-canary"},
        "gates": gates,
    }
    metadata = {"name": APEX, "namespace": namespace}
    return {
        "apiVersion": "canary.dev/v1alpha1",
        "kind": "Canary",
        "metadata": metadata,
        "spec": {**own, **(spec or {})},
    }


def inject(obj: Json) -> Json:
    """Give a Deployment that asks for the mesh its proxy's container; the node agent labels the pods made from it."""
    template = table(obj, "spec", "template")
    if obj.get("kind") != "Deployment" or strings(template, "metadata", "annotations").get(INJECT) != "enabled":
        return obj
    injected = deepcopy(obj)
    template = table(injected, "spec", "template")
    containers = table(template, "spec")["containers"]
    if isinstance(containers, list) and not any(text(container, "name") == PROXY for container in containers):
        ports = [
            {"name": "linkerd-proxy", "containerPort": 4143},
            {"name": "linkerd-admin", "containerPort": ADMIN_PORT},
        ]
        containers.append({"name": PROXY, "image": "linkerd-proxy:lab", "ports": ports})
    return injected


def with_env(obj: Json, env: Mapping[str, str]) -> Json:
    """Return a Deployment whose app has these variables too; what is set already is replaced."""
    changed = deepcopy(obj)
    _set_env(changed, env)
    return changed


def _set_env(obj: Json, env: Mapping[str, str]) -> None:
    app = _containers(obj)[0]
    before = {text(entry, "name"): text(entry, "value") for entry in _env(app)}
    app["env"] = [{"name": name, "value": value} for name, value in {**before, **env}.items()]


def _containers(obj: Json) -> list[Json]:
    found = table(obj, "spec", "template", "spec").get("containers")
    return found if isinstance(found, list) else []


def _env(app: Json) -> Iterable[Json]:
    found = app.get("env")
    return found if isinstance(found, list) else []


def _service(name: str, app: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": {"app": app}, "ports": [{"name": "http", "port": PORT, "targetPort": "http"}]},
    }


def _route(method: str, path: str) -> Json:
    return {"name": f"{method} {path}", "condition": {"method": method, "pathRegex": path}}


def _deployment(name: str, image: str, replicas: int, env: Mapping[str, str], port: int | None = PORT) -> Json:
    app: Json = {"name": "app", "image": image}
    if port is not None:
        app["ports"] = [{"name": "http", "containerPort": port}]
        probe = {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 1, "failureThreshold": 2}
        app["readinessProbe"] = probe
    if env:
        app["env"] = [{"name": key, "value": value} for key, value in env.items()]
    metadata = {"labels": {"app": name}, "annotations": {INJECT: "enabled"}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": metadata, "spec": {"containers": [app]}},
        },
    }
