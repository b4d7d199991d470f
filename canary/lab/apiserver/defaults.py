"""What the API server fills in by itself when a built-in kind leaves it out.

`objects` calls `fill` on every write. Only defaults that somebody can see matter: a template copied from one
Deployment to another must compare equal afterwards, on this back end as on the real one.
"""

from base64 import b64encode
from collections.abc import Callable

from canary.lab.apiserver.resources import Resource
from canary.lab.apiserver.store import Store
from canary.lab.apiserver.tree import Object, grown, reached, rows, text


def fill(resource: Resource, obj: Object, old: Object | None, store: Store) -> None:
    """Fill in defaults, in place."""
    if filler := _FILLERS.get(resource.store_kind):
        filler(obj, old, store)


def pod_spec(spec: Object) -> None:
    """Fill in a pod spec."""
    for name, value in _POD.items():
        spec.setdefault(name, value)
    spec.setdefault("securityContext", {})
    if account := text(spec, "serviceAccountName") or text(spec, "serviceAccount"):
        spec |= {"serviceAccountName": account, "serviceAccount": account}
    for container in rows(spec, "containers") + rows(spec, "initContainers"):
        _container(container)


def _container(container: Object) -> None:
    container.setdefault("imagePullPolicy", "IfNotPresent" if _tagged(text(container, "image")) else "Always")
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    resources = grown(container, "resources")
    for name, amounts in resources.items():
        if isinstance(amounts, dict):
            resources[name] = {each: str(amount) for each, amount in amounts.items()}
    for port in rows(container, "ports"):
        port.setdefault("protocol", "TCP")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if isinstance(container.get(name), dict):
            _probe(grown(container, name))
    for env in rows(container, "env"):
        if isinstance(reached(env, "valueFrom", "fieldRef"), dict):
            grown(env, "valueFrom", "fieldRef").setdefault("apiVersion", "v1")


_POD = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
}


def _tagged(image: str) -> bool:
    last = image.rsplit("/", 1)[-1]
    return "@" in last or (":" in last and not last.endswith(":latest"))


def _probe(probe: Object) -> None:
    for name, value in (("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)):
        probe.setdefault(name, value)
    if isinstance(probe.get("httpGet"), dict):
        get = grown(probe, "httpGet")
        get.setdefault("path", "/")
        get.setdefault("scheme", "HTTP")


def _pod(obj: Object, old: Object | None, _store: Store) -> None:
    spec = grown(obj, "spec")
    pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    if old is None:
        obj["status"] = {"phase": "Pending", "qosClass": "BestEffort"}


def _template(obj: Object) -> None:
    grown(obj, "spec", "template", "metadata")
    pod_spec(grown(obj, "spec", "template", "spec"))


def _deployment(obj: Object, old: Object | None, _store: Store) -> None:
    spec = grown(obj, "spec")
    for name, value in (("replicas", 1), ("revisionHistoryLimit", 10), ("progressDeadlineSeconds", 600)):
        spec.setdefault(name, value)
    strategy = grown(spec, "strategy")
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = grown(strategy, "rollingUpdate")
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    _template(obj)
    if old is None:
        obj["status"] = {}


def _replica_set(obj: Object, old: Object | None, _store: Store) -> None:
    grown(obj, "spec").setdefault("replicas", 1)
    _template(obj)
    if old is None:
        obj["status"] = {"replicas": 0}


def _service(obj: Object, old: Object | None, store: Store) -> None:
    spec = grown(obj, "spec")
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if spec["type"] == "ExternalName":
        return
    spec.setdefault("internalTrafficPolicy", "Cluster")
    if not spec.get("clusterIP"):
        spec["clusterIP"] = text(old, "spec", "clusterIP") or _free_address(store)
    spec |= {"clusterIPs": [spec["clusterIP"]], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}
    for port in rows(spec, "ports"):
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
    if old is None:
        obj["status"] = {"loadBalancer": {}}


def _free_address(store: Store) -> str:
    taken = {text(each, "spec", "clusterIP") for each in store.select("services")}
    free = (f"10.96.{high}.{low}" for high in range(256) for low in range(1, 255))
    return next(address for address in free if address not in taken)


def _namespace(obj: Object, old: Object | None, _store: Store) -> None:
    if old is None:
        obj["spec"] = {"finalizers": ["kubernetes"]}
        obj["status"] = {"phase": "Active"}
    grown(obj, "metadata", "labels")["kubernetes.io/metadata.name"] = text(obj, "metadata", "name")


def _crd(obj: Object, old: Object | None, _store: Store) -> None:
    names = grown(obj, "spec", "names")
    kind = text(names, "kind")
    names.setdefault("singular", kind.lower())
    names.setdefault("listKind", f"{kind}List")
    grown(obj, "spec").setdefault("conversion", {"strategy": "None"})
    if old is None:
        obj["status"] = {"conditions": [], "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": []}


def _secret(obj: Object, _old: Object | None, _store: Store) -> None:
    obj.setdefault("type", "Opaque")
    clear = obj.pop("stringData", None)
    if isinstance(clear, dict):
        grown(obj, "data").update({name: b64encode(str(value).encode()).decode() for name, value in clear.items()})


def _event(obj: Object, _old: Object | None, _store: Store) -> None:
    for name, value in (("firstTimestamp", None), ("lastTimestamp", None), ("eventTime", None)):
        obj.setdefault(name, value)
    for name in ("reportingComponent", "reportingInstance"):
        obj.setdefault(name, "")
    obj.setdefault("source", {})


_FILLERS: dict[str, Callable[[Object, Object | None, Store], None]] = {
    "pods": _pod,
    "deployments.apps": _deployment,
    "replicasets.apps": _replica_set,
    "services": _service,
    "namespaces": _namespace,
    "customresourcedefinitions.apiextensions.k8s.io": _crd,
    "events": _event,
    "secrets": _secret,
}
