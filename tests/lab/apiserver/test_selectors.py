"""Label and field selectors."""

import pytest

from canary.lab.apiserver.refusal import Refused
from canary.lab.apiserver.selectors import by_query, by_selector, selector_text
from canary.lab.apiserver.tree import Object

POD: Object = {
    "metadata": {"name": "web-1", "namespace": "shop", "labels": {"app": "web", "example.org/tier": "front"}},
    "spec": {"nodeName": "lab"},
    "status": {"phase": "Running"},
}


@pytest.mark.parametrize(
    ("labels", "matches"),
    [
        pytest.param("app=web", True, id="equal"),
        pytest.param("app==web", True, id="equal with two signs"),
        pytest.param("app = web", True, id="with blanks"),
        pytest.param("app!=web", False, id="unequal"),
        pytest.param("none!=web", True, id="unequal to what is not there"),
        pytest.param("app in (web, api)", True, id="in"),
        pytest.param("app notin (web,api),app", False, id="not in"),
        pytest.param("example.org/tier", True, id="there"),
        pytest.param("!example.org/tier", False, id="not there"),
        pytest.param("app=web,example.org/tier in (front,back),!none", True, id="all at once"),
        pytest.param("app=", False, id="equal to nothing"),
    ],
)
def test_labels_are_selected(labels: str, matches: bool) -> None:
    test = by_query(labels, "", "pods")
    assert test is not None
    assert test(POD) is matches


@pytest.mark.parametrize(
    ("fields", "kind", "matches"),
    [
        pytest.param("metadata.name=web-1", "configmaps", True, id="name"),
        pytest.param("metadata.name!=web-1", "configmaps", False, id="another name"),
        pytest.param("spec.nodeName=lab,status.phase=Running", "pods", True, id="node and phase"),
        pytest.param("spec.nodeName=", "pods", False, id="no node"),
        pytest.param("status.podIP=", "pods", True, id="no address"),
    ],
)
def test_fields_are_selected(fields: str, kind: str, matches: bool) -> None:
    test = by_query("", fields, kind)
    assert test is not None
    assert test(POD) is matches


def test_an_event_is_found_by_who_told_it_in_either_spelling() -> None:
    test = by_query("", "source=canary", "events")
    assert test is not None
    assert test({"source": {"component": "canary"}})
    assert test({"source": {}, "reportingComponent": "canary"})
    assert not test({"source": {"component": "other"}, "reportingComponent": "canary"})


def test_no_selector_is_no_test() -> None:
    assert by_query("", " ", "pods") is None


@pytest.mark.parametrize(
    ("labels", "fields"),
    [
        pytest.param("app inside (x)", "", id="no operator"),
        pytest.param("=x", "", id="no label"),
        pytest.param("", "spec.nodeName", id="no value"),
        pytest.param("", "spec.serviceName=x", id="a field that cannot be selected"),
    ],
)
def test_what_is_no_selector_is_refused(labels: str, fields: str) -> None:
    with pytest.raises(Refused) as refused:
        by_query(labels, fields, "pods")
    assert refused.value.code == 400


EXPRESSIONS: Object = {
    "matchLabels": {"app": "web"},
    "matchExpressions": [
        {"key": "tier", "operator": "In", "values": ["front", "back"]},
        {"key": "zone", "operator": "NotIn", "values": ["z"]},
        {"key": "live", "operator": "Exists"},
        {"key": "dead", "operator": "DoesNotExist"},
    ],
}


@pytest.mark.parametrize(
    ("labels", "matches"),
    [
        pytest.param({"app": "web", "tier": "back", "live": ""}, True, id="all"),
        pytest.param({"app": "web", "tier": "side", "live": ""}, False, id="not in"),
        pytest.param({"app": "web", "tier": "back", "live": "", "zone": "z"}, False, id="in what it may not be in"),
        pytest.param({"app": "web", "tier": "back"}, False, id="missing"),
        pytest.param({"app": "web", "tier": "back", "live": "", "dead": ""}, False, id="too much"),
        pytest.param({"app": "api", "tier": "back", "live": ""}, False, id="unequal"),
    ],
)
def test_a_workload_selects_by_labels_and_expressions(labels: dict[str, object], matches: bool) -> None:
    assert by_selector(EXPRESSIONS)(labels) is matches


def test_a_selector_is_printed_as_a_query_that_means_the_same() -> None:
    printed = selector_text(EXPRESSIONS)
    assert printed == "!dead,app=web,live,tier in (front,back),zone notin (z)"
    test = by_query(printed, "", "pods")
    assert test is not None
    assert test({"metadata": {"labels": {"app": "web", "tier": "back", "live": ""}}})
