"""The real control plane of the lab: etcd, kube-apiserver and kube-controller-manager as child processes.

Made by `controlplane.choose`; the stories reach into `processes` to freeze, kill or restart a part. The programs come
from `KUBEBUILDER_ASSETS` (the convention of envtest), else from what `e2e/controlplane/build.sh` built. No process
outlives this one, even when it is killed. All sockets are on loopback; it must not hold data that matters.
"""

import asyncio
import ctypes
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import aiohttp
import yaml

from canary.errors import clip
from canary.lab import planeflags
from canary.lab.controlplane import PlaneFailed

BUILT = Path(__file__).parents[2] / ".cache" / "controlplane"
PARTS = ("etcd", "kube-apiserver", "kube-controller-manager")

READY_WITHIN = 60.0  # seconds; a few on an idle machine
GRACE = 1.0  # seconds from SIGTERM to SIGKILL
LOOK = 0.05  # seconds between two looks at something we wait for
TAIL = 5  # lines of a log that an error shows
FRUGAL = {"GOGC": "50"}  # environment of Go programs: half the idle heap for a few per cent of CPU

# Ports are picked below the range that Linux gives to outgoing connections (32768 and up): the lab opens hundreds of
# those on 127.0.0.1, and one of them could otherwise take the port of an API server that is just being restarted.
PORTS = range(20000, 30000)

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class Process:
    """One child process and its log. Its faults are methods, for the stories that need them."""

    def __init__(self, argv: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.argv = tuple(argv)
        self.log = log
        self._environment = dict(environment or {})
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs, frozen or not."""
        return self._child.pid if self._child is not None and self._child.poll() is None else None

    def start(self) -> None:
        """Start it, or start it again; call this from a thread that stays, since its end is the end of the child."""
        if self.pid is not None:
            raise PlaneFailed(f"{self.argv[0]} is running already")
        parent = os.getpid()

        def die_with_parent() -> None:
            if _LIBC is not None:
                _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
                if os.getppid() != parent:  # it died before the line above
                    os._exit(1)

        try:
            with self.log.open("ab") as output:
                self._child = subprocess.Popen(
                    self.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=os.environ | self._environment,
                    preexec_fn=die_with_parent,  # noqa: PLW1509 - calls a function that is loaded, takes no lock
                    start_new_session=True,  # Ctrl-C is for us: `stop` ends the parts in their order
                )
        except OSError as error:
            raise PlaneFailed(f"{self.argv[0]} cannot be started: {error}") from error

    def freeze(self) -> None:
        """Stop it in its tracks: its sockets stay open and nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen process go on."""
        self._signal(signal.SIGCONT)

    async def stop(self, grace: float = GRACE) -> None:
        """Ask it to end, and kill it after `grace` seconds. Does nothing when it is not running."""
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)  # a frozen process hears nothing
        if not await self._ended(grace):
            await self.kill()

    async def kill(self) -> None:
        """End it without a chance to say goodbye."""
        self._signal(signal.SIGKILL)
        await self._ended(GRACE)

    def must_live(self) -> None:
        """Raise PlaneFailed, with the end of the log, when it is not running."""
        if self.pid is None:
            status = "was not started" if self._child is None else f"exited with {self._child.returncode}"
            raise PlaneFailed(f"{self.argv[0]} {status}; {self.last_words()}")

    def last_words(self) -> str:
        """Name the log and quote its end, for an error message."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n  ".join([f"its log is {self.log}", *map(clip, lines[-TAIL:])])

    def _signal(self, number: signal.Signals) -> None:
        if self.pid is not None and self._child is not None:
            self._child.send_signal(number)

    async def _ended(self, within: float) -> bool:
        for _ in range(1 + round(within / LOOK)):
            if self.pid is None:
                return True
            await asyncio.sleep(LOOK)
        return False


class RealPlane:
    """The control plane on free ports of 127.0.0.1. Started again in the same home it still has its objects."""

    def __init__(self, home: Path) -> None:
        found = assets()
        self.kubeconfig = home / "admin.kubeconfig"
        self.kubectl = found["kubectl"]
        self.audit_log = home / planeflags.AUDIT_LOG
        self._home = home
        self._token = secrets.token_hex(16)
        self._certificate = home / "certificates" / "apiserver.crt"
        client, peer, secure = free_ports(3)
        self.url = f"https://127.0.0.1:{secure}"
        argv = {
            "etcd": planeflags.etcd(home, client, peer),
            "kube-apiserver": planeflags.apiserver(home, client, secure),
            "kube-controller-manager": planeflags.controllers(self.kubeconfig),
        }
        self.processes = {
            part: Process([str(found[part]), *argv[part]], home / f"{part}.log", FRUGAL) for part in PARTS
        }

    async def start(self) -> None:
        """Start the three parts and return when a Deployment would be acted on. Raises PlaneFailed."""
        self._home.mkdir(parents=True, exist_ok=True)
        _private(self._home / planeflags.TOKENS, f"{self._token},admin,admin,system:masters\n")
        (self._home / planeflags.AUDIT_POLICY).write_text(yaml.safe_dump(planeflags.AUDITED))
        try:
            self.processes["etcd"].start()
            self.processes["kube-apiserver"].start()
            await self._until("kube-apiserver", "/readyz")
            _private(self.kubeconfig, _kubeconfig(self.url, self._token, self._certificate))
            self.processes["kube-controller-manager"].start()
            await self.ready()
        except BaseException:
            await self.stop()
            raise

    async def ready(self) -> None:
        """Wait for all parts, after a start or after one of them was restarted. Raises PlaneFailed."""
        await self._until("kube-apiserver", "/readyz")
        # The controller manager serves no port of its own; its first visible deed is this account.
        await self._until("kube-controller-manager", "/api/v1/namespaces/default/serviceaccounts/default")

    async def restart(self, part: str) -> None:
        """Kill a part if it runs, and start it again. Raises PlaneFailed."""
        await self.processes[part].kill()
        self.processes[part].start()
        await self.ready()

    def save(self, copy: Path) -> None:
        """Copy what etcd holds, as it lies there at one moment."""
        self.processes["etcd"].freeze()
        shutil.copytree(self._home / "etcd", copy)
        self.processes["etcd"].thaw()

    async def restore(self, copy: Path) -> None:
        """Go back to a copy: what happened since has not. Raises PlaneFailed."""
        await self.stop()
        shutil.rmtree(self._home / "etcd")
        shutil.copytree(copy, self._home / "etcd")
        await self.start()

    async def stop(self) -> None:
        """End the parts, etcd last, in a fraction of a second."""
        etcd, *others = (self.processes[part] for part in PARTS)
        # Asked politely, the API server drains for a second, and for a minute while somebody watches.
        await asyncio.gather(*(process.kill() for process in others))
        await etcd.stop()

    async def _until(self, part: str, path: str) -> None:
        """Poll `path` until it is there; give up when a started part dies, or `part` takes too long."""
        started = PARTS[: PARTS.index(part) + 1]
        try:
            async with asyncio.timeout(READY_WITHIN):
                while True:
                    for name in started:
                        self.processes[name].must_live()
                    if await self._answers(path):
                        return
                    await asyncio.sleep(LOOK)
        except TimeoutError:
            said = self.processes[part].last_words()
            raise PlaneFailed(f"{part} was not ready within {READY_WITHIN:.0f} seconds; {said}") from None

    async def _answers(self, path: str) -> bool:
        try:
            trust = ssl.create_default_context(cafile=self._certificate)
            async with (
                aiohttp.ClientSession(headers={"Authorization": f"Bearer {self._token}"}) as session,
                session.get(self.url + path, ssl=trust, timeout=aiohttp.ClientTimeout(total=2)) as answer,
            ):
                return answer.ok
        except (aiohttp.ClientError, TimeoutError, OSError):  # also: no certificate yet, or half of one
            return False


def assets() -> Mapping[str, Path]:
    """Find every program: all in `KUBEBUILDER_ASSETS` when that is set, else all among what we built.

    Only the kube-controller-manager may come from ours in both cases: envtest's archives have none. Raises PlaneFailed.
    """
    place = os.environ.get("KUBEBUILDER_ASSETS") or str(BUILT)
    found = {name: shutil.which(name, path=place) for name in (*PARTS, "kubectl")}
    found["kube-controller-manager"] = shutil.which("kube-controller-manager", path=f"{place}{os.pathsep}{BUILT}")
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise PlaneFailed(
            f"no {', '.join(missing)} in {place}: run e2e/controlplane/build.sh (some minutes, once), "
            "or set KUBEBUILDER_ASSETS to a directory that has the programs"
        )
    return {name: Path(path) for name, path in found.items() if path is not None}


def free_ports(count: int) -> list[int]:
    """Pick distinct TCP ports of 127.0.0.1 that nobody listens on now. Raises PlaneFailed."""
    candidates = secrets.SystemRandom().sample(PORTS, len(PORTS))
    free = list(islice((port for port in candidates if _is_free(port)), count))
    if len(free) < count:
        raise PlaneFailed(f"no {count} free ports in {PORTS.start}-{PORTS.stop - 1}")
    return free


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _kubeconfig(url: str, token: str, certificate: Path) -> str:
    lists = {
        "clusters": [{"name": "lab", "cluster": {"server": url, "certificate-authority": str(certificate)}}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "admin"}}],
    }
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "lab", **lists})


def _private(file: Path, text: str) -> None:
    """Write a file that only we can read."""
    file.touch(mode=0o600)
    file.write_text(text)
