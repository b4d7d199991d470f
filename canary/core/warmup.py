"""Whose latencies are left out while caches are cold: those of pods that started for the first time a moment ago.

Of both sides alike, and whatever the answers were, so that the evidence stays valid. A pod that began again is not
spared, nor one that took another's place: neither a crash loop nor a Deployment that makes pods for ever can hide.
Called by `intake` once per reading.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from canary.core.counts import Placed, Version, What

TIMED = frozenset({What.TIMED, What.FAILED_TIMED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Spared:
    """The first starts of a side that were left out in this rollout: how many, and of which pods that may be cold yet.

    `latest` is when the last pod began that was seen young and not spared: of those up to then none is any more.
    """

    pods: int = 0
    latest: float = 0.0
    names: frozenset[str] = frozenset()


def cold(before: Spared, begun: Mapping[str, float], wanted: int, since: float) -> Spared:
    """Name the pods of a side that are cold, those that started after `since`: at most as many, ever, as are wanted.

    `begun` says when each pod started for the first time, in Unix seconds: whole ones, so that pods share them.
    """
    young = {pod: at for pod, at in begun.items() if at > since}
    known = before.names & young.keys()
    fresh = sorted(young.keys() - known, key=lambda pod: (young[pod], pod))
    spared = [pod for pod in fresh if young[pod] > before.latest][: max(0, wanted - before.pods)]
    return Spared(
        pods=before.pods + len(spared),
        latest=max([before.latest, *(young[pod] for pod in fresh if pod not in spared)]),
        names=known.union(spared),
    )


def without(read: Iterable[Placed], pods: Collection[str], slow: Collection[str] = ()) -> list[Placed]:
    """Leave out what these pods timed; and all of a place where that leaves a side with nothing that is compared.

    For else the next comparison would be with requests of another time. Failed responses are compared at the places
    where they are `slow` ones.
    """
    kept, timed, left = [], set[tuple[str, Version]](), set[tuple[str, Version]]()
    for one in read:
        if one.at is None or not _times(one):
            kept.append(one)
            continue
        where = (one.at.place, one.at.version)
        compared = one.increment.value > 0 and (What.FAILED_TIMED not in one.sums or one.at.place in slow)
        if compared:
            timed.add(where)
        if one.at.pod not in pods:
            kept.append(one)
            if compared:
                left.add(where)
    silenced = {place for place, _ in timed - left}
    return [one for one in kept if one.at is None or one.at.place not in silenced or not _times(one)]


def _times(one: Placed) -> bool:
    return one.le is not None or not TIMED.isdisjoint(one.sums)
