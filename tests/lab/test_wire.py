import pytest

from canary.lab.addresses import Block
from canary.lab.exposition import Scope
from canary.lab.truth import Tally
from canary.lab.wire import Call, Exchange, NotSent, Wire
from tests.lab.world import a_town


async def test_a_request_that_finds_nobody_was_never_sent() -> None:
    block, wire = Block.claim(), Wire()
    scope, tally = Scope("", 0.0), Tally()
    try:
        with pytest.raises(NotSent):
            await wire.send(Exchange(Call("GET", "/", 0.0), scope, tally, ""), block.take(), 8080)
        assert not await wire.reachable(block.take(), 8080)
    finally:
        await wire.close()
        block.release()
    assert (scope.requests, tally.sent) == (0, 0)


async def test_an_answer_comes_with_the_time_until_it_began() -> None:
    async with a_town() as town:
        pod = await town.run("pod", "web-stable", {"LAB_LATENCY": "*=50ms"})
        scope, tally = Scope("", 0.0), Tally()
        ending, seconds = await town.wire.send(Exchange(Call("GET", "/", 0.0), scope, tally, ""), pod.ip, 8080)
        assert (ending.status, ending.failed) == (200, False)
        assert 0.05 <= seconds < 0.5
        assert (scope.requests, tally.sent) == (1, 1)
        assert await town.wire.reachable(pod.ip, 8080)


def test_only_what_there_is_goes_into_the_headers() -> None:
    call = Call("GET", "/", 0.0, dst="web.shop.svc.cluster.local:8080")
    assert Exchange(call, Scope("", 0.0), Tally(), "").headers == {
        "l5d-dst-canonical": "web.shop.svc.cluster.local:8080"
    }
    assert Exchange(Call("GET", "/", 0.0), Scope("", 0.0), Tally(), "me").headers == {"l5d-client-id": "me"}
