import pytest

from canary.adapters.api import Json
from canary.errors import InvalidSpec
from canary.lab.routes import Budget, parse_go_duration, parse_profile
from tests.lab.world import a_profile, a_route


def named(condition: Json, **more: object) -> Json:
    return {"name": "it", "condition": condition, **more}


@pytest.mark.parametrize(
    ("condition", "matches", "misses"),
    [
        pytest.param({"method": "POST", "pathRegex": "/a"}, ("POST", "/a"), ("GET", "/a"), id="method and path"),
        pytest.param({"pathRegex": "/a/[^/]*"}, ("GET", "/a/7"), ("GET", "/a/7/x"), id="the regex is anchored"),
        pytest.param({"any": [{"pathRegex": "/a"}, {"method": "PUT"}]}, ("PUT", "/b"), ("GET", "/b"), id="any"),
        pytest.param({"all": [{"pathRegex": "/a"}, {"method": "PUT"}]}, ("PUT", "/a"), ("GET", "/a"), id="all"),
    ],
)
def test_a_request_is_on_the_route_whose_condition_it_meets(
    condition: Json, matches: tuple[str, str], misses: tuple[str, str]
) -> None:
    profile = parse_profile(a_profile(named(condition)))
    found = profile.match(*matches)
    assert found is not None
    assert found.name == "it"
    assert profile.match(*misses) is None


def test_the_first_route_that_fits_is_taken() -> None:
    profile = parse_profile(a_profile(a_route("GET /a"), named({"pathRegex": "/a"})))
    found = profile.match("GET", "/a")
    assert found is not None
    assert found.name == "GET /a"


@pytest.mark.parametrize(
    ("classes", "failures"),
    [
        pytest.param([], {500, 503}, id="by default 5xx"),
        pytest.param(
            [{"condition": {"status": {"min": 503, "max": 503}}, "isFailure": False}], {500}, id="5xx made a success"
        ),
        pytest.param(
            [{"condition": {"status": {"min": 404, "max": 404}}, "isFailure": True}],
            {404, 500, 503},
            id="404 made a failure",
        ),
        pytest.param(
            [{"condition": {"status": {"min": 200}}, "isFailure": True}], {500, 503}, id="half a range is dropped"
        ),
        pytest.param(
            [{"condition": {"not": {"status": {"min": 200, "max": 299}}}, "isFailure": True}], {404, 500, 503}, id="not"
        ),
        pytest.param(
            [{"condition": {"any": [{"status": {"min": 404, "max": 404}}]}, "isFailure": True}],
            {404, 500, 503},
            id="any",
        ),
    ],
)
def test_response_classes_decide_what_is_a_failure(classes: list[Json], failures: set[int]) -> None:
    route = parse_profile(a_profile(a_route(responseClasses=classes))).routes[0]
    assert {status for status in (200, 404, 500, 503) if route.failed(status)} == failures


@pytest.mark.parametrize(
    ("spec", "budget"),
    [
        pytest.param({}, Budget(0.2, 10, 10), id="the proxy's own"),
        pytest.param(
            {"retryBudget": {"retryRatio": 0.5, "minRetriesPerSecond": 1, "ttl": "30s"}},
            Budget(0.5, 1, 30),
            id="as said",
        ),
        pytest.param(
            {"retryBudget": {"retryRatio": 0.5, "minRetriesPerSecond": 1, "ttl": "90s"}},
            None,
            id="a ttl that disables it",
        ),
        pytest.param(
            {"retryBudget": {"retryRatio": 2000, "minRetriesPerSecond": 1, "ttl": "9s"}},
            None,
            id="a ratio that disables it",
        ),
    ],
)
def test_a_budget_out_of_range_disables_retries(spec: Json, budget: Budget | None) -> None:
    assert parse_profile({**a_profile(), "spec": spec}).budget == budget


@pytest.mark.parametrize(
    "profile",
    [
        pytest.param(a_profile(named({})), id="an empty condition"),
        pytest.param(a_profile(named({"pathRegex": "/("})), id="a broken regex"),
        pytest.param(a_profile(a_route(), retryBudget={"ttl": "soon"}), id="a ttl that is none"),
    ],
)
def test_a_profile_linkerd_would_not_send_is_refused(profile: Json) -> None:
    with pytest.raises(InvalidSpec, match=r"web\.shop\.svc\.cluster\.local"):
        parse_profile(profile)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1m30s", 90.0), ("300ms", 0.3), ("2h", 7200.0), ("soon", None), ("", None), ("5", None)]
)
def test_timeouts_are_durations_of_go(text: str, seconds: float | None) -> None:
    assert parse_go_duration(text) == seconds
