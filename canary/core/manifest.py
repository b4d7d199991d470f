"""A Canary object as the API server holds it <-> `CanarySpec`: parsed once, every problem reported at once.

Called by the cluster adapter and by `canary check`. The CRD's schema and CEL rules refuse most of this at admission;
the parser repeats them, because objects also come from files and from clusters with an older CRD. Objects are read,
never kept.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from canary.core import formats
from canary.core.discretion import with_urls
from canary.core.edges import TAILS
from canary.core.fields import Fields, repeats, valid_name
from canary.core.policies import ramp, steps, threshold
from canary.core.querying import read_queries
from canary.core.room import MOST_BYTES, MOST_GATES, gates_of, most_bytes
from canary.core.spec import (
    Approval,
    CanarySpec,
    ClientErrors,
    FailedResponses,
    Inconclusive,
    Latency,
    OnShare,
    OnUnanswered,
    Place,
    PromotionMode,
    Risk,
    RouteKind,
    ScalingMode,
    Side,
    Slowdown,
    SuccessRate,
    Webhook,
    WebhookKind,
)
from canary.errors import InvalidSpec

API_VERSION = "canary.dev/v1alpha1"
MOST_WEBHOOKS = 16  # each is asked in every tick that needs it, all within the tick's deadline
MOST_SLOWDOWN = 10.0
SLOWEST = timedelta(seconds=50)  # the greatest bucket bound of the proxy
LONGEST_WARMUP = timedelta(minutes=10)
ORDERS = frozenset({"paused", "abort", "retry", "approve"})
"""Fields that are orders and no part of what is followed."""


def parse_spec(obj: Mapping[str, object]) -> CanarySpec:
    """Read the spec of a Canary object. Raises InvalidSpec with all problems."""
    top = Fields(obj, "")
    if obj.get("apiVersion") != API_VERSION:
        top.refuse("apiVersion", f"{API_VERSION}")
    if obj.get("kind") != "Canary":
        top.refuse("kind", "Canary")
    name = top.section("metadata").name("name")
    spec = top.section("spec")
    parsed = _spec(spec, name)
    spec.finish()
    if top.problems:
        raise InvalidSpec(top.problems)
    return parsed


def as_object(spec: Mapping[str, object], name: str = "canary") -> Mapping[str, object]:
    """Wrap a bare spec, as a rollout remembers it, into an object that `parse_spec` takes."""
    return {"apiVersion": API_VERSION, "kind": "Canary", "metadata": {"name": name}, "spec": spec}


def last_valid(spec: Mapping[str, object], now: Mapping[str, object], name: str) -> CanarySpec:
    """Read the spec that a rollout followed, under the orders of `now`, which is invalid: an abort counts all the same.

    The addresses of webhooks are those of `now`. Raises InvalidSpec where `spec` is invalid too, for it was valid for
    another version of this program.
    """
    spec = with_urls(spec, now)
    kept = {key: value for key, value in spec.items() if key not in ORDERS}
    ordered = {key: value for key, value in now.items() if key in ORDERS}
    try:
        return parse_spec(as_object({**kept, **ordered}, name))
    except InvalidSpec:  # an order may be what is wrong
        return parse_spec(as_object(spec, name))


def remains(spec: Mapping[str, object], name: str) -> CanarySpec | None:
    """Read of an invalid spec what a retreat needs: whose traffic it is, and how its release is copied and scaled.

    None where not even the wiring can be read. Its gates are nobody's promise: nothing may be judged by them.
    """
    wiring = {key: spec[key] for key in ("service", "stable", "canary", "route") if key in spec}
    kept: dict[str, object] = {**wiring, "gates": {"successRate": {"min": "99%"}}}
    for key in ("promotion", "scaling", "interval", "stepTimeout"):
        if key in spec and is_valid({**kept, key: spec[key]}, name):
            kept[key] = spec[key]
    return parse_spec(as_object(kept, name)) if is_valid(kept, name) else None


def is_valid(spec: Mapping[str, object], name: str) -> bool:
    """Tell whether this version of the program can follow a spec."""
    try:
        parse_spec(as_object(spec, name))
    except InvalidSpec:
        return False
    return True


def placeholder(name: str) -> CanarySpec:
    """Make a spec for where an idle Canary's own cannot be followed; its problems keep everyone from using it."""
    # leaves room for the suffixes; a Service's name has no dots
    label = re.sub(r"[^a-z0-9]+", "-", name)[:56].strip("-") or "canary"
    spec = {
        "service": label,
        "stable": {"service": f"{label}-stable"},
        "canary": {"service": f"{label}-canary"},
        "gates": {"successRate": {"min": "99%"}},
    }
    return parse_spec(as_object(spec, name if valid_name(name) else label))


def _spec(spec: Fields, name: str) -> CanarySpec:
    service = spec.label("service")
    stable, canary = _side(spec.section("stable")), _side(spec.section("canary"))
    if service and stable.service == service:
        spec.refuse("stable", "a leaf: its service must differ from the apex's")
    if canary.service and canary.service in (service, stable.service):
        spec.refuse("canary", "a leaf of its own: its service must differ from the apex's and from stable's")
    if canary.deployment and canary.deployment == stable.deployment:
        spec.refuse("canary", "a version of its own: its deployment must differ from stable's")
    route = spec.section("route")
    promotion, scaling = spec.section("promotion"), spec.section("scaling")
    risk = spec.section("evidence")
    interval = spec.duration("interval", "10s", least=timedelta(seconds=1))
    parsed = CanarySpec(
        service=service,
        stable=stable,
        canary=canary,
        route_kind=route.choice("kind", RouteKind.AUTO),
        route_name=route.name("name", name) if route.has("name") else name,
        steps=steps(spec),
        ramp=ramp(spec),
        threshold=threshold(risk, interval),
        interval=interval,
        dwell=spec.duration("dwell", "30s", least=interval),
        step_timeout=spec.duration("stepTimeout", "30m", least=interval),
        on_inconclusive=spec.choice("onInconclusive", Inconclusive.ROLLBACK),
        bake=spec.duration("bake", "5m", least=interval),
        places=_places(spec.section("gates")),
        unanswered=spec.section("gates").choice("unanswered", OnUnanswered.ROLLBACK),
        warmup=_warmup(spec.section("gates")),
        traffic_share=spec.section("gates").choice("trafficShare", OnShare.HOLD),
        webhooks=_webhooks(spec.section("gates")),
        queries=read_queries(spec.section("gates")),
        risk=Risk(
            alpha=risk.percent("falseRollback", "1%", least=1e-6, most=0.2),
            beta=risk.percent("missedRegression", "5%", least=1e-6, most=0.2),
        ),
        promotion=promotion.choice("mode", PromotionMode.COPY),
        approval=promotion.choice("approval", Approval.AUTOMATIC),
        scaling=scaling.choice("mode", ScalingMode.MATCH),
        idle_replicas=scaling.count("idleReplicas"),
        paused=spec.flag("paused"),
        abort=spec.text("abort", ""),
        retry=spec.text("retry", ""),
        approve=spec.text("approve", ""),
    )
    if parsed.threshold is not None and any(isinstance(place.latency, Slowdown) for place in parsed.places):
        risk.refuse("mode", "Evidence where a latency is a slowdown, which is held against stable's")
    if parsed.threshold is not None and any(place.client_errors is ClientErrors.GATE for place in parsed.places):
        risk.refuse("mode", "Evidence where clientErrors is a Gate, which holds them against stable's")
    for section in (route, promotion, scaling, risk, spec.section("gates")):
        section.finish()
    return parsed


def _side(fields: Fields) -> Side:
    service = fields.label("service")
    deployment = fields.name("deployment", service) if service or fields.has("deployment") else ""
    side = Side(service=service, deployment=deployment)
    fields.finish()
    return side


def _places(gates: Fields) -> tuple[Place, ...]:
    service = replace(_place(gates, ""), client_errors=gates.choice("clientErrors", ClientErrors.WATCH))
    routes = []
    for fields in gates.sections("routes"):
        name = fields.text("name", "")
        if not name:
            fields.refuse("name", "the name of a route, as in its ServiceProfile")
        place = _place(fields, name)
        fields.finish()
        routes.append(place)
        if place.success_rate is None and place.latency is None:
            fields.refuse("", "a route with a successRate or a latency")
    if repeats(place.route for place in routes):
        gates.refuse("routes", "a list of routes that names each once")
    places = [place for place in (service, *routes) if gates_of(place)]
    if all(place.success_rate is None and place.latency is None for place in places):
        gates.refuse("", "a set of gates with at least one successRate or latency")
    if sum(map(gates_of, places)) > MOST_GATES:
        gates.refuse("routes", f"at most {MOST_GATES} gates in all, a slowdown counting as {len(TAILS)}")
    elif most_bytes(places) > MOST_BYTES:
        most = f"{MOST_BYTES // 1024} KiB of the status"
        gates.refuse("routes", f"gates whose evidence takes at most {most}: fewer, or with shorter names")
    return tuple(places)


def _place(fields: Fields, route: str) -> Place:
    rate = _success_rate(fields.section("successRate")) if fields.has("successRate") else None
    latency = _latency(fields.section("latency")) if fields.has("latency") else None
    return Place(route=route, success_rate=rate, latency=latency)


def _success_rate(fields: Fields) -> SuccessRate:
    sound = len(fields.problems)
    least = fields.percent("min", None, least=0.500001, most=0.999999)
    p0 = 1 - least
    pass_below = 1 - min(2 * p0, 0.5)
    if fields.has("passBelow"):
        pass_below = fields.percent("passBelow", None, least=0.5, most=0.999999)
    if pass_below >= least and len(fields.problems) == sound:
        fields.refuse("passBelow", "a percentage below min")
    worse = fields.points("worseThanStable", 0.1 * p0)
    fields.finish()
    # written in percent, so round away what the subtraction from 1 leaves behind
    return SuccessRate(p0=round(p0, 12), p_bad=round(1 - pass_below, 12), delta=round(worse, 12))


def _latency(fields: Fields) -> Latency | Slowdown:
    failures = fields.choice("failures", FailedResponses.EXCLUDE)
    if fields.has("slowdown"):
        what = ": how many times as late as stable"
        factor = fields.number("slowdown", 1.0, least=1.0, most=MOST_SLOWDOWN, what=what)
        if fields.has("p99"):
            fields.refuse("", "a latency with either p99 or slowdown")
        fields.finish()
        return Slowdown(factor=factor, failures=failures)
    if not fields.has("p99"):
        fields.refuse("", "a latency with a p99 or a slowdown")
    limit = fields.duration("p99", "1s", least=timedelta(milliseconds=1))
    if limit > SLOWEST:
        fields.refuse("p99", 'a time of at most "50s", the greatest bucket bound of the proxy')
    fields.finish()
    return Latency(limit=limit, failures=failures)


def _warmup(gates: Fields) -> timedelta:
    lasts = gates.duration("warmup", "0s", least=timedelta())
    if lasts > LONGEST_WARMUP:
        gates.refuse("warmup", 'a time of at most "10m": a pod that is slow for longer is slow')
    return lasts


def _webhooks(gates: Fields) -> tuple[Webhook, ...]:
    hooks = tuple(_webhook(fields) for fields in gates.sections("webhooks"))
    if repeats(hook.name for hook in hooks) or len(hooks) > MOST_WEBHOOKS:
        gates.refuse("webhooks", f"a list of at most {MOST_WEBHOOKS} webhooks that names each once")
    return hooks


def _webhook(fields: Fields) -> Webhook:
    url = fields.text("url", "")
    if not formats.is_address(url):
        fields.refuse("url", "an http:// or https:// address with a host")
    hook = Webhook(
        name=fields.name("name"),
        kind=fields.choice("type", WebhookKind.NOTIFY),
        url=url,
        timeout=fields.duration("timeout", "10s", least=timedelta(milliseconds=100)),
    )
    fields.finish()
    return hook
