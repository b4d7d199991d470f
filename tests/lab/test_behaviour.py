import math

import pytest

from canary.errors import InvalidSpec
from canary.lab.behaviour import Crash, Failure, Latency, Overload, Pattern, Span, parse_behaviour


@pytest.mark.parametrize(
    ("rules", "method", "path", "expected"),
    [
        pytest.param("POST /api/task=5%; *=0.1%", "POST", "/api/task", Failure(0.05), id="the route that is named"),
        pytest.param(
            "POST /api/task=5%; *=0.1%", "GET", "/api/task", Failure(0.001), id="another method falls through"
        ),
        pytest.param("POST /api/task=5%", "GET", "/health", None, id="a route nobody named"),
        pytest.param("/api/*=10%", "PUT", "/api/task/7", Failure(0.1), id="a prefix for any method"),
        pytest.param("*=1%; POST /api/task=5%", "POST", "/api/task", Failure(0.01), id="the first rule counts"),
        pytest.param("*=100%:404", "GET", "/", Failure(1.0, 404), id="a status of its own"),
    ],
)
def test_the_first_rule_that_fits_says_how_often_a_request_fails(
    rules: str, method: str, path: str, expected: Failure | None
) -> None:
    assert parse_behaviour({"LAB_FAILURES": rules}).failures.find(method, path) == expected


@pytest.mark.parametrize(
    ("name", "text", "field", "expected"),
    [
        pytest.param("LAB_OVERLOAD", "60rps=100%", "overload", Overload(60, 1.0), id="overload"),
        pytest.param("LAB_READY", "true", "ready", Span(), id="ready"),
        pytest.param("LAB_READY", "false", "ready", Span(after=math.inf), id="never ready"),
        pytest.param("LAB_READY", "after 3s", "ready", Span(after=3), id="ready later"),
        pytest.param("LAB_READY", "until 2m", "ready", Span(until=120), id="ready for a while"),
        pytest.param("LAB_CRASH", "after 20s", "crash", Crash(20), id="the pod dies"),
        pytest.param("LAB_CRASH", "after 20s, app", "crash", Crash(20, app_only=True), id="the app dies"),
        pytest.param("LAB_CRASH", " ", "crash", None, id="empty says nothing"),
    ],
)
def test_each_variable_sets_its_field(name: str, text: str, field: str, expected: object) -> None:
    assert getattr(parse_behaviour({name: text}), field) == expected


def test_latency_may_have_a_spread() -> None:
    latencies = parse_behaviour({"LAB_LATENCY": "GET /a=150ms±20%; *=2s"}).latencies
    assert latencies.rules == ((Pattern("GET", "/a"), Latency(0.15, 0.2)), (Pattern(None, "*"), Latency(2.0)))


def test_variables_of_the_app_are_left_alone() -> None:
    assert parse_behaviour({"VERSION": "2", "LAB_CLIENT": "web:8080"}) == parse_behaviour({})


@pytest.mark.parametrize(
    ("env", "says"),
    [
        pytest.param({"LAB_FAILURES": "POST /api/task=5"}, "'POST /api/task=5' is not ROUTE=5%", id="no percent"),
        pytest.param({"LAB_FAILURES": "POST /api/task=500%"}, "'POST /api/task=500%' is not", id="over 100 %"),
        pytest.param({"LAB_FAILURES": "*=5%:200"}, "the status being of 400..599", id="a failure that is none"),
        pytest.param({"LAB_FAILURES": "task=5%"}, 'ROUTE being "METHOD /path"', id="a path without slash"),
        pytest.param({"LAB_LATENCY": "*=150"}, "'*=150' is not ROUTE=150ms", id="no unit"),
        pytest.param({"LAB_HANGS": "50%"}, "'50%' is not ROUTE=50%", id="no route"),
        pytest.param({"LAB_OVERLOAD": "60=100%"}, "'60=100%' is not a rate and a share", id="no rps"),
        pytest.param({"LAB_READY": "later"}, '\'later\' is not one of "true", "false"', id="an unknown word"),
        pytest.param({"LAB_READY": "true 3s"}, "'true 3s' is not one of", id="a word with too much"),
        pytest.param({"LAB_CRASH": "after 20s, all"}, "'after 20s, all' is not \"after 20s\"", id="who dies"),
        pytest.param({"LAB_FAILURE": "*=5%"}, "LAB_FAILURE: '*=5%' is not a variable of the lab", id="a misspelt name"),
    ],
)
def test_a_mistake_is_one_sentence_with_the_variable_and_what_is_allowed(env: dict[str, str], says: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        parse_behaviour(env)
    assert says in refused.value.hint
    assert refused.value.hint.startswith(next(iter(env)))


def test_all_mistakes_are_reported_at_once() -> None:
    with pytest.raises(InvalidSpec) as refused:
        parse_behaviour({"LAB_READY": "maybe", "LAB_CRASH": "soon", "LAB_ODD": "1"})
    assert {problem.field for problem in refused.value.problems} == {"LAB_READY", "LAB_CRASH", "LAB_ODD"}
