"""Who wrote what."""

from canary.lab.apiserver.managed import record
from canary.lab.apiserver.tree import Object, copied, rows, text
from tests.lab.apiserver.build import Town


def owners(obj: Object) -> dict[str, object]:
    return {
        text(row, "manager") + text(row, "subresource"): row["fieldsV1"]
        for row in rows(obj, "metadata", "managedFields")
    }


def written(old: Object | None, manager: str, subresource: str = "", **parts: object) -> Object:
    new = {**copied(old or {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "a"}}), **parts}
    record(old, new, manager, subresource)
    return new


def test_the_maker_owns_all_it_wrote_but_identity() -> None:
    made = written(
        None, "maker", spec={"a": 1, "list": [1, 2]}, metadata={"name": "a", "uid": "u", "labels": {"x": "1"}}
    )
    assert owners(made) == {"maker": {"f:metadata": {"f:labels": {"f:x": {}}}, "f:spec": {"f:a": {}, "f:list": {}}}}


def test_what_somebody_else_changes_is_theirs() -> None:
    made = written(None, "maker", spec={"a": 1, "b": 2})
    edited = written(made, "kubectl-edit", spec={"a": 1, "b": 3})
    assert owners(edited) == {"maker": {"f:spec": {"f:a": {}}}, "kubectl-edit": {"f:spec": {"f:b": {}}}}


def test_what_is_gone_is_nobodys() -> None:
    made = written(None, "maker", spec={"a": 1, "b": 2})
    edited = written(made, "kubectl-edit", spec={"a": 1})
    assert owners(edited) == {"maker": {"f:spec": {"f:a": {}}}}


def test_who_has_nothing_left_is_no_longer_named() -> None:
    made = written(None, "maker", spec={"a": 1})
    edited = written(made, "kubectl-edit", spec={"a": 2})
    assert owners(edited) == {"kubectl-edit": {"f:spec": {"f:a": {}}}}


def test_the_status_is_owned_apart() -> None:
    made = written(None, "canary", spec={"a": 1})
    told = written(made, "canary", "status", status={"phase": "Idle"})
    assert owners(told) == {"canary": {"f:spec": {"f:a": {}}}, "canarystatus": {"f:status": {"f:phase": {}}}}


def test_a_hand_edit_shows_in_a_stored_object() -> None:
    town = Town()
    town.create("configmaps", {"metadata": {"name": "a"}, "data": {"k": "v"}})
    assert owners(town.change("configmaps", "a", {"data": {"k": "w"}})) == {"test": {"f:data": {"f:k": {}}}}
