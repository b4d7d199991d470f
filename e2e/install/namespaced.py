"""The chart for some namespaces, installed without a right in the cluster for its controllers."""

import asyncio

from canary.adapters.api import Api
from canary.lab import seed
from canary.lab.fields import look, text
from canary.lab.lab import crds
from e2e.install.cluster_wide import FAILING, HEALED
from e2e.install.node import Node, account
from e2e.install.rights import Asked, asked, granted
from e2e.install.site import SPEC, Site, eventually, leaders, may
from e2e.stage import Scene

NAME, NAMESPACE = "team", "team-ops"
ACCOUNT = "team-canary"
SET = ("prometheus.scrapeInterval=1s", "crds.enabled=false")


class Namespaced:
    """One life of the chart in two namespaces, of which one goes."""

    def __init__(self, site: Site, node: Node, scenes: tuple[Scene, Scene, Scene]) -> None:
        self._site, self._node = site, node
        self._one, self._other, self._elsewhere = scenes
        self._release = site.release(NAME, NAMESPACE)

    async def it_installs_without_a_right_in_the_cluster(self) -> None:
        # whoever has the cluster installs the kind, once
        await self._site.lab.apply(crd for crd in crds() if text(crd, "spec", "group") == "canary.dev")
        names = f"{self._one.namespace},{self._other.namespace}"
        url = self._site.lab.prometheus.url
        await self._release.install(f"namespaces={{{names}}}", f"prometheus.url={url}", *SET)
        assert len(leaders(self._node)) == 1
        manifest = await self._release.manifest()
        assert "kind: ClusterRole" not in manifest
        assert "kind: AuthorizationPolicy" not in manifest  # another Prometheus is asked

    async def its_own_test_passes(self) -> None:
        assert "Phase:          Succeeded" in await self._release.test()

    async def both_namespaces_have_rollouts_and_a_third_is_left_alone(self) -> None:
        await self._site.lab.apply([seed.canary(SPEC, namespace=self._elsewhere.namespace)])
        before = await self._site.api.get(self._elsewhere.path("canaries", seed.APEX))
        await asyncio.gather(self._one.canary(**SPEC), self._other.canary(**SPEC))
        await asyncio.gather(
            self._one.ship(RELEASE="2"), self._other.ship(RELEASE="2", **FAILING), self._elsewhere.ship(RELEASE="2")
        )
        good, bad = await asyncio.gather(self._one.ended(within=180), self._other.ended(within=180))
        assert (good["outcome"], bad["outcome"]) == ("Promoted", "RolledBack"), (good, bad)
        assert await self._site.api.get(self._elsewhere.path("canaries", seed.APEX)) == before
        assert "status" not in before
        assert look(before, "metadata", "finalizers") is None

    async def what_is_told_again_after_an_upgrade_is_counted_on_the_same_event(self) -> None:
        await self._site.restored(self._one, 1)
        await self._release.upgrade("log.level=debug")
        await self._site.restored(self._one, 2)

    async def it_may_do_nothing_elsewhere(self) -> None:
        ours = await Api.connect(await account(self._site.api, self._site.real, NAMESPACE, ACCOUNT, self._site.home))
        try:
            for kind in ("canary.dev/canaries", "apps/deployments", "services", "pods", "secrets", "namespaces"):
                for namespace in ("", self._elsewhere.namespace):
                    assert not await may(ours, "list", kind, namespace), (kind, namespace)
            assert not await may(ours, "list", "secrets", self._one.namespace)
            assert await may(ours, "list", "canary.dev/canaries", self._one.namespace)
        finally:
            await ours.close()

    async def one_of_its_namespaces_can_be_deleted_with_a_rollout_in_it(self) -> None:
        self._granted = await granted(self._site.api, NAMESPACE, ACCOUNT)
        await self._other.ship(RELEASE="3", **HEALED)
        await self._other.at_least(100)
        assert self._refused() == []
        await self._site.api.delete(f"/api/v1/namespaces/{self._other.namespace}")
        await self._site.gone(f"/api/v1/namespaces/{self._other.namespace}", within=60)

    async def controllers_that_start_after_that_go_on_with_the_other(self) -> None:
        before = self._node.ready()
        for pod in before:
            await self._site.api.delete(pod.path)

        async def back() -> bool:
            ready = self._node.ready()
            return (
                len(ready) == 2 and not {p.name for p in ready} & {p.name for p in before} and bool(leaders(self._node))
            )

        await eventually(back, "two other controllers", within=60)
        await self._one.ship(RELEASE="3")
        await self._one.at_least(100)

    async def an_uninstallation_in_mid_rollout_returns_traffic(self) -> None:
        await self._release.uninstall()
        assert await self._one.weight() == 0
        assert await self._site.finalizers(self._one) is None
        for scene in (self._one, self._elsewhere):
            path = scene.path("canaries", seed.APEX)
            await self._site.api.delete(path)
            await self._site.gone(path, within=20)

    async def nothing_was_refused_to_it_but_in_the_namespace_that_is_gone(self) -> None:
        assert {each.namespace for each in self._refused()} <= {self._other.namespace}

    async def every_right_was_used_and_no_other(self) -> None:
        roles = {right.role for right in self._granted}
        used = {each.right for each in self._asked() if each.right.role in roles}
        assert self._granted - used == set(), "granted in vain"
        assert used - self._granted == set()

    def _refused(self) -> list[Asked]:
        return [each for each in self._asked() if not each.allowed]

    def _asked(self) -> list[Asked]:
        return asked(self._site.real.audit_log, NAMESPACE, ACCOUNT)
