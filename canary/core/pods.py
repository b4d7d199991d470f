"""Which pod of a side is the worst: requests and failures pod by pod, as each gate counts them.

Kept in the book, and not checkpointed: after a restart it begins anew. Used for naming the pod that has most of the
failures, and for what a release must be as good as to pass: stable without its worst pod.
"""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from canary.core.counts import Counts, Version
from canary.core.gates import Gate
from canary.errors import clip

Cell: TypeAlias = tuple[float, float]
"""Requests and failures."""
Pods: TypeAlias = Mapping[tuple[str, Version], Mapping[str, Cell]]
"""By the name of a gate and side, then by pod."""

MOST_PODS = 100  # told apart at each gate and side
SPARE = 3  # pods of stable from which on it can do without one
LOPSIDED = 0.8  # share of the failures that makes one pod worth naming
FEW = 5  # failures below which it is none


def with_interval(before: Pods, gates: Iterable[Gate], counts: Counts) -> Pods:
    """Add an interval's counts."""
    after: dict[tuple[str, Version], dict[str, Cell]] = {at: dict(its) for at, its in before.items()}
    for gate in gates:
        for (version, pod), its in counts.pods.items():
            requests, failures = its.failing(gate, version)
            if requests > 0:
                now = after.setdefault((gate.name, version), {})
                n, f = now.get(pod, (0.0, 0.0))
                if pod in now or len(now) < MOST_PODS:
                    now[pod] = (n + requests, f + failures)
    return after


def control(before: Pods, gate: Gate, counts: Counts) -> list[Counts] | None:
    """Choose stable's pods that a release is compared with for PASS: all but the worst by its past, from three pods on.

    One dead stable pod must not make a bad release look good. By past intervals alone, so that the comparison stays
    fair (statistics.md §3(b)). None: all of stable, for no pod stands out.
    """
    past = before.get((gate.name, Version.STABLE), {})
    here = [
        (pod, its)
        for (version, pod), its in counts.pods.items()
        if version is Version.STABLE and its.failing(gate, version)[0] > 0
    ]
    if len(here) < SPARE or not any(failures for _, failures in past.values()):
        return None
    usual = sum(failures for _, failures in past.values()) / sum(requests for requests, _ in past.values())
    excess = {pod: past.get(pod, (0.0, 0.0))[1] - usual * past.get(pod, (0.0, 0.0))[0] for pod, _ in here}
    worst = max(excess, key=lambda pod: excess[pod])
    return [its for pod, its in here if pod != worst] if excess[worst] > 0 else None


def worst_pod(pods: Pods, gate: Gate, version: Version) -> str:
    """Word which pod of a side has most of what breaks the promise; "" where none stands out."""
    failures = {pod: failed for pod, (_, failed) in pods.get((gate.name, version), {}).items()}
    total = sum(failures.values())
    if total < FEW or len(failures) < 2:  # noqa: PLR2004 - one pod is no news
        return ""
    worst = max(failures, key=lambda pod: failures[pod])
    if failures[worst] < LOPSIDED * total:
        return ""
    whose = "pod" if version is Version.CANARY else "stable's pod"
    return f"{whose} {clip(worst)} has {failures[worst]:.0f} of the {total:.0f} failures"
