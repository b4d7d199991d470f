"""A local server that speaks recorded bytes: every bad habit of a server on the wire, and what it was asked."""

import asyncio
import contextlib
import json
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

JSON = "application/json"


@dataclass(frozen=True)
class Asked:
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.target).query).items()}

    @property
    def json(self) -> dict[str, object]:
        told = json.loads(self.body)
        assert isinstance(told, dict)
        return told


Answer = Callable[[Asked, asyncio.StreamWriter], Coroutine[object, object, None]]


@dataclass
class Recorded:
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client has closed a connection."""


def reply(status: int = 200, body: object = b"", kind: str = JSON, **headers: str) -> Answer:
    """One whole answer. Whatever is not bytes is sent as JSON; header names are written with underscores."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def answer(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head(status, kind, Content_Length=str(len(raw)), **headers) + raw)
        await writer.drain()

    return answer


def head(status: int = 200, kind: str = JSON, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Recorded", f"Content-Type: {kind}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def in_turn(*answers: Answer) -> Answer:
    """Give each answer once, and the last one from then on."""
    left = list(answers)

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(asked, writer)

    return answer


async def hang(_: Asked, __: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def cut(_: Asked, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def cut_in_the_body(_: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(head(Content_Length="1000") + b'{"status":')
    await writer.drain()
    writer.transport.abort()


async def cut_in_a_chunk(_: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(head(Transfer_Encoding="chunked") + b"100\r\nbegun")
    await writer.drain()
    writer.transport.abort()


async def nonsense(_: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    await writer.drain()
    writer.close()


def drip(status: int = 200, body: bytes = b" " * 10_000, **headers: str) -> Answer:
    """A byte each 20 ms: no read ever times out."""

    async def answer(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head(status, Content_Length=str(len(body)), **headers))
        await slowly(writer, body)

    return answer


async def drip_the_head(_: Asked, writer: asyncio.StreamWriter) -> None:
    await slowly(writer, b"HTTP/1.1 200 Recorded\r\nX-Long: " + b"a" * 10_000)


async def slowly(writer: asyncio.StreamWriter, raw: bytes) -> None:
    for byte in raw:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.02)


def endless(chunk: bytes = b"x" * 2**16) -> Answer:
    """A body without an end."""

    async def answer(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head(Transfer_Encoding="chunked"))
        while True:
            writer.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
            await writer.drain()

    return answer


@contextlib.asynccontextmanager
async def recorded(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Recorded]:
    """Serve on a free port of the loopback."""
    server = Recorded()
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                asked = await _read(reader)
                server.asked.append(asked)
                answering = asyncio.create_task(answer(asked, writer))
                gone = asyncio.create_task(_until_gone(reader))
                await asyncio.wait([answering, gone], return_when=asyncio.FIRST_COMPLETED)
                gone.cancel()
                if not answering.done():
                    answering.cancel()
                    return
                answering.result()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            await talk(reader, writer)
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            server.hung_up.set()
            talks.discard(task)
            writer.transport.abort()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    server.url = f"http{'s' if tls else ''}://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        for task in list(talks):
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


def a_certificate(home: Path) -> tuple[Path, Path]:
    """Make one for 127.0.0.1, and its key; skip the test where there is nothing to make it with."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    crt, key = home / "tls.crt", home / "tls.key"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=recorded -addext"
    subprocess.run(
        [*command.split(), "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(crt)],
        check=True,
        capture_output=True,
    )
    return crt, key


def serving(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


async def _read(reader: asyncio.StreamReader) -> Asked:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(method, target, headers, body)


async def _until_gone(reader: asyncio.StreamReader) -> None:
    """Wait for the client to hang up; it says nothing more before it has its answer."""
    await until(reader.at_eof)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 - what is waited for knows no event
            await asyncio.sleep(0.01)
