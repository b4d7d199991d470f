"""The `Cluster` port on the Kubernetes API: one consistent look at a Canary, the status saved, effects performed.

Canaries, Deployments, Services and TrafficSplits come from mirrors that watches keep; pods and ReplicaSets are read
for an active rollout, or when a Deployment has changed. An idle Canary makes no request. Nothing is decided here.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never, cast

from canary.adapters.api import JSON_PATCH, Api, Json
from canary.adapters.canaries import FINALIZER, age, claims, is_as_written, is_guarded, names, spec_of
from canary.adapters.splits import Splits
from canary.adapters.watch import Mirrors, place, uid
from canary.adapters.workloads import Templates, observed, revision, selector, templates, workload
from canary.core.decision import FIELD_MANAGER, Decision, Effect, Guard, Scale, SetTemplate, SetWeights, Unguard
from canary.core.formats import instant
from canary.core.history import armed_gates
from canary.core.lenient import at
from canary.core.record import parse_status, render_status
from canary.core.snapshot import Key, Snapshot, Wiring, Workload
from canary.core.spec import CanarySpec, ScalingMode, Side
from canary.core.starting import startable
from canary.core.status import Phase
from canary.errors import CanaryError, Conflict, Forbidden, LeaseLost, NotFound

CANARIES = ("/apis/canary.dev/v1alpha1", "canaries")
DEPLOYMENTS = ("/apis/apps/v1", "deployments")
SERVICES = ("/api/v1", "services")


class KubernetesCluster:
    """One cluster, or some namespaces of it.

    `changed` is called with each Canary that is worth a look, `failed` with what keeps us from following the cluster.
    """

    def __init__(
        self,
        api: Api,
        namespaces: Sequence[str],
        changed: Callable[[Key], None],
        failed: Callable[[str, CanaryError], None],
        now: Callable[[], datetime],
        scrape: timedelta,
    ) -> None:
        self._api, self._changed, self._now, self._scrape = api, changed, now, scrape
        self.leaving: Callable[[str], datetime | None] = lambda _: None  # since when a namespace's Canaries must go
        self.leads: Callable[[], bool] = lambda: True  # whether we may write
        self._looked: dict[Key, Json] = {}
        self._revisions: dict[object, tuple[object, Templates, str]] = {}
        self._canaries = Mirrors(api, CANARIES, namespaces, self._canary_changed, failed)
        self._deployments = Mirrors(api, DEPLOYMENTS, namespaces, self._other_changed, failed)
        self._services = Mirrors(api, SERVICES, namespaces, self._other_changed, failed)
        self._splits = Splits(api, namespaces, self._other_changed, self._requeue_all, failed)

    @property
    def synced(self) -> bool:
        """Whether all kinds have been listed once."""
        kinds = (self._canaries, self._deployments, self._services)
        return all(kind.synced for kind in kinds) and self._splits.synced.is_set()

    def keys(self) -> list[Key]:
        """Name all Canaries."""
        return [Key(*place(obj)) for obj in self._canaries.all()]

    def guarded(self) -> list[Key]:
        """Name the Canaries that bear our finalizer."""
        return [Key(*place(obj)) for obj in self._canaries.all() if is_guarded(obj)]

    async def follow(self) -> None:
        """Keep the mirrors for ever. Ticks may begin once `ready` returns."""
        async with asyncio.TaskGroup() as group:
            for mirror in (self._deployments, self._services, self._splits):
                group.create_task(mirror.follow())
            await self._canaries.follow(self._furnished)

    async def ready(self) -> None:
        """Wait until every kind has been listed once, wherever we may look."""
        for kind in (self._deployments, self._services):
            await kind.ready()
        await self._splits.synced.wait()
        await self._canaries.ready()

    async def _furnished(self, namespace: str) -> None:
        """Wait for all but the Canaries, so that the first tick of one finds what it names."""
        await self._splits.synced.wait()
        for kind in (self._deployments, self._services):
            await kind.reach(namespace, self._canaries.pass_over)

    def _requeue_all(self) -> None:
        for key in self.keys():
            self._changed(key)

    def _canary_changed(self, obj: Json) -> None:
        key = Key(*place(obj))
        self._changed(key)
        for other in self._canaries.within(key.namespace):
            if place(other) != key and claims(other) & claims(obj):
                self._changed(Key(*place(other)))

    def _other_changed(self, obj: Json) -> None:
        namespace, name = place(obj)
        if self._deployments.get(namespace, name) is None:
            self._revisions.pop(uid(obj), None)  # it went
        for canary in self._canaries.within(namespace):
            if any(name == claimed for _, claimed in names(canary)):
                self._changed(Key(*place(canary)))

    async def snapshot(self, key: Key) -> Snapshot | None:
        """Look once."""
        obj = self._canaries.get(key.namespace, key.name)
        if obj is None:
            self._looked.pop(key, None)
            return None
        self._looked[key] = obj
        saved = parse_status(obj.get("status"))
        spec, problems = spec_of(obj, saved)
        deleted_at = instant(at(obj, "metadata").get("deletionTimestamp"))
        leaving = self.leaving(key.namespace) if deleted_at is None else None
        seen = Snapshot(
            key=key,
            at=self._now(),
            elapsed=timedelta(),
            generation=cast("int", at(obj, "metadata").get("generation") or 0),
            spec=spec,
            raw_spec=at(obj, "spec"),
            status=saved,
            saved=saved,
            problems=problems,
            split=self._splits.get(key.namespace, spec.route_name),
            wiring=self._wiring(obj, spec),
            deleted_at=deleted_at or leaving,
            leaving=leaving is not None,
            guarded=is_guarded(obj),
            uid=str(at(obj, "metadata").get("uid") or ""),
            scrape=self._scrape,
        )
        if problems and not saved.active:
            return seen
        refused = (mirrors.refused(key.namespace) for mirrors in (self._deployments, self._services, self._splits))
        if hint := next(filter(None, refused), ""):
            return replace(seen, blind=hint)
        try:
            return await self._with_workloads(seen)
        except Forbidden as error:
            return replace(seen, blind=error.hint)

    async def _with_workloads(self, seen: Snapshot) -> Snapshot:
        canary = self._deployments.get(seen.key.namespace, seen.spec.canary.deployment)
        fresh = seen.status.phase in (Phase.PROMOTING, Phase.ROLLING_BACK)
        carried = "" if canary is None else (await self._revision(canary, fresh=fresh))[1]
        asked = bool(seen.spec.retry) and seen.spec.retry != seen.status.retried
        closely = seen.status.active or asked or startable(seen.status, carried) or seen.deleted_at is not None
        stable_seen, canary_seen = await asyncio.gather(
            self._workload(seen.spec.stable, seen, closely=closely, fresh=fresh),
            self._workload(seen.spec.canary, seen, closely=closely, fresh=False),
        )
        if closely and canary_seen is not None and seen.spec.scaling is ScalingMode.MATCH:
            canary_seen = replace(canary_seen, autoscaled=await self._autoscaled(seen.key.namespace, canary_seen.name))
        return replace(seen, stable=stable_seen, canary=canary_seen)

    async def _workload(self, side: Side, seen: Snapshot, *, closely: bool, fresh: bool) -> Workload | None:
        deployment = self._deployments.get(seen.key.namespace, side.deployment)
        if deployment is None:
            return None
        if not closely:
            found, present = await self._revision(deployment, fresh=False) if side == seen.spec.canary else ({}, "")
            return workload(deployment, found, present, ())
        (found, present), pods = await asyncio.gather(
            self._revision(deployment, fresh=fresh), self._list("/api/v1", deployment, "pods")
        )
        return workload(deployment, found, present, pods, self._services.get(seen.key.namespace, side.service))

    async def _revision(self, deployment: Json, *, fresh: bool) -> tuple[Templates, str]:
        """Find a Deployment's revisions; read again only when its spec or what its controller saw of it has changed."""
        meta, status = at(deployment, "metadata"), at(deployment, "status")
        state = (meta.get("generation"), status.get("observedGeneration"))
        known = self._revisions.get(uid(deployment))
        if known is not None and known[0] == state and known[2] and not fresh:
            return known[1], known[2]
        if not observed(deployment):
            return {}, ""
        found = templates(deployment, await self._list("/apis/apps/v1", deployment, "replicasets"))
        present = revision(deployment, found)
        self._revisions[uid(deployment)] = (state, found, present)
        return found, present

    async def _list(self, group: str, deployment: Json, kind: str) -> list[Json]:
        namespace, _ = place(deployment)
        answer = await self._api.get(f"{group}/namespaces/{namespace}/{kind}", labelSelector=selector(deployment))
        return cast("list[Json]", answer.get("items") or [])

    async def _autoscaled(self, namespace: str, deployment: str) -> bool:
        answer = await self._api.get(f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers")
        targets = (at(item, "spec", "scaleTargetRef") for item in cast("list[Json]", answer.get("items") or []))
        return any(t.get("kind") == "Deployment" and t.get("name") == deployment for t in targets)

    def _wiring(self, obj: Json, spec: CanarySpec) -> Wiring:
        namespace, _ = place(obj)
        wanted = (spec.service, spec.stable.service, spec.canary.service)
        older = [other for other in self._canaries.within(namespace) if age(other) < age(obj)]
        rival = next((place(other)[1] for other in older if claims(other) & claims(obj)), "")
        missing = tuple(name for name in wanted if self._services.get(namespace, name) is None)
        return Wiring(missing_services=missing, rival=rival, unsupported=self._splits.unsupported)

    async def save_status(self, seen: Snapshot, decision: Decision) -> Snapshot:
        """PUT the status over exactly the object that was seen, not over what a watch has brought since."""
        self._must_lead()
        obj = self._looked.get(seen.key)
        if obj is None:
            raise Conflict(f"Canary {seen.key} is gone")
        shown = armed_gates(seen.spec, decision.status)
        body = {**obj, "status": render_status(decision.status, decision.judgement, shown)}
        try:
            answer = await self._api.replace(self._path(seen.key) + "/status", body, fieldManager=FIELD_MANAGER)
        except NotFound as error:
            raise Conflict(f"Canary {seen.key} is gone: {error.hint}") from error
        except Conflict:
            found = await self._canaries.look(*seen.key)
            if found is None or not is_as_written(found, body):
                raise
            answer = found
        self._canaries.put(answer)
        return replace(seen, saved=parse_status(answer.get("status")))

    async def perform(self, seen: Snapshot, effect: Effect) -> None:
        """Do one effect. Raises Conflict when its object was changed or deleted since it was seen."""
        self._must_lead()
        try:
            await self._perform(seen, effect)
        except NotFound as error:
            raise Conflict(f"{type(effect).__name__}: deleted meanwhile: {error.hint}") from error

    def _must_lead(self) -> None:
        """Raise LeaseLost where a process was frozen for long, and does not know yet that others lead."""
        if not self.leads():
            raise LeaseLost("the lease ran out before a write; this process stops")

    async def _perform(self, seen: Snapshot, effect: Effect) -> None:
        namespace = seen.key.namespace
        match effect:
            case Guard() | Unguard():
                await self._set_finalizer(seen.key, present=isinstance(effect, Guard))
            case SetWeights():
                await self._splits.write(namespace, effect)
            case Scale() | SetTemplate():
                try:
                    await self._change(f"/apis/apps/v1/namespaces/{namespace}/deployments/{effect.deployment}", effect)
                except Conflict:
                    await self._deployments.look(namespace, effect.deployment)
                    raise
            case _:
                assert_never(effect)

    async def _change(self, path: str, effect: Scale | SetTemplate) -> None:
        """Change a Deployment; a resourceVersion in the patch has it refused (409) once anyone wrote in between."""
        if isinstance(effect, Scale):
            body = {"metadata": {"resourceVersion": effect.resource_version}, "spec": {"replicas": effect.replicas}}
            await self._api.patch(f"{path}/scale", body, fieldManager=FIELD_MANAGER)
            return
        patch = [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": effect.resource_version},
            {"op": "replace", "path": "/spec/template", "value": effect.template},
        ]
        self._deployments.put(await self._api.patch(path, patch, JSON_PATCH, fieldManager=FIELD_MANAGER))

    async def _set_finalizer(self, key: Key, *, present: bool) -> None:
        meta = at(self._object(key), "metadata")
        kept = [f for f in cast("list[str]", meta.get("finalizers") or []) if f != FINALIZER]
        wanted = [*kept, FINALIZER] if present else kept
        body = {"metadata": {"resourceVersion": meta.get("resourceVersion"), "finalizers": wanted}}
        answer = await self._api.patch(self._path(key), body, fieldManager=FIELD_MANAGER)
        if answer.get("kind") == "Canary" and present:
            self._canaries.put(answer)

    def _object(self, key: Key) -> Json:
        obj = self._canaries.get(key.namespace, key.name)
        if obj is None:
            raise Conflict(f"Canary {key} is gone")
        return obj

    @staticmethod
    def _path(key: Key) -> str:
        return f"/apis/canary.dev/v1alpha1/namespaces/{key.namespace}/canaries/{key.name}"
