"""The cluster adapter over real HTTP: what one look tells and costs, and writes that overwrite nobody."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from canary.adapters.api import Json
from canary.adapters.canaries import FINALIZER
from canary.adapters.cluster import KubernetesCluster
from canary.core.decision import Effect, Guard, Scale, SetTemplate, SetWeights, Unguard
from canary.core.snapshot import Key, Snapshot, Wiring
from canary.core.status import CanaryStatus, Phase, Reason, Rollout
from canary.errors import ClusterUnreachable, Conflict, Forbidden, LeaseLost
from canary.lab.apiserver.faults import Fault
from tests.adapters.neighbourhood import (
    CANARIES,
    DEFINITIONS,
    DEPLOYMENTS,
    NOW,
    SERVICES,
    SPLITS,
    TOWN,
    WEB,
    Neighbourhood,
    a_deployment,
    a_neighbourhood,
    a_service,
    a_split,
    decided,
    definition,
    furnish,
    look,
    meta,
    named,
    seen_by,
    without_rules,
)
from tests.adapters.recorded import until
from tests.canaries import a_canary

IDLE = CanaryStatus(promoted="old", reason=Reason.ADOPTED, message="Adopted.")


def running(revision: str = "new", **fields: object) -> CanaryStatus:
    rollout = Rollout(
        id=f"web-{revision}-1",
        number=1,
        revision=revision,
        baseline="old",
        started_at=NOW,
        spec=cast("Json", a_canary()["spec"]),
        found_replicas=1,
        step=0,
        level=100,
    )
    least = replace(IDLE, phase=Phase.PROGRESSING, weight=100, reason=Reason.GATHERING, rollout=rollout)
    return replace(least, **fields)  # type: ignore[arg-type]


@pytest.fixture
async def near(tmp_path: Path) -> AsyncIterator[Neighbourhood]:
    async with a_neighbourhood(tmp_path, definition("canaries"), definition("trafficsplits")) as near:
        await furnish(near)
        yield near


@pytest.fixture
async def lax(tmp_path: Path) -> AsyncIterator[Neighbourhood]:
    """A cluster whose definition lets everything in."""
    crds = without_rules(definition("canaries")), definition("trafficsplits")
    async with a_neighbourhood(tmp_path, *crds) as near:
        await furnish(near)
        yield near


async def adopted(cluster: KubernetesCluster) -> Snapshot:
    """Save that the present template of the canary is the baseline."""
    seen = await look(cluster)
    assert seen.canary is not None
    saved = await cluster.save_status(seen, decided(replace(IDLE, promoted=seen.canary.revision)))
    return replace(saved, status=saved.saved)


async def started(near: Neighbourhood, cluster: KubernetesCluster, **fields: object) -> Snapshot:
    """Ship a release, and save that its rollout runs."""
    await adopted(cluster)
    await near.image("web-canary", "web:2")
    await near.rolled("web-canary")
    await settled(cluster)
    seen = await look(cluster)
    assert seen.canary is not None
    await cluster.save_status(seen, decided(running(seen.canary.revision, **fields)))
    return await look(cluster)


async def settled(cluster: KubernetesCluster) -> None:
    """Wait until the adapter knows of the canary Deployment what its controller has seen."""
    async with asyncio.timeout(20):
        while True:
            obj = cluster._deployments.get(TOWN, "web-canary")
            status = cast("Json", (obj or {}).get("status") or {})
            if obj is not None and status.get("observedGeneration") == meta(obj)["generation"]:
                return
            await asyncio.sleep(0.02)


class TestLook:
    async def test_a_canary_that_is_not_there_is_nothing(self, near: Neighbourhood) -> None:
        async with near.followed() as cluster:
            assert await cluster.snapshot(Key(TOWN, "shop")) is None
            assert await cluster.snapshot(Key("village", "web")) is None

    async def test_a_canary_never_seen_before_is_looked_at_closely(self, near: Neighbourhood) -> None:
        async with near.followed() as cluster:
            seen = await look(cluster)
        assert (seen.key, seen.at, seen.elapsed, seen.scrape) == (WEB, NOW, timedelta(), timedelta(seconds=10))
        assert (seen.status, seen.saved, seen.counters) == (CanaryStatus(), CanaryStatus(), None)
        assert (seen.generation, seen.guarded, seen.deleted_at, seen.problems) == (1, False, None, ())
        assert seen.spec.service == "web"
        assert seen.raw_spec == a_canary()["spec"]
        assert seen.uid == meta(await near.live(f"{CANARIES}/web"))["uid"]
        assert (seen.split, seen.wiring) == (None, Wiring())
        assert seen.stable is not None
        assert seen.canary is not None
        assert (seen.stable.desired, len(seen.stable.pods), len(seen.canary.pods)) == (2, 2, 1)
        assert seen.stable.revision in seen.stable.templates
        assert seen.canary.revision == seen.canary.pods[0].revision

    async def test_the_live_split_is_seen(self, near: Neighbourhood) -> None:
        await near.apply(a_split("700m", "300m"))
        async with near.followed() as cluster:
            split = (await look(cluster)).split
        assert split is not None
        assert (split.service, split.weights) == ("web", {"web-stable": 700, "web-canary": 300})

    async def test_what_the_spec_names_and_nobody_made_is_missing(self, near: Neighbourhood) -> None:
        await near.anybody.delete(f"{SERVICES}/web-stable")
        await near.anybody.delete(f"{DEPLOYMENTS}/web-canary")
        async with near.followed() as cluster:
            seen = await look(cluster)
        assert (seen.wiring.missing_services, seen.canary) == (("web-stable",), None)
        assert seen.stable is not None

    async def test_deployments_with_names_of_their_own_are_found(self, near: Neighbourhood) -> None:
        sides = {side: {"service": f"web-{side}", "deployment": f"{side}-v1"} for side in ("stable", "canary")}
        await near.apply(*(a_deployment(f"{side}-v1") for side in sides), named(a_canary(**sides), "web"))
        async with near.followed() as cluster:
            seen = await look(cluster)
        assert seen.stable is not None
        assert seen.canary is not None
        assert (seen.stable.name, seen.canary.name) == ("stable-v1", "canary-v1")

    async def test_replicasets_of_another_deployment_with_the_same_labels_are_not_its_revisions(
        self, near: Neighbourhood
    ) -> None:
        await near.apply(a_deployment("twin", image="web:9", labels={"app": "web-canary"}))
        await near.rolled("twin")
        async with near.followed() as cluster:
            seen = await look(cluster)
        assert seen.canary is not None
        assert list(seen.canary.templates) == [seen.canary.revision]

    async def test_a_deleted_canary_that_is_guarded_says_when(self, near: Neighbourhood) -> None:
        await near.anybody.patch(f"{CANARIES}/web", {"metadata": {"finalizers": [FINALIZER, "other/one"]}})
        await near.anybody.delete(f"{CANARIES}/web")
        async with near.followed() as cluster:
            seen = await look(cluster)
        assert seen.guarded
        assert seen.deleted_at is not None
        assert seen.deleted_at.tzinfo is not None
        assert seen.canary is not None
        assert len(seen.canary.pods) == 1, "its traffic must get back: all that matters for it is read"


class TestCost:
    async def test_an_idle_canary_asks_for_nothing_beyond_the_watches(self, near: Neighbourhood) -> None:
        async with near.followed() as cluster:
            await adopted(cluster)
            since = near.count
            for _ in range(20):
                seen = await look(cluster)
                assert seen.canary is not None
                assert seen.canary.revision == seen.status.promoted
            assert near.asked(since) == []

    async def test_following_costs_a_list_and_a_watch_for_each_of_four_kinds_and_a_schema(
        self, near: Neighbourhood
    ) -> None:
        since = near.count
        async with near.followed():
            await until(lambda: len(near.asked(since)) >= 10)
            await asyncio.sleep(0.2)
        paths = sorted(path.partition("?")[0] for _, path in near.asked(since))
        mirrored = ["/api/v1/services", "/apis/apps/v1/deployments", "/apis/canary.dev/v1alpha1/canaries"]
        split = "/apis/split.smi-spec.io/v1alpha1/trafficsplits"
        schemas = [f"/openapi/v3/apis/split.smi-spec.io/{version}" for version in ("v1alpha1", "v1alpha2")]
        assert paths == sorted([*mirrored * 2, *[split] * 2, *schemas])

    async def test_other_peoples_changes_cost_nothing(self, near: Neighbourhood) -> None:
        async with near.followed() as cluster:
            await adopted(cluster)
            since = near.count
            await near.apply(a_deployment("shop"), a_service("shop"))
            await until(lambda: cluster._deployments.get(TOWN, "shop") is not None)
            await look(cluster)
            assert near.asked(since) == []

    async def test_a_rollout_costs_three_reads_a_look_by_the_labels_of_its_own_pods(self, near: Neighbourhood) -> None:
        async with near.followed() as cluster:
            await started(near, cluster)
            await look(cluster)
            since = near.count
            await look(cluster)
            asked = [path for _, path in near.asked(since)]
        pods = f"/api/v1/namespaces/{TOWN}/pods?labelSelector=app%3Dweb-"
        autoscalers = f"/apis/autoscaling/v2/namespaces/{TOWN}/horizontalpodautoscalers"
        assert sorted(asked) == [pods + "canary", pods + "stable", autoscalers]

    async def test_replicasets_are_read_again_once_the_deployment_has_changed(self, near: Neighbourhood) -> None:
        async with near.followed() as cluster:
            before = await started(near, cluster)
            await near.image("web-canary", "web:3")
            await near.rolled("web-canary")
            await settled(cluster)
            since = near.count
            after = await look(cluster)
            await look(cluster)
            replicasets = [path for _, path in near.asked(since) if "replicasets" in path]
        assert before.canary is not None
        assert after.canary is not None
        assert after.canary.revision not in ("", before.canary.revision)
        assert len(replicasets) == 1

    async def test_nothing_is_remembered_of_a_deployment_that_went(self, near: Neighbourhood) -> None:
        async with near.followed() as cluster:
            await started(near, cluster)
            assert len(cluster._revisions) == 2
            await near.anybody.delete(f"/apis/apps/v1/namespaces/{TOWN}/deployments/web-canary")
            await until(lambda: len(cluster._revisions) == 1)

    async def test_while_stable_is_changed_its_replicasets_are_read_each_time(self, near: Neighbourhood) -> None:
        async with near.followed() as cluster:
            await started(near, cluster, phase=Phase.PROMOTING)
            since = near.count
            for _ in range(2):
                await look(cluster)
            asked = [path for _, path in near.asked(since) if "replicasets" in path and "stable" in path]
        assert len(asked) == 2

    async def test_a_revision_that_its_controller_has_not_seen_is_none_and_is_not_looked_for(
        self, near: Neighbourhood
    ) -> None:
        async with near.followed() as cluster:
            await adopted(cluster)
            obj = cluster._deployments.get(TOWN, "web-canary")
            assert obj is not None
            newer = {**meta(obj), "generation": 99, "resourceVersion": "999999"}
            cluster._deployments.put({**obj, "metadata": newer})
            since = near.count
            seen = await look(cluster)
            assert seen.canary is not None
            assert (seen.canary.revision, near.asked(since)) == ("", [])

    async def test_a_retry_that_was_not_answered_yet_is_looked_at_closely(self, near: Neighbourhood) -> None:
        async with near.followed() as cluster:
            await adopted(cluster)
            patched = await near.anybody.patch(f"{CANARIES}/web", {"spec": {"retry": "web-x-1"}})
            await seen_by(cluster, WEB, meta(patched)["resourceVersion"])
            seen = await look(cluster)
            assert seen.canary is not None
            assert len(seen.canary.pods) == 1
            await cluster.save_status(seen, decided(replace(seen.status, retried="web-x-1")))
            answered = await look(cluster)
            assert answered.canary is not None
            assert answered.canary.pods == ()


def an_autoscaler(kind: str = "Deployment", name: str = "web-canary") -> Json:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "auto", "namespace": TOWN},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": name}, "maxReplicas": 5},
    }


class TestAutoscaler:
    @pytest.mark.parametrize(
        ("autoscaler", "autoscaled"),
        [
            pytest.param(an_autoscaler(), True, id="of the canary"),
            pytest.param(an_autoscaler(name="web-stable"), False, id="of stable"),
            pytest.param(an_autoscaler(kind="StatefulSet"), False, id="of another kind with its name"),
            pytest.param(None, False, id="none"),
        ],
    )
    async def test_the_canary_is_autoscaled(
        self, near: Neighbourhood, autoscaler: Json | None, autoscaled: bool
    ) -> None:
        if autoscaler is not None:
            path = f"/apis/autoscaling/v2/namespaces/{TOWN}/horizontalpodautoscalers"
            await near.anybody.create(path, autoscaler)
        async with near.followed() as cluster:
            seen = await look(cluster)
        assert seen.canary is not None
        assert seen.canary.autoscaled is autoscaled

    async def test_nobody_asks_where_the_canary_is_never_scaled(self, near: Neighbourhood) -> None:
        await near.apply(named(a_canary(scaling={"mode": "None"}), "web"))
        async with near.followed() as cluster:
            since = near.count
            await look(cluster)
            assert not [path for _, path in near.asked(since) if "autoscal" in path]


def put_with(cluster: KubernetesCluster, **fields: object) -> None:
    """Let the mirror hold the Canary with other metadata."""
    obj = cluster._canaries.get(*WEB)
    assert obj is not None
    assert cluster._canaries.put({**obj, "metadata": {**meta(obj), "resourceVersion": "999999", **fields}})


class TestRivals:
    @pytest.mark.parametrize(
        "claim",
        [
            pytest.param({"stable": {"service": "a"}, "canary": {"service": "b"}}, id="apex"),
            pytest.param({"service": "a", "canary": {"service": "b"}}, id="stable"),
            pytest.param({"service": "a", "stable": {"service": "b"}}, id="canary"),
            pytest.param(
                {
                    "service": "a",
                    "stable": {"service": "b"},
                    "canary": {"service": "c", "deployment": "web-canary"},
                },
                id="deployment",
            ),
            pytest.param(
                {"service": "a", "stable": {"service": "b"}, "canary": {"service": "c"}, "route": {"name": "web"}},
                id="split",
            ),
        ],
    )
    async def test_the_older_one_wins(self, near: Neighbourhood, claim: Json) -> None:
        await near.apply(named(a_canary(**claim), "a-younger"))
        async with near.followed() as cluster:
            put_with(cluster, creationTimestamp="2026-01-01T00:00:00Z")
            younger, older = await look(cluster, Key(TOWN, "a-younger")), await look(cluster)
        assert (younger.wiring.rival, older.wiring.rival) == ("web", "")

    async def test_of_two_of_one_age_the_first_by_name_wins(self, near: Neighbourhood) -> None:
        async with near.followed() as cluster:
            put_with(cluster, name="twin", uid="another")
            twin, web = await look(cluster, Key(TOWN, "twin")), await look(cluster)
        assert (twin.wiring.rival, web.wiring.rival) == ("", "twin")

    async def test_those_that_share_nothing_are_no_rivals(self, near: Neighbourhood) -> None:
        other = a_canary(service="shop", stable={"service": "shop-stable"}, canary={"service": "shop-canary"})
        await near.apply(named(other, "shop"), {**named(a_canary(), "web"), "metadata": {"name": "web"}})
        async with near.followed() as cluster:
            for key in (WEB, Key(TOWN, "shop"), Key("default", "web")):
                assert (await look(cluster, key)).wiring.rival == ""

    async def test_the_younger_is_looked_at_again_when_the_older_goes(self, near: Neighbourhood) -> None:
        await near.apply(named(a_canary(), "younger"))
        async with near.followed() as cluster:
            near.changed.clear()
            await near.anybody.delete(f"{CANARIES}/web")
            await until(lambda: cluster._canaries.get(*WEB) is None)
            assert set(near.changed) == {WEB, Key(TOWN, "younger")}
            assert (await look(cluster, Key(TOWN, "younger"))).wiring.rival == ""


class TestInvalid:
    async def test_an_idle_canary_says_all_that_is_wrong_and_reads_no_more(self, lax: Neighbourhood) -> None:
        await lax.apply(named(a_canary(steps=["9000m"], bake="soon"), "web"))
        async with lax.followed() as cluster:
            since = lax.count
            seen = await look(cluster)
            assert {problem.field for problem in seen.problems} == {"spec.steps", "spec.bake"}
            assert (seen.stable, seen.canary, lax.asked(since)) == (None, None, [])

    async def test_a_rollout_goes_on_with_the_last_valid_one(self, lax: Neighbourhood) -> None:
        async with lax.followed() as cluster:
            await started(lax, cluster)
            wrong = {"steps": ["9000m"], "bake": "1m", "abort": "web-new-1"}
            patched = await lax.anybody.patch(f"{CANARIES}/web", {"spec": wrong})
            await seen_by(cluster, WEB, meta(patched)["resourceVersion"])
            seen = await look(cluster)
        assert seen.spec.abort == "web-new-1"
        assert [problem.field for problem in seen.problems] == ["spec.steps"]
        assert seen.spec.steps == (100, 200, 300, 400, 500, 1000)
        assert seen.spec.bake == timedelta(minutes=5)
        assert seen.canary is not None

    async def test_a_record_that_is_invalid_too_adds_to_what_is_wrong(self, lax: Neighbourhood) -> None:
        async with lax.followed() as cluster:
            seen = await started(lax, cluster)
            assert seen.status.rollout is not None
            spoilt = replace(seen.status, rollout=replace(seen.status.rollout, spec={"service": "Web"}))
            await cluster.save_status(seen, decided(spoilt))
            patched = await lax.anybody.patch(f"{CANARIES}/web", {"spec": {"steps": ["9000m"]}})
            await seen_by(cluster, WEB, meta(patched)["resourceVersion"])
            seen = await look(cluster)
        assert {"spec.steps", "spec.service"} <= {problem.field for problem in seen.problems}
        assert seen.spec.service == "web", "a placeholder"

    async def test_of_a_record_that_another_version_could_read_the_wiring_is_left(self, lax: Neighbourhood) -> None:
        async with lax.followed() as cluster:
            seen = await started(lax, cluster)
            assert seen.status.rollout is not None
            spec = {**seen.status.rollout.spec, "steps": ["2x"], "stepTimeout": "9m", "route": {"name": "mine"}}
            spoilt = replace(seen.status, rollout=replace(seen.status.rollout, spec=spec))
            await cluster.save_status(seen, decided(spoilt))
            patched = await lax.anybody.patch(f"{CANARIES}/web", {"spec": {"steps": ["2x"]}})
            await seen_by(cluster, WEB, meta(patched)["resourceVersion"])
            seen = await look(cluster)
        assert (seen.spec.route_name, seen.spec.step_timeout) == ("mine", timedelta(minutes=9))


def labelled(obj: Json, **fields: object) -> Json:
    return {**obj, "metadata": {**meta(obj), "labels": {"x": "y"}, **fields}}


class TestChanges:
    @pytest.mark.parametrize(
        ("obj", "told"),
        [
            pytest.param(named(a_canary(paused=True), "web"), [WEB], id="the Canary"),
            pytest.param(a_deployment("web-canary", 3), [WEB], id="its Deployment"),
            pytest.param(a_split("1", "0"), [WEB], id="its split"),
            pytest.param(labelled(a_service("web-stable")), [WEB], id="its Service"),
            pytest.param(labelled(a_service("shop")), [], id="a stranger's Service"),
            pytest.param(labelled(a_deployment("web-canary"), namespace="default"), [], id="a namesake elsewhere"),
        ],
    )
    async def test_a_change_is_told_to_whom_it_concerns(self, near: Neighbourhood, obj: Json, told: list[Key]) -> None:
        async with near.followed() as cluster:
            await near.apply(a_service("last"))
            await until(lambda: cluster._services.get(TOWN, "last") is not None)
            near.changed.clear()
            await near.apply(obj)
            if told:
                await until(lambda: bool(near.changed))
            else:
                await asyncio.sleep(0.2)
            assert sorted(set(near.changed)) == told

    async def test_all_canaries_are_named(self, near: Neighbourhood) -> None:
        await near.apply(named(a_canary(), "other"), {**named(a_canary(), "web"), "metadata": {"name": "web"}})
        async with near.followed() as cluster:
            assert sorted(cluster.keys()) == [("default", "web"), (TOWN, "other"), WEB]

    async def test_it_is_in_sync_once_every_kind_was_listed(self, near: Neighbourhood) -> None:
        fault = near.plane.faults.add(Fault(answer=403, path="/apis/apps/v1/deployments", agent="canary"))
        cluster = near.cluster()

        async def follow() -> None:
            await cluster.follow()

        task = asyncio.create_task(follow())
        await until(lambda: bool(near.failed))
        path, error = near.failed[0]
        assert (path, "403" in error.hint) == ("/apis/apps/v1/deployments", True)
        before = cluster.synced
        near.plane.faults.remove(fault)
        async with asyncio.timeout(20):
            await cluster.ready()
        assert (before, cluster.synced) == (False, True)
        task.cancel()
        await asyncio.wait([task])


class TestRights:
    @pytest.mark.parametrize("kind", ["pods", "replicasets", "horizontalpodautoscalers"])
    async def test_what_we_may_not_look_at_is_named_and_nothing_is_taken_for_gone(
        self, near: Neighbourhood, kind: str
    ) -> None:
        async with near.followed() as cluster:
            await started(near, cluster)
            cluster._revisions.clear()
            fault = near.plane.faults.add(Fault(answer=403, path=f".*/{kind}", agent="canary"))
            seen = await look(cluster)
            assert f"/namespaces/{TOWN}/{kind}: 403" in seen.blind
            assert seen.status.active
            near.plane.faults.remove(fault)
            seen = await look(cluster)
            assert (seen.blind, seen.canary is not None) == ("", True)

    @pytest.mark.parametrize("kind", ["deployments", "services", "trafficsplits"])
    async def test_a_watch_that_is_refused_leaves_nothing_to_decide_by(self, near: Neighbourhood, kind: str) -> None:
        async with near.followed() as cluster:
            fault = near.plane.faults.add(Fault(answer=403, path=f".*/{kind}", agent="canary"))
            near.plane.cut()
            await until(lambda: any(path.endswith(kind) and isinstance(e, Forbidden) for path, e in near.failed))
            seen = await look(cluster)
            assert f"/{kind}: 403" in seen.blind
            near.plane.faults.remove(fault)
            async with asyncio.timeout(20):
                while (await look(cluster)).blind:  # noqa: ASYNC110 - asks a server
                    await asyncio.sleep(0.05)


class TestOneNamespace:
    async def test_only_its_own_paths_are_asked_for(self, near: Neighbourhood) -> None:
        await near.apply({**named(a_canary(), "web"), "metadata": {"name": "web", "namespace": "default"}})
        since = near.count
        async with near.followed(TOWN) as cluster:
            await started(near, cluster)
            assert cluster.keys() == [WEB]
        asked = [path for _, path in near.asked(since)]
        assert asked
        assert {path for path in asked if f"/namespaces/{TOWN}/" not in path} == {
            "/openapi/v3/apis/split.smi-spec.io/v1alpha1",
            "/openapi/v3/apis/split.smi-spec.io/v1alpha2",
        }


class TestSomeNamespaces:
    async def test_each_is_followed_and_no_other(self, near: Neighbourhood) -> None:
        for name in ("village", "city"):
            await near.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
            await near.apply({**named(a_canary(), "web"), "metadata": {"name": "web", "namespace": name}})
        async with near.followed(TOWN, "village") as cluster:
            assert sorted(cluster.keys()) == [WEB, Key("village", "web")]
            assert await cluster.snapshot(Key("city", "web")) is None
            assert (await look(cluster, Key("village", "web"))).wiring.missing_services
            assert not (await look(cluster)).wiring.missing_services

    async def test_one_that_is_closed_to_us_keeps_no_other_waiting(self, near: Neighbourhood) -> None:
        fault = near.plane.faults.add(
            Fault(answer=403, path=".*/namespaces/default/(deployments|canaries)", agent="canary")
        )
        await near.apply({**named(a_canary(), "web"), "metadata": {"name": "web", "namespace": "default"}})
        async with near.followed(TOWN, "default") as cluster:
            assert (cluster.keys(), cluster.synced) == ([WEB], True)
            near.plane.faults.remove(fault)
            await until(lambda: Key("default", "web") in cluster.keys())  # noqa: SIM118 - no mapping


class TestLeaving:
    async def test_canaries_are_let_go_as_if_they_were_deleted(self, near: Neighbourhood) -> None:
        async with near.followed() as cluster:
            cluster.leaving = lambda namespace: NOW if namespace == TOWN else None
            seen = await look(cluster)
        assert (seen.deleted_at, seen.leaving) == (NOW, True)

    async def test_a_deletion_goes_before(self, near: Neighbourhood) -> None:
        await near.anybody.patch(f"{CANARIES}/web", {"metadata": {"finalizers": ["canary.dev/traffic"]}})
        await near.anybody.delete(f"{CANARIES}/web")
        async with near.followed() as cluster:
            cluster.leaving = lambda _: NOW
            seen = await look(cluster)
            assert cluster.guarded() == [WEB]
        assert seen.deleted_at != NOW
        assert not seen.leaving


class TestSavingStatus:
    async def test_it_is_written_and_seen_at_once(self, near: Neighbourhood) -> None:
        async with near.followed() as cluster:
            seen = await look(cluster)
            saved = await cluster.save_status(seen, decided(running(message="At 100m.")))
            assert (await look(cluster)).saved == saved.saved
        status = cast("Json", (await near.live(f"{CANARIES}/web"))["status"])
        assert (status["phase"], status["weight"], status["message"]) == ("Progressing", "100m", "At 100m.")
        assert (saved.saved.phase, saved.saved.weight) == (Phase.PROGRESSING, 100)
        assert replace(saved, saved=seen.saved) == seen

    async def test_it_does_not_touch_the_spec(self, near: Neighbourhood) -> None:
        async with near.followed() as cluster:
            before = await near.live(f"{CANARIES}/web")
            await cluster.save_status(await look(cluster), decided(IDLE))
            after = await near.live(f"{CANARIES}/web")
        assert (after["spec"], meta(after)["generation"]) == (before["spec"], meta(before)["generation"])

    @pytest.mark.parametrize("told", [True, False], ids=["and the watch has told", "and the watch is behind"])
    async def test_it_is_refused_when_somebody_wrote_since_the_look(self, near: Neighbourhood, told: bool) -> None:
        async with near.followed() as cluster:
            seen = await look(cluster)
            theirs = await near.anybody.patch(
                f"{CANARIES}/web/status", {"status": {"promoted": "theirs", "weight": "0m"}}
            )
            if told:
                await seen_by(cluster, WEB, meta(theirs)["resourceVersion"])
            with pytest.raises(Conflict):
                await cluster.save_status(seen, decided(running()))
        assert (await near.live(f"{CANARIES}/web"))["status"] == theirs["status"]

    async def test_our_own_write_whose_answer_was_lost_is_none_of_somebodys(self, near: Neighbourhood) -> None:
        async with near.followed() as cluster:
            seen, decision = await look(cluster), decided(running())
            first = await cluster.save_status(seen, decision)
            again = await cluster.save_status(seen, decision)  # as after a connection that broke before the answer
            assert again == first
            await near.anybody.patch(f"{CANARIES}/web", {"metadata": {"annotations": {"note": "by hand"}}})
            with pytest.raises(Conflict):
                await cluster.save_status(seen, decision)

    async def test_of_two_who_looked_at_the_same_only_the_first_can_write(self, near: Neighbourhood) -> None:
        async with near.followed() as one, near.followed() as other:
            mine, theirs = await look(one), await look(other)
            await one.save_status(mine, decided(running()))
            with pytest.raises(Conflict):
                await other.save_status(theirs, decided(IDLE))
        assert cast("Json", (await near.live(f"{CANARIES}/web"))["status"])["phase"] == "Progressing"

    async def test_one_that_is_gone_is_a_conflict(self, near: Neighbourhood) -> None:
        async with near.followed() as cluster:
            seen = await look(cluster)
            fault = near.plane.faults.add(Fault(answer="hang", path="/apis/canary.dev/.*watch", agent="canary"))
            await near.anybody.delete(f"{CANARIES}/web")
            with pytest.raises(Conflict, match="gone"):
                await cluster.save_status(seen, decided(IDLE))
            near.plane.faults.remove(fault)
            await until(lambda: cluster._canaries.get(*WEB) is None)
            assert await cluster.snapshot(WEB) is None
            with pytest.raises(Conflict, match="gone"):
                await cluster.save_status(seen, decided(IDLE))


class TestFinalizer:
    async def test_it_goes_on_and_comes_off_and_others_stay(self, near: Neighbourhood) -> None:
        await near.anybody.patch(f"{CANARIES}/web", {"metadata": {"finalizers": ["other/one"]}})
        async with near.followed() as cluster:
            seen = await look(cluster)
            for _ in range(2):
                await cluster.perform(seen, Guard())
                assert meta(await near.live(f"{CANARIES}/web"))["finalizers"] == ["other/one", FINALIZER]
            assert (await look(cluster)).guarded
            for _ in range(2):
                await cluster.perform(seen, Unguard())
                assert meta(await near.live(f"{CANARIES}/web"))["finalizers"] == ["other/one"]
                await seen_by(cluster, WEB, meta(await near.live(f"{CANARIES}/web"))["resourceVersion"])

    async def test_a_deleted_canary_goes_when_it_comes_off(self, near: Neighbourhood) -> None:
        async with near.followed() as cluster:
            await cluster.perform(await look(cluster), Guard())
            await near.anybody.delete(f"{CANARIES}/web")
            await until(lambda: (obj := cluster._canaries.get(*WEB)) is not None and "deletionTimestamp" in meta(obj))
            seen = await look(cluster)
            await cluster.perform(seen, Unguard())
            await until(lambda: cluster._canaries.get(*WEB) is None)
            with pytest.raises(Conflict, match="gone"):
                await cluster.perform(seen, Unguard())

    async def test_it_is_refused_when_somebody_wrote_meanwhile(self, near: Neighbourhood) -> None:
        async with near.followed() as cluster:
            seen = await look(cluster)
            near.plane.faults.add(Fault(answer="hang", path="/apis/canary.dev/.*watch", agent="canary"))
            await near.anybody.patch(f"{CANARIES}/web", {"metadata": {"finalizers": ["other/one"]}})
            with pytest.raises(Conflict):
                await cluster.perform(seen, Guard())
        assert meta(await near.live(f"{CANARIES}/web"))["finalizers"] == ["other/one"]


class TestEffects:
    async def test_the_canary_is_scaled_by_its_scale_alone(self, near: Neighbourhood) -> None:
        async with near.followed() as cluster:
            since = near.count
            seen = await look(cluster)
            await cluster.perform(seen, scaled(seen, 4))
            writes = {path.partition("?")[0] for method, path in near.asked(since) if method != "GET"}
        assert writes == {f"{DEPLOYMENTS}/web-canary/scale"}
        assert replicas(await near.live(f"{DEPLOYMENTS}/web-canary")) == 4

    async def test_a_template_is_set_and_seen_at_once(self, near: Neighbourhood) -> None:
        async with near.followed() as cluster:
            seen = await look(cluster)
            await cluster.perform(seen, new_template(seen))
            mine = cluster._deployments.get(TOWN, "web-stable")
            assert mine == await near.live(f"{DEPLOYMENTS}/web-stable") or image(mine) == "web:new"
        assert image(await near.live(f"{DEPLOYMENTS}/web-stable")) == "web:new"

    async def test_a_template_that_somebody_changed_since_the_look_is_not_overwritten(
        self, near: Neighbourhood
    ) -> None:
        async with near.followed() as cluster:
            seen = await look(cluster)
            await near.image("web-stable", "web:theirs")
            with pytest.raises(Conflict):
                await cluster.perform(seen, new_template(seen))
        assert image(await near.live(f"{DEPLOYMENTS}/web-stable")) == "web:theirs"

    async def test_what_somebody_scaled_since_the_look_is_not_scaled_over(self, near: Neighbourhood) -> None:
        async with near.followed() as cluster:
            seen = await look(cluster)
            await near.anybody.patch(f"{DEPLOYMENTS}/web-canary/scale", {"spec": {"replicas": 3}})
            with pytest.raises(Conflict):
                await cluster.perform(seen, scaled(seen, 4))
        assert replicas(await near.live(f"{DEPLOYMENTS}/web-canary")) == 3

    @pytest.mark.parametrize("kind", ["deployments", "canaries", "trafficsplits"])
    async def test_what_could_not_be_written_is_read_anew_for_its_watch_may_have_fallen_silent(
        self, near: Neighbourhood, kind: str
    ) -> None:
        await near.anybody.create(SPLITS, a_split("1000m", "0m"))
        async with near.followed() as cluster:
            seen = await look(cluster)
            near.plane.faults.add(Fault(answer="hang", path=f".*/{kind}.*watch", agent="canary"))
            await disturb(near, kind)
            for refused in (True, False):
                with pytest.raises(Conflict) if refused else contextlib.nullcontext():
                    await write(cluster, seen, kind)
                seen = await look(cluster)

    async def test_who_does_not_lead_writes_nothing(self, near: Neighbourhood) -> None:
        async with near.followed() as cluster:
            seen, cluster.leads = await look(cluster), lambda: False
            since = near.count
            for effect in (Guard(), new_template(seen), scaled(seen, 4)):
                with pytest.raises(LeaseLost):
                    await cluster.perform(seen, effect)
            with pytest.raises(LeaseLost):
                await cluster.save_status(seen, decided(seen.status))
            assert [path for method, path in near.asked(since) if method != "GET"] == []

    @pytest.mark.parametrize(
        "effect",
        [
            pytest.param(Scale(deployment="gone", resource_version="1", replicas=1), id="scale"),
            pytest.param(SetTemplate(deployment="gone", resource_version="1", template={}), id="template"),
            pytest.param(
                SetWeights(
                    name="gone", service="web", weights={"web-stable": 1000, "web-canary": 0}, resource_version="1"
                ),
                id="weights",
            ),
        ],
    )
    async def test_what_was_deleted_since_the_look_is_a_conflict(self, near: Neighbourhood, effect: Effect) -> None:
        async with near.followed() as cluster:
            with pytest.raises(Conflict, match="deleted meanwhile"):
                await cluster.perform(await look(cluster), effect)

    async def test_the_split_is_made_then_moved(self, near: Neighbourhood) -> None:
        async with near.followed() as cluster:
            for weight in (0, 250):
                seen = await look(cluster)
                version = seen.split.resource_version if seen.split is not None else ""
                weights = {"web-stable": 1000 - weight, "web-canary": weight}
                effect = SetWeights(name="web", service="web", weights=weights, resource_version=version)
                await cluster.perform(seen, effect)
                split = (await look(cluster)).split
                assert split is not None
                assert (split.weights, split.exact) == (weights, True)
        backends = cast("Json", (await near.live(f"{SPLITS}/web"))["spec"])["backends"]
        assert backends == [{"service": "web-stable", "weight": "750m"}, {"service": "web-canary", "weight": "250m"}]


async def disturb(near: Neighbourhood, kind: str) -> None:
    """Change the object that `write` writes, and end the watch that would tell of it."""
    near.plane.cut()
    path = {"deployments": f"{DEPLOYMENTS}/web-canary", "canaries": f"{CANARIES}/web", "trafficsplits": f"{SPLITS}/web"}
    with contextlib.suppress(ClusterUnreachable):  # its own connection was cut, too
        await near.anybody.get(path[kind])
    await near.anybody.patch(path[kind], {"metadata": {"annotations": {"note": "by hand"}}})


async def write(cluster: KubernetesCluster, seen: Snapshot, kind: str) -> None:
    match kind:
        case "deployments":
            await cluster.perform(seen, scaled(seen, 4))
        case "canaries":
            await cluster.save_status(seen, decided(seen.status))
        case _:
            assert seen.split is not None
            weights = {"web-stable": 900, "web-canary": 100}
            version = seen.split.resource_version
            await cluster.perform(
                seen, SetWeights(name="web", service="web", weights=weights, resource_version=version)
            )


def scaled(seen: Snapshot, replicas: int) -> Scale:
    assert seen.canary is not None
    return Scale(deployment="web-canary", resource_version=seen.canary.resource_version, replicas=replicas)


def new_template(seen: Snapshot) -> SetTemplate:
    assert seen.stable is not None
    template = cast("Json", a_deployment("web-stable", image="web:new")["spec"])["template"]
    return SetTemplate(
        deployment="web-stable", resource_version=seen.stable.resource_version, template=cast("Json", template)
    )


def replicas(obj: Json | None) -> object:
    return cast("Json", (obj or {})["spec"])["replicas"]


def image(obj: Json | None) -> object:
    template = cast("Json", cast("Json", (obj or {})["spec"])["template"])
    containers = cast("Json", template["spec"])["containers"]
    return cast("list[Json]", containers)[0]["image"]


async def test_a_cluster_without_splits_says_what_to_install_until_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("canary.adapters.splits.RECHECK", 0.05)
    async with a_neighbourhood(tmp_path, definition("canaries")) as near:
        await furnish(near)
        async with near.followed() as cluster:
            assert "install the linkerd-smi extension" in (await look(cluster)).wiring.unsupported
            near.changed.clear()
            await near.anybody.create(DEFINITIONS, definition("trafficsplits"))
            await until(lambda: WEB in near.changed)
            assert (await look(cluster)).wiring.unsupported == ""
