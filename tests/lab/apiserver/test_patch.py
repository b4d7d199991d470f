"""The three patch formats on plain objects."""

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.lab.apiserver.patch import JSON, MERGE, STRATEGIC, patched
from canary.lab.apiserver.refusal import Refused
from canary.lab.apiserver.tree import Object, copied

PODS: Object = {
    "spec": {
        "containers": [
            {"name": "app", "image": "app:1", "env": [{"name": "A", "value": "1"}], "ports": [{"containerPort": 80}]},
            {"name": "proxy", "image": "proxy:1"},
        ],
        "ports": [{"port": 80, "name": "http"}],
        "tolerations": [{"key": "a"}],
    },
    "metadata": {"finalizers": ["a"], "labels": {"x": "1"}},
}


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        # RFC 7386, appendix A, where the result is an object
        pytest.param({"a": "b"}, {"a": "c"}, {"a": "c"}, id="replaces"),
        pytest.param({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}, id="adds"),
        pytest.param({"a": "b"}, {"a": None}, {}, id="removes"),
        pytest.param({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}, id="removes one"),
        pytest.param({"a": ["b"]}, {"a": "c"}, {"a": "c"}, id="a list by a text"),
        pytest.param({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}, id="a text by a list"),
        pytest.param({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}, id="deeper"),
        pytest.param({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}, id="a list as a whole"),
        pytest.param({"e": None}, {"a": 1}, {"e": None, "a": 1}, id="keeps a null"),
        pytest.param({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}, id="nulls in what is new"),
    ],
)
def test_a_merge_patch_follows_the_rfc(target: Object, patch: Object, result: Object) -> None:
    assert patched(target, patch, MERGE) == result


@pytest.mark.parametrize(
    ("operations", "result"),
    [
        pytest.param([{"op": "add", "path": "/b", "value": 2}], {"a": [1, 2], "b": 2, "c/d": {"~": 0}}, id="add"),
        pytest.param([{"op": "add", "path": "/a/1", "value": 9}], {"a": [1, 9, 2], "c/d": {"~": 0}}, id="insert"),
        pytest.param([{"op": "add", "path": "/a/-", "value": 9}], {"a": [1, 2, 9], "c/d": {"~": 0}}, id="append"),
        pytest.param([{"op": "replace", "path": "/a/0", "value": 9}], {"a": [9, 2], "c/d": {"~": 0}}, id="replace"),
        pytest.param([{"op": "remove", "path": "/c~1d/~0"}], {"a": [1, 2], "c/d": {}}, id="escaped"),
        pytest.param([{"op": "move", "from": "/a", "path": "/b"}], {"b": [1, 2], "c/d": {"~": 0}}, id="move"),
        pytest.param([{"op": "copy", "from": "/a/0", "path": "/b"}], {"a": [1, 2], "b": 1, "c/d": {"~": 0}}, id="copy"),
        pytest.param([{"op": "test", "path": "/a", "value": [1, 2]}], {"a": [1, 2], "c/d": {"~": 0}}, id="test"),
    ],
)
def test_a_json_patch_follows_the_rfc(operations: list[object], result: Object) -> None:
    assert patched({"a": [1, 2], "c/d": {"~": 0}}, operations, JSON) == result


@pytest.mark.parametrize(
    ("operations", "code"),
    [
        pytest.param([{"op": "test", "path": "/a", "value": 2}], 422, id="a test that fails"),
        pytest.param([{"op": "remove", "path": "/none"}], 422, id="what is not there"),
        pytest.param([{"op": "add", "path": "/none/b", "value": 1}], 422, id="below what is not there"),
        pytest.param([{"op": "add", "path": "/list/7", "value": 1}], 422, id="past the end"),
        pytest.param([{"op": "add", "path": "/list/one", "value": 1}], 422, id="no index"),
        pytest.param([{"op": "add", "path": "/a/b", "value": 1}], 422, id="below a leaf"),
        pytest.param([{"op": "zap", "path": "/a"}], 422, id="no operation"),
        pytest.param([{"op": "remove"}], 400, id="no path"),
        pytest.param({"op": "remove", "path": "/a"}, 400, id="no list"),
    ],
)
def test_a_json_patch_that_does_not_apply_is_refused(operations: object, code: int) -> None:
    with pytest.raises(Refused) as refused:
        patched({"a": 1, "list": []}, operations, JSON)
    assert refused.value.code == code


def strategic(patch: Object) -> Any:
    return cast("Any", patched(PODS, patch, STRATEGIC))


def test_a_strategic_patch_merges_lists_by_their_keys() -> None:
    merged = strategic({"spec": {"containers": [{"name": "app", "env": [{"name": "B", "value": "2"}]}]}})
    app, proxy = merged["spec"]["containers"]
    assert app["env"] == [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]
    assert (app["image"], proxy["image"]) == ("app:1", "proxy:1")


@pytest.mark.parametrize(
    ("patch", "path", "result"),
    [
        pytest.param(
            {"spec": {"containers": [{"name": "proxy", "$patch": "delete"}, {"name": "none", "$patch": "delete"}]}},
            ("spec", "containers"),
            [cast("Any", PODS)["spec"]["containers"][0]],
            id="deletes by key, also what is not there",
        ),
        pytest.param(
            {"spec": {"containers": [{"$patch": "replace"}, {"name": "only"}]}},
            ("spec", "containers"),
            [{"name": "only"}],
            id="replaces a list",
        ),
        pytest.param({"spec": {"$patch": "replace", "a": 1}}, ("spec",), {"a": 1}, id="replaces a mapping"),
        pytest.param(
            {"metadata": {"labels": {"$patch": "delete"}}}, ("metadata", "labels"), {}, id="empties a mapping"
        ),
        pytest.param({"metadata": {"labels": {"x": None, "y": "2"}}}, ("metadata", "labels"), {"y": "2"}, id="null"),
        pytest.param(
            {"spec": {"ports": [{"port": 81}]}},
            ("spec", "ports"),
            [{"port": 81}, {"port": 80, "name": "http"}],
            id="ports of a Service",
        ),
        pytest.param({"spec": {"tolerations": [{"key": "b"}]}}, ("spec", "tolerations"), [{"key": "b"}], id="atomic"),
        pytest.param({"metadata": {"finalizers": ["b", "a"]}}, ("metadata", "finalizers"), ["b", "a"], id="a set"),
        pytest.param(
            {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}},
            ("metadata", "finalizers"),
            [],
            id="out of a set",
        ),
        pytest.param(
            {"metadata": {"$retainKeys": ["labels"], "labels": {}}},
            ("metadata",),
            {"labels": {"x": "1"}},
            id="retains keys",
        ),
    ],
)
def test_a_strategic_patch_obeys_its_directives(patch: Object, path: tuple[str, ...], result: object) -> None:
    found = strategic(patch)
    for name in path:
        found = found[name]
    assert found == result


def test_a_strategic_patch_may_set_an_order() -> None:
    order = [{"name": "new"}, {"name": "proxy"}, {"name": "app"}]
    merged = strategic({"spec": {"$setElementOrder/containers": order, "containers": [{"name": "new"}]}})
    assert [each["name"] for each in merged["spec"]["containers"]] == ["new", "proxy", "app"]


@pytest.mark.parametrize(
    ("live", "patch", "result"),
    [
        pytest.param("ab", "c", "cab", id="what is new comes first"),
        pytest.param("ab", "b", "ab", id="what preceded a named item stays before it"),
        pytest.param("abc", "b", "abc", id="what followed it stays behind it"),
        pytest.param("abc", "ca", "bca", id="the patch's own order counts"),
        pytest.param("ab", "cb", "cab", id="new before old"),
    ],
)
def test_without_an_order_the_patch_has_its_own(live: str, patch: str, result: str) -> None:
    def containers(names: str) -> Object:
        return {"containers": [{"name": name} for name in names]}

    assert patched(containers(live), containers(patch), STRATEGIC) == containers(result)


def test_a_strategic_patch_needs_the_key_of_each_row() -> None:
    with pytest.raises(Refused, match="does not contain declared merge key: name"):
        strategic({"spec": {"containers": [{"image": "x"}]}})


@pytest.mark.parametrize("kind", [MERGE, STRATEGIC])
def test_a_merge_patch_is_an_object(kind: str) -> None:
    with pytest.raises(Refused, match="must be a JSON object"):
        patched({}, [1], kind)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["x", "y"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


@given(OBJECTS, OBJECTS, st.sampled_from([MERGE, STRATEGIC]))
def test_a_patch_leaves_what_it_patches_as_it_was(target: Object, patch: Object, kind: str) -> None:
    before = copied(target)
    patched(target, patch, kind)
    assert target == before


@given(OBJECTS, OBJECTS)
def test_a_merge_patch_applied_twice_is_applied_once(target: Object, patch: Object) -> None:
    once = patched(target, patch, MERGE)
    assert patched(once, patch, MERGE) == once
