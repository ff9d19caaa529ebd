"""A plain HTTP/1.1 client on a raw socket: it shows how an answer really ended, which libraries hide."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit


@dataclass(slots=True)
class Answer:
    """An answer as far as it came. ``complete`` is False if it was cut; ``pieces`` are the HTTP chunks."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    complete: bool = False
    pieces: list[bytes] = field(default_factory=list)

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def events(self) -> list[Any]:
        """The SSE ``data`` of the body: parsed JSON, or the text ``[DONE]``; comments are left out."""
        blocks = [block for block in self.body.decode().split("\n\n") if block and not block.startswith(":")]
        return [
            data if data == "[DONE]" else json.loads(data) for data in (b.partition(": ")[2] for b in blocks)
        ]

    def text(self) -> str:
        """The contents of all deltas joined."""
        return "".join(
            choice["delta"].get("content") or ""
            for event in self.events()
            if event != "[DONE]"
            for choice in event.get("choices", [])
        )


class Connection:
    """One client connection; use with ``async with Connection(url)``."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host, self.port, self.base = parts.hostname or "", parts.port or 80, parts.path
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Leave."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            return

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        version: str = "1.1",
    ) -> None:
        """Send one request; a body that is not bytes is sent as JSON."""
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        fields = {"Host": f"{self.host}:{self.port}"}
        if data or method in ("POST", "PUT"):
            fields["Content-Length"] = str(len(data))
            fields["Content-Type"] = "application/json"
        fields.update(headers or {})
        lines = [
            f"{method} {self.base}{path} HTTP/{version}",
            *(f"{k}: {v}" for k, v in fields.items() if v),
            "",
            "",
        ]
        self.writer.write("\r\n".join(lines).encode() + data)
        await self.writer.drain()

    async def head(self) -> Answer:
        """Status line and headers (lower-case names)."""
        raw = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in raw[1:] if line)}
        return Answer(int(raw[0].split(" ")[1]), headers)

    async def piece(self, answer: Answer) -> bytes:
        """The next HTTP chunk; empty at the end, ``answer.complete`` says which end."""
        try:
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            data = await self.reader.readexactly(size + 2)
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        if size == 0:
            answer.complete = True
            return b""
        answer.pieces.append(data[:-2])
        answer.body += data[:-2]
        return data[:-2]

    async def rest(self, answer: Answer, method: str = "GET") -> Answer:
        """Read the body to its end, whichever way it ends."""
        if method == "HEAD" or answer.status in (204, 304):
            answer.complete = True
        elif answer.headers.get("transfer-encoding") == "chunked":
            while await self.piece(answer):
                pass
        elif "content-length" in answer.headers:
            wanted = int(answer.headers["content-length"])
            try:
                answer.body = await self.reader.readexactly(wanted)
                answer.complete = True
            except asyncio.IncompleteReadError as error:
                answer.body = error.partial
        else:
            answer.body = await self.reader.read()
            answer.complete = True
        return answer

    async def request(self, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        """Send, and read the whole answer."""
        await self.send(method, path, body, **more)
        return await self.rest(await self.head(), method)


async def request(url: str, method: str, path: str, body: Any = None, **more: Any) -> Answer:
    """One request on a connection of its own."""
    async with Connection(url) as connection:
        return await asyncio.wait_for(connection.request(method, path, body, **more), 30)
