"""Addresses of the lab's pods: 10.244.a.b in their status, 127.1.a.b for sockets and scrape targets.

An API server refuses EndpointSlices with loopback addresses, and only loopback can be had without a network. Each
lab takes a block `a` of its own, so that several can run on one machine.
"""

import socket
from collections import deque
from typing import Self

from canary.errors import CanaryError

_LOCK_PORT = 4190  # the proxy's tap port, which the lab has no other use for
_BLOCKS = range(256)
_HOSTS = range(2, 255)


class NoAddress(CanaryError):
    """No block, or no address in it, is left."""


def loopback(ip: str) -> str:
    """Return where the sockets of the pod at `ip` are."""
    return "127.1." + ip.removeprefix("10.244.")


class Block:
    """The addresses of one lab; a listening socket on its first address keeps others out."""

    def __init__(self, number: int, lock: socket.socket) -> None:
        self.node = f"10.244.{number}.1"
        self._lock = lock
        self._free = deque(f"10.244.{number}.{host}" for host in _HOSTS)

    @classmethod
    def claim(cls) -> Self:
        """Take the first block that no other lab on this machine holds. Raises NoAddress."""
        for number in _BLOCKS:
            lock = socket.socket()
            try:
                lock.bind((f"127.1.{number}.1", _LOCK_PORT))
                lock.listen(1)
            except OSError:
                lock.close()
                continue
            return cls(number, lock)
        raise NoAddress(f"all {len(_BLOCKS)} address blocks 127.1.0.0/16 of labs are taken on this machine")

    def take(self) -> str:
        """Take an address; the one that was free for the longest time. Raises NoAddress."""
        if not self._free:
            raise NoAddress(f"the lab's {len(_HOSTS)} pod addresses are all taken")
        return self._free.popleft()

    def give_back(self, ip: str) -> None:
        """Let another pod have the address."""
        self._free.append(ip)

    def release(self) -> None:
        """Let another lab have the block."""
        self._lock.close()
