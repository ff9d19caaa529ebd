"""Reading HTTP/1.1 requests strictly: a peer must not forgive what a real server would refuse. Raises AssertionError."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

_REQUEST_LINE = re.compile(r"([A-Z]+) (/[!-~]*) HTTP/1\.1")
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*")


@dataclass(slots=True)
class Received:
    """One request as it arrived. ``raw`` is all of it; ``connection`` counts accepted connections from 0."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    connection: int
    raw: bytes = b""
    body: bytes = b""
    arrived: float = field(default_factory=time.monotonic)

    def header(self, name: str) -> str | None:
        """The value of a header; several are joined with a comma, None if there is none."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def parse_head(head: bytes) -> tuple[str, str, list[tuple[str, str]]]:
    """Method, target and header fields of a head that ends with its blank line."""
    first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    line = _REQUEST_LINE.fullmatch(first)
    assert line is not None, f"bad request line: {first!r}"
    headers = []
    for text in lines:
        matched = _FIELD.fullmatch(text)
        assert matched is not None, f"bad header line: {text!r}"
        headers.append((matched[1], matched[2]))
    hosts = [value for name, value in headers if name.lower() == "host"]
    assert len(hosts) == 1, f"one Host header is wanted: {hosts}"
    return line[1], line[2], headers


async def read_body(
    headers: list[tuple[str, str]], buffer: bytearray, more: Callable[[], Awaitable[None]]
) -> tuple[bytes, bytes]:
    """The body's raw bytes and the body itself, taken out of ``buffer``, which ``more()`` fills."""
    lengths = [value for name, value in headers if name.lower() == "content-length"]
    codings = [value for name, value in headers if name.lower() == "transfer-encoding"]
    assert len(lengths) + len(codings) <= 1, f"ambiguous framing: {lengths} {codings}"
    if codings:
        assert codings == ["chunked"], f"unknown coding: {codings}"
        return await _chunks(buffer, more)
    size = int(lengths[0]) if lengths else 0
    while len(buffer) < size:
        await more()
    body = bytes(buffer[:size])
    del buffer[:size]
    return body, body


async def _chunks(buffer: bytearray, more: Callable[[], Awaitable[None]]) -> tuple[bytes, bytes]:
    raw, body = bytearray(), bytearray()
    while True:
        while (end := buffer.find(b"\r\n")) < 0:
            await more()
        size = int(buffer[:end], 16)
        while len(buffer) < end + 2 + size + 2:
            await more()
        assert buffer[end + 2 + size : end + 4 + size] == b"\r\n", "a chunk does not end where it says"
        raw += buffer[: end + 4 + size]
        body += buffer[end + 2 : end + 2 + size]
        del buffer[: end + 4 + size]
        if size == 0:
            return bytes(raw), bytes(body)
