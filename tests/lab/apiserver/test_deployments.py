"""Deployments: ReplicaSets by template, and the steps of a rollout."""

import pytest

from canary.lab.apiserver.quantity import share
from canary.lab.apiserver.tree import Object, branch, count, reached, rows, text
from tests.lab.apiserver.build import Town, a_deployment, condition, name_of, ship

HASH = "pod-template-hash"


def sizes(town: Town) -> dict[str, int]:
    """Return how many pods each image has."""
    images = [text(rows(pod, "spec", "containers")[0], "image") for pod in town.all("pods")]
    return {image: images.count(image) for image in sorted(set(images))}


def test_the_same_template_makes_the_same_hash_in_every_cluster() -> None:
    hashes = set()
    for _ in range(2):
        town = Town()
        town.create("deployments", a_deployment())
        town.settle()
        hashes.add(text(town.all("replicasets")[0], "metadata", "labels", HASH))
    assert len(hashes) == 1


def test_another_size_is_no_other_template() -> None:
    town = Town()
    town.create("deployments", a_deployment(replicas=1))
    town.settle()
    town.change("deployments", "web", {"spec": {"replicas": 3}})
    town.settle()
    assert len(town.all("replicasets")) == 1
    assert sizes(town) == {"web:1": 3}


def test_an_old_template_takes_its_old_replica_set() -> None:
    town = Town()
    town.create("deployments", a_deployment())
    for image in ("web:1", "web:2", "web:1"):
        ship(town, image)
        town.make_all_ready()
    assert len(town.all("replicasets")) == 2
    assert sizes(town) == {"web:1": 2}
    assert reached(town.get("deployments", "web"), "metadata", "annotations") == {
        "deployment.kubernetes.io/revision": "3"
    }


@pytest.mark.parametrize(
    ("strategy", "first"),
    [
        pytest.param({"maxSurge": 1, "maxUnavailable": 0}, {"web:1": 4, "web:2": 1}, id="one more, none less"),
        pytest.param({"maxSurge": 0, "maxUnavailable": 1}, {"web:1": 3, "web:2": 1}, id="none more, one less"),
        pytest.param({"maxSurge": "50%", "maxUnavailable": "25%"}, {"web:1": 3, "web:2": 3}, id="shares"),
        pytest.param({"maxSurge": "100%", "maxUnavailable": 0}, {"web:1": 4, "web:2": 4}, id="all at once"),
    ],
)
def test_a_rollout_keeps_to_its_bounds(strategy: Object, first: dict[str, int]) -> None:
    town = Town()
    town.create("deployments", a_deployment(4, strategy={"rollingUpdate": strategy}))
    town.settle()
    town.make_all_ready()
    ship(town, "web:2")
    assert sizes(town) == first
    town.make_all_ready()
    assert sizes(town) == {"web:2": 4}


def test_a_broken_release_never_takes_the_last_good_pods() -> None:
    town = Town()
    town.create("deployments", a_deployment(2))
    town.settle()
    town.make_all_ready()
    ship(town, "web:broken")
    ship(town, "web:worse")
    assert sizes(town) == {"web:1": 2, "web:worse": 1}


@pytest.mark.parametrize(
    ("replicas", "surge", "missing", "wanted"),
    [
        pytest.param(4, "25%", "25%", (1, 1), id="exact shares"),
        pytest.param(3, "25%", "25%", (1, 0), id="up and down"),
        pytest.param(1, "25%", "25%", (1, 0), id="one pod"),
        pytest.param(3, 0, 0, (0, 1), id="something must move"),
        pytest.param(2, 5, 5, (5, 2), id="no more missing than there are"),
    ],
)
def test_shares_are_rounded_as_upstream_does(
    replicas: int, surge: object, missing: object, wanted: tuple[int, int]
) -> None:
    rolling = {"maxSurge": surge, "maxUnavailable": missing}
    deployment: Object = {"spec": {"replicas": replicas, "strategy": {"rollingUpdate": rolling}}}
    assert (share(deployment, "maxSurge"), share(deployment, "maxUnavailable")) == wanted


def test_only_the_latest_of_history_is_kept() -> None:
    town = Town()
    town.create("deployments", a_deployment(1, revisionHistoryLimit=2))
    for image in ("web:1", "web:2", "web:3", "web:4", "web:5"):
        ship(town, image)
        town.make_all_ready()
    town.settle()
    revisions = [
        text(each, "metadata", "annotations", "deployment.kubernetes.io/revision") for each in town.all("replicasets")
    ]
    assert sorted(revisions) == ["3", "4", "5"]


def test_a_rollout_that_stands_still_is_said_to() -> None:
    town = Town()
    town.create("deployments", a_deployment(1, progressDeadlineSeconds=1, minReadySeconds=0))
    town.settle()
    status = town.get("deployments", "web")["status"]
    assert isinstance(status, dict)
    old = [{**row, "lastUpdateTime": "2026-01-01T00:00:00Z"} for row in status["conditions"]]
    town.change("deployments", "web", {"status": {"conditions": old}}, "status")
    town.settle()
    progressing = condition(town.get("deployments", "web"), "Progressing")
    assert (progressing["status"], progressing["reason"]) == ("False", "ProgressDeadlineExceeded")


def test_a_complete_rollout_is_not_reopened_by_a_pod_that_falls_ill() -> None:
    town = Town()
    town.create("deployments", a_deployment(1))
    town.settle()
    town.make_all_ready()
    pod = name_of(town.all("pods")[0])
    ill = {"conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}
    town.change("pods", pod, {"status": ill}, "status")
    town.settle()
    deployment = town.get("deployments", "web")
    assert condition(deployment, "Available")["status"] == "False"
    assert condition(deployment, "Progressing")["reason"] == "NewReplicaSetAvailable"


def test_a_paused_deployment_follows_its_size_but_not_its_template() -> None:
    town = Town()
    town.create("deployments", a_deployment(1))
    town.settle()
    town.change("deployments", "web", {"spec": {"paused": True, "replicas": 2}})
    ship(town, "web:2")
    assert sizes(town) == {"web:1": 2}
    town.change("deployments", "web", {"spec": {"paused": False}})
    town.settle()
    assert "web:2" in sizes(town)
    assert condition(town.get("deployments", "web"), "Progressing")["status"] == "True"


def test_annotations_go_along_but_not_those_that_say_what_was_applied() -> None:
    town = Town()
    notes = {"a": "b", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
    town.create("deployments", a_deployment() | {"metadata": {"name": "web", "annotations": notes}})
    town.settle()
    handed = branch(town.all("replicasets")[0], "metadata", "annotations")
    assert handed["a"] == "b"
    assert not [name for name in handed if "last-applied" in name]


def test_scaling_is_told_as_an_event() -> None:
    town = Town()
    town.create("deployments", a_deployment(1))
    town.settle()
    told = [(text(each, "reason"), text(each, "involvedObject", "kind")) for each in town.all("events")]
    assert sorted(told) == [("ScalingReplicaSet", "Deployment"), ("SuccessfulCreate", "ReplicaSet")]


def test_a_deployment_that_goes_takes_its_pods_along() -> None:
    town = Town()
    town.create("deployments", a_deployment(2))
    town.settle()
    town.cluster.delete(town.target("deployments", "web").key)
    town.settle()
    assert (town.all("replicasets"), town.all("pods")) == ([], [])


def test_the_server_comes_to_rest() -> None:
    town = Town()
    town.create("deployments", a_deployment(3))
    town.settle()
    town.make_all_ready()
    before = town.store.revision
    town.settle()
    assert town.store.revision == before
    assert count(town.get("deployments", "web"), "status", "availableReplicas") == 3
