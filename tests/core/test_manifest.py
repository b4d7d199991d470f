"""What a Canary may say, and what it is told when it says something else."""

import dataclasses
from collections.abc import Mapping
from datetime import timedelta
from typing import cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from canary.core.fields import LONGEST_NAME, NAME
from canary.core.manifest import as_object, last_valid, parse_spec, placeholder, remains
from canary.core.spec import (
    Approval,
    CanarySpec,
    ClientErrors,
    Inconclusive,
    Latency,
    OnShare,
    OnUnanswered,
    Place,
    PromotionMode,
    Query,
    Risk,
    RouteKind,
    ScalingMode,
    SuccessRate,
    Webhook,
    WebhookKind,
)
from canary.errors import InvalidSpec
from tests.canaries import BAD, GOOD, a_canary, a_webhook, with_gates

WIRED = {"service": "web", "stable": {"service": "web-stable"}, "canary": {"service": "web-canary"}}


def problems(obj: Mapping[str, object]) -> dict[str, str]:
    """Parse what must be refused, and give each field's message."""
    with pytest.raises(InvalidSpec) as refused:
        parse_spec(obj)
    return {problem.field: str(problem) for problem in refused.value.problems}


def test_the_least_canary_takes_every_default() -> None:
    spec = parse_spec(a_canary())
    assert spec.stable.deployment == "web-stable"
    assert spec.canary.deployment == "web-canary"
    assert (spec.route_kind, spec.route_name) == (RouteKind.AUTO, "web")
    assert spec.steps == (100, 200, 300, 400, 500, 1000)
    assert (spec.interval, spec.dwell) == (timedelta(seconds=10), timedelta(seconds=30))
    assert (spec.step_timeout, spec.bake) == (timedelta(minutes=30), timedelta(minutes=5))
    assert (spec.on_inconclusive, spec.unanswered) == (Inconclusive.ROLLBACK, OnUnanswered.ROLLBACK)
    assert spec.places == (Place(success_rate=SuccessRate(p0=0.01, p_bad=0.02, delta=0.001)),)
    assert spec.risk == Risk(alpha=0.01, beta=0.05)
    assert (spec.promotion, spec.approval) == (PromotionMode.COPY, Approval.AUTOMATIC)
    assert (spec.scaling, spec.idle_replicas) == (ScalingMode.MATCH, None)
    assert (spec.paused, spec.abort, spec.retry, spec.approve) == (False, "", "", "")
    assert spec.webhooks == ()
    assert spec.traffic_share is OnShare.HOLD


EVERYTHING = a_canary(
    stable={"service": "web-stable", "deployment": "web-v1"},
    canary={"service": "web-canary", "deployment": "web-v2"},
    route={"kind": "TrafficSplit", "name": "split"},
    steps=["1m", "1000m"],
    interval="2s",
    dwell="4s",
    stepTimeout="1h30m",
    onInconclusive="Hold",
    bake="10s",
    gates={
        "successRate": {"min": "90%", "passBelow": "85%", "worseThanStable": "0pp"},
        "latency": {"p99": "500ms"},
        "unanswered": "Hold",
        "trafficShare": "Watch",
        "clientErrors": "Gate",
        "warmup": "2m",
        "queries": [{"name": "depth", "query": "max(depth)", "max": 9, "for": "1m"}],
        "routes": [{"name": "POST /api/task", "latency": {"p99": "300ms"}}],
        "webhooks": [a_webhook(type="confirm-start", url="https://[::1]:8443/ok?a=b", timeout="3s")],
    },
    evidence={"falseRollback": "0.1%", "missedRegression": "10%"},
    promotion={"mode": "External", "approval": "Manual"},
    scaling={"mode": "None", "idleReplicas": 0},
    paused=True,
    abort="web-abc-1",
    retry="web-abc-2",
    approve="web-abc-3",
)


def test_everything_said_is_read() -> None:
    spec = parse_spec(EVERYTHING)
    assert (spec.stable.deployment, spec.canary.deployment) == ("web-v1", "web-v2")
    assert (spec.route_kind, spec.route_name) == (RouteKind.TRAFFIC_SPLIT, "split")
    assert spec.steps == (1, 1000)
    assert spec.step_timeout == timedelta(minutes=90)
    assert (spec.on_inconclusive, spec.unanswered) == (Inconclusive.HOLD, OnUnanswered.HOLD)
    assert (spec.traffic_share, spec.warmup) == (OnShare.WATCH, timedelta(minutes=2))
    assert spec.queries == (
        Query(name="depth", promql="max(depth)", least=None, most=9.0, lasting=timedelta(minutes=1)),
    )
    assert spec.places == (
        Place(
            success_rate=SuccessRate(p0=0.1, p_bad=0.15, delta=0.0),
            latency=Latency(limit=timedelta(milliseconds=500)),
            client_errors=ClientErrors.GATE,
        ),
        Place(route="POST /api/task", latency=Latency(limit=timedelta(milliseconds=300))),
    )
    assert spec.webhooks == (
        Webhook(
            name="hook",
            kind=WebhookKind.CONFIRM_START,
            url="https://[::1]:8443/ok?a=b",
            timeout=timedelta(seconds=3),
        ),
    )
    assert spec.risk == Risk(alpha=0.001, beta=0.1)
    assert (spec.promotion, spec.approval) == (PromotionMode.EXTERNAL, Approval.MANUAL)
    assert (spec.scaling, spec.idle_replicas) == (ScalingMode.NONE, 0)
    assert (spec.paused, spec.abort, spec.retry, spec.approve) == (True, "web-abc-1", "web-abc-2", "web-abc-3")


@pytest.mark.parametrize("obj", GOOD)
def test_good_canaries_are_taken(obj: dict[str, object]) -> None:
    assert parse_spec(obj).places


def test_a_spec_that_a_rollout_remembers_is_read_like_its_object() -> None:
    remembered = cast("dict[str, object]", a_canary()["spec"])
    assert parse_spec(as_object(remembered, "web")) == parse_spec(a_canary())


class TestTheLastValidSpec:
    FOLLOWED = cast("dict[str, object]", a_canary(steps=["500m", "1000m"], paused=True)["spec"])

    def test_keeps_what_is_followed_under_the_orders_of_now(self) -> None:
        spec = last_valid(self.FOLLOWED, {"steps": ["9000m"], "abort": "web-c2-1"}, "web")
        assert (spec.steps, spec.abort, spec.paused) == ((500, 1000), "web-c2-1", False)

    def test_is_all_that_was_followed_where_an_order_is_what_is_wrong(self) -> None:
        spec = last_valid(self.FOLLOWED, {"abort": 7, "paused": False}, "web")
        assert (spec.steps, spec.abort, spec.paused) == ((500, 1000), "", True)

    def test_may_be_none(self) -> None:
        with pytest.raises(InvalidSpec, match=r"spec\.service"):
            last_valid({"service": "Web"}, {"abort": "web-c2-1"}, "web")


@given(st.from_regex(NAME, fullmatch=True).filter(lambda name: len(name) <= LONGEST_NAME))
@example("a" * LONGEST_NAME)
@example("web.v2")
@example("a" * 55 + "." + "b")
def test_every_name_has_a_placeholder(name: str) -> None:
    assert placeholder(name).route_name == name


@pytest.mark.parametrize("name", ["", "Web", "-", "a..b", "ü" * 10_000, "\0"])
def test_a_name_that_no_cluster_takes_has_one_too(name: str) -> None:
    assert placeholder(name).route_name


def test_null_counts_as_unset() -> None:
    said = a_canary()["spec"]
    assert isinstance(said, dict)
    nulls = dict.fromkeys(("route", "steps", "dwell", "evidence", "paused", "abort", "scaling"))
    assert parse_spec({**a_canary(), "spec": said | nulls}) == parse_spec(a_canary())


def test_an_interval_above_the_other_defaults_lifts_them() -> None:
    spec = parse_spec(a_canary(interval="1h"))
    assert spec.dwell == spec.step_timeout == spec.bake == timedelta(hours=1)


@pytest.mark.parametrize(("obj", "field", "says"), BAD)
def test_bad_input_is_told_by_field_value_and_what_is_allowed(obj: dict[str, object], field: str, says: str) -> None:
    found = problems(obj)
    assert says in found[field]
    assert found[field].startswith(f"{field}: ")
    assert " is not " in found[field]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hook",
        "ftp://hook",
        "http://",
        "http://:80",
        "http://h:0",
        "http://h:99999",
        "http://h o",
        "http://[::1",
        "//h",
    ],
)
def test_a_webhook_needs_an_address_that_can_be_asked(url: str) -> None:
    found = problems(with_gates(webhooks=[a_webhook(url=url)]))
    field = "spec.gates.webhooks[0].url"
    assert found == {field: f"{field}: {url!r} is not an http:// or https:// address with a host"}


def test_every_problem_is_told_at_once() -> None:
    found = problems(
        a_canary(
            service="Web",
            canary={"service": "web-stable"},
            steps=[],
            bake="never",
            gates={
                "successRate": {"min": "99%", "passBelow": "99.5%"},
                "latency": {"p99": "1d"},
                "routes": [{"name": "a"}],
            },
            typo=1,
        )
    )
    assert set(found) == {
        "spec.service",
        "spec.canary",
        "spec.steps",
        "spec.bake",
        "spec.gates.successRate.passBelow",
        "spec.gates.latency.p99",
        "spec.gates.routes[0]",
        "spec.typo",
    }


def test_one_mistake_is_told_once() -> None:
    assert set(problems(a_canary(stable={"service": "X"}, canary={"service": "Y"}))) == {
        "spec.stable.service",
        "spec.canary.service",
    }
    assert set(problems(with_gates(successRate={"min": "1%", "passBelow": "98%"}))) == {"spec.gates.successRate.min"}
    assert set(problems({**a_canary(), "spec": "x"})) == {"spec"}
    assert set(problems(with_gates(routes=["x"]))) == {"spec.gates.routes[0]"}
    assert set(problems(with_gates(routes=[{"latency": {"p99": "1s"}}] * 2))) == {
        "spec.gates.routes[0].name",
        "spec.gates.routes[1].name",
    }


def test_a_flood_of_input_does_not_flood_the_message() -> None:
    assert all(len(message) < 512 for message in problems(a_canary(paused="x" * 100_000)).values())


def camel(name: str) -> str:
    """Spell a name of ours as manifests do."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
WORDS = st.sampled_from(
    ["99%", "0.1pp", "1h30m", "100m", "1000m", "web", "web-canary", "Auto", "http://h/", "9" * 400 + "h"]
)
JSON = st.recursive(
    LEAVES | WORDS,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=8), below, max_size=4),
    max_leaves=12,
)
KNOWN = st.sampled_from([field.name for field in dataclasses.fields(CanarySpec)]).map(camel) | st.sampled_from(
    ["gates", "route", "evidence"]
)
GATE_FIELDS = st.sampled_from(
    ["successRate", "latency", "unanswered", "routes", "webhooks", "clientErrors", "warmup", "trafficShare", "queries"]
)
PLACE_FIELDS = st.sampled_from(["name", "successRate", "latency", "min", "passBelow", "p99", "url", "type", "mode"])
NESTED = st.dictionaries(
    GATE_FIELDS | PLACE_FIELDS,
    JSON
    | st.dictionaries(PLACE_FIELDS, JSON, max_size=3)
    | st.lists(st.dictionaries(PLACE_FIELDS, JSON, max_size=3), max_size=2),
    max_size=4,
)


def parse(obj: Mapping[str, object]) -> CanarySpec | None:
    """Parse what may be anything: InvalidSpec, which must say something, is the only way to fail."""
    try:
        return parse_spec(obj)
    except InvalidSpec as refused:
        told = [str(problem) for problem in refused.problems]
    assert told
    assert all(told)
    return None


@pytest.mark.usefixtures("untraced")
@given(st.dictionaries(st.sampled_from(["apiVersion", "kind", "metadata", "spec"]) | st.text(), JSON))
def test_no_json_breaks_the_parser(obj: dict[str, object]) -> None:
    parse(obj)


@pytest.mark.usefixtures("untraced")
@settings(max_examples=200)
@given(st.dictionaries(KNOWN, JSON | NESTED, max_size=3))
def test_no_value_of_a_known_field_breaks_the_parser(changes: dict[str, object]) -> None:
    parse(a_canary(**changes))


@given(
    steps=st.lists(st.integers(-1, 1100), max_size=6),
    interval=st.integers(0, 120),
    dwell=st.integers(0, 120),
    least=st.floats(0, 110),
    below=st.floats(0, 110),
)
def test_what_is_parsed_keeps_every_rule(
    steps: list[int], interval: int, dwell: int, least: float, below: float
) -> None:
    rate = {"min": f"{least:.4f}%", "passBelow": f"{below:.4f}%"}
    written = [f"{step}m" for step in [*steps, 1000]]
    spec = parse(a_canary(steps=written, interval=f"{interval}s", dwell=f"{dwell}s", gates={"successRate": rate}))
    if spec is None:
        return
    promise = spec.places[0].success_rate
    assert promise is not None
    assert 0 < promise.p0 < promise.p_bad <= 0.5
    assert promise.delta >= 0
    assert list(spec.steps) == sorted(set(spec.steps))
    assert 0 < spec.steps[0] <= spec.steps[-1] == 1000
    assert timedelta(seconds=1) <= spec.interval <= min(spec.dwell, spec.bake, spec.step_timeout)


def test_of_an_invalid_spec_the_wiring_and_what_a_retreat_needs_remain() -> None:
    spec = {**WIRED, "steps": ["2x"], "gates": {}, "promotion": {"mode": "CopyImages"}, "scaling": {"mode": "Often"}}
    found = remains(spec, "web")
    assert found is not None
    assert (found.canary.deployment, found.promotion, found.scaling) == (
        "web-canary",
        PromotionMode.COPY_IMAGES,
        ScalingMode.MATCH,
    )


@pytest.mark.parametrize("key", ["service", "stable", "canary", "route"])
def test_of_a_spec_with_another_wiring_nothing_remains(key: str) -> None:
    assert remains({**WIRED, key: "Nobody?"}, "web") is None
