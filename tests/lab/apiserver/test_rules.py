"""CEL rules of schemas, and what the server says where it cannot evaluate them."""

import importlib.util

import pytest

from canary.lab.apiserver import rules
from canary.lab.apiserver.objects import Caller
from canary.lab.apiserver.tree import Object
from tests.lab.apiserver.build import Town

needs_cel = pytest.mark.skipif(
    importlib.util.find_spec("celpy") is None, reason="rules are evaluated only where cel-python is installed"
)
NONE = "no complaint"


def complaint(rule: Object, value: object, *old: object) -> str:
    schema: Object = {"properties": {"a": {"x-kubernetes-validations": [rule]}}}
    before = ({"a": old[0]},) if old else ()
    found = list(rules.broken(schema, {"a": value}, *before))
    return found[0].message if found else NONE


@needs_cel
@pytest.mark.parametrize(
    ("rule", "value", "holds"),
    [
        pytest.param("self.isSorted()", [1, 2, 2], True, id="sorted"),
        pytest.param("self.isSorted()", [2, 1], False, id="not sorted"),
        pytest.param("self.sum() == 6", [1, 2, 3], True, id="sum"),
        pytest.param("self.min() == 1 && self.max() == 3", [1, 2, 3], True, id="least and most"),
        pytest.param("self.replace('%', '') == '99'", "99%", True, id="replace"),
        pytest.param("self.split('-').size() == 2", "a-b", True, id="split"),
        pytest.param("self.join('-') == 'a-b'", ["a", "b"], True, id="join"),
        pytest.param("self.substring(1, 3) == 'bc' && self.substring(2) == 'cd'", "abcd", True, id="substring"),
        pytest.param("self.indexOf('c') == 2", "abcd", True, id="index"),
        pytest.param("self.trim().lowerAscii() == 'ab' && self.upperAscii() == ' AB '", " aB ", True, id="case"),
        pytest.param("isURL(self) && url(self).getHostname() == 'a.b'", "http://a.b:1/c", True, id="host name"),
        pytest.param("url(self).getPort() == '1' && url(self).getHost() == 'a.b:1'", "http://a.b:1/c", True, id="port"),
        pytest.param("url(self).getScheme() == 'https'", "http://a.b", False, id="scheme"),
        pytest.param("isURL(self)", "just text", False, id="no address"),
        pytest.param("duration(self) >= duration('1s')", "1m", True, id="duration"),
    ],
)
def test_the_functions_that_rules_use_are_there(rule: str, value: object, holds: bool) -> None:
    assert (complaint({"rule": rule}, value) == NONE) is holds


@needs_cel
@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        pytest.param({"rule": "self > 5", "message": "more"}, "Invalid value: 3: more", id="a message"),
        pytest.param({"rule": "self > 5"}, "Invalid value: 3: failed rule: self > 5", id="none"),
        pytest.param(
            {"rule": "self > 5", "messageExpression": "'not ' + string(self)", "message": "more"},
            "Invalid value: 3: not 3",
            id="a computed message",
        ),
    ],
)
def test_a_broken_rule_says_what_it_was_told_to_say(rule: Object, wanted: str) -> None:
    assert complaint(rule, 3) == wanted


@needs_cel
def test_a_rule_that_fails_to_compute_is_broken() -> None:
    assert complaint({"rule": "int(self) > 5"}, "many").startswith('Invalid value: "many": rule evaluation error: ')


@needs_cel
def test_a_rule_about_the_past_waits_for_one() -> None:
    rule: Object = {"rule": "self == oldSelf", "message": "fixed"}
    assert complaint(rule, 1) == NONE
    assert complaint(rule, 1, 2) == "Invalid value: 1: fixed"


@needs_cel
def test_what_has_not_changed_is_not_looked_at() -> None:
    assert complaint({"rule": "self > 5"}, 3, 3) == NONE


def a_definition() -> Object:
    schema = {"type": "object", "properties": {"a": {"type": "string", "x-kubernetes-validations": [{"rule": "true"}]}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "things", "kind": "Thing"}
    spec = {"group": "example.org", "scope": "Namespaced", "names": names, "versions": [version]}
    return {"metadata": {"name": "things.example.org"}, "spec": spec}


@pytest.mark.parametrize("is_able", [True, False])
def test_a_server_that_evaluates_no_rules_says_so(is_able: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "is_able", lambda: is_able)
    town, by = Town(), Caller(manager="test")
    town.objects.create(town.target("customresourcedefinitions"), a_definition(), by)
    assert by.warnings == ([] if is_able else [rules.UNEVALUATED])
