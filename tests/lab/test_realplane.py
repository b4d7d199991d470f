"""The real control plane: its child processes, where its programs come from, and what it does with a Deployment."""

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio

from canary.adapters.api import Api, Json
from canary.errors import ClusterUnreachable, Forbidden
from canary.lab import realplane
from canary.lab.controlplane import PlaneFailed, choose
from canary.lab.realplane import PARTS, Process, RealPlane, assets, free_ports

PODS = "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
REPLICA_SETS = "/apis/apps/v1/namespaces/default/replicasets"
ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"


def _why_not() -> str:
    try:
        assets()
    except PlaneFailed as error:
        return error.hint
    return ""


needs_programs = pytest.mark.skipif(bool(_why_not()), reason=_why_not())


def alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie that nobody has collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def processes_of(home: Path) -> list[int]:
    """Find what still runs with `home` on its command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(home).encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def eventually(holds: Callable[[], bool], within: float = 5.0) -> bool:
    """Look again and again until it holds or the time is over."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.02)
    return holds()


async def items(api: Api, path: str, count: int, **query: str | int) -> list[Json]:
    """Wait for a list to have `count` items, ten seconds at most; the last list read, whatever its length."""
    found: list[Json] = []
    for _ in range(100):
        found = cast("list[Json]", (await api.get(path, **query))["items"])
        if len(found) == count:
            break
        await asyncio.sleep(0.1)
    return found


def a_deployment(name: str, image: str = "v1") -> Json:
    """Make a Deployment of two pods."""
    labels = {"app": name}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": image}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": pod},
    }


@pytest.fixture
async def sleeper(tmp_path: Path) -> AsyncIterator[Process]:
    """Run a process that ends when asked."""
    process = Process(["sleep", "60"], tmp_path / "log")
    process.start()
    yield process
    await process.kill()


class TestProcess:
    async def test_stop_ends_it_and_may_be_called_twice(self, sleeper: Process) -> None:
        pid = sleeper.pid
        assert pid is not None
        assert alive(pid)
        await sleeper.stop()
        await sleeper.stop()
        assert not alive(pid)
        assert sleeper.pid is None

    async def test_it_starts_again_after_it_was_killed(self, sleeper: Process) -> None:
        first = sleeper.pid
        await sleeper.kill()
        sleeper.start()
        assert sleeper.pid not in (None, first)

    async def test_it_does_not_start_twice(self, sleeper: Process) -> None:
        with pytest.raises(PlaneFailed, match="running already"):
            sleeper.start()

    async def test_stop_reaches_a_frozen_process(self, sleeper: Process) -> None:
        sleeper.freeze()
        began = time.monotonic()
        await sleeper.stop(grace=5.0)
        assert sleeper.pid is None
        assert time.monotonic() - began < 4.0

    async def test_a_frozen_process_goes_on_when_thawed(self, sleeper: Process) -> None:
        def state() -> str:
            return Path(f"/proc/{sleeper.pid}/stat").read_text().split()[2]

        sleeper.freeze()
        assert eventually(lambda: state() == "T")
        sleeper.thaw()
        assert eventually(lambda: state() == "S")

    async def test_one_that_does_not_listen_is_killed(self, tmp_path: Path) -> None:
        deaf = Process(["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done"], tmp_path / "log")
        deaf.start()
        assert eventually(lambda: deaf.log.read_text() == "deaf\n")
        await deaf.stop(grace=0.2)
        assert deaf.pid is None

    def test_a_dead_one_is_reported_with_its_log_and_last_words(self, tmp_path: Path) -> None:
        process = Process(["sh", "-c", "echo no flag called $FLAG; exit 3"], tmp_path / "log", {"FLAG": "--x"})
        process.start()
        assert eventually(lambda: process.pid is None)
        with pytest.raises(PlaneFailed, match="exited with 3") as caught:
            process.must_live()
        assert str(process.log) in caught.value.hint
        assert "no flag called --x" in caught.value.hint

    def test_a_program_that_is_none_is_reported(self, tmp_path: Path) -> None:
        with pytest.raises(PlaneFailed, match="cannot be started"):
            Process([str(tmp_path)], tmp_path / "log").start()

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
    def test_it_dies_when_its_parent_is_killed(self, tmp_path: Path) -> None:
        script = (
            "import sys, time; from pathlib import Path; from canary.lab.realplane import Process\n"
            "process = Process(['sleep', '60'], Path(sys.argv[1])); process.start()\n"
            "print(process.pid, flush=True); time.sleep(60)"
        )
        with subprocess.Popen([sys.executable, "-c", script, tmp_path / "log"], stdout=subprocess.PIPE) as parent:
            assert parent.stdout is not None
            child = int(parent.stdout.readline())
            assert alive(child)
            parent.kill()
        assert eventually(lambda: not alive(child))


ENVTEST = ("etcd", "kube-apiserver", "kubectl")
ALL = (*PARTS, "kubectl")


class TestAssets:
    @pytest.fixture
    def places(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Stand in for the two directories, `given` and `built`, both empty."""
        (tmp_path / "given").mkdir()
        (tmp_path / "built").mkdir()
        monkeypatch.setattr(realplane, "BUILT", tmp_path / "built")
        monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "given"))
        return tmp_path

    @pytest.mark.parametrize(
        ("given", "built", "expected"),
        [
            pytest.param(ALL, ALL, dict.fromkeys(ALL, "given"), id="the given ones come first"),
            pytest.param(ALL, (), dict.fromkeys(ALL, "given"), id="the given ones are enough"),
            pytest.param(
                ENVTEST,
                ALL,
                {**dict.fromkeys(ENVTEST, "given"), "kube-controller-manager": "built"},
                id="envtest's archive is completed",
            ),
        ],
    )
    def test_programs_are_found(
        self, places: Path, given: tuple[str, ...], built: tuple[str, ...], expected: dict[str, str]
    ) -> None:
        for name in given:
            (places / "given" / name).touch(mode=0o755)
        for name in built:
            (places / "built" / name).touch(mode=0o755)
        assert assets() == {name: places / place / name for name, place in expected.items()}

    def test_a_wrong_directory_is_not_papered_over_by_ours(self, places: Path) -> None:
        for name in ALL:
            (places / "built" / name).touch(mode=0o755)
        with pytest.raises(PlaneFailed, match=r"no etcd, kube-apiserver, kubectl in .*given: run e2e/controlplane"):
            assets()

    def test_ours_are_used_when_none_are_given(self, places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ALL:
            (places / "built" / name).touch(mode=0o755)
        monkeypatch.delenv("KUBEBUILDER_ASSETS")
        assert set(assets().values()) == {places / "built" / name for name in ALL}

    def test_choosing_the_real_one_without_programs_says_what_to_do(self, places: Path) -> None:
        with pytest.raises(PlaneFailed, match=r"build\.sh"):
            choose("real", places)


def test_a_control_plane_of_another_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlaneFailed, match="'kind'"):
        choose("kind", tmp_path)


def test_free_ports_are_distinct_and_not_the_one_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        used = taken.getsockname()[1]
        monkeypatch.setattr(realplane, "PORTS", range(used - 1, used + 2))
        with pytest.raises(PlaneFailed, match="no 3 free ports"):
            free_ports(3)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plane(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealPlane]:
    """Start one control plane for all tests that do no harm to it."""
    made = choose("real", tmp_path_factory.mktemp("plane"))
    assert isinstance(made, RealPlane)
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def api(plane: RealPlane) -> AsyncIterator[Api]:
    """Connect to it as its administrator."""
    connected = await Api.connect(plane.kubeconfig)
    yield connected
    await connected.close()


@needs_programs
@pytest.mark.controlplane
@pytest.mark.asyncio(loop_scope="module")
class TestRunningPlane:
    async def test_kubectl_and_the_api_tell_the_same_version(self, plane: RealPlane, api: Api) -> None:
        command = [str(plane.kubectl), f"--kubeconfig={plane.kubeconfig}", "version", "--output=json"]
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        told = json.loads((await process.communicate())[0])
        assert told["serverVersion"]["gitVersion"] == (await api.get("/version"))["gitVersion"]

    async def test_a_deployment_rolls_a_replica_set_and_its_pods(self, api: Api) -> None:
        await api.create(DEPLOYMENTS, a_deployment("web"))
        pods = await items(api, PODS, 2, labelSelector="app=web")
        (owner,) = await items(api, REPLICA_SETS, 1, labelSelector="app=web")
        name = cast("Json", owner["metadata"])["name"]
        for pod in pods:
            metadata = cast("Json", pod["metadata"])
            assert cast("list[Json]", metadata["ownerReferences"])[0]["name"] == name
            assert name == f"web-{cast('Json', metadata['labels'])['pod-template-hash']}"
            assert "nodeName" not in cast("Json", pod["spec"])
        assert len(pods) == 2

    async def test_a_new_template_makes_a_second_replica_set(self, api: Api) -> None:
        await api.create(DEPLOYMENTS, a_deployment("shop"))
        assert len(await items(api, REPLICA_SETS, 1, labelSelector="app=shop")) == 1
        await api.patch(f"{DEPLOYMENTS}/shop", {"spec": a_deployment("shop", "v2")["spec"]})
        assert len(await items(api, REPLICA_SETS, 2, labelSelector="app=shop")) == 2

    async def test_a_deleted_deployment_takes_its_pods_along(self, api: Api) -> None:
        await api.create(DEPLOYMENTS, a_deployment("gone"))
        assert len(await items(api, PODS, 2, labelSelector="app=gone")) == 2
        await api.delete(f"{DEPLOYMENTS}/gone")
        assert await items(api, PODS, 0, labelSelector="app=gone") == []

    async def test_a_service_gets_an_address_on_loopback(self, api: Api) -> None:
        service = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
        made = await api.create("/api/v1/namespaces/default/services", service)
        assert str(cast("Json", made["spec"])["clusterIP"]).startswith("127.10.")

    async def test_a_service_account_may_nothing_until_a_role_says_so(self, plane: RealPlane, api: Api) -> None:
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        token = cast("Json", (await api.create(f"{ACCOUNT}/token", asked))["status"])["token"]
        as_account = plane.kubeconfig.with_name("account.kubeconfig")
        config = plane.kubeconfig.read_text().splitlines()
        as_account.write_text("\n".join(f"    token: {token}" if "token:" in line else line for line in config))
        account = await Api.connect(as_account)
        try:
            with pytest.raises(Forbidden, match="serviceaccount:default:default"):
                await account.get(PODS)
        finally:
            await account.close()
        logged = [json.loads(line) for line in plane.audit_log.read_text().splitlines()]
        seen = [(e["user"]["username"], e["verb"], e["responseStatus"]["code"]) for e in logged if "objectRef" in e]
        assert ("system:serviceaccount:default:default", "list", 403) in seen
        assert {name for name, _, _ in seen} == {"system:serviceaccount:default:default"}

    async def test_a_restarted_api_server_still_has_its_objects(self, plane: RealPlane, api: Api) -> None:
        await api.create("/api/v1/namespaces", {"metadata": {"name": "kept"}})
        await plane.processes["kube-apiserver"].kill()
        with pytest.raises(ClusterUnreachable):
            await api.get("/api/v1/namespaces/kept")
        plane.processes["kube-apiserver"].start()
        await plane.ready()
        assert cast("Json", (await api.get("/api/v1/namespaces/kept"))["status"])["phase"] == "Active"

    async def test_waiting_for_a_part_that_was_killed_names_its_log(self, plane: RealPlane) -> None:
        manager = plane.processes["kube-controller-manager"]
        await manager.kill()
        with pytest.raises(PlaneFailed, match=r"kube-controller-manager exited with -9; its log is .*manager\.log"):
            await plane.ready()
        manager.start()
        await plane.ready()


@needs_programs
@pytest.mark.controlplane
async def test_stop_leaves_no_process_and_is_quick_even_when_one_is_frozen(tmp_path: Path) -> None:
    plane = RealPlane(tmp_path)
    await plane.start()
    assert len(processes_of(tmp_path)) == len(PARTS)
    plane.processes["kube-apiserver"].freeze()
    began = time.monotonic()
    await plane.stop()
    await plane.stop()
    assert time.monotonic() - began < 3.0
    assert processes_of(tmp_path) == []


@needs_programs
@pytest.mark.controlplane
async def test_a_part_that_cannot_start_is_named_and_the_others_end(tmp_path: Path) -> None:
    (tmp_path / "etcd").write_text("no directory")
    with pytest.raises(PlaneFailed, match=r"etcd exited with 1; its log is .*etcd\.log"):
        await RealPlane(tmp_path).start()
    assert processes_of(tmp_path) == []


@needs_programs
@pytest.mark.controlplane
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_nothing_outlives_a_killed_lab(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys; from pathlib import Path; from canary.lab.realplane import RealPlane\n"
        "async def main():\n"
        "    await RealPlane(Path(sys.argv[1])).start(); print('up', flush=True); await asyncio.sleep(60)\n"
        "asyncio.run(main())"
    )
    home = tmp_path / "home"
    with subprocess.Popen([sys.executable, "-c", script, home], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        assert len(processes_of(home)) == len(PARTS) + 1
        parent.kill()
    assert eventually(lambda: processes_of(home) == [])
