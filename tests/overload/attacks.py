"""The attackers: each says what it sends, and how. They run in a process of their own, ``python -m tests.overload.attacks
URL KIND SECONDS``, so that what they cost themselves is not taken for what they cost others; it prints what went each way."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from tests.support.hostile import CHAT, GEMINI, MESSAGES, OLLAMA, RESPONSES

#: ``ask``: one request after the other, each answer read. ``flood``: without a pause, whatever comes is read. ``unread``:
#: nothing is read. ``slow``: a little is read now and then. ``hold``: sent once, and then nothing. ``trickle``: byte by byte.
How = Literal["ask", "flood", "unread", "slow", "hold", "trickle"]

#: Bytes of the large text in a body, which compressed is a hundredth.
UNPACKED = 8_000_000


@dataclass(frozen=True, slots=True)
class Attack:
    """``data``: the bytes of one request, made when it begins; ``at_once``: how many connections."""

    data: Callable[[], bytes]
    how: How = "ask"
    at_once: int = 4


def post(path: str, body: bytes, *fields: bytes, length: int | None = None) -> bytes:
    """A request; ``length``: what it announces."""
    lines = [
        b"POST /api%b HTTP/1.1" % path.encode(),
        b"Host: localhost",
        b"Content-Type: application/json",
        b"Content-Length: %d" % (len(body) if length is None else length),
        *fields,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def get(path: str, *fields: bytes) -> bytes:
    """A request without a body."""
    return b"\r\n".join([b"GET %b HTTP/1.1" % path.encode(), b"Host: localhost", *fields]) + b"\r\n\r\n"


def chat(**more: Any) -> bytes:
    """A body that asks the model ``m``."""
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": False}
    return json.dumps({**body, **more}).encode()


def _wrong(count: int) -> bytes:
    return post("/chat", b'{"model":"m","messages":[' + b"0," * count + b"0]}")


def _names(model: str, count: int) -> bytes:
    return post("/chat", chat(**{f"k{n}": n for n in range(count)}, model=model))


def _chunks() -> bytes:
    head = b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"1\r\n \r\n" * 300_000 + b"0\r\n\r\n"


def _passthrough(**more: Any) -> bytes:
    return post("/passthrough", json.dumps({"provider": "up", "method": "GET", **more}).encode())


def _head() -> bytes:
    return get("/api/ping", *(b"X-%d: %b" % (n, b"y" * 300) for n in range(190)))


def _metadata(value: bytes, model: str = "m") -> bytes:
    """A chat that holds ``value``."""
    return post(
        "/chat", chat(model=model, metadata=0).replace(b'"metadata": 0', b'"metadata": {"a": ' + value + b"}")
    )


def _members(count: int) -> bytes:
    return b"{" + b",".join(b'"%x":1' % n for n in range(count)) + b"}"


def _pictures(*data: str) -> dict[str, Any]:
    parts = [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + one}} for one in data]
    return {"role": "user", "content": parts}


def _shape(path: str, body: dict[str, Any], **more: Any) -> bytes:
    return post(path, json.dumps({**body, **more}).encode())


def _rooted(path: str, body: dict[str, Any]) -> bytes:
    """One that is not below our own prefix."""
    return _shape(path, body).replace(b"POST /api", b"POST ", 1)


def _form() -> bytes:
    part = b'--b\r\nContent-Disposition: form-data; name="a%d"\r\n\r\nx\r\n'
    body = b"".join(part % n for n in range(20_000)) + b"--b--\r\n"
    found = post("/v1/audio/transcriptions", body)
    return found.replace(b"application/json", b"multipart/form-data; boundary=b", 1)


def _thrice(data: bytes) -> bytes:
    return gzip.compress(gzip.compress(gzip.compress(data)))


ATTACKS: dict[str, Attack] = {
    "wrong items, 60 KB": Attack(lambda: _wrong(30_000)),
    "wrong items, 0.5 MB": Attack(lambda: _wrong(250_000), at_once=2),
    "wrong fields": Attack(lambda: post("/chat", chat(tools=[{"a": n} for n in range(4000)]))),
    "unknown names, 49 KB": Attack(lambda: _names("claude", 4000)),
    "unknown names, 0.2 MB": Attack(lambda: _names("claude", 16_000), at_once=6),
    "duplicate keys": Attack(lambda: post("/chat", b'{"a":1,' * 1 + b'"b":1,' * 5000 + b'"a":2}')),
    "deep JSON": Attack(lambda: post("/chat", b'{"a":' + b"[" * 60_000)),
    "long path": Attack(lambda: _passthrough(path="/" + "a" * 1_000_000)),
    "many headers": Attack(lambda: _passthrough(path="/x", headers={f"h{n}": "v" for n in range(50_000)})),
    "many messages": Attack(
        lambda: post("/chat", chat(messages=[{"role": "user", "content": "x"}] * 30_000))
    ),
    "compressed": Attack(
        lambda: post("/chat", gzip.compress(chat(user="x" * UNPACKED)), b"Content-Encoding: gzip")
    ),
    "tiny chunks": Attack(_chunks, at_once=2),
    "pipeline": Attack(lambda: get("/api/ping") * 500, "flood", 1),
    "pipeline, large answers": Attack(lambda: get("/openapi.json") * 100, "flood", 1),
    "pipeline, unread": Attack(lambda: get("/openapi.json") * 20, "unread", 50),
    "slow readers": Attack(lambda: post("/chat", chat(model="large")), "slow", 20),
    "incomplete bodies": Attack(lambda: post("/chat", b" " * 2_000_000, length=30_000_000), "hold", 10),
    "slow senders": Attack(lambda: post("/chat", chat()), "trickle", 50),
    "slow heads": Attack(_head, "trickle", 50),
    "large heads": Attack(_head),
    "large bodies": Attack(lambda: post("/chat", chat(user="x" * UNPACKED)), at_once=4),
    "large answers": Attack(lambda: post("/chat", chat(model="large"))),
    "vectors": Attack(
        lambda: post("/v1/embeddings", json.dumps({"model": "m", "input": ["x"] * 500}).encode())
    ),
    "many connections": Attack(lambda: get("/api/ping"), "hold", 300),
    "no HTTP": Attack(lambda: b"\x00\xff" * 2000 + b"\r\n\r\n"),
    # What bodies may be made of, as dense as they may be.
    "numbers of 4,300 digits": Attack(
        lambda: _metadata(b"[" + b",".join([b"9" * 4300] * 2000) + b"]"), at_once=2
    ),
    "one number": Attack(lambda: _metadata(b"0." + b"5" * 8_000_000), at_once=2),
    "lists": Attack(lambda: _metadata(b"[" + b"[]," * 160_000 + b"0]"), at_once=2),
    "objects": Attack(lambda: _metadata(b"[" + b"{}," * 160_000 + b"0]"), at_once=2),
    "short names": Attack(lambda: _metadata(b"[" + b",".join([_members(16_000)] * 10) + b"]"), at_once=2),
    "members, in a burst": Attack(lambda: _metadata(_members(16_000)), at_once=20),
    "texts": Attack(
        lambda: _metadata(b"[" + b",".join([b'"' + b"x" * 400_000 + b'"'] * 40) + b"]"), at_once=2
    ),
    "escapes": Attack(
        lambda: _metadata(b"[" + b",".join([b'"' + b"\\n" * 200_000 + b'"'] * 40) + b"]"), at_once=2
    ),
    "surrogates": Attack(
        lambda: _metadata(b"[" + b",".join([b'"' + b"\\ud83d\\ude00" * 30_000 + b'"'] * 20) + b',"\\ud83d"]'),
        at_once=2,
    ),
    "no ASCII, a fault": Attack(
        lambda: _metadata(b"[" + b",".join([b'"' + "\U0001f600".encode() * 100_000 + b'"'] * 40) + b",]"),
        at_once=2,
    ),
    "white space": Attack(lambda: _metadata(b" " * 16_000_000 + b"0"), at_once=2),
    "deep lists": Attack(
        lambda: _metadata(b"[" + b",".join([b"[" * 120 + b"]" * 120] * 1300) + b"]"), at_once=2
    ),
    # Each face's many things.
    "pictures": Attack(lambda: post("/chat", chat(messages=[_pictures("A" * 6_000_000)])), at_once=2),
    "small pictures": Attack(
        lambda: post("/chat", chat(model="claude", messages=[_pictures(*["AAAA"] * 20_000)]))
    ),
    "tools": Attack(lambda: _shape("/chat", CHAT["tools"](4000), model="claude")),
    "a wide schema": Attack(lambda: _shape("/chat", CHAT["a wide schema"](15_000), model="gemini")),
    "calls of odd names": Attack(lambda: _shape("/chat", CHAT["calls of odd names"](4000), model="claude")),
    "messages of Anthropic": Attack(lambda: _rooted("/v1/messages", MESSAGES["uses"](10_000))),
    "items of Responses": Attack(lambda: _shape("/v1/responses", RESPONSES["calls"](10_000))),
    "wrong items of Responses": Attack(lambda: _shape("/v1/responses", RESPONSES["wrong items"](200_000))),
    "contents of Gemini": Attack(
        lambda: _rooted("/v1beta/models/m:generateContent", GEMINI["calls"](10_000))
    ),
    "pictures of Ollama": Attack(lambda: _shape("/ollama/api/chat", OLLAMA["images"](30_000))),
    "prompts": Attack(lambda: post("/v1/completions", chat(prompt=["x"] * 100_000)), at_once=2),
    "token ids": Attack(lambda: post("/v1/embeddings", chat(input=[*range(100_000)])), at_once=2),
    "a long model name": Attack(lambda: post("/chat", chat(model="m" * 8_000_000)), at_once=2),
    "many parameters": Attack(lambda: get("/api/ping?" + "&".join(f"a{n}=1" for n in range(8000)))),
    "many cookies": Attack(
        lambda: get("/api/status", b"Cookie: " + b"; ".join(b"a%d=1" % n for n in range(7000)))
    ),
    "many forwarded": Attack(lambda: get("/api/ping", b"X-Forwarded-For: " + b",".join([b"1.2.3.4"] * 7000))),
    "parts of a form": Attack(_form),
    "gzip members": Attack(
        lambda: post("/chat", gzip.compress(b" ") * 1000 + gzip.compress(chat()), b"Content-Encoding: gzip")
    ),
    "three codings": Attack(
        lambda: post("/chat", _thrice(chat(user="x" * UNPACKED)), b"Content-Encoding: gzip, gzip, gzip")
    ),
    # Bursts of which nothing is over before all of it has come: their upstream takes its time.
    "held members": Attack(
        lambda: _metadata(b"[" + b",".join([_members(16_000)] * 10) + b"]", "slow"), at_once=20
    ),
    "held lists": Attack(lambda: _metadata(b"[" + b"[]," * 160_000 + b"0]", "slow"), at_once=20),
    "held objects": Attack(lambda: _metadata(b"[" + b"{}," * 160_000 + b"0]", "slow"), at_once=20),
    "held messages": Attack(
        lambda: post("/chat", chat(model="slow", messages=[{"role": "user", "content": "x"}] * 30_000)),
        at_once=20,
    ),
    "held tools": Attack(lambda: _shape("/chat", CHAT["tools"](4000), model="slow"), at_once=20),
    "streamed, tools of Responses": Attack(
        lambda: _shape("/v1/responses", RESPONSES["tools"](4000), stream=True), "flood", 2
    ),
    "streamed, tools of Anthropic": Attack(
        lambda: _rooted("/v1/messages", {**MESSAGES["tools"](4000), "stream": True}), "flood", 2
    ),
    "explained": Attack(
        lambda: _shape("/explain", {"body": CHAT["tools"](1000), "path": "/chat"}), at_once=2
    ),
    "counted tokens": Attack(lambda: _rooted("/v1/messages/count_tokens", MESSAGES["uses"](5000)), at_once=2),
    "variables": Attack(
        lambda: _shape("/prompts/conversation/render", {"prompt_vars": {f"k{n}": "v" for n in range(16_000)}})
    ),
    # What upstreams answer.
    "answers of many calls": Attack(lambda: post("/chat", chat(model="calls")), at_once=2),
    "streams of many calls": Attack(lambda: post("/chat", chat(model="calls", stream=True)), "flood", 2),
}


@dataclass(slots=True)
class Attacker:
    """One of ``ATTACKS`` at work. ``sent``, ``got``: bytes; ``asked``: requests."""

    host: str
    port: int
    attack: Attack
    until: float
    sent: int = 0
    got: int = 0
    asked: int = 0

    async def run(self) -> None:
        """Until it is time."""
        data = self.attack.data()
        working = [asyncio.create_task(self._again(data)) for _ in range(self.attack.at_once)]
        await asyncio.wait(working, timeout=max(0.0, self.until - time.monotonic()))
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)

    async def _again(self, data: bytes) -> None:
        while time.monotonic() < self.until:
            with suppress(OSError, asyncio.IncompleteReadError, ValueError):
                reader, writer = await asyncio.open_connection(self.host, self.port, limit=1 << 20)
                try:
                    await self._one(data, reader, writer)
                finally:
                    writer.transport.abort()

    async def _one(self, data: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        how = self.attack.how
        if how == "trickle":
            for byte in data:
                await self._send(writer, bytes((byte,)))
                await asyncio.sleep(0.005)
            return
        await self._send(writer, data)
        if how == "ask":
            while True:
                await self._answer(reader)
                await self._send(writer, data)
        elif how == "hold":
            await asyncio.sleep(self.until)
        elif how == "slow":
            while self.got >= 0:
                self.got += len(await reader.read(1000))
                await asyncio.sleep(0.2)
        else:
            reading = asyncio.create_task(self._drain(reader)) if how == "flood" else None
            try:
                while not writer.is_closing():
                    await self._send(writer, data)
            finally:
                if reading is not None:
                    reading.cancel()

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        await writer.drain()
        self.sent += len(data)
        self.asked += 1

    async def _drain(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(1 << 16):
            self.got += len(data)

    async def _answer(self, reader: asyncio.StreamReader) -> None:
        """One answer with a length; anything else ends the connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        self.got += len(head)
        length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        while length:
            data = await reader.read(min(length, 1 << 16))
            if not data:
                raise OSError("cut")
            length -= len(data)
            self.got += len(data)


def main() -> None:
    """See the module."""
    url, kind, seconds = sys.argv[1:]
    parts = urlsplit(url)
    random.seed(kind)
    attacker = Attacker(
        parts.hostname or "", parts.port or 80, ATTACKS[kind], time.monotonic() + float(seconds)
    )
    asyncio.run(attacker.run())
    print(json.dumps({"sent": attacker.sent, "got": attacker.got, "asked": attacker.asked}))


if __name__ == "__main__":
    main()
