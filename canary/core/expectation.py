"""What to expect of a rollout's gates at the traffic that the service had before it, and which of them it waits for.

A route that in more than one rollout of ten would pass later than a step may take is only watched: its evidence may
still roll the release back, but nothing waits for its PASS. The whole service is always waited for, and so is
everything where the past is too short to tell a quiet route from a young one. Called by `history` and, for words, by
`lookback`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from canary.core.demand import Demand
from canary.core.eprocess import FLOOR
from canary.core.forecast import Catch, Outlook, Wait, exposures, forecast, gathering, service_rps
from canary.core.formats import show_duration
from canary.core.gates import Gate, Metric
from canary.core.spec import CanarySpec, Threshold
from canary.core.threshold import WORK, chance

TELLING_PAST = 300.0  # seconds of the past that say which routes are quiet
TELLING = 0.05  # the regression that is told of, or the least greater one that can be caught
MOST_TOLD = 3  # gates that are told of one by one


def expecting(spec: CanarySpec, gates: Sequence[Gate], demand: Mapping[str, Demand]) -> tuple[Gate, ...]:
    """Say of each gate what to expect, and whether it is waited for. Where none would be, all are."""
    if spec.threshold is not None:
        return _by_checks(spec, spec.threshold, gates, demand)
    outlooks = {outlook.gate: outlook for outlook in forecast(spec, gates, demand)}
    quiet = {name: outlook.quiet for name, outlook in outlooks.items()}
    watched = _watched(gates, demand, quiet)
    return tuple(
        replace(
            gate,
            required=gate.name not in watched,
            late=quiet.get(gate.name, False),
            expected=_expected(outlooks.get(gate.name), spec, watched=gate.name in watched),
        )
        for gate in gates
    )


def _watched(gates: Sequence[Gate], demand: Mapping[str, Demand], quiet: Mapping[str, bool]) -> frozenset[str]:
    """Name the gates of routes that nothing waits for; `quiet` says of which the traffic is known, and too little.

    One of which nothing is known is as quiet as the others of its place: where a slowdown is measured is known only
    later, and of a few answers all may have failed, so that none was timed.
    """
    heard = {gate.place for gate in gates if gate.name in demand}
    silent = {gate.place for gate in gates if gate.metric is not Metric.SLOWDOWN} - heard
    slow = silent | {gate.place for gate in gates if quiet.get(gate.name)}
    found = frozenset(gate.name for gate in gates if gate.place and quiet.get(gate.name, gate.place in slow))
    seen = max((each.seconds for each in demand.values()), default=0.0)
    return frozenset() if len(found) == len(gates) or seen < TELLING_PAST else found


def _by_checks(
    spec: CanarySpec, rule: Threshold, gates: Sequence[Gate], demand: Mapping[str, Demand]
) -> tuple[Gate, ...]:
    """Expect what a threshold does: how often it is wrong about a release that is as good as stable, gate by gate.

    The last step below 1000m takes until each gate that is waited for has had enough requests to be judged.
    """
    service = service_rps(gates, demand)
    known = [gate for gate in gates if gate.name in demand]
    waits = {gate.name: gathering(spec, gate, demand[gate.name], service, rule.min_requests) for gate in known}
    watched = _watched(gates, demand, {name: wait.late for name, wait in waits.items()})
    last = max((wait.last for name, wait in waits.items() if name not in watched), default=0.0)
    chances: dict[str, float | None] = {}
    for gate in known:
        own = demand[gate.name]
        requests = exposures(spec, gate, own, service, last)
        chances[gate.name] = chance(rule, gate.promise.p0, own.failure, requests, _bursts(own), WORK / len(known))
    found = []
    for gate in gates:
        wait, unawaited = waits.get(gate.name), gate.name in watched
        if wait is None:
            told = _expected(None, spec, watched=unawaited)
        elif unawaited or wait.late:
            told = _too_few(rule, wait, spec, watched=unawaited)
        else:
            told = _mistaken(gate.name, chances, demand[gate.name])
        found.append(replace(gate, required=not unawaited, late=wait is not None and wait.late, expected=told))
    return tuple(found)


def _bursts(demand: Demand) -> float:
    """Give how far failures come together; the least that is ever learned is caution, and nothing that was seen."""
    return demand.icc if demand.icc is not None and demand.icc > FLOOR else 0.0


def _mistaken(name: str, chances: Mapping[str, float | None], demand: Demand) -> str:
    """Say how often the rule is wrong about a release that is as good as stable; gates that err together err less."""
    own, known = chances[name], [share for share in chances.values() if share is not None]
    if own is None:
        return "how often this rule rolls back a good release was not worked out: it takes too many checks and requests"
    how = "in bursts, as stable's did" if _bursts(demand) else "independently"
    told = f"rolls back a good release with probability about {_percent(own)}, if its requests fail {how}"
    if len(known) == 1:
        return f"with this traffic this rule {told}"
    together = f"all {len(known)} of which it is known together at most {_percent(min(1.0, sum(known)))}"
    return f"with this traffic this gate alone {told}; {together}"


def _too_few(rule: Threshold, wait: Wait, spec: CanarySpec, *, watched: bool) -> str:
    """Say that a gate has too few requests to be judged in time."""
    come = f"come in about {_time(wait.seconds)}" if math.isfinite(wait.seconds) else "never come"
    told = f"the {rule.min_requests} requests without which nothing is judged {come}"
    if watched:
        return f"too quiet to be waited for: {told}, and a step may take {show_duration(spec.step_timeout)}"
    return f"{told}, but a step may take {show_duration(spec.step_timeout)}"


def _percent(share: float) -> str:
    """Word a small probability, with two digits."""
    return "0.01% or less" if share <= 0.0001 else f"{100 * share:.2g}%" if share < 0.995 else "100%"  # noqa: PLR2004 - what rounds so


def _expected(outlook: Outlook | None, spec: CanarySpec, *, watched: bool) -> str:
    if outlook is None:
        return "no requests before the rollout, so that it is too quiet to be waited for" if watched else ""
    timeout = show_duration(spec.step_timeout)
    typical = outlook.passing > spec.step_timeout.total_seconds()
    slowly = "" if typical else ", or twice that in one rollout of ten"
    if watched:
        return f"too quiet to be waited for: {_passing(outlook)}{slowly}, and a step may take {timeout}"
    late = f"{slowly}, but a step may take {timeout}" if outlook.quiet else ""
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
