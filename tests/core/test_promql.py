"""PromQL for counters: raw, bounded to whom they are for, and matched literally."""

import re
from datetime import timedelta

import pytest

from canary.core import promql
from canary.core.questions import Scope
from canary.core.spec import Side

WINDOW = timedelta(seconds=25)


def a_scope(
    name: str = "web", namespace: str = "shop", bounds: tuple[float, ...] = (), *, routes: bool = False
) -> Scope:
    return Scope(
        namespace=namespace,
        apex=name,
        stable=Side(service=f"{name}-stable", deployment=f"{name}-v1"),
        canary=Side(service=f"{name}-canary", deployment=f"{name}-v2"),
        bounds=frozenset(bounds),
        routes=routes,
    )


def matcher(query: str, label: str) -> str:
    """Give the value or pattern that a query wants of a label, as PromQL reads it."""
    found = re.search(rf'[{{,]{label}=~?"((?:[^"\\]|\\.)*)"', query)
    assert found is not None, query
    return found[1].replace("\\\\", "\\")


def test_a_service_is_asked_for_at_its_clients() -> None:
    sent, answered = promql.client_queries([a_scope()], WINDOW)
    where = 'direction="outbound",dst_namespace="shop",dst_service=~"web\\\\-canary|web\\\\-stable"'
    assert matcher(sent, "dst_service") == r"web|web\-canary|web\-stable"
    assert answered == f"response_total{{{where}}}[25000ms]"


def test_routes_are_asked_for_at_the_servers() -> None:
    queries = promql.route_queries([a_scope(routes=True)], WINDOW)
    assert [query.partition("{")[0] for query in queries] == ["route_request_total", "route_response_total"]
    assert all('direction="inbound",namespace="shop"' in query and 'rt_route!=""' in query for query in queries)
    assert matcher(queries[0], "deployment") == r"web\-v1|web\-v2"


def test_a_service_without_scraped_clients_is_asked_for_at_its_servers_without_probes_and_scrapes() -> None:
    queries = promql.server_queries([a_scope()], WINDOW)
    assert all(',target_port!="4191",route_name!="probe"}' in query for query in queries)


def test_where_only_answers_count_what_was_sent_is_not_asked_for() -> None:
    for queries in (promql.client_queries, promql.route_queries, promql.server_queries):
        _, *answered = queries([a_scope()], WINDOW)
        assert list(queries([a_scope()], WINDOW, sent=False)) == answered


@pytest.mark.parametrize("queries", [promql.client_queries, promql.route_queries, promql.server_queries])
def test_nothing_is_summed_and_nothing_extrapolated(queries: object) -> None:
    assert callable(queries)
    assert not any(word in text for text in queries([a_scope()], WINDOW) for word in ("sum", "rate", "increase"))


def test_many_canaries_share_a_query() -> None:
    (query, _) = promql.client_queries([a_scope(), a_scope("api", "other")], WINDOW)
    assert matcher(query, "dst_namespace") == "other|shop"
    services = matcher(query, "dst_service")
    wanted = ("web-canary", "web-stable", "api-canary", "api-stable")
    assert all(re.fullmatch(services, name) for name in wanted)


@pytest.mark.parametrize(
    ("le", "asked"),
    [
        pytest.param("300", True, id="Prometheus 2 spells it so"),
        pytest.param("300.0", True, id="Prometheus 3 spells it so"),
        pytest.param("+Inf", True, id="all requests"),
        pytest.param("0.5", True, id="half a millisecond"),
        pytest.param("3000", False, id="another bound"),
        pytest.param("30000", False, id="yet another"),
        pytest.param("300x0", False, id="a point is a point"),
    ],
)
def test_only_the_buckets_around_the_limits_are_asked_for(le: str, *, asked: bool) -> None:
    *_, query = promql.client_queries([a_scope(bounds=(300.0, 0.5))], WINDOW)
    assert query.startswith("response_latency_ms_bucket{")
    assert (re.fullmatch(matcher(query, "le"), le) is not None) == asked


def test_without_a_latency_limit_no_bucket_is_asked_for() -> None:
    assert not any("bucket" in query for query in promql.client_queries([a_scope()], WINDOW))


def test_a_name_is_no_pattern_and_no_end_of_a_text() -> None:
    (query, _) = promql.client_queries([a_scope('w.b"}')], WINDOW)
    services = matcher(query, "dst_service").replace('\\"', '"')
    assert re.fullmatch(services, 'w.b"}-canary')
    assert not re.fullmatch(services, 'wxb"}-canary')
    assert '\\"' in query


def test_which_buckets_exist_is_asked_for_both_versions() -> None:
    query = promql.bounds_query(a_scope())
    assert query.startswith('count by (le) (response_latency_ms_bucket{direction="inbound",namespace="shop",')
    assert matcher(query, "deployment") == r"web\-v1|web\-v2"


@pytest.mark.parametrize(
    ("labels", "ours"),
    [
        pytest.param({"direction": "outbound", "dst_namespace": "shop", "dst_service": "web-canary"}, True, id="sent"),
        pytest.param({"direction": "outbound", "dst_namespace": "shop", "dst_service": "api"}, False, id="to others"),
        pytest.param({"direction": "outbound", "dst_namespace": "x", "dst_service": "web-canary"}, False, id="away"),
        pytest.param({"direction": "inbound", "namespace": "shop", "deployment": "web-v1"}, True, id="received"),
        pytest.param({"direction": "inbound", "namespace": "shop", "deployment": "api"}, False, id="by others"),
        pytest.param({"direction": "inbound", "namespace": "x", "deployment": "web-v1"}, False, id="elsewhere"),
    ],
)
def test_a_shared_answer_is_told_apart(labels: dict[str, str], *, ours: bool) -> None:
    assert (promql.owner(labels) in promql.owners(a_scope())) == ours
