"""What goes when something else goes."""

from canary.lab.apiserver.cluster import owner_reference
from canary.lab.apiserver.store import Key
from canary.lab.apiserver.tree import Object, text
from tests.lab.apiserver.build import ME, Town


def owned_by(*owners: Object) -> Object:
    return {
        "metadata": {
            "name": "owned",
            "ownerReferences": [owner_reference(each) | {"controller": False} for each in owners],
        }
    }


def an_owner(town: Town, name: str) -> Object:
    return town.create("configmaps", {"metadata": {"name": name}})


def delete(town: Town, name: str, **options: object) -> None:
    town.objects.delete(town.target("configmaps", name), dict(options), ME)
    town.settle()


def is_there(town: Town, name: str) -> bool:
    return town.store.get(Key("configmaps", "shop", name)) is not None


def test_an_object_with_another_owner_stays() -> None:
    town = Town()
    town.create("configmaps", owned_by(an_owner(town, "a"), an_owner(town, "b")))
    delete(town, "a")
    assert is_there(town, "owned")
    delete(town, "b")
    assert not is_there(town, "owned")


def test_an_owner_of_the_same_name_is_another_owner() -> None:
    town = Town()
    before = an_owner(town, "a")
    delete(town, "a")
    an_owner(town, "a")
    town.create("configmaps", owned_by(before))
    town.settle()
    assert not is_there(town, "owned")


def test_an_owner_of_a_kind_that_nobody_knows_is_not_there() -> None:
    town = Town()
    stranger: Object = {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "a", "uid": "u"}}
    town.create("configmaps", owned_by(stranger))
    town.settle()
    assert not is_there(town, "owned")


def test_an_orphan_keeps_its_other_owner() -> None:
    town = Town()
    town.create("configmaps", owned_by(an_owner(town, "a"), an_owner(town, "b")))
    delete(town, "a", propagationPolicy="Orphan")
    kept = town.get("configmaps", "owned")["metadata"]
    assert isinstance(kept, dict)
    assert [ref["name"] for ref in kept["ownerReferences"]] == ["b"]
    assert not is_there(town, "a")


def test_in_the_foreground_an_owner_of_nothing_goes_at_once() -> None:
    town = Town()
    an_owner(town, "a")
    delete(town, "a", propagationPolicy="Foreground")
    assert not is_there(town, "a")


def test_a_namespace_waits_for_a_pod_that_a_node_still_runs() -> None:
    town = Town()
    town.create(
        "pods", {"metadata": {"name": "one"}, "spec": {"nodeName": "lab", "containers": [{"name": "c", "image": "i"}]}}
    )
    town.cluster.delete(Key("namespaces", "", "shop"))
    town.settle()
    assert text(town.store.get(Key("namespaces", "", "shop")), "status", "phase") == "Terminating"
    town.objects.delete(town.target("pods", "one"), {"gracePeriodSeconds": 0}, ME)
    town.settle()
    assert town.store.get(Key("namespaces", "", "shop")) is None
