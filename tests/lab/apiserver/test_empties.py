"""What typed objects do not keep."""

import pytest

from canary.lab.apiserver.empties import drop_empties
from canary.lab.apiserver.models import shape_of
from canary.lab.apiserver.resources import BUILT_IN, Resource
from canary.lab.apiserver.tree import Object, copied

LEASE, POD, MAP, SLICE = (
    next(each for each in BUILT_IN if each.kind == kind) for kind in ("Lease", "Pod", "ConfigMap", "EndpointSlice")
)


@pytest.mark.parametrize(
    ("resource", "obj", "kept"),
    [
        pytest.param(MAP, {"data": {"a": "", "b": None}}, {"data": {"a": "", "b": ""}}, id="values of a map are texts"),
        pytest.param(MAP, {"data": {}, "binaryData": None}, {}, id="empty maps and nulls go"),
        pytest.param(LEASE, {"kind": "Lease", "spec": {"holderIdentity": ""}}, None, id="a lease that nobody holds"),
        pytest.param(SLICE, {"endpoints": []}, None, id="a slice without endpoints"),
        pytest.param(
            POD,
            {"kind": "Pod", "spec": {"containers": [{"env": [], "tty": False}]}},
            {"kind": "Pod", "spec": {"containers": [{}]}},
            id="zeros of a pod go",
        ),
        pytest.param(
            POD, {"kind": "Pod", "spec": {"volumes": [{"emptyDir": {}}]}}, None, id="an empty thing is a thing"
        ),
        pytest.param(POD, {"kind": "Pod", "spec": {"terminationGracePeriodSeconds": 0}}, None, id="zero may mean zero"),
        pytest.param(POD, {"kind": "Pod", "status": {"message": ""}}, None, id="the status is left alone"),
    ],
)
def test_what_is_empty_is_dropped_where_upstream_drops_it(resource: Resource, obj: Object, kept: Object | None) -> None:
    before = copied(obj)
    drop_empties(shape_of(resource), obj)
    assert obj == (before if kept is None else kept)
