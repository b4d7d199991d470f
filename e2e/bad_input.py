"""The table of `test_bad_input.py`: what people get wrong, in the input's terms, and the words they must be told."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from canary.adapters.api import Json

YARD = "bad-input"


@dataclass(frozen=True)
class Bad:
    """One row: what is wrong, in the input's own terms, and the words that the one error must have."""

    name: str
    input: object
    words: tuple[str, ...]


def gates(**given: object) -> Json:
    return {"gates": given}


RATE: Json = {"min": "99%"}


def route(name: str = "GET /", **given: object) -> Json:
    return {"name": name, **(given or {"successRate": RATE})}


def hook(**given: object) -> Json:
    return gates(webhooks=[{"name": "hook", "url": "http://hook.bad-input", **given}])


REFUSED = [
    Bad("an unknown field", {"stpes": ["1000m"]}, ("spec.stpes", "unknown field")),
    Bad("an unknown field of a gate", gates(latency={"p95": "1s"}), ("p95", "unknown field")),
    Bad("steps that fall", {"steps": ["500m", "100m", "1000m"]}, ("spec.steps", "steps must rise")),
    Bad("a step twice", {"steps": ["100m", "100m", "1000m"]}, ("spec.steps", "steps must rise")),
    Bad("steps that end early", {"steps": ["100m", "500m"]}, ("spec.steps", "steps must end at 1000m")),
    Bad("a weight of 1100m", {"steps": ["1100m"]}, ("spec.steps[0]", "1100m", "1000)m")),
    Bad("a weight in per cent", {"steps": ["10%", "1000m"]}, ("spec.steps[0]", "10%", "1000)m")),
    Bad("no steps", {"steps": []}, ("spec.steps", "at least 1")),
    Bad(
        "a percentage without its sign", gates(successRate={"min": "99"}), ("spec.gates.successRate.min", '"99"', "%$")
    ),
    Bad("half of all requests", gates(successRate={"min": "50%"}), ("spec.gates.successRate.min", "50.0001% to")),
    Bad(
        "passBelow that is not below min",
        gates(successRate={"min": "99%", "passBelow": "99.5%"}),
        ("spec.gates.successRate", "passBelow", "below min"),
    ),
    Bad("points in per cent", gates(successRate={"worseThanStable": "1%"}), ("worseThanStable", '"1%"', "pp$")),
    Bad("a latency past the buckets", gates(latency={"p99": "51s"}), ("spec.gates.latency.p99", "from 1ms to 50s")),
    Bad("a duration in words", {"bake": "five minutes"}, ("spec.bake", "five minutes", "[0-9]{1,6}m")),
    Bad("an interval of half a second", {"interval": "500ms"}, ("spec.interval", "at least 1s")),
    Bad("a dwell below the interval", {"interval": "30s", "dwell": "10s"}, ("spec.dwell", "at least interval")),
    Bad("no gate", {"gates": {"successRate": None, "latency": None, "routes": None}}, ("spec.gates", "successRate or")),
    Bad("a route without a promise", gates(routes=[{"name": "GET /"}]), ("spec.gates.routes[0]", "must have a")),
    Bad("a route twice", gates(routes=[route(), route()]), ("spec.gates.routes[1]", "Duplicate value")),
    Bad(
        "a webhook without a scheme",
        hook(url="hook.bad-input"),
        ("spec.gates.webhooks[0].url", "hook.bad-input", "https?"),
    ),
    Bad("a webhook without a host", hook(url="http://:80"), ("spec.gates.webhooks[0].url", "with a host")),
    Bad("a webhook of an unknown type", hook(type="ask"), ("spec.gates.webhooks[0].type", '"ask"', '"confirm-start"')),
    Bad("stable behind the apex itself", {"stable": {"service": "good"}}, ("spec.stable.service", "must differ")),
    Bad("one service for both", {"canary": {"service": "good-stable"}}, ("spec.canary.service", "must differ")),
    Bad("an unknown choice", {"onInconclusive": "Shrug"}, ("spec.onInconclusive", '"Shrug"', '"Rollback"')),
    Bad("an unknown route kind", {"route": {"kind": "Ingress"}}, ("spec.route.kind", '"Ingress"', '"TrafficSplit"')),
    Bad("replicas below zero", {"scaling": {"idleReplicas": -1}}, ("spec.scaling.idleReplicas", "-1", "equal to 0")),
    Bad("a flag in words", {"paused": "yes"}, ("spec.paused", "boolean", "string")),
    Bad("a risk of a quarter", {"evidence": {"falseRollback": "25%"}}, ("spec.evidence.falseRollback", "to 20%")),
    Bad("a name that no Service can have", {"service": "Good"}, ("spec.service", '"Good"', "[a-z0-9]")),
]
"""Patches of a Canary's spec that the API server must refuse."""


@dataclass(frozen=True)
class Wiring:
    """What is around a Canary: the objects that are not there, those beside it, and its spec."""

    without: tuple[tuple[str, str], ...] = ()
    beside: tuple[Json, ...] = ()
    spec: Mapping[str, object] = field(default_factory=dict)


def split(name: str, service: str, *backends: str) -> Json:
    weighted = [{"service": backend, "weight": "1"} for backend in backends]
    metadata = {"name": name, "namespace": YARD}
    spec = {"service": service, "backends": weighted}
    return {"apiVersion": "split.smi-spec.io/v1alpha1", "kind": "TrafficSplit", "metadata": metadata, "spec": spec}


MISWIRED = [
    Bad(
        "no-apex",
        Wiring(without=(("Service", "no-apex"),)),
        ("ServiceMissing: spec.service: Service 'no-apex' does not exist in namespace bad-input",),
    ),
    Bad(
        "no-stable",
        Wiring(without=(("Service", "no-stable-stable"),)),
        ("ServiceMissing: spec.stable.service: Service 'no-stable-stable' does not exist in namespace bad-input",),
    ),
    Bad(
        "no-canary",
        Wiring(without=(("Service", "no-canary-canary"),)),
        ("ServiceMissing: spec.canary.service: Service 'no-canary-canary' does not exist in namespace bad-input",),
    ),
    Bad(
        "no-old",
        Wiring(without=(("Deployment", "no-old-stable"),)),
        ("DeploymentMissing: spec.stable.deployment: Deployment 'no-old-stable' does not exist",),
    ),
    Bad(
        "no-new",
        Wiring(without=(("Deployment", "no-new-canary"),)),
        ("DeploymentMissing: spec.canary.deployment: Deployment 'no-new-canary' does not exist",),
    ),
    Bad(
        "their-split",
        Wiring(beside=(split("their-split", "theirs", "theirs-1", "theirs-2"),)),
        ("NotOurs: spec.route.name: TrafficSplit 'their-split' splits 'theirs'", "['their-split-canary', 'their-spl"),
    ),
    Bad(
        "their-leaf",
        Wiring(beside=(split("their-leaf", "their-leaf", "their-leaf-stable", "their-leaf-b"),)),
        ("NotOurs: spec.route.name: TrafficSplit 'their-leaf'", "'their-leaf-b'", "nothing is written to it"),
    ),
    Bad(
        "rival",
        Wiring(spec={"service": "good"}),
        ("Conflict: Canary good is older and claims the same Service",),
    ),
    Bad(
        "rival-split",
        Wiring(spec={"route": {"name": "good"}}),
        ("Conflict: Canary good is older and claims the same Service, Deployment or split",),
    ),
]  # fmt: skip
"""Canaries that are valid and cannot be followed."""

COMMANDS = [
    Bad("run without a host", (2, "run", "--listen", "8080"), ("--listen", "'8080'", "HOST:PORT")),
    Bad("run with a scrape in words", (2, "run", "--scrape-interval", "soon"), ("'soon'", "a duration like 90s")),
    Bad(
        "run with half a header", (2, "run", "--prometheus-header", "X"), ("--prometheus-header", "'X'", "NAME: VALUE")
    ),
    Bad("run without a kubeconfig", (1, "run", "--kubeconfig", "/nowhere/kubeconfig"), ("/nowhere/kubeconfig",)),
    Bad(
        "run with a Prometheus that is no address",
        (1, "run", "--prometheus-url", "prometheus:9090"),
        ("'prometheus:9090'", "http://HOST:PORT/PATH is wanted"),
    ),
    Bad(
        "run with a lease nowhere", (1, "run", "--lease-namespace", "nowhere", "--listen", "127.0.0.1:0"), ("nowhere",)
    ),
    Bad("start a Canary that is none", (1, "start", "nobody", "--image", "web:2"), ("'nobody'", "bad-input")),
    Bad("start in a container that is none", (1, "start", "good", "--image", "sidecar=web:2"), ("sidecar", "app")),
    Bad("abort another rollout", (1, "abort", "good", "--rollout", "good-x-9"), ("good-x-9",)),
    Bad("retry another rollout", (1, "retry", "good", "--rollout", "good-x-9"), ("good-x-9",)),
    Bad("approve another rollout", (1, "approve", "good", "--rollout", "good-x-9"), ("good-x-9",)),
    Bad("wait for a rollout that is none", (15, "wait", "good-x-9", "--output", "json"), ("good-x-9", "NotFound")),
    Bad("show a Canary that is none", (1, "status", "nobody"), ("'nobody'", "bad-input")),
]
"""Exit code and arguments."""

WARNING = '{"status": "success", "warnings": ["a part is missing"], "data": {"resultType": "vector", "result": []}}'
BLIND = [
    Bad("prometheus-refuses", (403, "text/plain", "Forbidden"), ("answered 403", "AuthorizationPolicy")),
    Bad("prometheus-is-a-page", (200, "text/html", "<html>Sign in</html>"), ("sent no JSON", "is its URL right?")),
    Bad("prometheus-warns", (200, "application/json", WARNING), ("Prometheus warned: a part is missing",)),
    Bad("prometheus-is-down", None, ("Prometheus at http://127.0.0.1:9", "refused")),
]  # fmt: skip
"""What a Prometheus answers."""

BARE = [
    Bad("no-definition", (1, "status", "good"), ("CustomResourceDefinition canaries.canary.dev is not installed",)),
    Bad("run-without-a-definition", None, ("CustomResourceDefinition canaries.canary.dev is not installed",)),
    Bad("no-split", Wiring(), ("TrafficSplitUnsupported: spec.route.kind", "split.smi-spec.io v1alpha1 or", "install")),
]
"""What is wrong in a cluster without our definitions."""

RETRIES = [
    Bad(
        "again",
        "again-x-9",
        ("RetryRefused: spec.retry: 'again-x-9' is refused", "no rollout of this name was rolled back"),
    )
]
"""Rollouts that never were, asked for in the spec."""

ROWS = [*REFUSED, *MISWIRED, *COMMANDS, *BLIND, *BARE, *RETRIES]
