"""A scenario is read whole or refused with every fault."""

from datetime import timedelta

import pytest

from canary.core.counts import Version
from canary.errors import InvalidSpec
from canary.simulator.scenario import Day, Loss, Release, Route, Scenario, Trouble, Warmup, parse_scenario


def test_nothing_said_is_a_calm_world() -> None:
    assert parse_scenario({}) == Scenario()


def test_everything_can_be_said() -> None:
    document = {
        "traffic": 2.5,
        "stable": {"failure": "1%", "start": "2s"},
        "canary": {
            "failure": "5%",
            "slow": "2%",
            "hang": "0.5%",
            "after": "3m",
            "start": "20s",
            "late": "9s",
            "warmup": {"failure": "1%", "every": "2m"},
        },
        "troubles": [
            {"failure": "10%", "at": "2m", "lasts": "1m"},
            {"failure": "20%", "share": "2%", "apart": True},
        ],
        "clusters": 5,
        "unsteady": "50%",
        "losses": [{"at": "1m", "pods": 2}, {"side": "stable", "lasts": "10s"}],
        "day": {"swing": "30%"},
        "retries": 2,
        "drift": "3%",
        "missed": "10%",
        "scrape": "15s",
        "routes": [{"name": "GET /", "share": "90%"}, {"name": "POST /", "share": "10%", "failure": "50%"}],
    }
    assert parse_scenario(document) == Scenario(
        traffic=2.5,
        stable=Release(failure=0.01, start=2.0),
        canary=Release(
            failure=0.05,
            slow=0.02,
            hang=0.005,
            after=180.0,
            start=20.0,
            late=9.0,
            warmup=Warmup(lasts=60.0, failure=0.01, every=120.0),
        ),
        troubles=(
            Trouble(failure=0.1, at=120.0, lasts=60.0),
            Trouble(failure=0.2, lasts=10.0, share=0.02, apart=True),
        ),
        clusters=5,
        unsteady=0.5,
        losses=(Loss(side=Version.CANARY, at=60.0, lasts=30.0, pods=2), Loss(side=Version.STABLE, lasts=10.0)),
        day=Day(swing=0.3, period=86400.0),
        retries=2,
        drift=0.03,
        missed=0.1,
        scrape=timedelta(seconds=15),
        routes=(Route(name="GET /", share=0.9), Route(name="POST /", share=0.1, failure=0.5)),
    )


def test_a_release_fails_as_stable_does_unless_it_says_otherwise() -> None:
    assert parse_scenario({"stable": {"failure": "2%"}}).canary.failure == 0.02


@pytest.mark.parametrize(
    ("document", "field"),
    [
        pytest.param({"traffic": 0}, "traffic", id="no traffic"),
        pytest.param({"traffic": True}, "traffic", id="a truth for a number"),
        pytest.param({"trafic": 5}, "trafic", id="misspelt"),
        pytest.param({"canary": {"failure": "200%"}}, "canary.failure", id="more than all"),
        pytest.param({"canary": {"fails": "2%"}}, "canary.fails", id="misspelt below"),
        pytest.param({"troubles": [{"at": "1m"}]}, "troubles[0].failure", id="a trouble without a rate"),
        pytest.param({"routes": [{"share": "10%"}]}, "routes[0].name", id="a route without a name"),
        pytest.param({"routes": [{"name": "a", "share": "60%"}, {"name": "b", "share": "60%"}]}, "routes", id="120 %"),
        pytest.param({"scrape": "10ms"}, "scrape", id="too quick"),
        pytest.param({"routes": [{"name": "a", "share": "40%"}] * 2}, "routes", id="a route twice"),
        pytest.param({"clusters": 0}, "clusters", id="groups of none"),
    ],
)
def test_what_is_wrong_is_named(document: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        parse_scenario(document)
    assert [problem.field for problem in refused.value.problems] == [field]


@pytest.mark.parametrize(
    ("document", "allowed"),
    [
        ({"unsteady": "150%"}, "from 0% to 100%"),
        ({"retries": 2.5}, "a whole number from 0 to 10"),
        ({"retries": 1000}, "a whole number from 0 to 10"),
    ],
)
def test_what_is_allowed_is_what_is_taken(document: dict[str, object], allowed: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        parse_scenario(document)
    assert refused.value.problems[0].allowed.endswith(allowed)
