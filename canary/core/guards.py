"""Readiness and capacity: what must hold before a weight, judged from pods and never from metrics.

Called by the rules and by `converge`. A dead pod is invisible to success rates (the mesh sends its share elsewhere), so
these look at the cluster.
"""

from math import ceil

from canary.core.formats import show_weight
from canary.core.snapshot import Workload
from canary.core.spec import FULL, Weight


def needed(stable_replicas: int, weight: Weight) -> int:
    """Count the canary pods that can carry `weight`, each as much as one of stable's."""
    return ceil(stable_replicas * weight / FULL)


def carried(serving: int, stable_replicas: int, most: Weight) -> Weight:
    """Find the greatest weight, up to `most`, that `serving` canary pods can carry."""
    if serving <= 0:
        return 0
    return min(most, FULL * serving // max(1, stable_replicas))


def enough(stable: Workload) -> int:
    """Count the stable pods without which stable is not ready.

    Three in four, as Kubernetes' own rolling update keeps.
    """
    return max(1, stable.desired * 3 // 4) if stable.desired else 0


def stable_trouble(stable: Workload | None) -> str:
    """Say why traffic must not lean on stable any more than now, or nothing."""
    if stable is None:
        return "stable's Deployment does not exist"
    serving = stable.serving()
    if serving == 0 or serving < enough(stable):
        return f"{serving} of stable's {stable.desired} pods are ready and meshed"
    return ""


def canary_trouble(canary: Workload | None, revision: str, least: int, weight: Weight) -> str:
    """Say why the canary cannot take a weight that wants `least` pods, or nothing."""
    if canary is None:
        return "the canary Deployment does not exist"
    serving = canary.serving(revision)
    ready = sum(pod.ready and not pod.leaving for pod in canary.pods if pod.revision == revision)
    if serving < least:
        unmeshed = f", {ready - serving} more are ready but not meshed" if ready > serving else ""
        more = unmeshed + crashes(canary, revision)
        return pods(serving, least, weight) + more
    kept = canary.paused and not canary.revision  # with another template, which its pods do not get
    if not canary.settled and not kept:
        return f"the canary Deployment is rolling out ({serving} of {canary.desired} pods ready)"
    return ""


def pods(serving: int, wanted: int, weight: Weight) -> str:
    """Count the canary pods beside those that a weight wants; there may be more."""
    return f"canary pods ready: {serving}, wanted for {show_weight(weight)}: {wanted}"


def crashes(canary: Workload | None, revision: str) -> str:
    """Say how often the revision's containers were restarted, if they were."""
    pods = () if canary is None else canary.pods
    times = sum(pod.restarts for pod in pods if pod.revision == revision)
    return f", with {times} restarts of their containers" if times else ""
