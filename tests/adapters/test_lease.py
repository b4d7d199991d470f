"""Contenders over real HTTP, against the lab's API server. Times are as short as a busy machine allows."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from canary.adapters.api import Api, Json
from canary.adapters.lease import Lease, Term
from canary.errors import CanaryError, ClusterUnreachable, Forbidden, LeaseLost, NotFound
from canary.lab.apiserver.faults import Fault
from canary.lab.apiserver.plane import EmbeddedPlane
from tests.adapters.planes import a_kubeconfig, a_plane, an_api
from tests.adapters.recorded import until

SHORT = Term(duration=timedelta(seconds=2), renew_within=timedelta(seconds=1), retry=timedelta(seconds=0.05))
PATH = "/apis/coordination.k8s.io/v1/namespaces/default/leases/canary"
MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class Town:
    """One API server, and as many processes as wanted, each with connections of its own."""

    def __init__(self, plane: EmbeddedPlane, stack: AsyncExitStack) -> None:
        self.plane, self._stack = plane, stack
        self._apis: dict[str, Api] = {}

    async def api(self, agent: str = "kubectl") -> Api:
        if agent not in self._apis:
            self._apis[agent] = await self._stack.enter_async_context(an_api(self.plane.kubeconfig, agent))
        return self._apis[agent]

    async def contender(self, name: str, term: Term = SHORT) -> Lease:
        return Lease(await self.api(name), "default", "canary", name, term)

    async def spec(self) -> Json:
        spec = (await (await self.api()).get(PATH))["spec"]
        assert isinstance(spec, dict)
        return spec


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with AsyncExitStack() as stack:
        plane = await stack.enter_async_context(a_plane(tmp_path))
        yield Town(plane, stack)


@contextlib.asynccontextmanager
async def holding(lease: Lease) -> AsyncIterator[asyncio.Task[None]]:
    """Let a process hold its lease in the background."""

    async def hold() -> None:
        await lease.hold()

    task = asyncio.create_task(hold())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


@contextlib.asynccontextmanager
async def mute(plane: EmbeddedPlane, home: Path) -> AsyncIterator[tuple[Path, asyncio.Event]]:
    """Stand before the API server: every write is done, and its answer never comes. Tells when one was done."""
    done = asyncio.Event()

    async def serve(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        async with (
            aiohttp.ClientSession() as client,
            client.request(request.method, plane.url + request.path_qs, data=body, headers=request.headers) as answer,
        ):
            if request.method in ("POST", "PUT") and not done.is_set():
                done.set()
                await asyncio.Event().wait()
            return web.Response(body=await answer.read(), status=answer.status, content_type=answer.content_type)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", serve)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield a_kubeconfig(home, f"http://127.0.0.1:{runner.addresses[0][1]}"), done
    finally:
        await runner.cleanup()


class TestTaking:
    async def test_the_first_one_makes_the_lease(self, town: Town) -> None:
        lease = await town.contender("a")
        await asyncio.wait_for(lease.acquire(), 1)
        assert lease.held
        spec = await town.spec()
        assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == ("a", 2, 0)
        assert MICRO_TIME.fullmatch(str(spec["acquireTime"]))
        assert MICRO_TIME.fullmatch(str(spec["renewTime"]))

    async def test_what_was_got_without_an_answer_is_given_back_when_nobody_wants_it_any_more(
        self, town: Town, tmp_path: Path
    ) -> None:
        (tmp_path / "mute").mkdir()
        async with mute(town.plane, tmp_path / "mute") as (kubeconfig, done), an_api(kubeconfig) as api:
            task = asyncio.create_task(Lease(api, "default", "canary", "a").acquire())
            await asyncio.wait_for(done.wait(), 10)
            assert (await town.spec())["holderIdentity"] == "a"
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
        assert (await town.spec())["holderIdentity"] == ""

    async def test_who_waits_takes_it_when_it_runs_out_and_not_a_pause_later(self, town: Town) -> None:
        slow = Term(duration=timedelta(seconds=4), renew_within=timedelta(seconds=3.9), retry=timedelta(seconds=3.8))
        await (await town.contender("a", slow)).acquire()
        lease = await town.contender("b", slow)
        await asyncio.wait_for(lease.acquire(), 6)
        assert lease.held

    async def test_of_many_at_once_exactly_one_leads(self, town: Town) -> None:
        contenders = [await town.contender(str(number)) for number in range(6)]
        tasks = [asyncio.create_task(contender.acquire()) for contender in contenders]
        await asyncio.wait(tasks, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(0.3)  # several attempts of the others
        assert [contender.held for contender in contenders].count(True) == 1
        assert [task.done() for task in tasks].count(True) == 1
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def test_a_second_one_waits_while_the_first_renews(self, town: Town) -> None:
        first, second = await town.contender("a"), await town.contender("b")
        await first.acquire()
        async with holding(first):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(second.acquire(), 3)
            assert first.held
            assert second.holder == "a"
        assert not second.held

    async def test_it_takes_over_once_the_lease_has_not_changed_for_its_duration(self, town: Town) -> None:
        first, second = await town.contender("a"), await town.contender("b")
        await first.acquire()  # and dies
        began = time.monotonic()
        await asyncio.wait_for(second.acquire(), 5)
        assert 2.0 <= time.monotonic() - began < 4
        spec = await town.spec()
        assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("b", 1)
        assert not first.held

    async def test_the_holders_clock_is_not_believed(self, town: Town) -> None:
        api = await town.api()
        wrong = {"holderIdentity": "a", "renewTime": "2001-01-01T00:00:00.000000Z", "leaseDurationSeconds": 1}
        await api.create(PATH.rpartition("/")[0], {"metadata": {"name": "canary"}, "spec": wrong})
        second = await town.contender("b")
        began = time.monotonic()
        await asyncio.wait_for(second.acquire(), 5)
        assert time.monotonic() - began >= 1.0

    async def test_one_that_was_given_back_is_taken_at_once(self, town: Town) -> None:
        async with await town.contender("a") as first:
            assert (await town.spec())["holderIdentity"] == "a"
        assert not first.held
        assert (await town.spec())["holderIdentity"] == ""
        await asyncio.wait_for((await town.contender("b")).acquire(), 1.5)

    async def test_a_process_that_comes_back_under_its_name_goes_on(self, town: Town) -> None:
        await (await town.contender("a")).acquire()
        await asyncio.wait_for((await town.contender("a")).acquire(), 1.5)
        assert (await town.spec())["leaseTransitions"] == 0

    async def test_an_outage_is_waited_out(self, town: Town) -> None:
        fault = town.plane.faults.add(Fault(answer=503))
        lease = await town.contender("a")
        taking = asyncio.create_task(lease.acquire())
        await asyncio.sleep(0.2)
        assert not taking.done()
        town.plane.faults.remove(fault)
        await asyncio.wait_for(taking, 1)

    async def test_an_api_server_that_hangs_is_asked_anew(self, town: Town) -> None:
        town.plane.faults.add(Fault(answer="hang", times=2))
        await asyncio.wait_for((await town.contender("a")).acquire(), 2)

    async def test_missing_rights_are_said_and_not_waited_for(self, town: Town) -> None:
        town.plane.faults.add(Fault(answer=403))
        with pytest.raises(Forbidden):
            await asyncio.wait_for((await town.contender("a")).acquire(), 1)

    async def test_a_missing_namespace_is_said(self, town: Town) -> None:
        lease = Lease(await town.api(), "nowhere", "canary", "a", SHORT)
        with pytest.raises(NotFound):
            await asyncio.wait_for(lease.acquire(), 1)

    async def test_what_others_put_on_the_object_stays(self, town: Town) -> None:
        lease, api = await town.contender("a"), await town.api()
        body = {"metadata": {"name": "canary", "labels": {"team": "shop"}}, "spec": {"leaseTransitions": 7}}
        await api.create(PATH.rpartition("/")[0], body)
        await lease.acquire()
        found = await api.get(PATH)
        assert isinstance(found["metadata"], dict)
        assert found["metadata"]["labels"] == {"team": "shop"}
        assert (await town.spec())["leaseTransitions"] == 8


class TestHolding:
    async def test_it_goes_on_while_it_renews(self, town: Town) -> None:
        lease = await town.contender("a")
        await lease.acquire()
        before = (await town.spec())["renewTime"]
        async with holding(lease) as task:
            await asyncio.sleep(2.5)
            assert lease.held
            assert not task.done()
        assert str((await town.spec())["renewTime"]) > str(before)

    @pytest.mark.parametrize("answer", ["hang", "cut", 503, 403], ids=str)
    async def test_it_is_lost_at_the_deadline_when_it_cannot_be_renewed(self, town: Town, answer: "int | str") -> None:
        lease = await town.contender("a")
        await lease.acquire()
        began = time.monotonic()
        town.plane.faults.add(Fault(answer=answer))  # type: ignore[arg-type]  # one of its literals
        with pytest.raises(LeaseLost, match=r"could not be renewed for 1 s"):
            await lease.hold()
        assert 0.8 < time.monotonic() - began < 1.9
        assert not lease.held

    async def test_it_is_lost_before_another_can_take_it(self, town: Town) -> None:
        first, second = await town.contender("a"), await town.contender("b")
        await first.acquire()
        town.plane.faults.add(Fault(answer="hang", agent="a"))
        taking = asyncio.create_task(second.acquire())
        with pytest.raises(LeaseLost):
            await first.hold()
        assert not taking.done()
        await asyncio.wait_for(taking, 3)
        assert not first.held

    async def test_a_short_outage_does_not_matter(self, town: Town) -> None:
        lease = await town.contender("a")
        await lease.acquire()
        async with holding(lease) as task:
            for answer in ("hang", "cut", 500, 429, 409):
                town.plane.faults.add(Fault(answer=answer, times=1))
                await until(lambda: not town.plane.faults.active)
                await asyncio.sleep(0.5)
            assert not task.done()
            assert lease.held

    async def test_a_process_that_was_stopped_for_too_long_stops_without_another_write(self, town: Town) -> None:
        lease = await town.contender("a")
        await lease.acquire()
        before = await town.spec()
        time.sleep(1.1)  # noqa: ASYNC251 - the whole process, as by SIGSTOP
        with pytest.raises(LeaseLost):
            await lease.hold()
        assert await town.spec() == before

    async def test_it_is_lost_at_once_when_another_has_taken_it(self, town: Town) -> None:
        lease, api = await town.contender("a"), await town.api()
        await lease.acquire()
        await api.patch(PATH, {"spec": {"holderIdentity": "b"}})
        with pytest.raises(LeaseLost, match="held by b"):
            await asyncio.wait_for(lease.hold(), 0.9)
        assert not lease.held
        await lease.release()
        assert (await town.spec())["holderIdentity"] == "b"

    async def test_it_is_lost_when_someone_has_freed_it(self, town: Town) -> None:
        lease, api = await town.contender("a"), await town.api()
        await lease.acquire()
        await api.patch(PATH, {"spec": {"holderIdentity": ""}})
        with pytest.raises(LeaseLost, match="held by nobody"):
            await asyncio.wait_for(lease.hold(), 0.9)

    async def test_a_label_that_someone_puts_on_it_does_not_matter(self, town: Town) -> None:
        lease, api = await town.contender("a"), await town.api()
        await lease.acquire()
        async with holding(lease) as task:
            for number in range(5):
                await api.patch(PATH, {"metadata": {"labels": {"n": str(number)}}})
                await asyncio.sleep(0.1)
            assert not task.done()

    async def test_deleted_it_is_made_again(self, town: Town) -> None:
        lease, api = await town.contender("a"), await town.api()
        await lease.acquire()
        async with holding(lease) as task:
            await api.delete(PATH)
            async with asyncio.timeout(2):
                while True:
                    await asyncio.sleep(0.05)
                    with contextlib.suppress(NotFound):
                        assert (await town.spec())["holderIdentity"] == "a"
                        break
            await asyncio.sleep(1.2)
            assert not task.done()


class TestGivingBack:
    async def test_one_that_never_led_writes_nothing(self, town: Town) -> None:
        lease = await town.contender("a")
        await lease.release()
        with pytest.raises(NotFound):
            await town.spec()

    async def test_a_write_under_way_does_not_keep_it_from_being_given_back(self, town: Town) -> None:
        lease, api = await town.contender("a"), await town.api()
        await lease.acquire()
        await api.patch(PATH, {"metadata": {"labels": {"written": "meanwhile"}}})
        await lease.release()
        assert (await town.spec())["holderIdentity"] == ""

    async def test_a_conflict_does_not_keep_it_from_being_given_back(self, town: Town) -> None:
        lease = await town.contender("a")
        await lease.acquire()
        town.plane.faults.add(Fault(answer=409, method="PUT", times=1))
        await lease.release()
        assert (await town.spec())["holderIdentity"] == ""

    @pytest.mark.parametrize("answer", ["hang", "cut", 503, 409], ids=str)
    async def test_it_takes_less_than_a_second_whatever_the_api_server_does(
        self, town: Town, answer: "int | str"
    ) -> None:
        lease = await town.contender("a")
        await lease.acquire()
        town.plane.faults.add(Fault(answer=answer, method="PUT"))  # type: ignore[arg-type]  # one of its literals
        began = time.monotonic()
        await lease.release()
        assert time.monotonic() - began < 1
        assert not lease.held

    async def test_anothers_is_left_alone(self, town: Town) -> None:
        lease, api = await town.contender("a"), await town.api()
        await lease.acquire()
        await api.patch(PATH, {"spec": {"holderIdentity": "b"}})
        await lease.release()
        assert (await town.spec())["holderIdentity"] == "b"

    async def test_work_that_fails_gives_it_back_too(self, town: Town) -> None:
        with pytest.raises(ClusterUnreachable):
            async with await town.contender("a"):
                raise ClusterUnreachable("the work")
        assert (await town.spec())["holderIdentity"] == ""


@pytest.mark.parametrize(
    ("duration", "renew_within", "retry"),
    [(10, 10, 2), (15, 10, 10), (15, 16, 2), (15, 10, 0), (0.9, 0.5, 0.1)],
)
def test_times_that_would_let_two_lead_are_refused(duration: float, renew_within: float, retry: float) -> None:
    with pytest.raises(CanaryError, match="must rise"):
        Term(
            duration=timedelta(seconds=duration),
            renew_within=timedelta(seconds=renew_within),
            retry=timedelta(seconds=retry),
        )
