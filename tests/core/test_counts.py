"""Labels say what a counter counts: which side, which place, and whether it counts at all (linkerd.md §1)."""

import pytest

from canary.core import counters as counting
from canary.core.counters import Counters, Increment, Series
from canary.core.counts import Counts, Origin, Revisions, Version, What, at_client, count, origin, placed, standing
from canary.core.gates import Gate, gates
from canary.core.questions import Scope
from canary.core.spec import Side
from tests.build import a_spec

SCOPE = Scope(
    namespace="shop",
    apex="web",
    stable=Side(service="web-stable", deployment="web-stable"),
    canary=Side(service="web-canary", deployment="web-canary"),
    bounds=frozenset({300.0, 400.0}),
    routes=True,
)
REVISIONS = Revisions(stable="s1", canary="c2")
OUTBOUND = {
    "__name__": "response_total",
    "direction": "outbound",
    "dst_namespace": "shop",
    "dst_service": "web-canary",
    "dst_pod_template_hash": "c2",
    "dst_pod": "c2-0",
}
INBOUND = {
    "__name__": "response_total",
    "direction": "inbound",
    "namespace": "shop",
    "deployment": "web-stable",
    "pod_template_hash": "s1",
    "pod": "s1-0",
    "tls": "true",
    "target_port": "8080",
    "route_name": "default",
}
ROUTE = {
    "__name__": "route_response_total",
    "direction": "inbound",
    "namespace": "shop",
    "deployment": "web-canary",
    "pod_template_hash": "c2",
    "pod": "c2-0",
    "dst": "web.shop.svc.cluster.local:8080",
    "rt_route": "GET /",
}
AT_CANARY = Origin(version=Version.CANARY, place="", pod="c2-0")
AT_STABLE = Origin(version=Version.STABLE, place="", pod="s1-0")


@pytest.mark.parametrize(
    ("labels", "client", "found"),
    [
        pytest.param(OUTBOUND, True, AT_CANARY, id="the service at the client"),
        pytest.param(OUTBOUND, False, None, id="not at the client where the server counts"),
        pytest.param({**OUTBOUND, "dst_namespace": "other"}, True, None, id="another namespace's service"),
        pytest.param({**OUTBOUND, "dst_pod_template_hash": "c1"}, True, None, id="another revision"),
        pytest.param({**OUTBOUND, "dst_service": "web"}, True, None, id="the apex itself"),
        pytest.param(INBOUND, False, AT_STABLE, id="the service at the server"),
        pytest.param(INBOUND, True, None, id="not at the server where the client counts"),
        pytest.param({**INBOUND, "tls": "no_identity"}, False, None, id="a caller outside the mesh"),
        pytest.param({**INBOUND, "target_port": "4191"}, False, None, id="a scrape"),
        pytest.param({**INBOUND, "route_name": "probe"}, False, None, id="a probe"),
        pytest.param({**INBOUND, "namespace": "other"}, False, None, id="another namespace's pod"),
        pytest.param({**INBOUND, "deployment": "load"}, False, None, id="another Deployment's pod"),
        pytest.param(ROUTE, True, Origin(version=Version.CANARY, place="GET /", pod="c2-0"), id="a route"),
        pytest.param({**ROUTE, "rt_route": ""}, True, None, id="no route"),
        pytest.param({**ROUTE, "dst": "api.shop.svc.cluster.local:80"}, True, None, id="another service's route"),
    ],
)
def test_a_series_is_placed_or_dropped(labels: dict[str, str], found: Origin | None, *, client: bool) -> None:
    assert origin(labels, SCOPE, REVISIONS, client=client) == found


def test_a_client_is_known_by_its_requests_to_a_leaf() -> None:
    assert at_client([Series(OUTBOUND, ((1.0, 1.0),))], SCOPE)
    assert not at_client([Series(INBOUND, ((1.0, 1.0),)), Series({**OUTBOUND, "dst_service": "web"}, ())], SCOPE)


def test_increments_are_summed_by_what_they_mean() -> None:
    bucket = {**OUTBOUND, "__name__": "response_latency_ms_bucket"}
    found = count(
        [
            Increment(labels={**OUTBOUND, "__name__": "request_total"}, value=12),
            Increment(labels={**OUTBOUND, "classification": "success"}, value=7),
            Increment(labels={**OUTBOUND, "classification": "failure"}, value=3),
            Increment(labels={**bucket, "le": "+Inf", "status_code": "200"}, value=7),
            Increment(labels={**bucket, "le": "300.0", "status_code": "200"}, value=5),
            Increment(labels={**bucket, "le": "+Inf", "status_code": "503"}, value=3),
            Increment(labels={**OUTBOUND, "__name__": "tcp_open_total"}, value=99),
            Increment(labels={**OUTBOUND, "dst_pod_template_hash": "c1"}, value=99),
        ],
        SCOPE,
        REVISIONS,
        client=True,
    )
    sums = [found.of(Version.CANARY, "", what) for what in (What.SENT, What.ANSWERED, What.FAILED, What.TIMED)]
    assert sums == [12, 10, 3, 7]
    assert found.pods[Version.CANARY, "c2-0"].of(Version.CANARY, "", What.FAILED) == 3
    (gate,) = gates(a_spec(), ())
    assert found.passing(gate, Version.CANARY) == found.failing(gate, Version.CANARY) == (10, 3)


@pytest.mark.parametrize(
    ("bounds", "failing", "passing"),
    [
        pytest.param((300.0, 400.0), (7, 2), (7, 2), id="the limit is a bound"),
        pytest.param((200.0, 400.0), (7, 1), (7, 7), id="between two bounds, the lower one not counted"),
        pytest.param((200.0,), (7, 0), (7, 7), id="above all bounds nothing is surely slow"),
        pytest.param((400.0,), (7, 1), (7, 7), id="below all bounds nothing is surely fast"),
    ],
)
def test_latency_is_counted_at_the_bounds_around_the_limit(
    bounds: tuple[float, ...], failing: tuple[float, float], passing: tuple[float, float]
) -> None:
    (gate,) = latency_gates(bounds)
    bucket = {**OUTBOUND, "__name__": "response_latency_ms_bucket", "status_code": "200"}
    counted = {"+Inf": 7, "300": 5, "400": 6}
    found = count(
        [Increment(labels={**bucket, "le": le}, value=value) for le, value in counted.items()],
        SCOPE,
        REVISIONS,
        client=True,
    )
    assert (found.failing(gate, Version.CANARY), found.passing(gate, Version.CANARY)) == (failing, passing)


@pytest.mark.parametrize(
    ("failures", "bounds", "failing", "passing"),
    [
        pytest.param("Exclude", (300.0,), (7, 2), (7, 2), id="left out"),
        pytest.param("Slow", (300.0,), (10, 5), (10, 5), id="slow ones"),
        pytest.param("Slow", (), (10, 3), (10, 10), id="slow ones, whatever the buckets"),
    ],
)
def test_failed_responses_are_left_out_of_latency_or_are_slow_ones(
    failures: str, bounds: tuple[float, ...], failing: tuple[float, float], passing: tuple[float, float]
) -> None:
    (gate,) = gates(a_spec(gates={"latency": {"p99": "300ms", "failures": failures}}), bounds)
    bucket = {**OUTBOUND, "__name__": "response_latency_ms_bucket"}
    counted = {("200", "300"): 5, ("200", "+Inf"): 7, ("503", "300"): 3, ("503", "+Inf"): 3}
    found = count(
        [Increment(labels={**bucket, "status_code": code, "le": le}, value=n) for (code, le), n in counted.items()],
        SCOPE,
        REVISIONS,
        client=True,
    )
    assert (found.failing(gate, Version.CANARY), found.passing(gate, Version.CANARY)) == (failing, passing)


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param({"le": "300"}, id="no name"),
        pytest.param({"__name__": "response_latency_ms_bucket"}, id="a bucket without a bound"),
        pytest.param({"__name__": "response_latency_ms_bucket", "le": "web"}, id="a bound that is no number"),
        pytest.param({"__name__": "response_latency_ms_bucket", "le": "NaN"}, id="a bound that is not a number"),
    ],
)
def test_what_counts_nothing_that_we_know_is_left_out(labels: dict[str, str]) -> None:
    nameless = {key: value for key, value in OUTBOUND.items() if key != "__name__"}
    found = count([Increment(labels={**nameless, **labels}, value=5)], SCOPE, REVISIONS, client=True)
    assert not found.sums
    assert not found.fast


def latency_gates(bounds: tuple[float, ...]) -> tuple[Gate, ...]:
    return gates(a_spec(gates={"latency": {"p99": "300ms"}}), bounds)


def stands(*series: Series) -> Counts:
    _, increments = counting.advance(Counters.fresh(), series, at=2.0, born={})
    return standing(placed(increments, SCOPE, REVISIONS, client=True))


def test_counters_as_they_stand_show_what_is_open() -> None:
    sent = Series({**OUTBOUND, "__name__": "request_total"}, ((1.0, 5.0), (2.0, 9.0)))
    found = stands(sent, Series(OUTBOUND, ((2.0, 6.0),)), Series({**OUTBOUND, "status_code": "200"}, ()))
    assert found.of(Version.CANARY, "", What.SENT) - found.of(Version.CANARY, "", What.ANSWERED) == 3


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 1e308])
def test_counters_stand_where_they_last_were_a_count(value: float) -> None:
    found = stands(Series(OUTBOUND, ((1.0, 6.0), (2.0, value))))
    assert found.of(Version.CANARY, "", What.ANSWERED) == 6


def test_what_clients_send_to_other_revisions_stands_nowhere() -> None:
    found = stands(Series({**OUTBOUND, "__name__": "request_total", "dst_pod_template_hash": "c1"}, ((2.0, 6.0),)))
    assert not found.sums
