import asyncio
from random import Random

import pytest

from canary.errors import InvalidSpec
from canary.lab.clients import Client, Load, parse_load
from tests.lab.world import Town, a_town

GOOD = "web:8080; rps=150; POST /api/task=90%; GET /health=10%"


def test_a_load_is_an_apex_a_rate_and_a_mix() -> None:
    assert parse_load(GOOD) == Load(
        service="web",
        namespace=None,
        port=8080,
        rps=150,
        mix=((("POST", "/api/task"), 900_000), (("GET", "/health"), 100_000)),
    )


def test_settings_stand_in_any_order() -> None:
    load = parse_load("web.shop:80; arrivals=even; *=100%; timeout=2s; rps=5; inflight=3; cache-trap=5s")
    assert load == Load(
        service="web",
        namespace="shop",
        port=80,
        rps=5,
        mix=((("GET", "*"), 1_000_000),),
        even=True,
        timeout=2,
        inflight=3,
        cache_trap=5,
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("", "'' is not an apex", id="nothing"),
        pytest.param("web; rps=1; GET /=100%", "'web' is not an apex", id="no port"),
        pytest.param("web:8080; GET /=100%", 'it needs a rate such as "rps=150"', id="no rate"),
        pytest.param("web:8080; rps=1; GET /=90%", "a mix whose shares add up to 100%", id="shares that miss some"),
        pytest.param("web:8080; rps=0; GET /=100%", "'rps=0' is not", id="a rate of nothing"),
        pytest.param("web:8080; rps=1; arrivals=odd; GET /=100%", "'arrivals=odd' is not", id="unknown arrivals"),
        pytest.param(
            "web:8080; rps=1; GET /=all", "'GET /=all' is not \"METHOD /path=90%\"", id="a share that is none"
        ),
        pytest.param("web:8080; rps=1; speed=2; GET /=100%", "rps=, arrivals=, timeout=", id="an unknown setting"),
    ],
)
def test_a_mistake_is_said(text: str, says: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        parse_load(text)
    assert says in refused.value.hint
    assert refused.value.hint.startswith("LAB_CLIENT: ")


async def test_a_client_keeps_its_rate_and_its_mix() -> None:
    async with a_town() as town:
        await town.run("stable-1", "web-stable")
        load = parse_load("web:8080; rps=200; arrivals=even; POST /api/task=90%; GET /health=10%")
        await stream(town, load, seconds=1.0)
        assert 150 <= town.truth.total().sent <= 210
        assert town.truth.total().open == 0


async def test_a_slow_release_does_not_slow_its_users() -> None:
    async with a_town() as town:
        await town.run("stable-1", "web-stable", {"LAB_LATENCY": "*=300ms"})
        await stream(town, parse_load("web:8080; rps=100; arrivals=even; GET /=100%"), seconds=0.8)
        assert 65 <= town.truth.total().answered <= 85


async def test_what_is_above_the_bound_is_shed_and_counted() -> None:
    async with a_town() as town:
        await town.run("stable-1", "web-stable", {"LAB_HANGS": "*=100%"})
        await stream(
            town, parse_load("web:8080; rps=100; inflight=3; arrivals=even; timeout=5s; GET /=100%"), seconds=0.3
        )
        assert town.truth.total().sent == 3
        assert town.truth.shed > 15


async def test_a_client_gives_up_at_its_timeout() -> None:
    async with a_town() as town:
        await town.run("stable-1", "web-stable", {"LAB_HANGS": "*=100%"})
        await stream(town, parse_load("web:8080; rps=50; timeout=100ms; arrivals=even; GET /=100%"), seconds=0.4)
        total = town.truth.total()
        assert total.unanswered == total.sent > 10


async def test_a_client_waits_for_its_apex_to_exist() -> None:
    async with a_town() as town:
        load = parse_load("nowhere:8080; rps=100; GET /=100%")
        await stream(town, load, seconds=0.1, service="nowhere")
        assert town.truth.total().sent == 0


async def stream(town: Town, load: Load, *, seconds: float, service: str = "web") -> None:
    outbound, _ = town.client(service=service)
    task = asyncio.create_task(Client(load, outbound, town.truth, Random("seed")).run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
