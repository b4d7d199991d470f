"""The chart as most install it: for all namespaces, two controllers, Linkerd's Prometheus found by itself."""

import asyncio
from pathlib import Path

from canary.adapters.api import Api
from canary.lab import seed
from canary.lab.fields import look, rows, text
from e2e.install.node import Node, account
from e2e.install.rights import Asked, asked, counted, granted
from e2e.install.site import CRD, SPEC, VIZ, Site, eventually, found_prometheus, leaders, may
from e2e.stage import Scene

NAME, NAMESPACE = "canary", "canary-system"
FAILING = {"LAB_FAILURES": "*=100%"}
HEALED = {"LAB_FAILURES": "*=0%"}


class ClusterWide:
    """One life of the chart in a cluster, from its first installation to the end of its kind."""

    def __init__(self, site: Site, node: Node, shop: Scene, yard: Scene) -> None:
        self._site, self._node, self._shop, self._yard = site, node, shop, yard
        self._release = site.release(NAME, NAMESPACE)
        self._log: Path = site.real.audit_log
        self.requests: dict[str, int] = {}

    async def it_installs_with_two_ready_controllers_of_which_one_leads(self) -> None:
        await self._site.announce(None)
        service = {"metadata": {"name": "prometheus"}, "spec": {"ports": [{"port": 9090}]}}
        await self._site.api.create(f"{VIZ}/services", service)
        said = await self._release.install("prometheus.scrapeInterval=1s")
        assert "helm test canary --namespace canary-system" in said
        assert len(self._node.ready()) == 2
        assert len(leaders(self._node)) == 1
        urls = {found_prometheus(pod) for pod in self._node.ready()}
        assert urls == {"http://prometheus.linkerd-viz.svc.cluster.local:9090"}
        policies = "/apis/policy.linkerd.io/v1alpha1/namespaces/linkerd-viz/authorizationpolicies"
        assert text(await self._site.api.get(f"{policies}/canary-prometheus"), "metadata", "name")

    async def its_own_test_passes(self) -> None:
        assert "Phase:          Succeeded" in await self._release.test()

    async def an_upgrade_replaces_the_controllers_and_they_find_what_viz_announces(self) -> None:
        before = {pod.name for pod in self._node.ready()}
        await self._site.announce(self._site.lab.prometheus.url)
        await self._release.upgrade("log.level=debug")
        await self._renewed(before)
        assert {found_prometheus(pod) for pod in self._node.ready()} == {self._site.lab.prometheus.url}

    async def a_good_release_is_promoted_and_a_bad_one_rolled_back(self) -> None:
        await asyncio.gather(self._shop.canary(**SPEC), self._yard.canary(**SPEC))
        await asyncio.gather(self._shop.ship(RELEASE="2"), self._yard.ship(RELEASE="2", **FAILING))
        good, bad = await asyncio.gather(self._shop.ended(within=180), self._yard.ended(within=180))
        assert (good["outcome"], bad["outcome"]) == ("Promoted", "RolledBack"), (good, bad)
        begun, ended = str(good["startedAt"]), await self._promoted_at(self._shop)
        self.requests = counted(self._asked(), self._shop.namespace, begun, ended)

    async def a_split_that_somebody_deletes_comes_back(self) -> None:
        await self._site.restored(self._shop, 1)

    async def a_rollback_replaces_the_controllers_and_touches_nothing_of_the_users(self) -> None:
        before, pods = await self._everything(), {pod.name for pod in self._node.ready()}
        await self._release.rollback(1)
        await self._renewed(pods)
        assert await self._everything() == before

    async def what_is_told_again_after_that_is_counted_on_the_same_event(self) -> None:
        await self._site.restored(self._shop, 2)

    async def it_has_no_access_to_secrets_nor_to_what_is_not_its_business(self) -> None:
        kubeconfig = await account(self._site.api, self._site.real, NAMESPACE, NAME, self._site.home)
        ours = await Api.connect(kubeconfig)
        try:
            for verb in ("get", "list", "watch", "create", "update", "patch", "delete"):
                for namespace in ("", NAMESPACE, self._shop.namespace):
                    assert not await may(ours, verb, "secrets", namespace), (verb, namespace)
                    assert not await may(ours, verb, "configmaps", namespace), (verb, namespace)
                    assert not await may(ours, verb, "rbac.authorization.k8s.io/roles", namespace), (verb, namespace)
            assert not await may(ours, "delete", "canary.dev/canaries", self._shop.namespace)
            assert await may(ours, "patch", "canary.dev/canaries", self._shop.namespace)
        finally:
            await ours.close()
        assert {each.right.resource for each in self._asked()}.isdisjoint({"secrets", "configmaps"})

    async def people_who_may_edit_a_namespace_may_edit_its_canaries(self) -> None:
        place = f"/api/v1/namespaces/{self._shop.namespace}/serviceaccounts"
        bindings = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self._shop.namespace}/rolebindings"
        may_what: dict[str, list[bool]] = {}
        for role in ("view", "edit"):
            await self._site.api.create(place, {"metadata": {"name": role}})
            subject = {"kind": "ServiceAccount", "name": role, "namespace": self._shop.namespace}
            ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
            await self._site.api.create(bindings, {"metadata": {"name": role}, "roleRef": ref, "subjects": [subject]})
            kubeconfig = await account(self._site.api, self._site.real, self._shop.namespace, role, self._site.home)
            person = await Api.connect(kubeconfig)
            try:
                verbs = ("list", "patch", "delete")
                may_what[role] = [
                    await may(person, verb, "canary.dev/canaries", self._shop.namespace) for verb in verbs
                ]
                assert not await may(person, "list", "canary.dev/canaries", self._yard.namespace)
            finally:
                await person.close()
        assert may_what == {"view": [True, False, False], "edit": [True, True, True]}

    async def an_uninstallation_in_mid_rollout_returns_traffic_and_leaves_what_is_the_users(self) -> None:
        await self._shop.ship(RELEASE="3")
        await self._shop.at_least(100)
        await self._shop.spec(paused=True)  # so that its own steps change nothing meanwhile

        async def rests() -> bool:
            return (await self._shop.status())["reason"] == "Paused"

        await self._shop.until(rests, "the pause", within=60)
        before = await self._everything()
        await self._release.uninstall()
        assert await self._shop.weight() == 0
        after = await self._everything()
        moved = {name for name in before if before[name] != after[name]}
        assert moved <= {"shop: trafficsplits/yamtam-canary"}, moved
        assert set(before) == set(after)
        for scene in (self._shop, self._yard):
            assert await self._site.finalizers(scene) is None
        assert (await self._shop.status())["reason"] == "Leaving"
        assert await self._left_over() == []
        assert await self._site.api.get(CRD)

    async def a_canary_that_is_deleted_while_nobody_controls_goes_at_once(self) -> None:
        path = self._yard.path("canaries", seed.APEX)
        await self._site.api.delete(path)
        await self._site.gone(path, within=20)

    async def an_installation_over_the_kept_kind_lets_the_rollout_go_on(self) -> None:
        before = await self._shop.rollout()
        await self._release.install("prometheus.scrapeInterval=1s")
        await self._shop.at_least(100)
        assert (await self._shop.rollout())["id"] == before["id"]
        await self._shop.spec(paused=None)

    async def a_namespace_with_a_rollout_in_it_can_be_deleted(self) -> None:
        await self._yard.canary(**SPEC)
        await self._yard.ship(RELEASE="4", **HEALED)
        await self._yard.at_least(100)
        await self._site.api.delete(f"/api/v1/namespaces/{self._yard.namespace}")
        await self._site.gone(f"/api/v1/namespaces/{self._yard.namespace}", within=60)

    async def the_kind_goes_with_the_release_where_that_is_wanted(self) -> None:
        await self._release.upgrade("crds.keep=false")
        await self._shop.ship(RELEASE="5")
        await self._shop.at_least(100)
        await self._release.uninstall()
        await self._site.gone(CRD, within=60)
        assert await self._shop.weight() == 0
        for name in (seed.STABLE, seed.CANARY):
            assert await self._site.api.get(self._shop.path("deployments", name))

    async def nothing_was_refused_to_it(self) -> None:
        assert [each for each in self._asked() if not each.allowed] == []

    async def every_right_was_used_and_no_other(self) -> None:
        await self._release.install()  # the roles are read from the cluster
        rights = await granted(self._site.api, NAMESPACE, NAME)
        await self._release.uninstall()
        used = {each.right for each in self._asked() if each.right.role in {right.role for right in rights}}
        assert rights - used == set(), "granted in vain"
        assert used - rights == set()

    async def _promoted_at(self, scene: Scene) -> str:
        conditions = rows(await scene.status(), "conditions")
        return next(text(c, "lastTransitionTime") for c in conditions if c["type"] == "Promoted")

    async def _renewed(self, before: set[str]) -> None:
        async def renewed() -> bool:
            ready = {pod.name for pod in self._node.ready()}
            return len(ready) == 2 and not ready & before and len(leaders(self._node)) == 1

        await eventually(renewed, "two other controllers, one of which leads", within=60)

    async def _everything(self) -> dict[str, object]:
        found: dict[str, object] = {}
        for scene in (self._shop, self._yard):
            objects = await self._site.everything(scene.namespace)
            found |= {f"{scene.namespace}: {name}": spec for name, spec in objects.items()}
        return found

    async def _left_over(self) -> list[str]:
        """Name what of the release is still there, but for the CRD."""
        paths = [
            *(f"/apis/rbac.authorization.k8s.io/v1/{kind}" for kind in ("clusterroles", "clusterrolebindings")),
            *(f"/apis/rbac.authorization.k8s.io/v1/{kind}" for kind in ("roles", "rolebindings")),
            *(f"/api/v1/namespaces/{NAMESPACE}/{kind}" for kind in ("pods", "configmaps", "serviceaccounts")),
            *(
                f"/apis/{group}/namespaces/{NAMESPACE}/{kind}"
                for group, kind in (
                    ("apps/v1", "deployments"),
                    ("batch/v1", "jobs"),
                    ("policy/v1", "poddisruptionbudgets"),
                )
            ),
            "/apis/policy.linkerd.io/v1alpha1/namespaces/linkerd-viz/authorizationpolicies",
        ]
        found = [obj for path in paths for obj in rows(await self._site.api.get(path), "items")]
        ours = [obj for obj in found if look(obj, "metadata", "labels", "app.kubernetes.io/name") == "canary"]
        return [text(obj, "metadata", "name") for obj in ours]

    def _asked(self) -> list[Asked]:
        return asked(self._log, NAMESPACE, NAME)
