"""Speaking to one API server for the conformance table: requests, watches, polling."""

import asyncio
import json
import secrets
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Self, cast

import httpx
import yaml

from e2e.conformance.rows import Row, at, differences, filled

_PAUSE = 0.05


class Server:
    """An API server, as its administrator sees it."""

    def __init__(self, client: httpx.AsyncClient, name: str) -> None:
        self.name, self._client = name, client

    @classmethod
    def of(cls, name: str, kubeconfig: Path) -> Self:
        """Read how to reach it."""
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        trust: ssl.SSLContext | bool = True
        if authority := cluster.get("certificate-authority"):
            trust = ssl.create_default_context(cafile=authority)
        headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        headers["User-Agent"] = "conformance/1"
        return cls(httpx.AsyncClient(base_url=cluster["server"], verify=trust, headers=headers, timeout=20), name)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def namespace(self) -> dict[str, str]:
        """Make a fresh namespace; return the names that rows may use."""
        name = f"c-{secrets.token_hex(4)}"
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        (await self._client.post("/api/v1/namespaces", json=body)).raise_for_status()
        return {"ns": name}

    async def play(self, row: Row, names: dict[str, str]) -> list[str]:
        """Run one row, keep what it keeps, and say what is wrong."""
        if row.where not in {"", self.name}:
            return []
        loop = asyncio.get_running_loop()
        end = loop.time() + row.within
        while True:
            wrong, answer = await (self._watched if row.events is not None else self._asked)(row, names)
            if not wrong or loop.time() >= end:
                break
            await asyncio.sleep(_PAUSE)
        for name, path in row.keep.items():
            names[name] = str(at(answer, path))
        return [f"{row.say} [{row.method} {filled(row.path, names)}]: {each}" for each in wrong]

    async def _asked(self, row: Row, names: Mapping[str, str]) -> tuple[list[str], object]:
        headers, content = _content(row, names)
        path = str(filled(row.path, names))
        response = await self._client.request(row.method, path, headers=headers, content=content)
        answer = _parsed(response)
        wrong = list(differences(filled(row.answer, names), answer)) if row.answer is not None else []
        wrong += [f"{path} should not be there" for path in row.absent if at(answer, path) is not None]
        if response.status_code != row.code:
            wrong.insert(0, f"{response.status_code}, wanted {row.code}: {response.text[:600]}")
        return wrong, answer

    async def _watched(self, row: Row, names: dict[str, str]) -> tuple[list[str], object]:
        """Read a watch to its end, while other rows run."""
        path = str(filled(row.path, names))
        glue = "&" if "?" in path else "?"
        url = f"{path}{glue}watch=true&timeoutSeconds={row.seconds:.0f}"
        wrong: list[str] = []
        headers, _ = _content(row, names)
        async with self._client.stream("GET", url, headers=headers) as response:
            if response.status_code != row.code:
                return [f"{response.status_code}, wanted {row.code}: {await response.aread()!r}"], None
            for each in row.meanwhile:
                wrong += await self.play(each, names)
            events = [json.loads(line) async for line in response.aiter_lines() if line]
        wanted = cast("list[object]", filled(row.events, names))
        return wrong + list(differences(wanted, events, "events")), events


def _content(row: Row, names: Mapping[str, str]) -> tuple[dict[str, str], str | None]:
    headers = dict(row.headers)
    if row.body is None:
        return headers, None
    body = filled(row.body, names)
    return headers | {"Content-Type": row.type}, body if isinstance(body, str) else json.dumps(body)


def _parsed(response: httpx.Response) -> object:
    try:
        return cast("object", response.json())
    except ValueError:
        return response.text
