"""Canaries and their Deployments through the API server, for the commands. Imported by them when they run: it is heavy.

It reads and patches what a user may, and decides nothing. A `Target` without a namespace means the kubeconfig's own.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from canary.adapters import workloads
from canary.adapters.api import JSON_PATCH, Api, Json
from canary.adapters.canaries import UNSERVED
from canary.adapters.kubeconfig import context_namespace
from canary.cli.looks import Look
from canary.cli.options import Target
from canary.core.lenient import at
from canary.core.record import parse_status
from canary.core.snapshot import Key
from canary.errors import NotFound

API = "/apis/canary.dev/v1alpha1"
APPS = "/apis/apps/v1"
STRATEGIC = "application/strategic-merge-patch+json"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A connection, and the namespace that the user means."""

    api: Api
    namespace: str

    async def canaries(self, *, everywhere: bool = False) -> list[Json]:
        """List the Canaries, by namespace and name."""
        try:
            answer = await self.api.get(self.path(everywhere=everywhere))
        except NotFound as error:
            raise _unserved(error) from error
        found = cast("list[Json]", answer.get("items") or [])
        return sorted(found, key=lambda obj: (key_of(obj).namespace, key_of(obj).name))

    async def canary(self, name: str) -> Json:
        """Read one. Raises NotFound in a user's words."""
        try:
            return await self.api.get(f"{self.path()}/{name}")
        except NotFound as error:
            if f'"{name}" not found' in error.hint:
                raise NotFound(f"there is no Canary {name!r} in namespace {self.namespace}") from error
            raise _unserved(error) from error

    async def look(self, name: str, *, deployment: bool = True) -> Look:
        """Look at a Canary and, if asked, at which revision its canary Deployment carries. Raises NotFound."""
        obj = await self.canary(name)
        spec = at(obj, "spec")
        present = await self._present(await self.deployment(spec)) if deployment else ""
        return Look(key=key_of(obj), spec=spec, status=parse_status(obj.get("status")), present=present)

    async def deployment(self, spec: Mapping[str, object]) -> Json:
        """Read the canary Deployment of a spec. Raises NotFound."""
        side = at(spec, "canary")
        name = side.get("deployment") or side.get("service")
        try:
            return await self.api.get(f"{APPS}/namespaces/{self.namespace}/deployments/{name}")
        except NotFound as error:
            raise NotFound(f"the canary Deployment {name!r} does not exist in namespace {self.namespace}") from error

    async def patch_spec(self, name: str, fields: Mapping[str, object]) -> None:
        """Set fields of a Canary's spec, and no others."""
        await self.api.patch(f"{self.path()}/{name}", {"spec": dict(fields)})

    async def patch_deployment(self, deployment: Json, operations: list[Json]) -> None:
        """Apply a JSON patch to a Deployment; its `test` operations are the precondition."""
        name = key_of(deployment).name
        await self.api.patch(f"{APPS}/namespaces/{self.namespace}/deployments/{name}", operations, JSON_PATCH)

    async def set_env(self, deployment: Json, env: Mapping[str, str]) -> None:
        """Set environment variables of a Deployment's first container, as `kubectl set env` does."""
        pod = at(deployment, "spec", "template", "spec")
        first = cast("list[Json]", pod.get("containers"))[0]
        change = {"name": first.get("name"), "env": [{"name": k, "value": v} for k, v in env.items()]}
        path = f"{APPS}/namespaces/{self.namespace}/deployments/{key_of(deployment).name}"
        await self.api.patch(path, {"spec": {"template": {"spec": {"containers": [change]}}}}, STRATEGIC)

    def path(self, *, everywhere: bool = False) -> str:
        """Name the collection of Canaries."""
        return f"{API}/canaries" if everywhere else f"{API}/namespaces/{self.namespace}/canaries"

    async def _present(self, deployment: Json) -> str:
        path = f"{APPS}/namespaces/{self.namespace}/replicasets"
        answer = await self.api.get(path, labelSelector=workloads.selector(deployment))
        replicasets = cast("list[Json]", answer.get("items") or [])
        return workloads.revision(deployment, workloads.templates(deployment, replicasets))


def _unserved(error: NotFound) -> NotFound:
    return NotFound(f"the cluster knows no Canaries, for {UNSERVED}: install the chart first ({error.hint})")


def key_of(obj: Json) -> Key:
    """Name an object."""
    meta = at(obj, "metadata")
    return Key(str(meta.get("namespace") or ""), str(meta.get("name") or ""))


@asynccontextmanager
async def connected(target: Target) -> AsyncIterator[Cluster]:
    """Connect, and close again. Raises CanaryError where there is no way to a cluster."""
    api = await Api.connect(target.kubeconfig, agent="canary-cli")
    try:
        namespace = target.namespace or context_namespace(target.kubeconfig) or api.namespace
        yield Cluster(api, namespace)
    finally:
        await api.close()
