"""U24, U26, U28 to U30, U38: whole HTTP, and something in the body that must not be there."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.faults.kit import PIECES, ask, suffer, suffering
from tests.handlers.kit import CHAT, COMPLETION, WHOLE, access_lines, chunk, gateway
from tests.support.gateway import RunningGateway
from tests.support.loops import wait_until
from tests.support.peer import Exchange, Peer, Script
from tests.support.scripts import (
    answer,
    answer_json,
    head,
    ndjson,
    sse,
    stream,
)

NO_ANSWERS = {
    "login page": answer(b"<html>" + b"log in " * 1000 + b"</html>", content_type="text/html"),
    "error object": answer_json({"error": {"message": "no", "code": "sk-planted-0123456789"}}),
    "empty": answer(b""),
    "no choices": answer_json({"object": "list"}),
    "not UTF-8": answer(b'{"choices": ["\xff"]}'),
    "deep": answer(b"[" * 100_000),
}


@pytest.mark.parametrize("form", ["stream", "whole"])
@pytest.mark.parametrize("name", NO_ANSWERS)
async def test_u24_a_200_that_is_no_answer(form: str, name: str, tmp_path: Path) -> None:
    """502, and what stands in the page is not repeated at length."""
    async with suffering(tmp_path, NO_ANSWERS[name]) as (_, proxy):
        got = await ask(proxy, form)

    assert (got.status, got.json()["error"]["code"]) == (502, "upstream_error")
    assert len(got.json()["error"]["message"]) < 200


MALFORMED = {
    "bad JSON": b"data: {not json\n\n",
    "bad UTF-8": b'data: {"choices": "\xff"}\n\n',
    "lone surrogate": b'data: {"choices": [], "x": "\\ud800"}\n\n',
    "an array": b"data: []\n\n",
    "too deep": b"data: " + b"[" * 100_000 + b"\n\n",
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_u26_a_malformed_event(name: str, tmp_path: Path) -> None:
    """The error names the event's number; the events before it are intact."""
    met = await suffer(tmp_path, stream(*PIECES[:2], MALFORMED[name], PIECES[2]), "stream")

    met.broken_off("upstream_error")
    assert "event 3 " in met.answer.events()[-1]["error"]["message"]
    assert met.says("phase", "kind", "events") == ("body", "event", 2)


async def test_u26_foreign_fields_pass_untouched(tmp_path: Path) -> None:
    """What we do not know is relayed as the bytes that came, escapes, numbers and spacing included."""
    odd = b'data:  {"choices": [{"index":0,"delta":{"content":"\\ud83d\\ude00"},"x":1e-7}],  "vendor": {"a": [1, 2]}}\n\n'
    async with suffering(tmp_path, stream(odd, *PIECES)) as (_, proxy):
        got = await ask(proxy, "stream")

    assert got.complete
    assert got.body.startswith(odd)


@pytest.mark.parametrize("form", ["stream", "whole"])
async def test_u28_an_endless_line(form: str, tmp_path: Path) -> None:
    """An event beyond the cap is refused; the sender of a stream gets rid of a fraction of its 20 MB."""
    sent = 0

    async def endless(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.send(head(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"}))
        for piece in PIECES[:2]:
            await exchange.chunk(piece)
        while sent < 20 << 20:
            await exchange.chunk(b"y" * 65536)
            sent += 65536
        await exchange.chunk(b"")

    met = await suffer(tmp_path, endless, form)

    if form == "stream":
        met.broken_off("upstream_error")
        assert met.says("phase", "kind") == ("body", "event_too_large")
        assert sent < 20 << 20
    else:  # it is collected before it is judged, under the limit of whole answers
        met.refused(502, "upstream_error")


async def test_u29_a_burst(tmp_path: Path) -> None:
    """30,000 events in one burst arrive all, in order, in far fewer writes; another stream gets on meanwhile."""
    count = 30_000
    tokens = sse(*(chunk({"content": f"{n};"}) for n in range(count // 100)), done=False)
    burst = b"".join(b"%x\r\n%b\r\n" % (len(t), t) for t in tokens)
    other: list[bytes] = []

    async def pushing(exchange: Exchange) -> None:
        await exchange.send(head(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"}))
        for _ in range(100):
            await exchange.send(burst)
        await exchange.chunk(b"data: [DONE]\n\n")
        await exchange.chunk(b"")

    async with Peer(pushing) as peer, gateway(tmp_path, peer.url) as proxy:
        asked = asyncio.ensure_future(ask(proxy, "stream"))
        await wait_until(lambda: bool(proxy.service.gateway.running))
        while not asked.done() and len(other) < 3:
            other.append((await proxy.request("GET", "/ping")).body)
            assert len(other) > 1 or not asked.done(), "nothing else was served during the burst"
        got = await asked

    assert (got.complete, got.events()[-1]) == (True, "[DONE]")
    assert got.text() == "".join(f"{n};" for n in range(count // 100)) * 100
    assert len(got.pieces) < count / 10
    assert other


GZIP = {"Content-Encoding": "gzip"}
SSE_GZ = gzip.compress(b"".join(PIECES))
JSON_GZ = gzip.compress(json.dumps(COMPLETION).encode())
BOMB = gzip.compress(b" " * (32 << 20))
ENCODED: dict[str, tuple[Any, Script]] = {
    "stream": (CHAT, answer(SSE_GZ, headers=GZIP, content_type="text/event-stream")),
    "whole": (WHOLE, answer(JSON_GZ, headers=GZIP)),
    "bomb": (WHOLE, answer(BOMB, headers=GZIP)),
    "truncated": (WHOLE, answer(JSON_GZ[:-10], headers=GZIP)),
}


@pytest.mark.parametrize("name", ENCODED)
async def test_u30_compressed_although_it_must_not_be(name: str, tmp_path: Path) -> None:
    """Nothing is decompressed: a chat answer in gzip is a 502, and no Content-Encoding is passed on."""
    body, script = ENCODED[name]
    form = "stream" if body is CHAT else "whole"
    met = await suffer(tmp_path, script, form)

    met.refused(502, "upstream_error")
    assert met.says("phase", "kind") == ("body", "encoding")
    assert "content-encoding" not in met.answer.headers


@pytest.mark.parametrize("data", [JSON_GZ, JSON_GZ[:-10], BOMB], ids=["good", "truncated", "bomb"])
async def test_u30_passthrough_relays_it_raw(data: bytes, tmp_path: Path) -> None:
    """The bytes and their header are the caller's to read."""
    async with suffering(tmp_path, answer(data, headers=GZIP)) as (_, proxy):
        got = await ask(proxy, "passthrough")

    assert (got.status, got.body, got.headers["content-encoding"]) == (200, data, "gzip")


OLLAMA = [
    {"model": "up", "message": {"role": "assistant", "content": word}, "done": False} for word in ("one", "!")
]
OLLAMA_DONE = {
    "model": "up",
    "message": {"role": "assistant", "content": ""},
    "done": True,
    "done_reason": "stop",
}


@pytest.mark.parametrize("form", ["stream", "whole"])
async def test_u38_ollama(form: str, tmp_path: Path) -> None:
    """An error line in mid-answer breaks it off; a last line without its newline is an answer like any other."""
    body = CHAT if form == "stream" else WHOLE
    lines = {"error": ndjson(OLLAMA[0], {"error": "out of memory"}), "clean": ndjson(OLLAMA[0], OLLAMA_DONE)}
    lines["clean"][-1] = lines["clean"][-1].rstrip(b"\n")
    got = {}
    for name, pieces in lines.items():
        async with Peer(stream(*pieces, content_type="application/x-ndjson")) as peer:
            rows = {"ollama": {"defaults": {"api_host": peer.url}, "m": {"model": "up"}}}
            folder = tmp_path / name
            folder.mkdir()
            async with RunningGateway(folder, rows) as proxy:
                with access_lines() as logged:
                    got[name] = await proxy.request("POST", "/chat", body)
                    await wait_until(logged.copy)
        assert logged[0].get("code") == ("upstream_error" if name == "error" else None)

    assert (got["error"].status, got["error"].complete) == ((200, False) if form == "stream" else (502, True))
    assert got["clean"].complete
    assert "one" in got["clean"].body.decode()
