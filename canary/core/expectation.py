"""What to expect of a rollout's gates at the traffic that stable had before it, and which of them it waits for.

A route that would pass later than a step may take is only watched: its evidence may still roll the release back, but
nothing waits for its PASS. The whole service is always waited for, and so is everything where the past is too short to
tell a quiet route from a young one. Called by `history` and, for words, by `intake`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from canary.core.demand import Demand
from canary.core.forecast import Catch, Outlook, exposures, forecast, service_rps
from canary.core.formats import show_duration
from canary.core.gates import Gate, Metric
from canary.core.spec import CanarySpec, Threshold
from canary.core.threshold import chance

TELLING_PAST = 300.0  # seconds of the past that say which routes are quiet
TELLING = 0.05  # the regression that is told of, or the least greater one that can be caught
MOST_TOLD = 3  # gates that are told of one by one


def expecting(spec: CanarySpec, gates: Sequence[Gate], demand: Mapping[str, Demand]) -> tuple[Gate, ...]:
    """Say of each gate what to expect, and whether it is waited for. Where none would be, all are."""
    if spec.threshold is not None:
        return tuple(replace(gate, expected=_mistaken(spec, spec.threshold, gate, gates, demand)) for gate in gates)
    outlooks = {outlook.gate: outlook for outlook in forecast(spec, gates, demand)}
    places = {gate.place for gate in gates if gate.name in demand}
    silent = {gate.place for gate in gates if gate.metric is not Metric.SLOWDOWN} - places
    slow = silent | {gate.place for gate in gates if gate.name in outlooks and outlooks[gate.name].quiet}
    watched = {gate.name for gate in gates if gate.place and _quiet(outlooks.get(gate.name), slow=gate.place in slow)}
    seen = max((each.seconds for each in demand.values()), default=0.0)
    if len(watched) == len(gates) or seen < TELLING_PAST:
        watched = set()
    return tuple(
        replace(
            gate,
            required=gate.name not in watched,
            late=gate.name in outlooks and outlooks[gate.name].quiet,
            expected=_expected(outlooks.get(gate.name), spec, watched=gate.name in watched),
        )
        for gate in gates
    )


def _mistaken(
    spec: CanarySpec, rule: Threshold, gate: Gate, gates: Sequence[Gate], demand: Mapping[str, Demand]
) -> str:
    """Say how often the rule is wrong about a release that is as good as stable."""
    if gate.name not in demand:
        return ""
    own = demand[gate.name]
    requests = exposures(spec, gate, own, service_rps(gates, demand))
    if sum(requests) < rule.min_requests:
        return f"fewer than {rule.min_requests} requests in a whole rollout, so that nothing is ever judged"
    share = chance(rule, gate.promise.p0, own.failure, requests)
    return f"with this traffic this rule rolls back a good release with probability about {_percent(share)}"


def _percent(share: float) -> str:
    """Word a small probability, with two digits."""
    return "0.01% or less" if share <= 0.0001 else f"{100 * share:.2g}%" if share < 0.995 else "100%"  # noqa: PLR2004 - what rounds so


def _quiet(outlook: Outlook | None, *, slow: bool) -> bool:
    """Tell whether a gate passes too late.

    One of which nothing is known is as quiet as the others of its place: where a slowdown is measured is known only
    later, and of a few answers all may have failed, so that none was timed.
    """
    return slow if outlook is None else outlook.quiet


def _expected(outlook: Outlook | None, spec: CanarySpec, *, watched: bool) -> str:
    if outlook is None:
        return "no requests before the rollout, so that it is too quiet to be waited for" if watched else ""
    timeout = show_duration(spec.step_timeout)
    if watched:
        return f"too quiet to be waited for: {_passing(outlook)}, and a step may take {timeout}"
    late = f", but a step may take {timeout}" if outlook.quiet else ""
    caught = _caught(outlook.catches)
    return f"{_passing(outlook)}{late}" + (f"; {caught}" if caught else "")


def _passing(outlook: Outlook) -> str:
    return f"PASS in about {_time(outlook.passing)}" if math.isfinite(outlook.passing) else "no PASS at this traffic"


def _caught(catches: Sequence[Catch]) -> str:
    found = next((each for each in catches if each.rate >= TELLING and math.isfinite(each.seconds)), None)
    if found is None:
        return ""
    cost = f"about {found.failed:.0f} failed requests"
    return f"a {found.rate:.0%} regression is caught in about {_time(found.seconds)}, {cost}"


def _time(seconds: float) -> str:
    """Word a forecast, which is good for two digits at most."""
    unit = 3600 if seconds >= 36_000 else 60 if seconds >= 600 else 1  # noqa: PLR2004 - ten hours, ten minutes
    return show_duration(timedelta(seconds=round(seconds / unit) * unit))


def told(gates: Sequence[Gate]) -> str:
    """Word the forecast for people, once, when the rollout begins."""
    awaited = [gate for gate in gates if gate.required and gate.expected]
    watched = [gate for gate in gates if not gate.required]
    said = [f"{gate.name}: {gate.expected}" for gate in (*awaited[:MOST_TOLD], *watched[:MOST_TOLD])]
    more = max(0, len(awaited) - MOST_TOLD) + max(0, len(watched) - MOST_TOLD)
    return ". ".join(said) + (f". And {more} more gates" if more else "")
