"""The real control plane of the lab: etcd, kube-apiserver and kube-controller-manager as child processes.

Made by `controlplane.choose`; the stories reach into `processes` to freeze, kill or restart a part. The programs come
from `KUBEBUILDER_ASSETS` (the convention of envtest), else from what `e2e/controlplane/build.sh` built. No process
outlives this one, even when it is killed. All sockets are on loopback; it must not hold data that matters.
"""

import asyncio
import ctypes
import os
import secrets
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

from canary.lab.controlplane import PlaneFailed

BUILT = Path(__file__).parents[2] / ".cache" / "controlplane"
PARTS = ("etcd", "kube-apiserver", "kube-controller-manager")

READY_WITHIN = 60.0  # seconds; a few on an idle machine
GRACE = 1.0  # seconds from SIGTERM to SIGKILL; two rounds of it stay below the three seconds `stop` may take
LOOK = 0.05  # seconds between two looks at something we wait for
TAIL = 5  # lines of a log that an error shows
FRUGAL = {"GOGC": "50"}  # environment of Go programs: half the idle heap for a few per cent of CPU

# Ports are picked below the range that Linux gives to outgoing connections (32768 and up): the lab opens hundreds of
# those on 127.0.0.1, and one of them could otherwise take the port of an API server that is just being restarted.
PORTS = range(20000, 30000)

# The controllers that a rollout needs, and those without which a namespace could not be used and deleted. All the
# others would only cost memory: there are no nodes, volumes or jobs here.
CONTROLLERS = (
    "deployment-controller,replicaset-controller,endpointslice-controller,"
    "garbage-collector-controller,namespace-controller,serviceaccount-controller"
)

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
        """Start it, for the first time or again; the log goes on where it was.

        Linux ends the child together with the *thread* that calls this, so that must be one that stays.
        """
        if self.pid is not None:
            raise PlaneFailed(f"{self.argv[0]} is running already")
        parent = os.getpid()

        def die_with_parent() -> None:
            if _LIBC is not None:
                _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
                if os.getppid() != parent:  # it died before the line above
                    os._exit(1)

        with self.log.open("ab") as output:
            self._child = subprocess.Popen(  # noqa: S603 - our own programs and flags
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | self._environment,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - calls one function that is loaded already, takes no lock
                start_new_session=True,  # Ctrl-C is for us: `stop` ends the parts in their order
            )

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
            raise PlaneFailed(f"{self.argv[0]} {status}; its log is {self.log}{self.last_words()}")

    def last_words(self) -> str:
        """Quote the end of the log, to be put behind an error message."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "".join(f"\n  {line}" for line in lines[-TAIL:])

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
        self._home = home
        self._token = secrets.token_hex(16)
        self._certificate = home / "certificates" / "apiserver.crt"
        client, peer, secure = free_ports(3)
        self.url = f"https://127.0.0.1:{secure}"
        flags = {
            "etcd": _etcd(home, client, peer),
            "kube-apiserver": _apiserver(home, client, secure),
            "kube-controller-manager": _controllers(self.kubeconfig),
        }
        self.processes = {
            part: Process([str(found[part]), *flags[part]], home / f"{part}.log", FRUGAL) for part in PARTS
        }

    async def start(self) -> None:
        """Start the three parts and return when a Deployment would be acted on. Raises PlaneFailed."""
        self._home.mkdir(parents=True, exist_ok=True)
        _private(self._home / "tokens.csv", f"{self._token},admin,admin,system:masters\n")
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

    async def stop(self) -> None:
        """End the parts, etcd last, within three seconds."""
        etcd, *others = (self.processes[part] for part in PARTS)
        await asyncio.gather(*(process.stop() for process in others))
        await etcd.stop()

    async def _until(self, part: str, path: str) -> None:
        """Poll `path` until it is there; give up when a started part dies, or `part` takes too long."""
        started = PARTS[: PARTS.index(part) + 1]
        try:
            async with asyncio.timeout(READY_WITHIN):
                while not await self._answers(path):
                    for name in started:
                        self.processes[name].must_live()
                    await asyncio.sleep(LOOK)
        except TimeoutError:
            late = self.processes[part]
            raise PlaneFailed(
                f"{part} was not ready within {READY_WITHIN:.0f} seconds; its log is {late.log}{late.last_words()}"
            ) from None

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
    given = os.environ.get("KUBEBUILDER_ASSETS")
    place = Path(given) if given else BUILT
    found = {name: place / name for name in (*PARTS, "kubectl")}
    if not _runs(found["kube-controller-manager"]):
        found["kube-controller-manager"] = BUILT / "kube-controller-manager"
    missing = [str(path) for path in found.values() if not _runs(path)]
    if missing:
        raise PlaneFailed(
            f"missing {', '.join(missing)}: run e2e/controlplane/build.sh (some minutes, once), "
            "or set KUBEBUILDER_ASSETS to a directory that has the programs"
        )
    return found


def _runs(program: Path) -> bool:
    return os.access(program, os.X_OK)


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


def _etcd(home: Path, client: int, peer: int) -> list[str]:
    return [
        f"--data-dir={home / 'etcd'}",
        f"--listen-client-urls=http://127.0.0.1:{client}",
        f"--advertise-client-urls=http://127.0.0.1:{client}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
        "--unsafe-no-fsync",  # what is lost with the machine may be lost here
        "--log-level=warn",
    ]


def _apiserver(home: Path, etcd: int, port: int) -> list[str]:
    # The API server makes its certificate before it reads the key for service account tokens: one key does for both.
    key = home / "certificates" / "apiserver.key"
    return [
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={key.parent}",
        "--authorization-mode=RBAC",
        f"--token-auth-file={home / 'tokens.csv'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-cluster-ip-range=127.10.0.0/16",
        "--disable-admission-plugins=ServiceAccount",  # pods need no token, and nobody would mount it
        # No endpoints for the service "kubernetes", so nothing to announce: the default would look for a network card.
        "--endpoint-reconciler-type=none",
        "--advertise-address=10.244.0.1",
    ]


def _controllers(kubeconfig: Path) -> list[str]:
    return [
        f"--kubeconfig={kubeconfig}",
        f"--controllers={CONTROLLERS}",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]


def _kubeconfig(url: str, token: str, certificate: Path) -> str:
    cluster = {"server": url, "certificate-authority": str(certificate)}
    lists = {
        "clusters": [{"name": "lab", "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "admin"}}],
    }
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "lab", **lists})


def _private(file: Path, text: str) -> None:
    """Write a file that only we can read."""
    file.touch(mode=0o600)
    file.write_text(text)
