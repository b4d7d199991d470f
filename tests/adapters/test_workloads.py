"""Deployments, ReplicaSets and Pods -> `Workload`, by tables of objects as API servers give them."""

from typing import cast

import pytest

from canary.adapters.workloads import observed, pod, revision, selector, templates, unix, workload
from canary.core.lenient import at

Obj = dict[str, object]
LABELS = {"app": "web"}
IMAGE: Obj = {"containers": [{"name": "app", "image": "web:1"}]}
PROXY: Obj = {"name": "linkerd-proxy", "image": "proxy"}
BORN = "2026-03-01T12:00:00Z"


def a_template(image: str = "web:1", **meta: object) -> Obj:
    return {"metadata": {"labels": LABELS, **meta}, "spec": {"containers": [{"name": "app", "image": image}]}}


def a_deployment(uid: str = "u1", template: Obj | None = None, **spec: object) -> Obj:
    fields = {"replicas": 2, "selector": {"matchLabels": LABELS}, "template": template or a_template(), **spec}
    return {
        "metadata": {"name": "web-stable", "resourceVersion": "31", "uid": uid, "generation": 4},
        "spec": {key: value for key, value in fields.items() if value is not None},
        "status": {"observedGeneration": 4, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2},
    }


def a_replicaset(name: str, owner: str = "u1", template: Obj | None = None, **owning: object) -> Obj:
    """Make one whose pod-template-hash is `name`, as the Deployment controller does: with the hash in its template."""
    plain = a_template() if template is None else template
    labels = {**cast("Obj", at(plain, "metadata").get("labels") or {}), "pod-template-hash": name}
    hashed = {**plain, "metadata": {**at(plain, "metadata"), "labels": labels}}
    owners = [{"kind": "Deployment", "uid": owner, "controller": True, **owning}]
    return {
        "metadata": {"name": f"web-{name}", "labels": labels, "ownerReferences": owners},
        "spec": {"template": hashed},
    }


class TestRevision:
    def test_it_is_the_replicaset_with_the_deployments_template(self) -> None:
        deployment = a_deployment(template=a_template("web:2"))
        found = templates(deployment, [a_replicaset("old"), a_replicaset("new", template=a_template("web:2"))])
        assert set(found) == {"old", "new"}
        assert revision(deployment, found) == "new"

    @pytest.mark.parametrize("side", ["deployment", "replicaset"])
    def test_a_creation_time_of_null_is_no_difference(self, side: str) -> None:
        odd = a_template(creationTimestamp=None)
        deployment = a_deployment(template=odd if side == "deployment" else None)
        found = templates(deployment, [a_replicaset("one", template=odd if side == "replicaset" else None)])
        assert revision(deployment, found) == "one"

    def test_an_annotation_is_a_difference(self) -> None:
        restarted = a_template(annotations={"kubectl.kubernetes.io/restartedAt": "now"})
        deployment = a_deployment(template=restarted)
        found = templates(deployment, [a_replicaset("one"), a_replicaset("two", template=restarted)])
        assert revision(deployment, found) == "two"

    def test_the_hash_is_kept_out_of_what_is_copied(self) -> None:
        (template,) = templates(a_deployment(), [a_replicaset("one")]).values()
        assert at(template, "metadata", "labels") == LABELS

    def test_a_template_without_labels_is_read(self) -> None:
        bare: Obj = {"metadata": {}, "spec": IMAGE}
        deployment = a_deployment(template=bare)
        assert revision(deployment, templates(deployment, [a_replicaset("one", template=bare)])) == "one"

    def test_it_is_nothing_until_there_is_a_replicaset(self) -> None:
        deployment = a_deployment(template=a_template("web:2"))
        assert revision(deployment, templates(deployment, [a_replicaset("old")])) == ""

    def test_it_is_nothing_until_the_deployment_controller_has_looked(self) -> None:
        deployment = a_deployment()
        cast("Obj", deployment["status"])["observedGeneration"] = 3
        assert revision(deployment, templates(deployment, [a_replicaset("one")])) == ""


@pytest.mark.parametrize(
    "stranger",
    [
        pytest.param(a_replicaset("x", owner="u2"), id="of another Deployment with the same selector"),
        pytest.param(a_replicaset("x", controller=False), id="owned but not controlled"),
        pytest.param(a_replicaset("x") | {"metadata": {"labels": {"pod-template-hash": "x"}}}, id="of nobody"),
        pytest.param(
            a_replicaset("x") | {"metadata": {"ownerReferences": [{"uid": "u1", "controller": True}]}}, id="no hash"
        ),
    ],
)
def test_a_replicaset_that_is_not_the_deployments_is_left_out(stranger: Obj) -> None:
    assert set(templates(a_deployment(), [stranger, a_replicaset("mine")])) == {"mine"}


@pytest.mark.parametrize(
    ("status", "seen"),
    [
        pytest.param({"observedGeneration": 4}, True, id="this generation"),
        pytest.param({"observedGeneration": 5}, True, id="a later one"),
        pytest.param({"observedGeneration": 3}, False, id="an earlier one"),
        pytest.param({}, False, id="never"),
        pytest.param(None, False, id="no status"),
        pytest.param({"observedGeneration": "4"}, False, id="no number"),
    ],
)
def test_a_deployment_is_observed(status: object, seen: bool) -> None:
    assert observed({**a_deployment(), "status": status}) is seen


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        pytest.param({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2", id="labels"),
        pytest.param(
            {"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, "a in (1,2)", id="in"
        ),
        pytest.param(
            {"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, "a notin (1)", id="not in"
        ),
        pytest.param({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, "a", id="exists"),
        pytest.param({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, "!a", id="does not exist"),
        pytest.param(
            {"matchLabels": {"z": "1"}, "matchExpressions": [{"key": "a", "operator": "Exists"}]}, "z=1,a", id="both"
        ),
        pytest.param({}, "", id="empty"),
    ],
)
def test_a_selector_is_written_as_a_query(wanted: Obj, text: str) -> None:
    assert selector(a_deployment(selector=wanted)) == text


class TestWorkload:
    def test_a_deployment_is_put_together_with_what_belongs_to_it(self) -> None:
        deployment = a_deployment()
        found = templates(deployment, [a_replicaset("one")])
        seen = workload(deployment, found, "one", [a_pod()])
        assert (seen.name, seen.resource_version, seen.revision) == ("web-stable", "31", "one")
        assert (seen.desired, seen.available, seen.settled) == (2, 2, True)
        assert (seen.selector, seen.template, seen.templates) == (LABELS, a_template(), found)
        assert [each.name for each in seen.pods] == ["web-one-1"]

    @pytest.mark.parametrize(
        ("managers", "editor"),
        [
            pytest.param([("kubectl-edit", "f:template", 1), ("canary", "f:template", 2)], "kubectl-edit", id="not us"),
            pytest.param([("canary", "f:template", 2)], "canary", id="us where there is nobody else"),
            pytest.param([("helm", "f:template", 1), ("argocd", "f:template", 2)], "argocd", id="the latest"),
            pytest.param([("helm", "f:template", 1), ("hpa", "f:replicas", 2)], "helm", id="of the template"),
        ],
    )
    def test_its_editor_is_who_else_wrote_its_template(self, managers: list[tuple[str, str, int]], editor: str) -> None:
        fields = [
            {"manager": name, "time": f"2026-03-01T12:00:0{at}Z", "fieldsV1": {"f:spec": {field: {}}}}
            for name, field, at in managers
        ]
        deployment = a_deployment()
        meta = {**cast("Obj", deployment["metadata"]), "managedFields": fields}
        assert workload({**deployment, "metadata": meta}, {}, "", []).editor == editor

    def test_its_pods_are_found_by_its_service_too_and_its_own_labels_count(self) -> None:
        service = {"spec": {"selector": {"track": "stable", "app": "another"}}}
        seen = workload(a_deployment(selector={"matchLabels": {"app": "web"}}), {}, "", (), service)
        assert seen.selector == {"app": "web", "track": "stable"}

    @pytest.mark.parametrize(
        ("status", "settled"),
        [
            pytest.param({}, True, id="all there"),
            pytest.param({"replicas": 3}, False, id="old pods are still there"),
            pytest.param({"updatedReplicas": 1}, False, id="not all are new"),
            pytest.param({"availableReplicas": 1}, False, id="not all are available"),
            pytest.param({"availableReplicas": None}, False, id="none is available"),
            pytest.param({"observedGeneration": 3}, False, id="not looked at"),
        ],
    )
    def test_a_rollout_of_the_deployment_is_complete(self, status: Obj, settled: bool) -> None:
        deployment = a_deployment()
        cast("Obj", deployment["status"]).update(status)
        assert workload(deployment, {}, "", ()).settled is settled

    @pytest.mark.parametrize(
        ("replicas", "desired"),
        [pytest.param(None, 1, id="absent is one"), pytest.param(0, 0, id="none"), pytest.param(7, 7, id="seven")],
    )
    def test_so_many_pods_are_wanted(self, replicas: int | None, desired: int) -> None:
        assert workload(a_deployment(replicas=replicas), {}, "", ()).desired == desired

    @pytest.mark.parametrize(("said", "paused"), [(None, False), (False, False), (True, True)])
    def test_it_may_be_paused(self, said: bool | None, paused: bool) -> None:
        assert workload(a_deployment(paused=said), {}, "", ()).paused is paused

    def test_one_scaled_to_nothing_is_settled(self) -> None:
        deployment = {**a_deployment(replicas=0), "status": {"observedGeneration": 4}}
        assert workload(deployment, {}, "", ()).settled


def a_pod(status: Obj | None = None, labels: Obj | None = None, spec: Obj | None = None, **meta: object) -> Obj:
    """Make one that is meshed and ready."""
    all_labels = {"pod-template-hash": "one", "linkerd.io/control-plane-ns": "linkerd", **(labels or {})}
    ready = {"conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}]}
    return {
        "metadata": {"name": "web-one-1", "creationTimestamp": BORN, "labels": all_labels, **meta},
        "spec": {"containers": [{"name": "app"}, PROXY]} if spec is None else spec,
        "status": {**ready, **(status or {})},
    }


def running(since: str = BORN) -> Obj:
    return {"restartCount": 0, "state": {"running": {"startedAt": since}}}


class TestPod:
    def test_a_meshed_and_ready_pod_serves(self) -> None:
        seen = pod(a_pod({"containerStatuses": [{"restartCount": 2}, {"restartCount": 1}, {}]}))
        assert (seen.name, seen.revision, seen.created) == ("web-one-1", "one", 1772366400.0)
        assert (seen.ready, seen.meshed, seen.leaving, seen.restarts, seen.serves) == (True, True, False, 3, True)

    @pytest.mark.parametrize(
        ("spec", "labels", "meshed"),
        [
            pytest.param({"containers": [PROXY]}, {}, True, id="beside the app"),
            pytest.param({"containers": [], "initContainers": [PROXY]}, {}, True, id="native sidecar"),
            pytest.param({"containers": [{"name": "app"}]}, {}, False, id="label without proxy"),
            pytest.param({"containers": [PROXY]}, {"linkerd.io/control-plane-ns": ""}, False, id="proxy without label"),
            pytest.param({"containers": None, "initContainers": None}, {}, False, id="nothing"),
            pytest.param({}, {}, False, id="no containers"),
        ],
    )
    def test_a_pod_is_meshed(self, spec: Obj, labels: Obj, meshed: bool) -> None:
        seen = pod(a_pod(labels=labels, spec=spec))
        assert (seen.meshed, seen.serves) == (meshed, meshed)

    @pytest.mark.parametrize(
        "conditions",
        [
            pytest.param([{"type": "Ready", "status": "False"}], id="false"),
            pytest.param([{"type": "Ready", "status": "Unknown"}], id="the node is gone"),
            pytest.param([{"type": "ContainersReady", "status": "True"}], id="its containers only"),
            pytest.param([], id="nothing known"),
            pytest.param(None, id="no conditions"),
        ],
    )
    def test_a_pod_is_not_ready(self, conditions: object) -> None:
        assert not pod(a_pod({"conditions": conditions})).serves

    def test_a_pod_that_terminates_gets_nothing_although_it_is_ready(self) -> None:
        seen = pod(a_pod(deletionTimestamp=BORN))
        assert (seen.ready, seen.leaving, seen.serves) == (True, True, False)

    @pytest.mark.parametrize(
        ("states", "started"),
        [
            pytest.param([running(), running("2026-03-01T12:00:09Z")], 1772366409.0, id="when the last container did"),
            pytest.param([running(), {**running(), "restartCount": 1}], 0.0, id="never, once one began again"),
            pytest.param([running(), {"state": {"waiting": {}}}], 0.0, id="not while one does not run"),
            pytest.param([], 0.0, id="not before there is one"),
        ],
    )
    def test_a_pod_starts_once(self, states: list[Obj], started: float) -> None:
        assert pod(a_pod({"containerStatuses": states})).started == started

    def test_an_empty_object_is_a_pod_that_is_good_for_nothing(self) -> None:
        seen = pod({})
        assert (seen.revision, seen.created, seen.restarts, seen.serves) == ("", 0.0, 0, False)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param(BORN, 1772366400.0, id="in seconds"),
        pytest.param("2026-03-01T12:00:00.250000Z", 1772366400.25, id="in microseconds"),
        pytest.param("2026-03-01T13:00:00+01:00", 1772366400.0, id="elsewhere"),
        pytest.param(None, 0.0, id="absent"),
        pytest.param("yesterday", 0.0, id="a word"),
        pytest.param(7, 0.0, id="a number"),
    ],
)
def test_a_time_is_read(text: object, seconds: float) -> None:
    assert unix(text) == seconds


@pytest.mark.parametrize("value", [None, "text", ["list"], {"a": None}, {"a": "text"}, {"b": {}}])
def test_walking_into_what_is_not_there_finds_nothing(value: object) -> None:
    assert at(value, "a", "b") == {}
