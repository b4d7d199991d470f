"""The mesh sends what the weight says, fails what the scenario says, and shows what was scraped."""

from random import Random

import pytest

from canary.core.questions import Scope
from canary.core.spec import Side
from canary.simulator.mesh import EPOCH, Mesh
from canary.simulator.scenario import Day, Release, Route, Scenario, Trouble, Warmup

BOTH = {"stable": ("s-old", False), "canary": ("c-new", True)}
HOUR = 3600.0


def run(
    scenario: Scenario, weight: int = 100, seconds: float = HOUR, serving: dict[str, tuple[str, bool]] = BOTH
) -> Mesh:
    mesh = Mesh(scenario, Random(7), 0.0)
    mesh.pass_time(seconds, weight, serving)
    return mesh


def share(mesh: Mesh, side: str, what: str) -> float:
    """Tell what share of a side's requests became that."""
    tallies = [tally for (at, _, _), tally in mesh.totals.items() if at == side]
    return float(sum(getattr(tally, what) for tally in tallies) / sum(tally.sent for tally in tallies))


def test_the_canary_gets_the_share_of_its_weight() -> None:
    mesh = run(Scenario(traffic=100))
    assert mesh.sent / (100 * HOUR) == pytest.approx(0.1, rel=0.02)


def test_each_release_fails_hangs_and_lingers_as_it_says() -> None:
    mesh = run(Scenario(canary=Release(failure=0.05, hang=0.02, slow=0.1)))
    assert share(mesh, "canary", "failed") == pytest.approx(0.05 * 0.98, rel=0.05)
    assert share(mesh, "canary", "hanging") == pytest.approx(0.02, rel=0.1)
    assert share(mesh, "canary", "slow") == pytest.approx(0.1 * 0.95 * 0.98, rel=0.05)
    assert share(mesh, "stable", "failed") == pytest.approx(0.001, rel=0.1)


def test_harm_is_what_the_old_release_would_not_have_done() -> None:
    worse = run(Scenario(stable=Release(failure=0.02), canary=Release(failure=0.05)))
    better = run(Scenario(stable=Release(failure=0.05), canary=Release(failure=0.02)))
    assert worse.harmed == pytest.approx(0.03 * worse.sent, rel=0.06)
    assert better.harmed == 0


def test_a_backend_without_pods_loses_its_share_to_the_other() -> None:
    assert run(Scenario(), 500, serving={"stable": ("s-old", False)}).sent == 0
    assert run(Scenario(), 0, serving={"canary": ("c-new", True)}).sent > 0
    assert run(Scenario(), 0, serving={}).totals == {}


def test_a_regression_may_begin_later() -> None:
    scenario = Scenario(canary=Release(failure=0.5, after=HOUR / 2))
    assert share(run(scenario, seconds=HOUR / 2), "canary", "failed") < 0.01
    assert share(run(scenario), "canary", "failed") == pytest.approx(0.25, rel=0.05)


def test_an_incident_hits_both_sides_while_it_lasts() -> None:
    mesh = run(Scenario(troubles=(Trouble(failure=0.5, at=0.0, lasts=HOUR / 2),)))
    assert share(mesh, "canary", "failed") == pytest.approx(share(mesh, "stable", "failed"), rel=0.1)
    assert share(mesh, "stable", "failed") == pytest.approx(0.25, rel=0.1)


@pytest.mark.parametrize(("apart", "together"), [(False, True), (True, False)])
def test_spells_hit_both_sides_at_once_unless_apart(apart: bool, together: bool) -> None:
    mesh = Mesh(Scenario(troubles=(Trouble(failure=1.0, share=0.3, lasts=10.0, apart=apart),)), Random(3), 0.0)
    same, before = [], {"canary": 0, "stable": 0}
    for spell in range(200):
        mesh.pass_time(10.0 * (spell + 1), 500, BOTH)
        failed = {side: sum(t.failed for (at, _, _), t in mesh.totals.items() if at == side) for side in before}
        hit = [failed[side] - before[side] > 100 for side in before]
        same.append(hit[0] == hit[1])
        before = failed
    assert all(same) is together


def test_a_route_may_fail_alone() -> None:
    routes = (Route(name="GET /", share=0.9), Route(name="POST /", share=0.1, failure=0.5))
    mesh = run(Scenario(routes=routes))
    tallies = {route: tally for (side, _, route), tally in mesh.totals.items() if side == "canary"}
    assert tallies["POST /"].failed / tallies["POST /"].sent == pytest.approx(0.5, rel=0.05)
    assert tallies["GET /"].failed / tallies["GET /"].sent < 0.003
    assert tallies["POST /"].sent / mesh.sent == pytest.approx(0.1, rel=0.05)


def test_prometheus_shows_the_last_scrape_only() -> None:
    scope = Scope(
        namespace="shop",
        apex="web",
        stable=Side(service="s", deployment="s"),
        canary=Side(service="c", deployment="c"),
        bounds=frozenset({500.0}),
        routes=False,
    )
    mesh = run(Scenario(), seconds=10.0)
    mesh.scrape()
    mesh.pass_time(15.0, 100, BOTH)
    reading = mesh.read(scope)
    requests = {s.labels["dst_service"]: s.samples for s in reading.series if s.labels["__name__"] == "request_total"}
    assert reading.at == EPOCH + 15
    assert [samples[0][0] for samples in requests.values()] == [EPOCH + 10] * 2
    assert sum(samples[0][1] for samples in requests.values()) < sum(tally.sent for tally in mesh.totals.values())


def scraped(mesh: Mesh, side: str) -> float:
    return sum(values[0] for (at, _, _), values in mesh.sample if at == side)


def test_counters_of_a_side_may_be_seen_late() -> None:
    mesh = Mesh(Scenario(canary=Release(late=10.0)), Random(7), 0.0)
    seen = []
    for until in (10.0, 20.0, 30.0):
        mesh.pass_time(until, 500, BOTH)
        mesh.scrape()
        seen.append((scraped(mesh, "canary"), scraped(mesh, "stable"), mesh.sent))
    assert [canary for canary, _, _ in seen] == [0, seen[0][2], seen[1][2]]
    assert all(stable > 0.8 * sent for _, stable, sent in seen)


def test_a_side_s_own_rate_may_be_unsteady_without_being_another_on_average() -> None:
    def totals(unsteady: float) -> list[int]:
        failed = []
        for seed in range(300):
            mesh = Mesh(Scenario(stable=Release(failure=0.05), unsteady=unsteady), Random(seed), 0.0)
            mesh.pass_time(10.0, 0, BOTH)
            failed.append(sum(tally.failed for tally in mesh.totals.values()))
        return failed

    calm, wild = totals(0.0), totals(1.0)
    assert sum(wild) == pytest.approx(sum(calm), rel=0.15)
    assert max(wild) > 2 * max(calm)


def test_traffic_may_swing_with_the_day() -> None:
    noon = run(Scenario(day=Day(swing=0.8, period=4 * HOUR)), seconds=2 * HOUR)
    both = run(Scenario(day=Day(swing=0.8, period=4 * HOUR)), seconds=4 * HOUR)
    assert noon.sent / (100 * 2 * HOUR) == pytest.approx(0.1 * (1 + 0.8 * 2 / 3.14159), rel=0.02)
    assert both.sent / (100 * 4 * HOUR) == pytest.approx(0.1, rel=0.02)


def test_clients_may_try_again_what_failed() -> None:
    once, again = (run(Scenario(canary=Release(failure=0.5), retries=retries), 500) for retries in (0, 2))
    assert again.sent / once.sent == pytest.approx(1 + 0.25 + 0.0625, rel=0.02)
    assert again.harmed / once.harmed == pytest.approx(0.0625, rel=0.1), "users see what failed three times"


def test_a_fresh_release_may_need_to_warm_up() -> None:
    cold = Scenario(canary=Release(warmup=Warmup(lasts=60.0, failure=0.3, slow=0.2)))
    first, hour = run(cold, seconds=60.0), run(cold)
    assert share(first, "canary", "failed") == pytest.approx(0.3, rel=0.2)
    assert share(first, "canary", "slow") == pytest.approx(0.2 * 0.7, rel=0.25)
    assert share(hour, "canary", "failed") < 0.01
    assert share(first, "stable", "failed") < 0.01
