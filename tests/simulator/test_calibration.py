"""Runs are repeatable, whoever plays them, and the report says what they are worth."""

import pytest

from canary.core.eprocess import Promise
from canary.simulator.calibration import OURS, Job, routes_of, run
from canary.simulator.report import remarks
from canary.simulator.worlds import World, cell, good, held, rough
from tests.canaries import a_canary, a_route, with_gates

PROMISE = Promise(p0=0.01, p_bad=0.02, delta=0.001)


@pytest.mark.parametrize("world", [good(PROMISE)[6], rough(100)[0], held(100)[0]], ids=lambda world: world.name)
def test_the_same_seeds_are_the_same_runs_in_whatever_portions(world: World) -> None:
    def played(*portions: range) -> list[object]:
        jobs = [
            Job(canary=a_canary(bake="1m"), promise=PROMISE, rule=OURS, world=world, seeds=seeds) for seeds in portions
        ]
        return [trial for job in jobs for trial in run(job)]

    assert played(range(4, 8)) == played(range(4, 5), range(5, 8))


def test_routes_of_the_canary_share_the_traffic_of_rollouts_alone() -> None:
    routes = routes_of(a_canary(gates={"routes": [a_route("GET /"), a_route("PUT /")]}))
    assert [route.share for route in good(PROMISE)[0].on(routes).scenario.routes] == [0.5, 0.5]
    assert held(100)[0].on(routes) == held(100)[0]


def test_worlds_follow_the_promise() -> None:
    strict = Promise(p0=0.001, p_bad=0.002, delta=0.0001)
    assert [world.name for world in good(strict)[:3]] == [cell(rate, 1) for rate in (0.0001, 0.0005, 0.0009)]


@pytest.mark.parametrize(
    ("canary", "few", "told", "untold"),
    [
        pytest.param(a_canary(), False, "published behaviour", "this Canary has its own", id="defaults"),
        pytest.param(a_canary(), True, "Few runs", "this Canary has its own", id="few runs"),
        pytest.param(with_gates(successRate={"min": "99.9%"}), False, "this Canary has its own", "Few runs", id="rate"),
        pytest.param(a_canary(steps=["50m", "1000m"]), False, "this Canary has its own", "Few runs", id="steps"),
        pytest.param(a_canary(interval="30s"), False, "this Canary has its own", "Few runs", id="interval"),
    ],
)
def test_what_the_figures_are_worth_is_said(canary: dict[str, object], few: bool, told: str, untold: str) -> None:
    said = " ".join(remarks(canary, few=few))
    assert told in said
    assert untold not in said
