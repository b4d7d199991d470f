"""ReplicaSets: how many pods, which go first, and when one counts as available."""

from datetime import UTC, datetime, timedelta

import pytest

from canary.lab.apiserver.replicasets import is_ready
from canary.lab.apiserver.store import Key
from canary.lab.apiserver.tree import Object, count, text
from tests.lab.apiserver.build import Town, a_deployment, name_of


def a_town(replicas: int, seconds: int = 0) -> Town:
    town = Town()
    body: Object = a_deployment(replicas, minReadySeconds=seconds) | {"metadata": {"name": "alone"}}
    town.create("replicasets", body)
    town.settle()
    return town


def scale(town: Town, replicas: int) -> None:
    town.change("replicasets", "alone", {"spec": {"replicas": replicas}})
    town.settle()


def names(town: Town) -> set[str]:
    return {name_of(pod) for pod in town.all("pods") if not text(pod, "metadata", "deletionTimestamp")}


def bind(town: Town, pod: str) -> None:
    town.objects.bind(town.target("pods", pod), {"target": {"kind": "Node", "name": "lab"}})


def test_pods_are_named_after_it() -> None:
    assert all(name.startswith("alone-") and len(name) == len("alone-12345") for name in names(a_town(3)))


def test_what_is_not_ready_goes_before_what_is() -> None:
    town = a_town(3)
    good = town.all("pods")[1]
    town.make_ready(good)
    scale(town, 1)
    assert names(town) == {name_of(good)}


def test_what_has_no_node_goes_before_what_has_one() -> None:
    town = a_town(2)
    placed = name_of(town.all("pods")[1])
    bind(town, placed)
    scale(town, 1)
    assert names(town) == {placed}


def test_what_is_young_goes_before_what_is_old() -> None:
    town = a_town(2)
    old, young = town.all("pods")
    meta = young["metadata"]
    assert isinstance(meta, dict)
    key = Key("pods", "shop", name_of(young))
    town.store.put(key, {**young, "metadata": {**meta, "creationTimestamp": "2099-01-01T00:00:00Z"}})
    scale(town, 1)
    assert names(town) == {name_of(old)}


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_a_pod_that_has_ended_is_replaced_and_kept(phase: str) -> None:
    town = a_town(1)
    ended = name_of(town.all("pods")[0])
    town.change("pods", ended, {"status": {"phase": phase}}, "status")
    town.settle()
    assert len(town.all("pods")) == 2
    assert count(town.get("replicasets", "alone"), "status", "replicas") == 1


def test_a_pod_on_its_way_out_is_replaced_and_counted_apart() -> None:
    town = a_town(1)
    leaving = name_of(town.all("pods")[0])
    bind(town, leaving)
    town.cluster.delete(Key("pods", "shop", leaving))
    town.settle()
    status = town.get("replicasets", "alone")["status"]
    assert (count(status, "replicas"), count(status, "terminatingReplicas")) == (1, 1)
    assert leaving not in names(town)


def test_a_pod_is_available_only_after_it_has_been_ready_for_a_while() -> None:
    town = a_town(1, seconds=60)
    just_now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    town.make_ready(*town.all("pods"), since=just_now)
    status = town.get("replicasets", "alone")["status"]
    assert (count(status, "readyReplicas"), count(status, "availableReplicas")) == (1, 0)
    long_ago = (datetime.now(UTC) - timedelta(seconds=61)).strftime("%Y-%m-%dT%H:%M:%SZ")
    town.make_ready(*town.all("pods"), since=long_ago)
    assert count(town.get("replicasets", "alone")["status"], "availableReplicas") == 1


def test_it_looks_again_when_a_pod_may_have_become_available() -> None:
    town = a_town(1, seconds=60)
    town.make_ready(*town.all("pods"), since=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert not town.controllers.catch_up(now=50.0)
    assert town.controllers.catch_up(now=61.0)


def test_a_pod_without_conditions_is_not_ready() -> None:
    assert not is_ready({"status": {"phase": "Running"}})
