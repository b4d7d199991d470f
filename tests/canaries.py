"""Canaries for tests: the least one, the fullest one, good ones, and everything that one must not say."""

import copy
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from canary.core.book import Book
from canary.core.discretion import without_urls
from canary.core.eprocess import Evidence
from canary.core.manifest import MOST_WEBHOOKS
from canary.core.policies import MOST_STEPS
from canary.core.room import MOST_GATES
from canary.core.status import CanaryStatus, Condition, Outcome, Past, Phase, Reason, Rollout

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


def a_query(**fields: object) -> dict[str, object]:
    query = {"name": "depth", "query": "max(depth)", "max": 5, **fields}
    return {key: value for key, value in query.items() if value is not None}


def a_webhook(**fields: object) -> dict[str, object]:
    return {"name": "hook", "type": "notify", "url": "http://hook.web", **fields}


FULL = a_canary(
    stable={"service": "web-stable", "deployment": "web-v1"},
    canary={"service": "web-canary", "deployment": "web-v2"},
    route={"kind": "Auto", "name": "web"},
    steps=["100m", "1000m"],
    interval="10s",
    dwell="30s",
    stepTimeout="30m",
    onInconclusive="Rollback",
    bake="5m",
    gates={
        "successRate": {"min": "99%", "passBelow": "98%", "worseThanStable": "0.1pp"},
        "latency": {"p99": "500ms", "failures": "Exclude"},
        "unanswered": "Rollback",
        "trafficShare": "Hold",
        "clientErrors": "Watch",
        "warmup": "0s",
        "routes": [
            {
                "name": "GET /",
                "successRate": {"min": "99%", "passBelow": "98%", "worseThanStable": "0.1pp"},
                "latency": {"p99": "500ms", "failures": "Exclude"},
            }
        ],
        "queries": [{"name": "depth", "query": "max(depth)", "min": 0, "max": 5.5, "for": "30s"}],
        "webhooks": [{"name": "hook", "type": "notify", "url": "http://hook.web", "timeout": "10s"}],
    },
    evidence={"falseRollback": "1%", "missedRegression": "5%", "mode": "Evidence"},
    promotion={"mode": "Copy", "approval": "Automatic"},
    scaling={"mode": "Match", "idleReplicas": 3},
    paused=False,
    abort="web-1-1",
    retry="web-1-1",
    approve="web-1-1",
)
"""Every field there is, each with its default where it has one."""


INSTEAD: dict[str, dict[str, object]] = {"ramp": {"budget": 100}}
"""Fields that FULL cannot have beside `steps`."""
OF_THRESHOLD = {"mode": "Threshold", "failures": 3, "minRequests": 100, "window": "1m"}
"""Fields of `evidence` that FULL, which is judged by evidence, cannot have."""


def changed(path: tuple[str, ...], value: object) -> dict[str, object]:
    """Give FULL, or the like of it that has the field, with `value` at `path`, or without that if it is None."""
    obj = copy.deepcopy(FULL)
    if path[1] in INSTEAD:
        spec = cast("dict[str, object]", obj["spec"])
        del spec["steps"]
        spec[path[1]] = copy.deepcopy(INSTEAD[path[1]])
    if path[1] == "evidence" and path[-1] in OF_THRESHOLD and path[-1] != "mode":
        evidence = cast("dict[str, object]", cast("dict[str, object]", obj["spec"])["evidence"])
        evidence.update(OF_THRESHOLD)
    *above, last = path
    holder: object = obj
    for part in above:
        holder = holder[int(part)] if isinstance(holder, list) else cast("dict[str, object]", holder)[part]
    if isinstance(holder, list):
        holder[int(last)] = value
    elif isinstance(holder, dict):
        holder[last] = value
        if value is None:
            del holder[last]
    return obj


NULLS: dict[str, object] = {"abort": None, "retry": None, "approve": None, "scaling": {"idleReplicas": None}}

AT = datetime(2024, 5, 1, 10, tzinfo=UTC)

A_STATUS = CanaryStatus(
    phase=Phase.PROGRESSING,
    weight=100,
    promoted="6c8b4",
    count=2,
    retried="web-4b5c6-1",
    reason=Reason.GATHERING,
    message="3 of 10 requests",
    rollout=Rollout(
        id="web-5d7f9-2",
        number=2,
        revision="5d7f9",
        baseline="6c8b4",
        started_at=AT,
        spec=without_urls(cast("dict[str, object]", FULL["spec"])),
        found_replicas=2,
        step=0,
        dwelt=timedelta(seconds=4.5),
        fault=Reason.LATENCY,
        fault_message="too slow",
        held_since=AT,
    ),
    book=Book(at=1714557600.25, bounds=(0.5, 1.0), evidence={"POST /api/task": Evidence.fresh()}),
    history=(
        Past(
            id="web-4b5c6-1",
            revision="4b5c6",
            outcome=Outcome.ROLLED_BACK,
            reason=Reason.SUCCESS_RATE,
            message="5% failed",
            started_at=AT,
            seconds=61.5,
            peak=200,
            requests=1000.0,
            failures=50.0,
        ),
    ),
    conditions=(
        Condition(type="Ready", status=True, reason="Ready", message="", since=AT, generation=3),
        Condition(type="Held", status=False, reason="Gathering", message="x", since=AT, generation=3),
    ),
    generation=3,
    saved_at=AT + timedelta(milliseconds=250),
)
"""A status with everything in it that the controller may write."""

GOOD = [
    pytest.param(a_canary(), id="the least"),
    pytest.param(FULL, id="everything"),
    pytest.param({**FULL, "spec": {**cast("dict[str, object]", FULL["spec"]), **NULLS}}, id="nulls"),
    pytest.param(a_canary(steps=["1000m"]), id="one step"),
    pytest.param(a_canary(steps=[f"{10 * i}m" for i in range(1, 101)]), id="a hundred steps"),
    pytest.param(a_canary(steps=["90m", "100m", "1000m"]), id="steps that rise as numbers, not as texts"),
    pytest.param(a_canary(evidence={"mode": "Threshold"}), id="a threshold"),
    pytest.param(a_canary(evidence=OF_THRESHOLD), id="a threshold with all it has"),
    pytest.param(a_canary(ramp={"budget": 100}), id="a ramp"),
    pytest.param(a_canary(ramp={}), id="a ramp of the usual budget"),
    pytest.param(a_canary(ramp={"budget": 1_000_000}), id="a ramp of a million"),
    pytest.param(a_canary(interval="1s", dwell="1000ms", bake="1s"), id="as short as may be"),
    pytest.param(a_canary(interval="999999h999999m999999s999999ms"), id="as long as may be"),
    pytest.param(with_gates(successRate={"min": "50.0001%", "passBelow": "50%", "worseThanStable": "50pp"}), id="lax"),
    pytest.param(with_gates(successRate={"min": "99.9999%", "worseThanStable": "0pp"}), id="strict"),
    pytest.param(a_canary(gates={"latency": {"p99": "50s"}}), id="latency alone"),
    pytest.param(a_canary(gates={"latency": {"slowdown": 1.5, "failures": "Slow"}}), id="a slowdown alone"),
    pytest.param(
        with_gates(routes=[a_route(str(i), latency={"slowdown": 1 + 9 * (i > 9)}) for i in range(21)]),
        id="as many slowdowns as may be",
    ),
    pytest.param(a_canary(gates={"routes": [a_route("GET /ü 漢")]}), id="a route alone"),
    pytest.param(with_gates(warmup="10m"), id="a long warm-up"),
    pytest.param(with_gates(clientErrors="Gate", routes=[a_route(str(i)) for i in range(62)]), id="client errors, too"),
    pytest.param(with_gates(routes=[a_route(str(i)) for i in range(63)]), id="as many gates as may be"),
    pytest.param(with_gates(webhooks=[a_webhook(name=f"h{i}") for i in range(16)]), id="as many webhooks as may be"),
    pytest.param(with_gates(webhooks=[a_webhook(url="https://[::1]:8443/a?b=c#d")]), id="an address in digits"),
    pytest.param(with_gates(queries=[a_query(name=f"q{i}") for i in range(16)]), id="as many queries as may be"),
    pytest.param(with_gates(queries=[a_query(min=-1e15, max=1e15, **{"for": "0s"})]), id="a query of any range"),
    pytest.param(with_gates(queries=[a_query(query='x{a="{{ canaryRevision }}"}[{{interval}}]')]), id="variables"),
    pytest.param(a_canary(evidence={"falseRollback": "0.0001%", "missedRegression": "20%"}), id="risks at bounds"),
]


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
    pytest.param(
        a_canary(ramp={"budget": 100}, steps=["1000m"]), "spec.steps", "unset where ramp is set", id="steps and a ramp"
    ),
    pytest.param(a_canary(ramp={"budget": 0}), "spec.ramp.budget", "0 is not a whole number from 1", id="no budget"),
    pytest.param(a_canary(ramp={"budget": 1_000_001}), "spec.ramp.budget", "to 1000000", id="a great budget"),
    pytest.param(a_canary(ramp={"budget": "100"}), "spec.ramp.budget", "'100' is not", id="budget is text"),
    pytest.param(a_canary(ramp={"risk": 1}), "spec.ramp.risk", "known here: budget", id="in the ramp"),
    pytest.param(a_canary(ramp=100), "spec.ramp", "100 is not an object", id="ramp is a number"),
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
    pytest.param(with_gates(latency={"failures": "Slow"}), "spec.gates.latency", "a p99 or a slowdown", id="no p99"),
    pytest.param(a_canary(ramp={"budget": "many"}), "spec.ramp.budget", "from 1 to 1000000: how", id="no number"),
    pytest.param(
        with_gates(latency={"slowdown": "abc"}), "spec.gates.latency.slowdown", "from 1 to 10: how", id="no factor"
    ),
    pytest.param(with_gates(latency={"p99": "0ms"}), "spec.gates.latency.p99", "of at least 1ms", id="p99 of nothing"),
    pytest.param(
        with_gates(latency={"p99": "51s"}), "spec.gates.latency.p99", 'at most "50s"', id="p99 past the buckets"
    ),
    pytest.param(
        with_gates(latency={"p95": "1s"}), "spec.gates.latency.p95", "known here: failures, p99", id="another quantile"
    ),
    pytest.param(
        with_gates(latency={"p99": "1s", "slowdown": 2}), "spec.gates.latency", "either p99 or slowdown", id="both"
    ),
    pytest.param(
        with_gates(latency={"slowdown": 0.5}), "spec.gates.latency.slowdown", "a number from 1 to 10", id="a speed-up"
    ),
    pytest.param(
        with_gates(latency={"slowdown": 11}), "spec.gates.latency.slowdown", "from 1 to 10", id="far too slow"
    ),
    pytest.param(
        with_gates(routes=[a_route(str(i), latency={"slowdown": 2}) for i in range(22)]),
        "spec.gates.routes",
        "at most 64 gates in all, a slowdown counting as 3",
        id="many slowdowns",
    ),
    pytest.param(
        with_gates(latency={"p99": "1s", "failures": "Fast"}),
        "spec.gates.latency.failures",
        "one of Exclude, Slow",
        id="failures are fast",
    ),
    pytest.param(with_gates(warmup="11m"), "spec.gates.warmup", 'at most "10m"', id="a warm-up without end"),
    pytest.param(with_gates(warmup="-1s"), "spec.gates.warmup", "of at least 0s", id="a warm-up before the start"),
    pytest.param(with_gates(clientErrors="Hold"), "spec.gates.clientErrors", "Watch, Gate", id="client errors hold"),
    pytest.param(
        a_canary(gates={"clientErrors": "Gate"}), "spec.gates", "at least one", id="client errors promised alone"
    ),
    pytest.param(
        a_canary(gates={"successRate": RATE, "clientErrors": "Gate"}, evidence={"mode": "Threshold"}),
        "spec.evidence.mode",
        "Evidence where clientErrors is a Gate",
        id="client errors against a threshold",
    ),
    pytest.param(
        with_gates(clientErrors="Gate", routes=[a_route(str(i)) for i in range(63)]),
        "spec.gates.routes",
        "at most 64 gates in all",
        id="client errors and too many more",
    ),
    pytest.param(with_gates(unanswered="No"), "spec.gates.unanswered", "Rollback, Hold, Ignore", id="unanswered"),
    pytest.param(with_gates(trafficShare="No"), "spec.gates.trafficShare", "Hold, Watch", id="traffic share"),
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
    pytest.param(a_canary(evidence={"mode": "Flagger"}), "spec.evidence.mode", "Evidence, Threshold", id="its mode"),
    pytest.param(
        a_canary(evidence={"failures": 3}), "spec.evidence.failures", "mode is not Threshold", id="failures of what"
    ),
    pytest.param(
        a_canary(evidence={"mode": "Evidence", "window": "1m"}), "spec.evidence.window", "unset", id="window of what"
    ),
    pytest.param(
        a_canary(evidence={"mode": "Threshold", "failures": 0}), "spec.evidence.failures", "1 to 100", id="no failures"
    ),
    pytest.param(
        a_canary(evidence={"mode": "Threshold", "minRequests": 1_000_001}),
        "spec.evidence.minRequests",
        "1 to 1000000",
        id="many requests",
    ),
    pytest.param(a_canary(evidence={"missedRegression": "21%"}), "spec.evidence.missedRegression", "to 20%", id="beta"),
    pytest.param(
        with_gates(queries=[a_query(name="Depth")]), "spec.gates.queries[0].name", "'Depth' is not", id="query name"
    ),
    pytest.param(
        with_gates(queries=[a_query(query=" ")]), "spec.gates.queries[0].query", "a PromQL expression", id="no query"
    ),
    pytest.param(
        with_gates(queries=[a_query(query="x{a='{{pod}}'}")]),
        "spec.gates.queries[0].query",
        "nothing in double braces but namespace, service, stableService",
        id="no variable of ours",
    ),
    pytest.param(
        with_gates(queries=[a_query(query="x" * 2001)]), "spec.gates.queries[0].query", "at most 2000", id="long query"
    ),
    pytest.param(
        with_gates(queries=[a_query(max=None)]), "spec.gates.queries[0]", "a min, a max or both", id="no range"
    ),
    pytest.param(
        with_gates(queries=[a_query(max="5")]), "spec.gates.queries[0].max", "'5' is not a number", id="max is text"
    ),
    pytest.param(
        with_gates(queries=[a_query(min=float("nan"))]), "spec.gates.queries[0].min", "nan is not", id="min is NaN"
    ),
    pytest.param(
        with_gates(queries=[a_query(min=6)]), "spec.gates.queries[0].min", "a number of at most max", id="empty range"
    ),
    pytest.param(with_gates(queries=[a_query()] * 2), "spec.gates.queries", "names each once", id="query twice"),
    pytest.param(
        with_gates(queries=[a_query(name=f"q{i}") for i in range(17)]), "spec.gates.queries", "at most 16", id="queries"
    ),
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
