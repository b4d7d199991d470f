"""The soak's own test: what it would find, and that its counters are what proxies would have counted."""

import random
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from canary.adapters.api import Json
from canary.core import counters as counting
from canary.core.counters import Counters, Series
from canary.core.counts import SERVICE, Counts, Revisions, Version, What, placed, standing
from canary.core.questions import Scope
from canary.core.spec import Side
from canary.lab import seed
from canary.lab.pods import MESH_LABEL, OWNER_LABEL, PROXY
from e2e.soak.figures import MB, Soak, Trend, figures
from e2e.soak.samples import Sample
from e2e.soak.traffic import FAILING, ROUTE, Traffic
from e2e.soak.world import allocator

REST = Sample(
    at=0, resident=100 * MB, processor=0, threads=2, files=100, lag=0.002, tasks=90, blocks=400_000, overdue=0,
    queries=0, query_seconds=0, ticks=0, tick_seconds=0, requests=0, watches=4, errors=0, dropped=0, status=9000,
    events=0, events_most=0, objects=1000, rollouts=0, load=1,
)  # fmt: skip


def a_soak(leak: float = 0.0, **wrong: object) -> Soak:
    """Soak for ten minutes with some noise, `leak` MB in an hour, and the last look as it should not be."""
    noise = random.Random(7)
    samples = [
        replace(
            REST,
            at=at,
            resident=REST.resident + MB * (leak * at / 3600 + noise.gauss(0, 0.5)),
            tasks=REST.tasks + noise.randint(-3, 3),
            events=2 * at,
            rollouts=at // 5,
        )
        for at in range(0, 600, 5)
    ]
    last = replace(samples[-1], **wrong)  # type: ignore[arg-type]
    return Soak(canaries=20, seconds=600, samples=[*samples[:-1], last], ended=120, wrong=0, crashed=0)


def broken(soak: Soak) -> list[str]:
    return [figure.name for figure in figures(soak) if not figure.ok]


def test_a_line_is_found_under_noise_and_says_how_sure_it_is() -> None:
    trend = Trend.of(a_soak(leak=60).samples, lambda s: s.resident / MB)
    assert 0 < trend.error < 5
    assert abs(trend.per_hour - 60) < 3 * trend.error


def test_nothing_is_wrong_with_a_quiet_soak() -> None:
    assert broken(a_soak()) == []


@pytest.mark.parametrize(
    ("soak", "name"),
    [
        pytest.param(a_soak(leak=60), "slope less two standard errors, kB a rollout", id="memory"),
        pytest.param(a_soak(resident=300 * MB), "memory at the end, MB", id="too much memory"),
        pytest.param(a_soak(tasks=900), "tasks at most", id="tasks"),
        pytest.param(a_soak(overdue=9.0), "longest that a due Canary waited, s", id="workers"),
        pytest.param(a_soak(status=20_000), "largest status, bytes", id="status"),
        pytest.param(a_soak(events=4000), "Events for each rollout", id="Events"),
        pytest.param(a_soak(errors=1.0), "ticks that crashed or failed", id="errors"),
        pytest.param(a_soak(dropped=1.0), "Events and notices that nobody got", id="lost Events"),
        pytest.param(replace(a_soak(), crashed=1), "ticks that crashed or failed", id="a crash"),
        pytest.param(replace(a_soak(), wrong=1), "rollouts that ended wrongly", id="a wrong end"),
        pytest.param(replace(a_soak(), ended=9), "rollouts ended", id="too few rollouts"),
    ],
)
def test_what_grows_or_goes_wrong_breaks_a_limit(soak: Soak, name: str) -> None:
    assert name in broken(soak)


def test_what_python_keeps_of_each_rollout_breaks_a_limit() -> None:
    soak = a_soak()
    leaking = [replace(s, blocks=s.blocks + 200 * s.rollouts) for s in soak.samples]
    assert broken(replace(soak, samples=leaking)) == ["Python's objects kept, less two standard errors, a rollout"]


@pytest.mark.parametrize("name", ["tasks", "threads", "files"])
def test_what_is_left_behind_in_each_rollout_breaks_a_limit(name: str) -> None:
    soak = a_soak()
    leaking = [replace(s, **{name: getattr(s, name) + s.rollouts // 4}) for s in soak.samples]
    assert any(name in found for found in broken(replace(soak, samples=leaking)))


def test_memory_is_allocated_as_in_the_image() -> None:
    assert set(allocator()) == {"MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"}


def a_pod(owner: str, revision: str, failing: float = 0.0) -> Json:
    return {
        "metadata": {
            "name": f"{owner}-{revision}",
            "namespace": "town",
            "uid": f"{owner}-{revision}",
            "labels": {MESH_LABEL: "linkerd", OWNER_LABEL: owner, "pod-template-hash": revision},
        },
        "spec": {"containers": [{"name": "app", "env": [{"name": FAILING, "value": str(failing)}]}, {"name": PROXY}]},
        "status": {"podIP": "10.244.0.1", "conditions": [{"type": "Ready", "status": "True"}]},
    }


def a_split(weight: int) -> Json:
    weights = {seed.STABLE: 1000 - weight, seed.CANARY: weight}
    backends = [{"service": name, "weight": f"{share}m"} for name, share in weights.items()]
    return {"metadata": {"name": "split", "namespace": "town"}, "spec": {"backends": backends}}


def counted(traffic: Traffic, pods: list[Json]) -> Counts:
    """Read all pages as Prometheus would, with the labels that it adds, and count them as the controller does."""
    series = []
    for pod in pods:
        meta = pod["metadata"]
        assert isinstance(meta, dict)
        labels = meta["labels"]
        own = {"namespace": "town", "pod": meta["name"], "deployment": labels[OWNER_LABEL]}
        own["pod_template_hash"] = labels["pod-template-hash"]
        page = traffic.page("town", str(meta["name"]), 10.0) or ""
        for family in text_string_to_metric_families(page.replace("# EOF\n", "")):
            series += [
                Series({"__name__": s.name, **s.labels, **own}, ((1.0, s.value),))
                for s in family.samples
                if s.name.endswith(("request_total", "response_total"))
            ]
    sides = {v: Side(service=name, deployment=name) for v, name in (("stable", seed.STABLE), ("canary", seed.CANARY))}
    scope = Scope(namespace="town", apex=seed.APEX, bounds=frozenset(), routes=True, **sides)
    _, increments = counting.advance(Counters.fresh(), series, at=1.0, born={})
    return standing(placed(increments, scope, Revisions(stable="s", canary="c"), client=True))


def test_counters_follow_the_split_and_the_pods_and_the_controller_reads_them() -> None:
    traffic = Traffic(1000, random.Random(3))
    pods = [a_pod("load", "l"), a_pod(seed.STABLE, "s"), a_pod(seed.CANARY, "c", failing=0.1)]
    for pod in pods:
        traffic.observe("Pod", pod, deleted=False)
    traffic.observe("TrafficSplit", a_split(300), deleted=False)
    for second in range(10):
        traffic.step(1.0, float(second))
    counts = counted(traffic, pods)
    sent = {v: counts.of(v, SERVICE, What.SENT) for v in Version}
    assert sum(sent.values()) == pytest.approx(10_000, rel=0.05)
    assert sent[Version.CANARY] / sum(sent.values()) == pytest.approx(0.3, abs=0.03)
    for place in (SERVICE, ROUTE):
        assert counts.of(Version.CANARY, place, What.SENT) == counts.of(Version.CANARY, place, What.ANSWERED)
        failed = counts.of(Version.CANARY, place, What.FAILED) / counts.of(Version.CANARY, place, What.ANSWERED)
        assert failed == pytest.approx(0.1, abs=0.03)
        assert counts.of(Version.STABLE, place, What.FAILED) == 0


def test_a_pod_that_is_gone_is_no_target_any_more() -> None:
    traffic = Traffic(1000, random.Random(3))
    pod = a_pod(seed.CANARY, "c")
    traffic.observe("Pod", pod, deleted=False)
    assert traffic.page("town", f"{seed.CANARY}-c", 0.0)
    traffic.observe("Pod", pod, deleted=True)
    assert traffic.page("town", f"{seed.CANARY}-c", 0.0) is None
