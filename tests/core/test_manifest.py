"""What a Canary may say, and what it is told when it says something else."""

import dataclasses
from collections.abc import Mapping
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core.manifest import MOST_GATES, MOST_STEPS, MOST_WEBHOOKS, parse_spec
from canary.core.spec import (
    Approval,
    CanarySpec,
    Inconclusive,
    Latency,
    OnUnanswered,
    Place,
    PromotionMode,
    Risk,
    RouteKind,
    ScalingMode,
    SuccessRate,
    Webhook,
    WebhookKind,
)
from canary.errors import InvalidSpec

RATE: dict[str, object] = {"min": "99%"}
GATES: dict[str, object] = {"successRate": RATE}


def a_canary(**spec: object) -> dict[str, object]:
    """Make the least valid object, with fields of the spec on top; None takes one away."""
    least = {
        "service": "web",
        "stable": {"service": "web-stable"},
        "canary": {"service": "web-canary"},
        "gates": GATES,
    }
    merged = {key: value for key, value in {**least, **spec}.items() if value is not None}
    return {"apiVersion": "canary.dev/v1alpha1", "kind": "Canary", "metadata": {"name": "web"}, "spec": merged}


def with_gates(**gates: object) -> dict[str, object]:
    return a_canary(gates={**GATES, **gates})


def a_route(name: str = "GET /", **gates: object) -> dict[str, object]:
    return {"name": name, **(gates or GATES)}


def a_webhook(**fields: object) -> dict[str, object]:
    return {"name": "hook", "type": "notify", "url": "http://hook.web", **fields}


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


def test_everything_said_is_read() -> None:
    spec = parse_spec(
        a_canary(
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
    )
    assert (spec.stable.deployment, spec.canary.deployment) == ("web-v1", "web-v2")
    assert (spec.route_kind, spec.route_name) == (RouteKind.TRAFFIC_SPLIT, "split")
    assert spec.steps == (1, 1000)
    assert spec.step_timeout == timedelta(minutes=90)
    assert (spec.on_inconclusive, spec.unanswered) == (Inconclusive.HOLD, OnUnanswered.HOLD)
    assert spec.places == (
        Place(
            success_rate=SuccessRate(p0=0.1, p_bad=0.15, delta=0.0),
            latency=Latency(limit=timedelta(milliseconds=500)),
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


def test_null_counts_as_unset() -> None:
    said = a_canary()["spec"]
    assert isinstance(said, dict)
    nulls = dict.fromkeys(("route", "steps", "dwell", "evidence", "paused", "abort", "scaling"))
    assert parse_spec({**a_canary(), "spec": said | nulls}) == parse_spec(a_canary())


def test_an_interval_above_the_other_defaults_lifts_them() -> None:
    spec = parse_spec(a_canary(interval="1h"))
    assert spec.dwell == spec.step_timeout == spec.bake == timedelta(hours=1)


BAD = [
    pytest.param({**a_canary(), "apiVersion": "flagger.app/v1beta1"}, "apiVersion", "canary.dev/v1alpha1", id="api"),
    pytest.param({**a_canary(), "kind": "Deployment"}, "kind", "Canary", id="kind"),
    pytest.param({**a_canary(), "metadata": {}}, "metadata.name", "None is not the name of an object", id="nameless"),
    pytest.param({**a_canary(), "metadata": "web"}, "metadata", "'web' is not an object", id="metadata"),
    pytest.param({**a_canary(), "spec": ["x"]}, "spec", "['x'] is not an object", id="spec is a list"),
    pytest.param({**a_canary(), "spec": None}, "spec.service", "None is not a name", id="no spec"),
    pytest.param(a_canary(service=None), "spec.service", "None is not a name", id="no service"),
    pytest.param(a_canary(service="Web"), "spec.service", "'Web' is not a name of lower case", id="capitals"),
    pytest.param(a_canary(service="w" * 64), "spec.service", "at most 63 characters", id="long service"),
    pytest.param(a_canary(service="web.default"), "spec.service", "lower case, digits and '-'", id="dotted service"),
    pytest.param(a_canary(service=7), "spec.service", "7 is not a name", id="service is a number"),
    pytest.param(a_canary(stable="web-stable"), "spec.stable", "'web-stable' is not an object", id="stable is text"),
    pytest.param(a_canary(stable=None), "spec.stable.service", "None is not a name", id="no stable"),
    pytest.param(
        a_canary(stable={"service": "web"}), "spec.stable", "must differ from the apex's", id="stable is apex"
    ),
    pytest.param(
        a_canary(canary={"service": "web"}), "spec.canary", "must differ from the apex's", id="canary is apex"
    ),
    pytest.param(
        a_canary(canary={"service": "web-stable", "deployment": "web-canary"}),
        "spec.canary",
        "must differ from the apex's and from stable's",
        id="one leaf",
    ),
    pytest.param(
        a_canary(canary={"service": "web-canary", "deployment": "web-stable"}),
        "spec.canary",
        "its deployment must differ from stable's",
        id="one deployment",
    ),
    pytest.param(
        a_canary(canary={"service": "web-canary", "deployment": "a..b"}),
        "spec.canary.deployment",
        "'a..b' is not the name of an object",
        id="deployment name",
    ),
    pytest.param(
        a_canary(canary={"service": "c", "pods": 3}), "spec.canary.pods", "deployment, service", id="in a side"
    ),
    pytest.param(a_canary(stpes=["1000m"]), "spec.stpes", "['1000m'] is not a known field", id="misspelt"),
    pytest.param(a_canary(route={"kind": "Ingress"}), "spec.route.kind", "one of Auto, TrafficSplit", id="route kind"),
    pytest.param(
        a_canary(route={"kind": ["Auto"]}), "spec.route.kind", "one of Auto, TrafficSplit", id="kind is a list"
    ),
    pytest.param(a_canary(route={"name": ""}), "spec.route.name", "'' is not the name of an object", id="empty name"),
    pytest.param(a_canary(steps=["100m", "50m", "1000m"]), "spec.steps", "that rises and ends", id="steps fall"),
    pytest.param(a_canary(steps=["100m", "100m", "1000m"]), "spec.steps", "that rises and ends", id="steps stay"),
    pytest.param(a_canary(steps=["100m", "1100m"]), "spec.steps", '"1m" to "1000m"', id="1100m"),
    pytest.param(a_canary(steps=["0m", "1000m"]), "spec.steps", '"1m" to "1000m"', id="0m"),
    pytest.param(a_canary(steps=["100m", "500m"]), "spec.steps", 'ends at "1000m"', id="steps end early"),
    pytest.param(a_canary(steps=[]), "spec.steps", "[] is not a list of at most 100 weights", id="no steps"),
    pytest.param(a_canary(steps=[100, 1000]), "spec.steps", "[100, 1000] is not", id="steps are numbers"),
    pytest.param(a_canary(steps="1000m"), "spec.steps", "'1000m' is not a list", id="steps are text"),
    pytest.param(
        a_canary(steps=[f"{1 + i}m" for i in range(MOST_STEPS)] + ["1000m"]),
        "spec.steps",
        "at most 100",
        id="many steps",
    ),
    pytest.param(a_canary(interval="500ms"), "spec.interval", "'500ms' is not a duration", id="interval is short"),
    pytest.param(a_canary(interval=10), "spec.interval", "of at least 1s", id="interval is a number"),
    pytest.param(a_canary(interval="1.5m"), "spec.interval", 'like "90s" or "1h30m"', id="fraction of a minute"),
    pytest.param(a_canary(interval=""), "spec.interval", "'' is not a duration", id="empty duration"),
    pytest.param(a_canary(bake="9999999h"), "spec.bake", "'9999999h' is not a duration", id="a thousand years"),
    pytest.param(a_canary(interval="1m", dwell="30s"), "spec.dwell", "of at least 1m", id="dwell below interval"),
    pytest.param(a_canary(stepTimeout="5s"), "spec.stepTimeout", "of at least 10s", id="deadline below interval"),
    pytest.param(a_canary(onInconclusive="rollback"), "spec.onInconclusive", "Rollback, Hold, Promote", id="case"),
    pytest.param(a_canary(gates=None), "spec.gates", "at least one successRate or latency", id="no gates"),
    pytest.param(a_canary(gates={"unanswered": "Hold"}), "spec.gates", "at least one", id="nothing promised"),
    pytest.param(with_gates(successRate={}), "spec.gates.successRate.min", "None is not a percentage", id="no min"),
    pytest.param(with_gates(successRate={"min": "50%"}), "spec.gates.successRate.min", "50.0001% to", id="min 50%"),
    pytest.param(with_gates(successRate={"min": "100%"}), "spec.gates.successRate.min", "to 99.9999%", id="min 100%"),
    pytest.param(with_gates(successRate={"min": 99}), "spec.gates.successRate.min", "99 is not", id="min is a number"),
    pytest.param(
        with_gates(successRate={"min": "99%", "passBelow": "99%"}),
        "spec.gates.successRate.passBelow",
        "'99%' is not a percentage below min",
        id="passBelow",
    ),
    pytest.param(
        with_gates(successRate={"min": "99%", "worseThanStable": "1%"}),
        "spec.gates.successRate.worseThanStable",
        'like "0.1pp"',
        id="points as percent",
    ),
    pytest.param(
        with_gates(successRate={"min": "99%", "worseThanStable": "51pp"}),
        "spec.gates.successRate.worseThanStable",
        "from 0pp to 50pp",
        id="points above 50",
    ),
    pytest.param(with_gates(latency={}), "spec.gates.latency.p99", "None is not a duration", id="no p99"),
    pytest.param(with_gates(latency={"p99": "0ms"}), "spec.gates.latency.p99", "of at least 1ms", id="p99 of nothing"),
    pytest.param(
        with_gates(latency={"p99": "51s"}), "spec.gates.latency.p99", 'at most "50s"', id="p99 past the buckets"
    ),
    pytest.param(with_gates(latency={"p95": "1s"}), "spec.gates.latency.p95", "known here: p99", id="another quantile"),
    pytest.param(with_gates(unanswered="No"), "spec.gates.unanswered", "Rollback, Hold, Ignore", id="unanswered"),
    pytest.param(with_gates(routes={}), "spec.gates.routes", "{} is not a list", id="routes are an object"),
    pytest.param(with_gates(routes=["x"]), "spec.gates.routes[0]", "'x' is not an object", id="a route is text"),
    pytest.param(
        with_gates(routes=[{"successRate": RATE}]), "spec.gates.routes[0].name", "of a route", id="nameless route"
    ),
    pytest.param(
        with_gates(routes=[{"name": "a"}]), "spec.gates.routes[0]", "successRate or a latency", id="idle route"
    ),
    pytest.param(with_gates(routes=[a_route(), a_route()]), "spec.gates.routes", "names each once", id="route twice"),
    pytest.param(
        with_gates(routes=[a_route(str(i)) for i in range(MOST_GATES)]),
        "spec.gates.routes",
        "at most 64",
        id="many gates",
    ),
    pytest.param(
        with_gates(routes=[a_route("a"), a_route("b", latency={"p99": "soon"})]),
        "spec.gates.routes[1].latency.p99",
        "'soon' is not a duration",
        id="in the second route",
    ),
    pytest.param(
        with_gates(webhooks=[a_webhook(type="ask")]), "spec.gates.webhooks[0].type", "confirm-start", id="hook type"
    ),
    pytest.param(
        with_gates(webhooks=[a_webhook(name=None)]), "spec.gates.webhooks[0].name", "None is not", id="hook name"
    ),
    pytest.param(with_gates(webhooks=[a_webhook()] * 2), "spec.gates.webhooks", "names each once", id="hook twice"),
    pytest.param(
        with_gates(webhooks=[a_webhook(name=f"h{i}") for i in range(MOST_WEBHOOKS + 1)]),
        "spec.gates.webhooks",
        "at most 16 webhooks",
        id="many hooks",
    ),
    pytest.param(
        with_gates(webhooks=[a_webhook(timeout="9ms")]), "spec.gates.webhooks[0].timeout", "100ms", id="timeout"
    ),
    pytest.param(
        a_canary(evidence={"falseRollback": "0%"}), "spec.evidence.falseRollback", "0.0001% to 20%", id="alpha"
    ),
    pytest.param(a_canary(evidence={"missedRegression": "21%"}), "spec.evidence.missedRegression", "to 20%", id="beta"),
    pytest.param(a_canary(promotion={"mode": "Move"}), "spec.promotion.mode", "Copy, CopyImages, External", id="mode"),
    pytest.param(a_canary(promotion={"approval": "no"}), "spec.promotion.approval", "Automatic, Manual", id="approval"),
    pytest.param(
        a_canary(scaling={"idleReplicas": -1}), "spec.scaling.idleReplicas", "whole number from 0", id="negative"
    ),
    pytest.param(
        a_canary(scaling={"idleReplicas": True}), "spec.scaling.idleReplicas", "True is not", id="replicas: yes"
    ),
    pytest.param(a_canary(scaling={"idleReplicas": 2**31}), "spec.scaling.idleReplicas", "to 2147483647", id="int32"),
    pytest.param(a_canary(paused="yes"), "spec.paused", "'yes' is not true or false", id="paused is text"),
    pytest.param(a_canary(paused=1.0), "spec.paused", "1.0 is not true or false", id="paused is a number"),
    pytest.param(a_canary(abort=["web-1"]), "spec.abort", "['web-1'] is not a text", id="abort is a list"),
    pytest.param(a_canary(retry="x" * 301), "spec.retry", "at most 300 characters", id="retry is long"),
]


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
GATE_FIELDS = st.sampled_from(["successRate", "latency", "unanswered", "routes", "webhooks"])
PLACE_FIELDS = st.sampled_from(["name", "successRate", "latency", "min", "passBelow", "p99", "url", "type", "mode"])
NESTED = st.dictionaries(
    GATE_FIELDS | PLACE_FIELDS,
    JSON | st.dictionaries(PLACE_FIELDS, JSON) | st.lists(st.dictionaries(PLACE_FIELDS, JSON), max_size=3),
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


@given(st.dictionaries(st.sampled_from(["apiVersion", "kind", "metadata", "spec"]) | st.text(), JSON))
def test_no_json_breaks_the_parser(obj: dict[str, object]) -> None:
    parse(obj)


@given(st.dictionaries(KNOWN, JSON | NESTED))
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
