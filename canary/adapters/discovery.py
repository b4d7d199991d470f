"""Which Prometheus to ask, where nobody says: the one that Linkerd's viz uses.

Called once at start by the composition root. An external Prometheus stands on viz's namespace as an annotation; else
viz runs its own, behind a Service of a fixed name.
"""

from canary.adapters.api import Api, Json
from canary.errors import CanaryError, Forbidden, NotFound

EXTENSION = "linkerd.io/extension=viz"
EXTERNAL = "viz.linkerd.io/external-prometheus"
SERVICE = "prometheus"
PORT = 9090


async def prometheus_url(api: Api, given: str = "") -> str:
    """Give the URL: `given`, else viz's annotation, else viz's Service.

    Raises CanaryError when there is none, and Unreachable when the API server cannot be asked.
    """
    if given:
        return given
    try:
        found = await api.get("/api/v1/namespaces", labelSelector=EXTENSION)
        namespaces = [_metadata(item) for item in _items(found)]
        for namespace in namespaces:
            annotations = namespace.get("annotations")
            external = annotations.get(EXTERNAL) if isinstance(annotations, dict) else None
            if isinstance(external, str) and external.strip():
                return external.strip()
        for namespace in namespaces:
            if await _exists(api, f"/api/v1/namespaces/{namespace.get('name')}/services/{SERVICE}"):
                return f"http://{SERVICE}.{namespace.get('name')}.svc.cluster.local:{PORT}"
    except Forbidden as error:
        raise Forbidden(
            f"may not look for Linkerd viz's Prometheus, so --prometheus-url is needed: {error.hint}"
        ) from error
    if not namespaces:
        raise CanaryError(f"no Prometheus: no namespace has the label {EXTENSION}; give --prometheus-url")
    names = ", ".join(str(namespace.get("name")) for namespace in namespaces)
    raise CanaryError(
        f"no Prometheus: namespace {names} has neither a Service {SERVICE} nor the annotation {EXTERNAL}; "
        "give --prometheus-url"
    )


async def _exists(api: Api, path: str) -> bool:
    try:
        await api.get(path)
    except NotFound:
        return False
    return True


def _items(found: Json) -> list[Json]:
    items = found.get("items")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _metadata(item: Json) -> Json:
    metadata = item.get("metadata")
    return metadata if isinstance(metadata, dict) else {}
