"""Ready behaviours for a scripted peer: answers, streams, and every way to end one badly.

A stream is a list of pieces, in order: ``bytes`` is one HTTP chunk, ``Raw`` goes out unframed, an ``asyncio.Event``
is waited for (so that the test decides when the next piece comes), a number is a pause in seconds.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from tests.support.peer import Exchange, Script

SSE = "text/event-stream"
NDJSON = "application/x-ndjson"
JSON = "application/json"

#: How a stream ends. clean: last chunk, connection kept. cut: FIN without the last chunk. reset: RST, once the other side has it all. silence: nothing
#: more until the other side leaves. close: the last chunk, then FIN.
End = Literal["clean", "cut", "reset", "silence", "close"]
Headers = Mapping[str, str] | Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes for the socket as they are."""

    data: bytes


Piece = bytes | Raw | asyncio.Event | int | float


def head(status: int = 200, headers: Headers = ()) -> bytes:
    """Status line and header fields with the blank line."""
    fields = headers.items() if isinstance(headers, Mapping) else headers
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{k}: {v}" for k, v in fields), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def sse(*events: Any, done: bool = True) -> list[bytes]:
    """SSE events as one piece each: values as JSON, text as it is; with ``[DONE]`` unless told otherwise."""
    texts = [event if isinstance(event, str) else json.dumps(event, ensure_ascii=False) for event in events]
    return [f"data: {text}\n\n".encode() for text in [*texts, *(["[DONE]"] if done else [])]]


def ndjson(*values: Any) -> list[bytes]:
    """One line of JSON as one piece each."""
    return [json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in values]


def half_chunk(data: bytes) -> Raw:
    """The first half of an HTTP chunk, for a cut in its middle."""
    return Raw(b"%x\r\n%b" % (len(data), data[: len(data) // 2]))


def answer(body: bytes = b"", status: int = 200, headers: Headers = (), content_type: str = JSON) -> Script:
    """A whole response with Content-Length; the connection stays open unless a ``Connection: close`` is among them."""
    more = headers.items() if isinstance(headers, Mapping) else headers
    fields = [("Content-Type", content_type), ("Content-Length", str(len(body))), *more]

    async def script(exchange: Exchange) -> None:
        bodiless = exchange.request.method == "HEAD" or status in (204, 304)
        await exchange.send(head(status, fields) + (b"" if bodiless else body))
        if ("connection", "close") in {(name.lower(), value) for name, value in fields}:
            exchange.close()

    return script


def answer_json(value: Any, status: int = 200, headers: Headers = (), content_type: str = JSON) -> Script:
    """A whole JSON response."""
    return answer(json.dumps(value, ensure_ascii=False).encode(), status, headers, content_type)


def stream(
    *pieces: Piece, end: End = "clean", content_type: str = SSE, headers: Headers = (), chunked: bool = True
) -> Script:
    """A response sent piece by piece. With ``chunked=False`` it has no framing: its end is the connection's."""
    more = headers.items() if isinstance(headers, Mapping) else headers
    framing = [("Transfer-Encoding", "chunked")] if chunked else []

    async def script(exchange: Exchange) -> None:
        await exchange.send(head(200, [("Content-Type", content_type), *framing, *more]))
        for piece in pieces:
            await _send(exchange, Raw(piece) if isinstance(piece, bytes) and not chunked else piece)
        if chunked and end in ("clean", "close"):
            await exchange.chunk(b"")
        await _finish(exchange, "close" if end == "clean" and not chunked else end)

    return script


def raw(*pieces: bytes | asyncio.Event | int | float, end: End = "cut") -> Script:
    """Exactly these bytes and nothing else; ``end`` "clean" leaves the connection open for another request."""

    async def script(exchange: Exchange) -> None:
        for piece in pieces:
            await _send(exchange, Raw(piece) if isinstance(piece, bytes) else piece)
        await _finish(exchange, end)

    return script


def drip(data: bytes, gap: float, end: End = "silence") -> Script:
    """Raw bytes one at a time, ``gap`` seconds apart."""
    pieces: list[bytes | float] = []
    for at in range(len(data)):
        pieces += [data[at : at + 1], gap]
    return raw(*pieces, end=end)


def silent() -> Script:
    """Never answer."""
    return raw(end="silence")


def in_turn(*scripts: Script) -> Script:
    """Each request gets the next script; one request too many is an error."""
    left = list(scripts)

    async def script(exchange: Exchange) -> None:
        assert left, f"a request too many: {exchange.request.method} {exchange.request.path}"
        await left.pop(0)(exchange)

    return script


def by_path(scripts: Mapping[str, Script]) -> Script:
    """The script of the request's path (without query); an unknown path gets a plain 404."""

    async def script(exchange: Exchange) -> None:
        path = exchange.request.path.partition("?")[0]
        await scripts.get(path, answer(b"not found", 404, content_type="text/plain"))(exchange)

    return script


async def _send(exchange: Exchange, piece: Piece) -> None:
    match piece:
        case Raw(data):
            await exchange.send(data)
        case bytes():
            await exchange.chunk(piece)
        case asyncio.Event():
            await piece.wait()
        case _:
            await asyncio.sleep(piece)


async def _finish(exchange: Exchange, end: End) -> None:
    match end:
        case "silence":
            await exchange.left()
        case "reset":
            await exchange.link.delivered()
            exchange.reset()
        case "cut" | "close":
            exchange.close()
        case "clean":
            return
