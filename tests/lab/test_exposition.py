import pytest

from canary.lab.exposition import BROKEN, Ending, Histogram, Metrics, family, label_text

OK = Ending(200, failed=False)
BAD = Ending(503, failed=True)


def test_label_values_are_escaped() -> None:
    assert label_text([("a", 'x"y'), ("b", "c\\d"), ("e", "f\ng")]) == r'a="x\"y",b="c\\d",e="f\ng"'


@pytest.mark.parametrize(
    ("seconds", "first_bound"),
    [
        pytest.param(0.0004, "1", id="under a millisecond"),
        pytest.param(0.0019, "1", id="rounded down"),
        pytest.param(0.002, "2", id="on a bound"),
        pytest.param(0.3009, "300", id="a bound's own millisecond"),
        pytest.param(0.301, "400", id="above a bound"),
        pytest.param(99, "+Inf", id="beyond all bounds"),
    ],
)
def test_a_latency_falls_into_the_first_bound_that_holds_it(seconds: float, first_bound: str) -> None:
    metrics = Metrics()
    metrics.scope("", 0.0).response(OK, seconds, 0.0)
    buckets = [line for line in metrics.render() if "_bucket" in line]
    assert next(line for line in buckets if line.endswith(" 1")).count(f'le="{first_bound}"') == 1


def test_the_bounds_are_the_proxys() -> None:
    metrics = Metrics()
    metrics.scope("", 0.0).response(OK, 0.1, 0.0)
    bounds = [line.split('le="')[1].split('"')[0] for line in metrics.render() if "_bucket" in line]
    assert " ".join(bounds) == (
        "1 2 3 4 5 10 20 30 40 50 100 200 300 400 500 1000 2000 3000 4000 5000 10000 20000 30000 40000 50000 +Inf"
    )


def test_the_sum_is_of_whole_milliseconds() -> None:
    histogram = Histogram()
    for seconds in (0.0015, 0.0029, 0.0105):
        histogram.add(seconds)
    assert histogram.sum == 1 + 2 + 10


def test_responses_are_told_apart_by_how_they_ended() -> None:
    metrics = Metrics()
    scope = metrics.scope('dst="a"', 0.0)
    for ending in (OK, OK, BAD, BROKEN):
        scope.response(ending, 0.01, 0.0)
    rows = [line for line in metrics.render() if line.startswith("response_total{")]
    assert rows == [
        'response_total{dst="a",status_code="200",classification="success",grpc_status="",error=""} 2',
        'response_total{dst="a",status_code="503",classification="failure",grpc_status="",error=""} 1',
        'response_total{dst="a",classification="failure",grpc_status="",error="unclassified"} 1',
    ]


def test_an_end_without_an_answer_leaves_no_latency() -> None:
    metrics = Metrics()
    metrics.scope("", 0.0).response(BROKEN, 1.0, 0.0)
    assert not any("latency" in line for line in metrics.render())


def test_an_empty_registry_writes_nothing() -> None:
    assert Metrics("route_").render() == []


def test_only_scopes_that_know_retries_show_them() -> None:
    metrics = Metrics("route_")
    metrics.scope('direction="inbound"', 0.0)
    metrics.scope('direction="outbound"', 0.0).retry(0.0, sent=False)
    assert [line for line in metrics.render() if line.startswith("route_retryable_total")] == [
        'route_retryable_total{direction="outbound"} 1',
        'route_retryable_total{direction="outbound",skipped="no_budget"} 1',
    ]


def test_an_idle_scope_vanishes_and_starts_again_at_zero() -> None:
    metrics = Metrics()
    metrics.scope("x", 0.0).request(10.0)
    metrics.forget_idle(before=9.0)
    assert metrics.scope("x", 20.0).requests == 1
    metrics.forget_idle(before=10.0)
    assert metrics.scope("x", 20.0).requests == 0


def test_a_scope_in_use_stays_however_idle() -> None:
    metrics = Metrics()
    scope = metrics.scope("x", 0.0)
    scope.request(0.0)
    scope.held = True
    metrics.forget_idle(before=1e9)
    assert metrics.scope("x", 1e9) is scope


def test_a_counter_in_the_newer_style_ends_in_total_only_in_its_samples() -> None:
    assert family("a", "counter", "Help.", [('x="1"', 2)], suffix="_total") == [
        "# HELP a Help.",
        "# TYPE a counter",
        'a_total{x="1"} 2',
    ]
