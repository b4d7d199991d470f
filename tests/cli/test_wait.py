"""`canary wait` against an API server: one exit code for every ending, and nothing but the ending ends it."""

import asyncio

import pytest

from canary.core.status import CanaryStatus, Outcome, Phase, Reason
from tests.cli.town import Town, a_past, a_rollout, a_running, an_idle, said

BACK = an_idle(a_past("new", 1, Outcome.ROLLED_BACK))


@pytest.fixture
def shop(town: Town) -> Town:
    town.found()
    return town


async def later(town: Town, *states: CanaryStatus) -> None:
    """Write one state after the other, so that a command sees them come."""
    for state in states:
        await asyncio.sleep(1.5)
        await town.save(state)


@pytest.mark.parametrize(
    ("status", "code", "ending"),
    [
        pytest.param(an_idle(a_past("new", 1)), 0, "Promoted", id="promoted"),
        pytest.param(BACK, 10, "RolledBack", id="rolled back"),
        pytest.param(a_running(reason=Reason.OVERDUE), 11, "Overdue", id="overdue"),
        pytest.param(
            a_running(a_rollout("x", 2), history=(a_past("new", 1, Outcome.SUPERSEDED),)),
            14,
            "Superseded",
            id="superseded",
        ),
        pytest.param(an_idle(a_past("new", 2)), 15, "NotFound", id="another number"),
    ],
)
def test_an_id_that_has_ended_is_answered_at_once(shop: Town, status: CanaryStatus, code: int, ending: str) -> None:
    shop.write(status)
    result = shop.canary("wait", "web-new-1", "-o", "json")
    assert (result.exit_code, said(result)["ending"], said(result)["exitCode"]) == (code, ending, code)


def test_it_tells_each_change_of_reason_and_then_the_numbers(shop: Town) -> None:
    shop.write(a_running())
    shop.meanwhile(later(shop, a_running(phase=Phase.ROLLING_BACK, reason=Reason.LATENCY, message="Too slow."), BACK))
    result = shop.canary("wait", "web-new-1", "-o", "json")
    assert result.exit_code == 10
    assert result.stderr.splitlines() == [
        "web-new-1 100m Gathering: At 100m: waiting for the dwell.",
        "web-new-1 100m Latency: Too slow.",
        "web-new-1 0m SuccessRate: new ended.",
    ]
    assert said(result) == {
        "canary": "web",
        "namespace": shop.namespace,
        "rollout": "web-new-1",
        "revision": "new",
        "ending": "RolledBack",
        "exitCode": 10,
        "reason": "SuccessRate",
        "message": "new ended.",
        "weight": "0m",
        "peak": "100m",
        "seconds": 90.0,
        "requests": 1000,
        "failures": 3,
    }


def test_a_name_is_about_the_present_template_and_not_about_the_last_condition(shop: Town) -> None:
    """Between a push and the controller's first write, Promoted=True of the last rollout still stands."""
    old = shop.revision()
    shop.write(an_idle(a_past("older", 1), promoted="older"))
    shop.meanwhile(
        later(shop, a_running(a_rollout(old, 2), promoted="older"), an_idle(a_past(old, 2, Outcome.ROLLED_BACK)))
    )
    result = shop.canary("wait", "web", "-o", "json")
    assert (result.exit_code, said(result)["rollout"]) == (10, f"web-{old}-2")


def test_a_name_whose_template_stable_runs_is_promoted(shop: Town) -> None:
    shop.write(an_idle(promoted=shop.revision()))
    result = shop.canary("wait", "web")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].split()[:2] == ["web", "Promoted"]


def test_a_name_sticks_to_its_rollout_when_a_newer_one_comes(shop: Town) -> None:
    old = shop.revision()
    shop.write(a_running(a_rollout(old, 1)))
    newer = a_running(a_rollout("newer", 2), history=(a_past(old, 1, Outcome.SUPERSEDED),))
    shop.meanwhile(later(shop, newer))
    result = shop.canary("wait", "web", "-o", "json")
    assert (result.exit_code, said(result)["rollout"]) == (14, f"web-{old}-1")
    assert "newer" not in result.stderr


def test_a_pause_is_waited_out_until_the_time_is_over(shop: Town) -> None:
    shop.found(paused=True)
    shop.write(a_running(reason=Reason.PAUSED))
    result = shop.canary("wait", "web-new-1", "--timeout", "1500ms", "-o", "json")
    assert (result.exit_code, said(result)["ending"], said(result)["reason"]) == (13, "TimedOut", "Paused")


def test_a_pause_ends_the_waiting_of_those_who_ask(shop: Town) -> None:
    shop.found(paused=True)
    shop.write(a_running(reason=Reason.PAUSED))
    result = shop.canary("wait", "web-new-1", "--until-approval", "-o", "json")
    assert (result.exit_code, said(result)["ending"]) == (12, "Stopped")


def test_an_api_server_that_is_away_for_a_while_ends_nothing(shop: Town) -> None:
    shop.write(a_running())

    async def blip() -> None:
        await asyncio.sleep(1)
        await shop.server.plane.restart(3)
        await later(shop, an_idle(a_past("new", 1)))

    shop.meanwhile(blip())
    result = shop.canary("wait", "web-new-1", "-o", "json")
    assert (result.exit_code, said(result)["ending"]) == (0, "Promoted")
    assert result.stderr.count("trying again") == 1


@pytest.mark.parametrize(
    ("what", "told"),
    [
        pytest.param("shop", "there is no Canary 'shop'", id="no such name"),
        pytest.param("shop-abc-1", "there is no Canary 'shop'", id="an id of no Canary"),
    ],
)
def test_what_does_not_exist_is_not_found(town: Town, what: str, told: str) -> None:
    result = town.canary("wait", what, "-o", "json")
    assert (result.exit_code, said(result)["ending"]) == (15, "NotFound")
    assert told in result.stderr


def test_a_canary_deleted_under_way_is_not_found(shop: Town) -> None:
    shop.write(a_running())

    async def delete() -> None:
        await asyncio.sleep(1)
        await shop.api.delete(shop.path)

    shop.meanwhile(delete())
    assert shop.canary("wait", "web-new-1").exit_code == 15


def test_a_name_that_looks_like_an_id_goes_before_the_id(shop: Town) -> None:
    twin = {**shop.server.run(shop.api.get(shop.path)), "metadata": {"name": "web-new-1"}}
    shop.apply(twin)
    shop.write(an_idle(a_past("new", 1)))
    result = shop.canary("wait", "web-new-1", "--timeout", "1s", "-o", "json")
    assert (result.exit_code, said(result)["canary"]) == (13, "web-new-1")


def test_a_wrong_duration_is_wrong_usage(town: Town) -> None:
    result = town.canary("wait", "web", "--timeout", "1.5h")
    assert result.exit_code == 2
    assert "'1.5h' is not a duration like 90s" in result.stderr
