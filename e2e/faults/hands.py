"""What hands do to the objects of a trial in mid-rollout: scale, edit, delete, and look at what is left."""

import contextlib
from collections.abc import Mapping
from typing import cast

from canary.adapters.api import JSON_PATCH, Json
from canary.errors import NotFound
from canary.lab import seed
from e2e.faults.trial import Trial

SPLIT = "yamtam-canary"
SOMEBODY = "somebody"  # the field manager of whoever interferes
_GROUPS = {"services": "/api/v1", "replicasets": "/apis/apps/v1", "horizontalpodautoscalers": "/apis/autoscaling/v2"}


def path(trial: Trial, kind: str, name: str = "") -> str:
    """Give an API path in the trial's namespace, of kinds that a scene does not know, too."""
    if kind not in _GROUPS:
        return trial.path(kind, name)
    return f"{_GROUPS[kind]}/namespaces/{trial.namespace}/{kind}" + (f"/{name}" if name else "")


async def read(trial: Trial, kind: str, name: str) -> Json:
    """Read an object; empty where there is none."""
    with contextlib.suppress(NotFound):
        return await trial.stage.api.get(path(trial, kind, name))
    return {}


async def there(trial: Trial, kind: str) -> list[Json]:
    """List the objects of a kind."""
    return cast("list[Json]", (await trial.stage.api.get(path(trial, kind)))["items"])


async def remove(trial: Trial, kind: str, name: str) -> Json:
    """Delete an object; returns what it was, ready to be created again."""
    was = await read(trial, kind, name)
    await trial.stage.api.delete(path(trial, kind, name))
    meta = cast("Json", was["metadata"])
    kept = {key: meta[key] for key in ("name", "namespace", "labels", "annotations") if key in meta}
    return {**{key: value for key, value in was.items() if key != "status"}, "metadata": kept}


async def create(trial: Trial, kind: str, body: Json) -> None:
    """Create an object."""
    await trial.stage.api.create(path(trial, kind), body, fieldManager=SOMEBODY)


async def gone(trial: Trial, kind: str, name: str, within: float = 30) -> None:
    """Wait until an object is gone."""

    async def went() -> bool:
        return not await read(trial, kind, name)

    await trial.until(went, f"{kind}/{name} to go", within=within)


async def edit(trial: Trial, kind: str, name: str, spec: Json) -> None:
    """Patch an object's spec as somebody."""
    await trial.stage.api.patch(path(trial, kind, name), {"spec": spec}, fieldManager=SOMEBODY)


async def scale(trial: Trial, deployment: str, replicas: int) -> None:
    """Scale a Deployment as kubectl and the HPA do."""
    where = path(trial, "deployments", deployment) + "/scale"
    await trial.stage.api.patch(where, {"spec": {"replicas": replicas}}, fieldManager=SOMEBODY)


async def replicas(trial: Trial, deployment: str) -> int:
    """Read how many replicas a Deployment asks for."""
    return int(str(cast("Json", (await read(trial, "deployments", deployment))["spec"])["replicas"]))


async def template(trial: Trial, deployment: str) -> Json:
    """Read a Deployment's pod template."""
    return cast("Json", cast("Json", (await read(trial, "deployments", deployment))["spec"])["template"])


async def carries(trial: Trial, deployment: str, release: str) -> bool:
    """Tell whether a Deployment's template is that of a release, by its RELEASE."""
    return f"'RELEASE', 'value': '{release}'" in str(await template(trial, deployment))


async def ready(trial: Trial, deployment: str, count: int, within: float = 40) -> None:
    """Wait until a Deployment has so many pods, all ready, and nothing else."""

    async def settled() -> bool:
        status = cast("Json", (await read(trial, "deployments", deployment)).get("status") or {})
        return [status.get(key) or 0 for key in ("replicas", "readyReplicas")] == [count, count]

    await trial.until(settled, f"{deployment} to have {count} ready pods", within=within)


async def weigh(trial: Trial, stable: object, canary: object) -> None:
    """Edit the split's weights by hand."""
    backends = [{"service": seed.STABLE, "weight": stable}, {"service": seed.CANARY, "weight": canary}]
    await edit(trial, "trafficsplits", SPLIT, {"backends": backends})


async def write_status(trial: Trial, status: Mapping[str, object]) -> None:
    """Overwrite the Canary's status, as `kubectl edit --subresource=status` does."""
    where = path(trial, "canaries", seed.APEX) + "/status"
    patch = [{"op": "add", "path": "/status", "value": status}]
    await trial.stage.api.patch(where, patch, JSON_PATCH, fieldManager=SOMEBODY)


async def behave(trial: Trial, deployment: str, pods: int | None = None, **env: str) -> int:
    """Let running pods of a Deployment behave otherwise than their template says; all, or so many of them."""
    names = sorted(
        str(cast("Json", pod["metadata"])["name"])
        for pod in await there(trial, "pods")
        if cast("Json", cast("Json", pod["metadata"])["labels"]).get("app") == deployment
    )[:pods]
    return sum(trial.stage.lab.node.alter(trial.namespace, name, env) for name in names)


async def baking(trial: Trial, release: Mapping[str, str] | None = None, **spec: object) -> None:
    """Bring a release to the bake without steps before it."""
    trial.weights.steps = (1000,)
    await trial.adopt(**{"steps": ["1000m"], "bake": "60s", **spec})
    await trial.ship(RELEASE="2", **(release or {}))
    await phase(trial, "Baking")


async def promoting(trial: Trial, **spec: object) -> None:
    """Bring a release to its promotion, which takes stable's pods 8 s each."""
    await baking(trial, {"LAB_READY": "after 8s"}, **{"bake": "2s", **spec})
    await phase(trial, "Promoting")


async def phase(trial: Trial, *wanted: str, within: float = 60) -> None:
    """Wait until the Canary is in a phase."""

    async def reached() -> bool:
        return (await trial.status()).get("phase") in wanted

    await trial.until(reached, " or ".join(wanted), within=within)


async def at(trial: Trial, weight: int, within: float = 30) -> None:
    """Wait until the live split gives the canary exactly this weight."""

    async def reached() -> bool:
        with contextlib.suppress(NotFound):  # it may have been deleted
            return await trial.weight() == weight
        return False

    await trial.until(reached, f"{weight}m", within=within)


async def not_ready(trial: Trial, deployment: str, left: int) -> None:
    """Wait until Kubernetes counts no more than so many ready pods."""

    async def counted() -> bool:
        status = cast("Json", (await trial.stage.api.get(trial.path("deployments", deployment)))["status"])
        return int(str(status.get("readyReplicas") or 0)) <= left

    await trial.until(counted, f"{deployment} to have {left} ready pods", within=20)


async def pods_of(trial: Trial, deployment: str) -> list[Json]:
    """List a Deployment's pods that are not leaving."""
    found = cast("list[Json]", (await trial.stage.api.get(trial.path("pods")))["items"])
    return [
        pod
        for pod in found
        if cast("Json", cast("Json", pod["metadata"])["labels"]).get("app") == deployment
        and "deletionTimestamp" not in cast("Json", pod["metadata"])
    ]


def revision(pod: Json) -> str:
    """Give a pod's template hash."""
    return str(cast("Json", cast("Json", pod["metadata"])["labels"]).get("pod-template-hash"))


def named(pod: Json) -> str:
    """Give a pod's name."""
    return str(cast("Json", pod["metadata"])["name"])


async def second(trial: Trial, number: int = 2) -> None:
    """Wait until that rollout is under way."""

    async def begun() -> bool:
        return (await trial.rollout()).get("number") == number

    await trial.until(begun, f"rollout {number}", within=30)


async def outcomes(trial: Trial) -> list[str]:
    """List how the rollouts ended."""
    return [str(past["outcome"]) for past in await trial.history()]


async def rollout_id(trial: Trial) -> str:
    """Name the present rollout."""
    return str((await trial.rollout())["id"])
