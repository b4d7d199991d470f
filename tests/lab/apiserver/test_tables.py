"""How the server prints objects for kubectl."""

from datetime import UTC, datetime, timedelta

import pytest

from canary.lab.apiserver.resources import BUILT_IN, Resource
from canary.lab.apiserver.tables import event, table
from canary.lab.apiserver.tree import Object

MAPS = next(each for each in BUILT_IN if each.plural == "configmaps")


def cells(resource: Resource, item: Object) -> object:
    printed = table(resource, item)["rows"]
    assert isinstance(printed, list)
    return printed[0]["cells"]


def built_in(plural: str) -> Resource:
    return next(each for each in BUILT_IN if each.plural == plural)


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [
        pytest.param(5, "5s", id="seconds"),
        pytest.param(119, "119s", id="two minutes less one second"),
        pytest.param(185, "3m5s", id="minutes and seconds"),
        pytest.param(3600, "60m", id="minutes"),
        pytest.param(5 * 3600, "5h", id="hours"),
        pytest.param(3 * 86400, "3d", id="days"),
        pytest.param(-5, "0s", id="the future"),
    ],
)
def test_an_age_is_short(seconds: int, wanted: str) -> None:
    born = (datetime.now(UTC) - timedelta(seconds=seconds, milliseconds=200)).isoformat()
    assert cells(MAPS, {"metadata": {"name": "a", "creationTimestamp": born}}) == ["a", wanted]


def test_an_age_may_be_unknown() -> None:
    assert cells(MAPS, {"metadata": {"name": "a"}}) == ["a", "<unknown>"]


def a_custom_kind(path: str, kind: str = "string") -> Resource:
    column: Object = {"name": "X", "type": kind, "jsonPath": path, "priority": 1}
    return Resource(group="example.org", plural="things", kind="Thing", custom=True, columns=(column,))


ITEM: Object = {
    "metadata": {"name": "a", "annotations": {"example.org/x": "note"}, "creationTimestamp": "2026-01-01T00:00:00Z"},
    "spec": {"steps": ["100m", "200m"], "weight": 0},
    "status": {"conditions": [{"type": "Held", "reason": "No"}, {"type": "Ready", "reason": "Wired"}]},
}


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        pytest.param(".spec.weight", 0, id="a number"),
        pytest.param(".spec.steps[1]", "200m", id="an item"),
        pytest.param(".spec.steps[7]", None, id="no item"),
        pytest.param('.status.conditions[?(@.type=="Ready")].reason', "Wired", id="by a field"),
        pytest.param(".status.conditions[?(@.type=='Gone')].reason", None, id="by a field, in vain"),
        pytest.param(".metadata.annotations.example\\.org/x", "note", id="a name with a point"),
    ],
)
def test_a_column_follows_its_path(path: str, wanted: object) -> None:
    assert cells(a_custom_kind(path), ITEM) == ["a", wanted]


def test_a_date_is_printed_as_an_age() -> None:
    printed = cells(a_custom_kind(".metadata.creationTimestamp", "date"), ITEM)
    assert isinstance(printed, list)
    assert printed[1].endswith("d")


def test_columns_keep_their_priority() -> None:
    columns = table(a_custom_kind(".spec"), ITEM)["columnDefinitions"]
    assert isinstance(columns, list)
    assert [(each["name"], each["priority"]) for each in columns] == [("Name", 0), ("X", 1)]


@pytest.mark.parametrize(
    ("plural", "item", "wanted"),
    [
        pytest.param(
            "pods",
            {
                "spec": {"containers": [{}, {}]},
                "status": {
                    "phase": "Running",
                    "containerStatuses": [{"ready": True, "restartCount": 2}, {"ready": False}],
                },
            },
            ["1/2", "Running", 2],
            id="pod",
        ),
        pytest.param(
            "pods", {"metadata": {"name": "a", "deletionTimestamp": "x"}}, ["0/0", "Terminating", 0], id="going"
        ),
        pytest.param(
            "deployments",
            {"spec": {"replicas": 3}, "status": {"readyReplicas": 1, "updatedReplicas": 2}},
            ["1/3", 2, 0],
            id="deployment",
        ),
        pytest.param(
            "services",
            {"spec": {"type": "ClusterIP", "clusterIP": "10.0.0.1", "ports": [{"port": 80, "protocol": "TCP"}]}},
            ["ClusterIP", "10.0.0.1", "<none>", "80/TCP"],
            id="service",
        ),
        pytest.param("leases", {"spec": {"holderIdentity": "me"}}, ["me"], id="lease"),
    ],
)
def test_a_built_in_kind_shows_what_kubectl_shows(plural: str, item: Object, wanted: list[object]) -> None:
    printed = cells(built_in(plural), {"metadata": {"name": "a"}, **item})
    assert isinstance(printed, list)
    assert printed[1:-1] == wanted


def test_an_event_says_when_what_and_about_whom() -> None:
    told: Object = {
        "type": "Normal",
        "reason": "Promoted",
        "message": "done",
        "involvedObject": {"kind": "Canary", "name": "web"},
    }
    assert cells(built_in("events"), {"metadata": {"name": "a"}, **told}) == [
        "<unknown>",
        "Normal",
        "Promoted",
        "canary/web",
        "done",
    ]


def test_the_end_of_a_watch_is_not_printed() -> None:
    error: Object = {"type": "ERROR", "object": {"kind": "Status", "code": 410}}
    assert event(MAPS, error) == error
