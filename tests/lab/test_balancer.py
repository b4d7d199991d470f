import asyncio
from collections import Counter
from random import Random

import pytest

from canary.lab import balancer as module
from canary.lab.balancer import Balancer, Endpoint, FailFast
from canary.lab.pods import parse_pod
from tests.lab.world import a_pod


def endpoints(*names: str) -> list[Endpoint]:
    return [Endpoint(parse_pod(a_pod(name)), 8080, name) for name in names]


def a_balancer(*names: str) -> Balancer:
    balancer = Balancer(Random("seed"))
    balancer.update(endpoints(*names))
    return balancer


@pytest.fixture(autouse=True)
def _short_failfast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FAILFAST", 0.1)


async def test_equal_pods_share_the_requests() -> None:
    balancer = a_balancer("a", "b", "c")
    picked = Counter([(await balancer.next()).pod.name for _ in range(300)])
    assert set(picked) == {"a", "b", "c"}


async def test_a_slow_pod_gets_less() -> None:
    balancer = a_balancer("fast", "slow")
    for endpoint in balancer.endpoints:
        endpoint.took(0.5 if endpoint.pod.name == "slow" else 0.01, now=100.0)
    assert {(await balancer.next()).pod.name for _ in range(50)} == {"fast"}


async def test_without_pods_requests_wait_and_then_fail_together() -> None:
    balancer = a_balancer()
    loop = asyncio.get_running_loop()
    began = loop.time()
    late = asyncio.create_task(_after(0.05, balancer))
    with pytest.raises(FailFast):
        await balancer.next()
    with pytest.raises(FailFast):
        await late
    assert 0.1 <= loop.time() - began < 0.5
    assert balancer.unavailable(loop.time())


async def _after(seconds: float, balancer: Balancer) -> Endpoint:
    await asyncio.sleep(seconds)
    return await balancer.next()


async def test_once_unavailable_it_fails_at_once() -> None:
    balancer = a_balancer()
    with pytest.raises(FailFast):
        await balancer.next()
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(FailFast):
        await balancer.next()
    assert loop.time() - began < 0.05


async def test_a_pod_that_comes_lets_the_waiting_go_and_makes_it_available_again() -> None:
    balancer = a_balancer()
    waiting = asyncio.create_task(balancer.next())
    await asyncio.sleep(0)
    balancer.update(endpoints("a"))
    assert (await waiting).pod.name == "a"
    assert not balancer.unavailable(asyncio.get_running_loop().time() + 60)


async def test_an_unreachable_pod_is_passed_over() -> None:
    balancer = a_balancer("a", "b")
    balancer.endpoints[0].reachable = False
    balancer.weigh()
    assert {(await balancer.next()).pod.name for _ in range(20)} == {"b"}
    assert balancer.states() == (("ready", 1), ("pending", 1))


async def test_known_pods_keep_what_was_learnt_and_those_that_left_are_named() -> None:
    balancer = a_balancer("a", "b")
    kept = balancer.endpoints[0]
    gone = balancer.update(endpoints("a", "c"))
    assert [endpoint.pod.name for endpoint in gone] == ["b"]
    assert balancer.endpoints[0] is kept
