"""Which rights the chart gives, in both modes. That each is used, and none is missing, is shown in e2e/install."""

from typing import cast

import pytest

from canary.adapters.api import Json
from tests.chart.rendering import NAMED, at, kinds, needs_helm, rendered, the

pytestmark = needs_helm

READ = {"get", "list", "watch"}


def rules(*words: str) -> dict[tuple[str, str, str], list[Json]]:
    """Render the chart; the rules of our account, by kind, namespace and name of what gives them."""
    objects = rendered(*words)
    account = at(the("ServiceAccount", *words), "metadata")
    ours = {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
    found = {}
    for (kind, namespace, _), obj in objects.items():
        if kind.endswith("RoleBinding") and obj["subjects"] == [ours]:
            role = at(obj, "roleRef")
            key = (str(role["kind"]), namespace, str(role["name"]))
            found[key] = cast("list[Json]", objects[key]["rules"])
    return found


@pytest.mark.parametrize("words", [(), NAMED], ids=["cluster", "namespaces"])
def test_nothing_is_deleted_and_nothing_secret_is_read(words: tuple[str, ...]) -> None:
    for rule in [rule for group in rules(*words).values() for rule in group]:
        assert {str(verb) for verb in cast("list[str]", rule["verbs"])} <= READ | {"create", "update", "patch"}
        assert not {"*", "secrets", "configmaps"} & set(cast("list[str]", rule["resources"]))


def test_of_the_cluster_there_is_one_role_and_in_the_releases_namespace_one_for_the_lease() -> None:
    assert set(rules()) == {("ClusterRole", "", "canary"), ("Role", "canary-system", "canary-lease")}


def test_of_some_namespaces_there_is_no_right_in_the_cluster() -> None:
    assert set(rules(*NAMED)) == {
        ("Role", "a", "canary"),
        ("Role", "b", "canary"),
        ("Role", "canary-system", "canary-lease"),
    }
    assert "ClusterRoleBinding" not in kinds(*NAMED)


def test_only_its_own_lease_can_be_changed() -> None:
    get, create = rules()["Role", "canary-system", "canary-lease"]
    assert get["resourceNames"] == [at(the("ConfigMap"), "data")["CANARY_RUN_LEASE_NAME"]]
    assert create["verbs"] == ["create"]


@pytest.mark.parametrize(
    ("words", "given"),
    [
        pytest.param(NAMED, True, id="none by its namespaces"),
        pytest.param(("--set", "namespaces={a,canary-system}"), False, id="its own namespace is followed"),
        pytest.param((*NAMED, "--set", "leave.enabled=false"), False, id="nobody leaves"),
        pytest.param((), False, id="all are followed"),
    ],
)
def test_who_leaves_may_scale_the_controllers_by_one_rule(words: tuple[str, ...], given: bool) -> None:
    last = rules(*words)["Role", "canary-system", "canary-lease"][-1]
    assert (last["resources"] == ["deployments/scale"]) == given
    if given:
        assert (last["verbs"], last["resourceNames"]) == (["patch"], [at(the("Deployment"), "metadata")["name"]])


def test_prometheus_is_looked_for_only_where_nobody_names_it() -> None:
    def resources(*words: str) -> list[object]:
        return [rule["resources"] for rule in rules(*words)["ClusterRole", "", "canary"]]

    assert ["namespaces"] in resources()
    assert ["namespaces"] not in resources("--set", "prometheus.url=http://p:9090")


class TestPeople:
    def test_the_clusters_roles_cover_canaries(self) -> None:
        objects = rendered()
        view, edit = objects["ClusterRole", "", "canary-view"], objects["ClusterRole", "", "canary-edit"]
        aggregate = "rbac.authorization.k8s.io/aggregate-to-"
        assert {f"{aggregate}{to}" for to in ("view", "edit", "admin")} <= set(at(view, "metadata", "labels"))
        assert f"{aggregate}view" not in at(edit, "metadata", "labels")
        assert {str(v) for v in cast("list[str]", at(view, "rules", 0)["verbs"])} == READ

    @pytest.mark.parametrize("words", ["crds.enabled=false", "crds.aggregateRoles=false"])
    def test_that_goes_with_the_crd(self, words: str) -> None:
        assert not [key for key in rendered("--set", words) if key[2] in ("canary-view", "canary-edit")]
